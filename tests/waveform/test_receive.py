"""The modem against theory, and the receiver against what is not a packet."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.waveform import theory
from gateway.waveform.figures import (
    BANDWIDTH_HZ,
    CHIRP_SAMPLES,
    FIRST_SYMBOL,
    GAP_SAMPLES,
    SAMPLE_RATE_HZ,
    SYMBOL_SAMPLES,
    Coding,
    airtime_s,
    packet_samples,
)
from gateway.waveform.receive import Heard, Missed, receive
from gateway.waveform.transmit import from_sound, modulate, to_sound
from gateway.waveform.trial import Plan, Row, Tally, passages
from gateway.waveform.water import SOUND_M_S, Water, noise

STILL = Water()
DATA = bytes(range(34))


def counted(plan: Plan, snr_db: float, water: Water = STILL) -> Row:
    tally = Tally(plan, snr_db)
    for passage in passages(water, plan, snr_db):
        tally.add(passage)
    return tally.row()


def within(signal: np.ndarray, rng: np.random.Generator, snr_db: float, before: int = 300) -> np.ndarray:
    padded = np.concatenate([np.zeros(before), signal, np.zeros(300)])
    return padded + noise(len(padded), snr_db, rng)


@pytest.mark.parametrize("snr_db", [3.0, 5.0, 7.0])
def test_uncoded_bit_errors_are_those_of_theory_within_half_a_decibel(snr_db: float) -> None:
    """Preamble, timing, Doppler and all: 48 bytes fill three symbols exactly, so that no bit is sent twice."""
    row = counted(Plan(48, Coding.NONE, packets=150), snr_db)
    assert row.missed == 0
    as_if_db = 10 * math.log10(-math.log(2 * row.ber))  # the SNR at which theory has as many errors
    assert abs(as_if_db - snr_db) < 0.5
    assert abs(row.measured_snr_db - snr_db) < 0.6


def test_coded_bit_errors_lie_within_half_a_decibel_of_the_bound() -> None:
    row = counted(Plan(34, Coding.CONVOLUTIONAL, packets=200), 2.5)
    assert row.bit_errors > 10
    assert theory.bit_error_rate(3.0, Coding.CONVOLUTIONAL) < row.ber < theory.bit_error_rate(2.0, Coding.CONVOLUTIONAL)


def test_soft_bits_are_as_sure_as_they_are_right() -> None:
    sure = wrong = 0.0
    rng = np.random.default_rng(5)
    for _ in range(60):
        data = rng.bytes(48)
        heard = receive(within(modulate(data, Coding.NONE), rng, 5.0), Coding.NONE)
        assert isinstance(heard, Heard)
        ones = np.array(heard.one_probability())
        sure += float(np.minimum(ones, 1 - ones).sum())
        wrong += (int.from_bytes(data) ^ int.from_bytes(heard.data)).bit_count()
    assert 0.7 < sure / wrong < 1.5


@pytest.mark.parametrize("speed_m_s", [-8.0, -2.5, 0.0, 0.7, 3.0, 9.0])
@pytest.mark.parametrize("coding", Coding)
def test_doppler_is_measured_and_taken_out(speed_m_s: float, coding: Coding) -> None:
    rng = np.random.default_rng(3)
    signal = Water(speed_m_s=speed_m_s).carry(modulate(DATA, coding), 0.0)
    heard = receive(within(signal, rng, 14.0), coding)
    assert isinstance(heard, Heard)
    assert heard.data == DATA
    assert heard.doppler_hz == pytest.approx(12_000 * speed_m_s / SOUND_M_S, abs=0.3)
    assert heard.snr_db == pytest.approx(14.0, abs=1.0)


@pytest.mark.parametrize("n_bytes", [1, 2, 16, 63, 255])
@pytest.mark.parametrize("coding", Coding)
def test_any_length_wherever_it_begins(n_bytes: int, coding: Coding) -> None:
    rng = np.random.default_rng(n_bytes)
    data = rng.bytes(n_bytes)
    for before in (0, 1, 777):
        heard = receive(within(modulate(data, coding), rng, 20.0, before), coding)
        assert isinstance(heard, Heard)
        assert heard.data == data
        assert abs(heard.start - before) <= 96


def test_echoes_within_the_guard_cost_little() -> None:
    rng = np.random.default_rng(4)
    echoes = np.zeros(88, np.complex128)
    echoes[[0, 20, 41, 87]] = [0.5, 0.7j, -0.4, 0.3]
    signal = np.convolve(modulate(DATA, Coding.CONVOLUTIONAL), echoes)
    heard = receive(within(signal, rng, 10.0), Coding.CONVOLUTIONAL)
    assert isinstance(heard, Heard)
    assert heard.data == DATA


def test_noise_is_no_packet() -> None:
    rng = np.random.default_rng(6)
    found = [receive(noise(6000, 0.0, rng), Coding.CONVOLUTIONAL) for _ in range(100)]
    assert all(isinstance(each, Missed) for each in found)
    assert sum(each is Missed.NO_PREAMBLE for each in found) > 80


def test_a_packet_that_breaks_off_is_missed() -> None:
    signal = modulate(bytes(200), Coding.NONE)
    rng = np.random.default_rng(7)
    cut = signal[: FIRST_SYMBOL + 3 * SYMBOL_SAMPLES]
    assert receive(cut + noise(len(cut), 20.0, rng), Coding.NONE) is Missed.CUT_SHORT
    assert receive(signal[: 2 * CHIRP_SAMPLES], Coding.NONE) is Missed.NO_PREAMBLE
    chirps = np.concatenate([signal[:FIRST_SYMBOL], np.zeros(4000)])
    assert receive(chirps + noise(len(chirps), 20.0, rng), Coding.NONE) is Missed.BAD_HEADER


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=9000), st.sampled_from(Coding))
def test_any_signal_is_answered(raw: bytes, coding: Coding) -> None:
    samples = np.frombuffer(raw[: len(raw) // 2 * 2], np.int8).astype(np.float64)
    found = receive(samples[::2] + 1j * samples[1::2], coding)
    assert isinstance(found, Heard | Missed)


@pytest.mark.parametrize("value", [0.0, 1.0, np.nan, np.inf])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_stuck_and_broken_signals_are_answered(value: float) -> None:
    assert isinstance(receive(np.full(5000, value, np.complex128), Coding.NONE), Missed)


def test_a_signal_has_the_power_length_and_band_that_are_documented() -> None:
    signal = modulate(DATA, Coding.CONVOLUTIONAL)
    assert len(signal) == packet_samples(34, Coding.CONVOLUTIONAL) == 3168
    assert airtime_s(34, Coding.CONVOLUTIONAL) == pytest.approx(0.396)
    body = signal[FIRST_SYMBOL:-GAP_SAMPLES]
    assert np.mean(np.abs(body) ** 2) == pytest.approx(1.0, abs=0.05)
    assert np.mean(np.abs(signal[: 2 * CHIRP_SAMPLES]) ** 2) == pytest.approx(1.0, abs=0.01)
    spectrum = np.abs(np.fft.fft(signal)) ** 2
    frequency = np.abs(np.fft.fftfreq(len(signal), 1 / SAMPLE_RATE_HZ))
    assert spectrum[frequency < 0.55 * BANDWIDTH_HZ].sum() / spectrum.sum() > 0.98


@pytest.mark.parametrize("data", [b"", bytes(256)])
def test_what_does_not_fit_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="needed: 1 to 255"):
        modulate(data, Coding.NONE)


@pytest.mark.parametrize("rate_hz", [32_000, 44_100, 48_000, 96_000])
def test_through_sound_and_back(rate_hz: int) -> None:
    signal = np.concatenate([np.zeros(300), modulate(DATA, Coding.NONE), np.zeros(300)])
    sound = to_sound(signal, rate_hz)
    assert sound.dtype == np.float32
    assert np.mean(sound**2) == pytest.approx(np.mean(np.abs(signal) ** 2), rel=0.02)
    heard = receive(from_sound(sound, rate_hz), Coding.NONE)
    assert isinstance(heard, Heard)
    assert heard.data == DATA
    assert heard.snr_db > 20
