"""Rooms, microphones and noise: levels and slopes that the field's formulas promise."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.audio.acoustics import coloured_noise, engine_hum, hand_microphone, overdriven, statistical_room
from gateway.codec.level import active_level_db


def test_pauses_do_not_count_in_the_active_level() -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000).astype(np.float32)
    assert active_level_db(tone) == pytest.approx(-3.01, abs=0.02)
    assert active_level_db(np.concatenate([tone, np.zeros(64_000, np.float32)])) == pytest.approx(-3.01, abs=0.02)
    assert active_level_db(np.zeros(10, np.float32)) == -100.0


@pytest.mark.parametrize("slope", [-1.0, 0.0, 0.3])
def test_coloured_noise_falls_as_asked(slope: float) -> None:
    noise = coloured_noise(1 << 16, slope, np.random.default_rng(0))
    power = np.abs(np.fft.rfft(noise)) ** 2
    octave, next_octave = power[1024:2048].mean(), power[2048:4096].mean()
    assert 10 * np.log10(next_octave / octave) == pytest.approx(20 * slope * np.log10(2), abs=0.5)


def test_a_hum_has_its_overtones_alone() -> None:
    power = np.abs(np.fft.rfft(engine_hum(16_000, 100.0, np.random.default_rng(0)))) ** 2
    assert sorted(np.argsort(power)[-5:]) == [100, 200, 300, 400, 500]
    assert power[200] == pytest.approx(power[100] / 4, rel=0.01)


def test_a_room_decays_by_60_db() -> None:
    room = statistical_room(0.4, (-6.0, -6.0), np.random.default_rng(0))
    assert room[0] == 1.0
    assert not room[1:48].any()
    assert 10 * np.log10(np.sum(room[1:] ** 2)) == pytest.approx(-6, abs=0.01)
    first, last = (np.mean(room[a : a + 640] ** 2) for a in (48, 5760))
    assert 10 * np.log10(first / last) == pytest.approx(60 * (5760 - 48) / 6400, abs=2)


def test_a_hand_microphone_is_3_db_down_at_its_corners() -> None:
    response = hand_microphone(8001, 300.0, 3400.0)
    assert 20 * np.log10(response[[300, 3400]]) == pytest.approx([-3, -3], abs=0.2)
    assert response[1000] > 0.98


def test_peaks_are_cut_off_and_silence_stays_silent() -> None:
    pcm = np.random.default_rng(0).laplace(size=16_000).astype(np.float32) / 20
    driven = overdriven(pcm, 12.0)
    assert np.mean(driven**2) == pytest.approx(np.mean(pcm**2), rel=1e-3)
    assert np.mean(np.abs(driven) > 0.999 * np.abs(driven).max()) > 0.05
    assert not overdriven(np.zeros(100, np.float32), 12.0).any()
