"""Level control: any talker ends near the common level, causally, without pumping up pauses."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.codec.level import CEILING, TARGET_LEVEL_DB, LevelState, control_level


def run(pcm: np.ndarray) -> np.ndarray:
    state = LevelState()
    parts = []
    for frame in pcm[: len(pcm) // 1280 * 1280].reshape(-1, 1280):
        out, state = control_level(frame.astype(np.float32), state)
        parts.append(out)
    return np.concatenate(parts)


def talk(level_db: float, seconds: float = 4.0) -> np.ndarray:
    rng = np.random.default_rng(1)
    return (rng.standard_normal(int(16_000 * seconds)) * 10 ** (level_db / 20)).astype(np.float32)


def level_db(pcm: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(pcm.astype(np.float64) ** 2) + 1e-12))


@pytest.mark.parametrize("given", [-50.0, -40.0, -26.0, -15.0])
def test_steady_talkers_reach_the_target(given: float) -> None:
    assert level_db(run(talk(given))[-16_000:]) == pytest.approx(TARGET_LEVEL_DB, abs=1.0)


def test_pauses_are_not_raised() -> None:
    pcm = np.concatenate([talk(-26), talk(-60), talk(-26)])
    out = run(pcm)
    assert level_db(out[80_000:110_000]) < -55
    assert level_db(out[-16_000:]) == pytest.approx(TARGET_LEVEL_DB, abs=1.0)


def test_silence_stays_silent_and_full_scale_stays_in_range() -> None:
    assert not run(np.zeros(16_000, np.float32)).any()
    assert np.abs(run(np.sign(talk(-10)))).max() <= CEILING + 1e-3


def test_a_shout_after_noise_is_caught_within_one_frame() -> None:
    out = run(np.concatenate([talk(-60), talk(-12)]))
    assert np.abs(out).max() <= 1.0
    assert level_db(out[64_000 + 1280 : 64_000 + 5120]) < TARGET_LEVEL_DB + 3
