"""Speech into a virtual microphone, out of the far station's virtual speaker: how late, and are the words there?

Sound cards, stations and channel are real programs; a busy machine disturbs overs, which are then said again.
"""

from __future__ import annotations

import numpy as np
import pytest

from gateway.audio.base import SAMPLE_RATE_HZ
from gateway.audio.files import read_audio
from gateway.samples import sample_path
from gateway.tools.bench_sound import UNDISTURBED, Over, SoundOptions, SoundResult, lag, sound_bench, words_lost
from tests.integration.peers import require_program

WITHIN_MS = 20.0
MOST_MS = 150.0
"""What a busy machine may add to an over; `clarilink bench --sound` measures by WITHIN_MS."""
TRIES = 6


def talk(preset: str) -> SoundResult:
    """Overs until one is not disturbed and as late as the talker's station computes; the last undisturbed ones."""
    pcm = read_audio(sample_path())[: 8 * SAMPLE_RATE_HZ]
    overs: list[Over] = []
    with sound_bench(SoundOptions(preset)) as bench:
        for _ in range(TRIES):
            over = bench.say(pcm)
            if over.likeness >= UNDISTURBED:
                overs.append(over)
                if abs(over.delay_ms - over.computed_ms) <= WITHIN_MS:
                    break
        return bench.ended(sorted(overs, key=lambda one: abs(one.delay_ms - one.computed_ms))[:1])


@pytest.mark.parametrize("preset", ["leo-iridium", "acoustic-1km"])
def test_delay_is_what_the_station_computes_and_the_words_arrive(preset: str) -> None:
    require_program("pulseaudio", "pulseaudio libasound2-plugins")
    result = talk(preset)
    (over,) = result.overs
    assert abs(over.delay_ms - over.computed_ms) <= MOST_MS
    parts = [value for name, value in result.budget.items() if name != "total_ms"]
    assert result.budget["total_ms"] == pytest.approx(sum(parts), abs=0.1)
    said: list[str] = []
    lost = words_lost(
        read_audio(sample_path())[: 8 * SAMPLE_RATE_HZ], [over.heard for over in result.overs], said.append
    )
    assert lost is not None, said
    through_everything, codec_alone = lost
    assert through_everything <= codec_alone + 20


def test_lag_finds_what_was_shifted() -> None:
    pcm = read_audio(sample_path())[: 4 * SAMPLE_RATE_HZ]
    later = np.concatenate([np.zeros(int(1.234 * SAMPLE_RATE_HZ), np.float32), pcm])
    assert lag(pcm, later, 0.0)[0] == pytest.approx(1.234, abs=0.01)
    assert lag(pcm, later, 0.0)[1] > UNDISTURBED
    assert lag(pcm, later, -0.5)[0] == pytest.approx(0.734, abs=0.01)
    noise = np.random.default_rng(1).standard_normal(len(later)).astype(np.float32) * 0.05
    assert lag(pcm, noise, 0.0)[1] < 0.5
