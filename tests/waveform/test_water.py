"""The water against the sums it stands for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gateway.errors import ConfigError
from gateway.waveform.figures import SAMPLE_RATE_HZ
from gateway.waveform.responses import Responses, save_responses
from gateway.waveform.water import Water, _fold, _through, noise


def made_up(snapshots: int, taps: int, rate_hz: float = 8000.0, seed: int = 1) -> Responses:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(snapshots, taps)) + 1j * rng.normal(size=(snapshots, taps))
    return Responses(values, 50.0, rate_hz)


def stored(folder: Path, responses: Responses, name: str = "set.npz") -> Path:
    save_responses(folder / name, responses)
    return folder / name


def test_convolution_is_the_sum_over_taps_that_change() -> None:
    """y(t) = sum over k of h(t, k) x(t - k), h on the straight line between its snapshots."""
    record = made_up(6, 9)
    rng = np.random.default_rng(2)
    sent = rng.normal(size=400) + 1j * rng.normal(size=400)
    begin_s = 0.031
    expected = np.zeros(408, np.complex128)
    for n in range(408):
        place = (begin_s + n / 8000) * 50
        i, share = int(place), place - int(place)
        taps = (1 - share) * record.taps[i] + share * record.taps[i + 1]
        expected[n] = sum(taps[k] * sent[n - k] for k in range(9) if 0 <= n - k < 400)
    assert np.allclose(_through(sent, record, begin_s), expected, atol=1e-9)


def test_a_single_record_is_played_forth_and_back() -> None:
    assert _fold(np.array([0.0, 1.5, 3.0, 3.25, 5.0, 6.0, 7.0]), 4).tolist() == [0.0, 1.5, 3.0, 2.75, 1.0, 0.0, 1.0]
    assert _fold(np.array([0.0, 7.5]), 1).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("taps_rate_hz", [5000.0, 8000.0, 16_000.0])
def test_one_steady_echo_is_a_delay_and_a_gain(tmp_path: Path, taps_rate_hz: float) -> None:
    taps = np.zeros((3, 20), np.complex128)
    taps[:, 10] = 2.0 - 1.0j
    water = Water.of(stored(tmp_path, Responses(taps, 1.0, taps_rate_hz)))
    t = np.arange(1200) / SAMPLE_RATE_HZ
    shape = np.where(t < 0.1, np.sin(np.pi * np.clip(t / 0.1, 0, 1)) ** 2, 0.0)
    signal = shape * np.exp(2j * np.pi * 900 * t)
    found = water.carry(signal, 0.4)
    delayed = t - 10 / taps_rate_hz
    inside = np.sin(np.pi * np.clip(delayed / 0.1, 0, 1)) ** 2 * np.exp(2j * np.pi * 900 * delayed)
    gain = np.exp(1j * np.angle(2.0 - 1.0j))  # the set is scaled to a mean gain of 1
    assert np.abs(found[:1100] - gain * inside[:1100]).max() < 5e-3


def test_the_mean_gain_in_the_band_is_one(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    power = []
    for seed in range(5):
        water = Water.of(stored(tmp_path, made_up(1, 12, 16_000.0, seed), f"{seed}.npz"))
        spectrum = np.zeros(1024, np.complex128)
        spectrum[:512] = np.exp(2j * np.pi * rng.random(512))  # -2 to 2 kHz
        signal = np.fft.ifft(np.roll(spectrum, -256)) * 1024 / np.sqrt(512)
        power.append(np.mean(np.abs(water.carry(signal, 0.0)[50:1000]) ** 2))
    assert np.mean(power) == pytest.approx(1.0, rel=0.1)


def test_speed_of_the_set_and_ones_own_add_up(tmp_path: Path) -> None:
    taps = np.ones((2, 1), np.complex128)
    water = Water.of(stored(tmp_path, Responses(taps, 1.0, 8000.0, 12_000.0, 1.0)), speed_m_s=0.5)
    found = water.carry(np.ones(4000, np.complex128), 0.0)[500:3500]
    turning_hz = np.angle(np.sum(found[1:] * found[:-1].conj())) / (2 * np.pi) * SAMPLE_RATE_HZ
    assert turning_hz == pytest.approx(12.0, abs=0.05)


def test_records_of_a_folder_follow_each_other(tmp_path: Path) -> None:
    files = []
    for i in range(3):
        taps = np.zeros((3, 4), np.complex128)
        taps[:, 0] = np.exp(2j * np.pi * i / 3)
        files.append(stored(tmp_path, Responses(taps, 1.0, 8000.0), f"{i}.npz"))
    water = Water(files)
    assert water.duration_s == 6.0
    signal = np.ones(100, np.complex128)
    for begin_s, turn in ((0.5, 0), (2.5, 1), (5.0, 2), (6.1, 0), (8.0, 1)):
        found = water.carry(signal, begin_s)[50]
        assert np.angle(found * np.exp(-2j * np.pi * turn / 3)) == pytest.approx(0.0, abs=1e-3)


def test_still_water_changes_nothing() -> None:
    signal = np.arange(10) + 1j
    assert np.array_equal(Water().carry(signal, 5.0), signal)
    assert Water().duration_s == 0.0


def test_a_set_too_coarse_for_the_band_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="4000 taps a second; needed: 4400 or more"):
        Water.of(stored(tmp_path, made_up(2, 2, 4000.0)))


def test_noise_within_the_band_is_as_loud_as_asked() -> None:
    spectrum = np.abs(np.fft.fft(noise(200_000, 6.0, np.random.default_rng(4)))) ** 2 / 200_000**2
    inside = np.abs(np.fft.fftfreq(200_000, 1 / SAMPLE_RATE_HZ)) < 2000
    assert 10 * np.log10(spectrum[inside].sum()) == pytest.approx(-6.0, abs=0.1)
