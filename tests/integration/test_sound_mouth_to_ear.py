"""Speech into a virtual microphone, out of the far station's virtual speaker: how late, and are the words there?

Sound cards, stations and channel are real programs. A busy machine disturbs overs, which are then said again, and makes
them later, never sooner: the least delay is held against the least budget (gateway.tools.mouth_to_ear says why).
"""

from __future__ import annotations

import numpy as np
import pytest

from gateway.audio.base import SAMPLE_RATE_HZ
from gateway.audio.files import read_audio
from gateway.samples import sample_path
from gateway.tools.bench_sound import words_lost
from gateway.tools.mouth_to_ear import (
    UNDISTURBED,
    Over,
    SoundOptions,
    SoundResult,
    heard_budget_ms,
    lag,
    sound_bench,
)
from tests.integration.peers import require_program

WITHIN_MS = 20.0
WHOLE_S, SHORT_S = 8, 3
FEWEST, MOST, TRIES = 5, 12, 20
"""Overs: undisturbed ones in any case, undisturbed ones while the machine makes all of them late, said in all."""


def result_of(overs: list[Over]) -> SoundResult:
    return SoundResult(tuple(overs), {}, {}, {}, 0.0, 0.0)


def is_settled(overs: list[Over]) -> bool:
    """Whether more overs would change nothing: a later least delay can only be less."""
    return len(overs) >= FEWEST and (result_of(overs).excess_ms <= WITHIN_MS or len(overs) >= MOST)


def talk(preset: str) -> SoundResult:
    """Undisturbed overs; the first is a whole sample, for its words."""
    pcm = read_audio(sample_path())
    overs: list[Over] = []
    with sound_bench(SoundOptions(preset)) as bench:
        for _ in range(TRIES):
            over = bench.say(pcm[: (SHORT_S if overs else WHOLE_S) * SAMPLE_RATE_HZ])
            if over.likeness >= UNDISTURBED:
                overs.append(over)
            if is_settled(overs):
                break
        return bench.ended(overs)


@pytest.mark.parametrize("preset", ["leo-iridium", "acoustic-1km"])
def test_delay_is_what_the_station_computes_and_the_words_arrive(preset: str) -> None:
    require_program("pulseaudio", "pulseaudio libasound2-plugins")
    result = talk(preset)
    if result.excess_ms > WITHIN_MS:
        # Streams opened on a busy machine were once seen to be a block later in every over: open them anew.
        result = talk(preset)
    assert len(result.overs) >= FEWEST, "is this machine too busy for sound?"
    assert abs(result.excess_ms) <= WITHIN_MS, [(over.delay_ms, over.computed_ms) for over in result.overs]
    parts = [value for name, value in result.budget.items() if name != "total_ms"]
    assert result.budget["total_ms"] == pytest.approx(sum(parts), abs=0.1)
    said: list[str] = []
    pcm = read_audio(sample_path())[: WHOLE_S * SAMPLE_RATE_HZ]
    lost = words_lost(pcm, [result.overs[0].heard], said.append)
    assert lost is not None, said
    through_everything, codec_alone = lost
    assert through_everything <= codec_alone + 20


def test_a_listener_who_learnt_to_wait_longer_hears_later() -> None:
    talker = {"air_ms": 440.0, "cushion_ms": 200.0, "total_ms": 2200.0}
    assert heard_budget_ms(talker, 200.0) == 2200.0
    assert heard_budget_ms(talker, 280.0) == 2280.0


SILENCE = np.zeros(0, np.float32)


def overs_at(delays_ms: list[float], computed_ms: float) -> list[Over]:
    return [Over(delay_ms, 0.9, SILENCE, computed_ms) for delay_ms in delays_ms]


def test_a_wrong_budget_is_found_and_a_busy_machine_is_waited_for() -> None:
    quiet, busy = [2220.0, 2200.0, 2221.0, 2200.0, 2220.0], [2223.0, 2245.0, 2222.0, 2260.0, 2223.0]
    assert is_settled(overs_at(quiet, 2200.0))
    assert not is_settled(overs_at(quiet[:4], 2200.0)), "too few"
    assert not is_settled(overs_at(busy, 2200.0))
    assert is_settled(overs_at([*busy, 2203.0], 2200.0))
    assert result_of(overs_at([*busy, 2203.0], 2200.0)).excess_ms == 3.0
    too_low, too_high = overs_at(quiet, 2175.0), overs_at(quiet, 2225.0)
    assert not is_settled(too_low)
    assert result_of(3 * too_low).excess_ms == 25.0
    assert is_settled(3 * too_low)
    assert result_of(too_high).excess_ms == -25.0
    assert is_settled(too_high)


def test_lag_finds_what_was_shifted() -> None:
    pcm = read_audio(sample_path())[: 4 * SAMPLE_RATE_HZ]
    later = np.concatenate([np.zeros(int(1.234 * SAMPLE_RATE_HZ), np.float32), pcm])
    assert lag(pcm, later, 0.0)[0] == pytest.approx(1.234, abs=0.01)
    assert lag(pcm, later, 0.0)[1] > UNDISTURBED
    assert lag(pcm, later, -0.5)[0] == pytest.approx(0.734, abs=0.01)
    noise = np.random.default_rng(1).standard_normal(len(later)).astype(np.float32) * 0.05
    assert lag(pcm, noise, 0.0)[1] < 0.5
