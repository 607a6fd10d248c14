"""Modem curves against figures of the books and against counting."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gateway.channel.modem_curve import Gives, ModemCurve, Modulation, bit_error_rate


def snr(value_db: float) -> np.ndarray:
    return np.array([10 ** (value_db / 10)])


@pytest.mark.parametrize(
    ("modulation", "snr_db", "expected"),
    [
        # The usual points at 1e-5 of Proakis, figure 5.2-4 and 5.4-2: Eb/N0 9.6, 10.3, 13.35, 12.6 dB.
        (Modulation.BPSK, 9.59, 1e-5),
        (Modulation.QPSK, 9.59 + 3.01, 1e-5),  # Es/N0 of two bits a symbol
        (Modulation.DPSK, 10.34, 1e-5),
        (Modulation.FSK, 13.35, 1e-5),
        (Modulation.COHERENT_FSK, 12.60, 1e-5),
    ],
)
def test_the_points_that_books_give(modulation: Modulation, snr_db: float, expected: float) -> None:
    assert bit_error_rate(modulation, snr(snr_db))[0] == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("modulation", list(Modulation))
def test_curves_fall_from_a_half(modulation: Modulation) -> None:
    rates = bit_error_rate(modulation, 10 ** (np.linspace(-60, 20, 200) / 10))
    assert rates[0] == pytest.approx(0.5, abs=0.01)
    assert np.all(np.diff(rates) < 0)


def test_bits_counted_through_a_simulated_receiver() -> None:
    """BPSK and non-coherent FSK with noise added, 2e5 bits each."""
    rng = np.random.default_rng(1)
    power = 10**0.4
    noise = (rng.standard_normal((2, 200_000)) + 1j * rng.standard_normal((2, 200_000))) / math.sqrt(2)
    bpsk = np.mean((math.sqrt(power) + noise[0]).real < 0)
    fsk = np.mean(np.abs(noise[1]) > np.abs(math.sqrt(power) + noise[0]))
    assert bpsk == pytest.approx(bit_error_rate(Modulation.BPSK, np.array([power]))[0], rel=0.05)
    assert fsk == pytest.approx(bit_error_rate(Modulation.FSK, np.array([power]))[0], rel=0.03)


def test_a_packet_is_lost_with_any_wrong_bit() -> None:
    curve = ModemCurve(Modulation.FSK)
    parts = np.array([12.0, 9.0])
    wrong = curve.bit_errors(parts)
    loss, rate = curve.outcome(parts, 10)
    assert loss == pytest.approx(1 - (1 - wrong[0]) ** 40 * (1 - wrong[1]) ** 40)
    assert rate == 0


def test_gains_shift_the_curve() -> None:
    plain = ModemCurve().outcome(np.array([9.0]), 22)
    assert ModemCurve(coding_gain_db=3.0).outcome(np.array([6.0]), 22) == pytest.approx(plain)
    assert ModemCurve(processing_gain_db=4.0).outcome(np.array([5.0]), 22) == pytest.approx(plain)


def test_golay_words_put_errors_right() -> None:
    """(24, 12, 3) at 1 % of bits wrong: a word fails with 8.6e-5 (4 or more of 24)."""
    curve = ModemCurve(Modulation.DPSK, word_bits=24, word_data_bits=12, word_corrects=3)
    at_1_percent_db = 10 * math.log10(-math.log(2 * 0.01))
    word = sum(math.comb(24, i) * 0.01**i * 0.99 ** (24 - i) for i in range(4, 25))
    assert curve.outcome(np.array([at_1_percent_db]), 3)[0] == pytest.approx(1 - (1 - word) ** 2, rel=1e-6)
    assert curve.outcome(np.array([-40.0]), 3)[0] == pytest.approx(1, abs=1e-3)


def test_a_modem_may_hand_out_wrong_bits_and_miss_packets() -> None:
    curve = ModemCurve(gives=Gives.BITS, sync_db=0.0)
    loss, rate = curve.outcome(np.array([3.0, 6.0]), 22)
    assert loss == 0
    assert rate == pytest.approx(float(curve.bit_errors(np.array([3.0, 6.0])).mean()))
    assert curve.outcome(np.array([-1.0]), 22) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("figures", "message"),
    [
        ({"coding_gain_db": 31}, "coding_gain_db: got 31"),
        ({"word_bits": 24}, "word_data_bits: got 0"),
        ({"word_bits": 24, "word_data_bits": 12, "word_corrects": 13}, "word_corrects: got 13"),
        ({"word_corrects": 1}, "word_bits: missing"),
        ({"word_bits": 8, "word_data_bits": 4, "gives": Gives.BITS}, "word_bits: a block code"),
        ({"sync_db": float("nan")}, "sync_db: got nan"),
    ],
)
def test_figures_that_make_no_sense(figures: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ModemCurve(**figures)  # type: ignore[arg-type]
