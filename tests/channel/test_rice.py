"""The Rice model through the seam: mean SNR, distribution, loss by the modem curve."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gateway.channel.modem_curve import Gives, ModemCurve, Modulation
from gateway.channel.rice import RiceModel


def test_snr_follows_its_theory() -> None:
    model = RiceModel(snr_db=10.0, rice_db=5.0, doppler_hz=30.0)
    found = []
    for seed in range(40):
        path = model.start(np.random.default_rng(seed), 7.0)
        found += [path.conditions(1, 7.0 + 2.0 * i, 7.0 + 2.0 * i).snr_db for i in range(50)]
    assert stats.kstest(found, model.snr_cdf).pvalue > 0.01
    assert 10 * np.log10(np.mean(10 ** (np.array(found, float) / 10))) == pytest.approx(10.0, abs=0.2)


def test_mean_bit_error_rate_of_fsk_in_rayleigh_fading() -> None:
    """1 / (2 + snr) for non-coherent FSK (Proakis 14.3)."""
    model = RiceModel(snr_db=15.0, doppler_hz=50.0, modem=ModemCurve(Modulation.FSK, Gives.BITS))
    rates = []
    for seed in range(100):
        path = model.start(np.random.default_rng(seed), 0.0)
        rates += [path.conditions(22, float(i), i + 0.1).bit_error_rate for i in range(50)]
    assert np.mean(rates) == pytest.approx(1 / (2 + 10**1.5), rel=0.05)
    assert model.damages_bits
    assert not RiceModel().damages_bits


def test_a_slow_fade_takes_whole_packets_a_fast_one_a_bit_of_each() -> None:
    def losses(doppler_hz: float) -> np.ndarray:
        found = []
        for seed in range(30):
            path = RiceModel(snr_db=12.0, doppler_hz=doppler_hz).start(np.random.default_rng(seed), 0.0)
            found += [path.conditions(22, 20.0 * i, 20.0 * i + 0.2).loss for i in range(20)]
        return np.array(found)

    slow, fast = losses(0.1), losses(100.0)
    assert np.mean((slow > 0.02) & (slow < 0.98)) < 0.25
    assert np.mean(fast > 0.3) > 0.9  # some part of every packet is in a fade
    assert np.mean(slow) < 0.6 * np.mean(fast)


def test_figures_out_of_range() -> None:
    with pytest.raises(ValueError, match="doppler_hz: got -1"):
        RiceModel(doppler_hz=-1)
    with pytest.raises(ValueError, match="rice_db: got 100"):
        RiceModel(rice_db=100)
