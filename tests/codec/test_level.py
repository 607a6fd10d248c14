"""Level control: any talker ends near the common level, causally, without raising what is no speech."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.codec.level import CEILING, TARGET_LEVEL_DB, LevelState, TalkerLevel, active_level_db, control_level

FRAME = 1280


def run(pcm: np.ndarray, state: LevelState | None = None) -> tuple[np.ndarray, LevelState]:
    state = LevelState() if state is None else state
    parts = []
    for frame in pcm[: len(pcm) // FRAME * FRAME].reshape(-1, FRAME):
        out, state = control_level(frame.astype(np.float32), state)
        parts.append(out)
    return np.concatenate(parts), state


def noise(level_db: float, seconds: float = 4.0, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(int(16_000 * seconds)) * 10 ** (level_db / 20)).astype(np.float32)


def talk(level_db: float, seconds: float = 4.0) -> np.ndarray:
    """Made-up speech: four syllables a second, 40 dB deep, at an active level."""
    pcm = noise(level_db, seconds)
    syllables = np.sin(2 * np.pi * 2 * np.arange(len(pcm)) / 16_000) ** 2
    shaped = pcm * (0.01 + syllables).astype(np.float32)
    return np.asarray(shaped * np.float32(10 ** ((level_db - active_level_db(shaped)) / 20)))


def level_db(pcm: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(pcm.astype(np.float64) ** 2) + 1e-12))


@pytest.mark.parametrize("given", [-50.0, -40.0, -26.0, -15.0])
def test_talkers_reach_the_target(given: float) -> None:
    out, state = run(talk(given))
    assert active_level_db(out[-32_000:]) == pytest.approx(TARGET_LEVEL_DB, abs=2.5)
    assert state.level_db == pytest.approx(given, abs=2.5)


@pytest.mark.parametrize("given", [-50.0, -40.0, -26.0, -15.0])
def test_a_talker_whose_level_is_known_is_at_the_target_at_once(given: float) -> None:
    out, _ = run(talk(given), LevelState.expecting(given))
    assert active_level_db(out[:16_000]) == pytest.approx(TARGET_LEVEL_DB, abs=2.5)


def test_a_quiet_talker_is_raised_within_half_a_second() -> None:
    out, _ = run(talk(-50))
    assert active_level_db(out[8_000:24_000]) == pytest.approx(TARGET_LEVEL_DB, abs=3)


@pytest.mark.parametrize("given", [-60.0, -50.0, -35.0])
@pytest.mark.parametrize("expected", [None, -26.0])
def test_a_room_before_the_first_word_is_not_raised(given: float, expected: float | None) -> None:
    out, state = run(noise(given), LevelState.expecting(expected))
    assert level_db(out) == pytest.approx(given, abs=1)
    assert state.level_db == expected


@pytest.mark.parametrize("expected", [None, -26.0])
def test_nor_is_it_after_a_sound_card_that_gave_nothing_at_first(expected: float | None) -> None:
    pcm = np.concatenate([np.zeros(8_000, np.float32), noise(-55)])
    out, state = run(pcm, LevelState.expecting(expected))
    assert level_db(out[8_000:]) == pytest.approx(-55, abs=1)
    assert state.level_db == expected


def test_pauses_are_not_raised() -> None:
    out, _ = run(np.concatenate([talk(-26), noise(-60), talk(-26)]))
    assert level_db(out[80_000:110_000]) < -55
    assert active_level_db(out[-32_000:]) == pytest.approx(TARGET_LEVEL_DB, abs=2)


def test_one_click_is_not_speech() -> None:
    room = noise(-75)
    room[16_000:16_400] += noise(-50, 0.025)
    out, state = run(room)
    assert state.level_db is None
    assert np.array_equal(out, room[: len(out)])


def test_who_falls_quiet_for_good_is_raised_and_who_falls_quiet_for_a_word_is_not() -> None:
    loud = talk(-26)
    word, _ = run(np.concatenate([loud, talk(-52, 0.5), loud]))
    assert level_db(word[64_000:72_000]) < -45
    other, _ = run(np.concatenate([loud, talk(-52, 8.0)]))
    assert active_level_db(other[-32_000:]) == pytest.approx(TARGET_LEVEL_DB, abs=3)


def test_silence_stays_silent_and_full_scale_stays_in_range() -> None:
    silent, state = run(np.zeros(16_000, np.float32))
    assert not silent.any()
    assert state.level_db is None
    assert LevelState.expecting(active_level_db(silent)) == LevelState()
    assert np.abs(run(np.sign(talk(-10)))[0]).max() <= CEILING + 1e-3


def test_a_shout_after_noise_is_caught_within_one_frame() -> None:
    out, _ = run(np.concatenate([noise(-60), noise(-12)]), LevelState.expecting(-50.0))
    assert np.abs(out).max() <= 1.0
    assert level_db(out[64_000 + FRAME : 64_000 + 4 * FRAME]) < TARGET_LEVEL_DB + 3


def test_the_talker_is_remembered_until_another_one_speaks() -> None:
    talker = TalkerLevel()
    for level, known in ((None, None), (-30.0, -30.0), (None, -30.0), (-52.0, -52.0)):
        talker.learn(level)
        assert talker.level_db == known


def test_active_level_does_not_depend_on_pauses() -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000).astype(np.float32)
    assert active_level_db(tone) == pytest.approx(-3.01, abs=0.02)
    assert active_level_db(np.concatenate([tone, np.zeros(64_000, np.float32)])) == pytest.approx(-3.01, abs=0.02)
    assert active_level_db(np.zeros(10, np.float32)) == -100.0
