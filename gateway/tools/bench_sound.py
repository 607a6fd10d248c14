"""`clarilink bench --sound`: how long speech takes from mouth to ear, against the budget that the station shows, what a
recogniser makes of it, and minutes of talk.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray

from gateway.audio.base import SAMPLE_RATE_HZ
from gateway.audio.denoise import available, denoise
from gateway.audio.files import read_audio
from gateway.codec import Codec
from gateway.samples import sample_path
from gateway.tools.mouth_to_ear import UNDISTURBED, SoundOptions, sound_bench
from gateway.tools.virtual_sound import CLOCK

OVERS, TRIES = 5, 12
SAMPLE_S = 8.0
PRESETS = ("leo-iridium", "acoustic-1km")


def sound_figures(minutes: float, say: Callable[[str], None]) -> dict[str, float]:
    """Delays for each of `PRESETS`, then `minutes` of talk; progress goes to `say`."""
    torch.set_num_threads(1)
    pcm = read_audio(sample_path())[: int(SAMPLE_S * SAMPLE_RATE_HZ)]
    figures: dict[str, float] = {}
    for preset in PRESETS:
        with sound_bench(SoundOptions(preset)) as bench:
            result = bench.ended(bench.say_until(pcm, OVERS, TRIES))
        say(f"{preset}: " + ", ".join(f"{over.delay_ms:.0f}" for over in result.overs) + " ms")
        name = preset.replace("-", "_")
        figures[f"{name}_measured_ms"] = round(result.measured_ms, 1)
        figures[f"{name}_computed_ms"] = round(result.computed_ms, 1)
        figures[f"{name}_channel_late_ms"] = result.channel_late_ms
        figures[f"{name}_channel_ms"] = result.channel_ms
        figures[f"{name}_xruns"] = result.xruns
        heard = words_lost(pcm, [over.heard for over in result.overs], say)
        if heard is not None:
            figures[f"{name}_words_lost_percent"], figures["loopback_words_lost_percent"] = heard
    if minutes:
        figures |= _endurance(minutes, pcm, say)
    return figures


def _endurance(minutes: float, pcm: NDArray[np.float32], say: Callable[[str], None]) -> dict[str, float]:
    """Alpha talks, over after over, both stations play and record all the while."""
    until_s = CLOCK.now() + 60 * minutes
    loads, overs = [os.getloadavg()[0]], []
    with sound_bench(SoundOptions()) as bench:
        while CLOCK.now() < until_s:
            overs.append(bench.say(pcm))
            loads.append(os.getloadavg()[0])
        result = bench.ended(overs)
    say(f"{len(overs)} overs in {minutes:g} minutes, load average {min(loads):.1f} to {max(loads):.1f}")
    return {
        "endurance_minutes": minutes,
        "endurance_xruns": result.xruns,
        "endurance_overs": len(overs),
        "endurance_disturbed": sum(over.likeness < UNDISTURBED for over in overs),
        "endurance_load": round(median(loads), 1),
    }


def words_lost(
    pcm: NDArray[np.float32], heard: list[NDArray[np.float32]], say: Callable[[str], None]
) -> tuple[float, float] | None:
    """Words of `pcm` that a recogniser misses, in percent: in what was `heard` (the median), and after the codec alone.
    None without a recogniser."""
    from gateway.errors import EvaluationError
    from gateway.evaluation.asr import load_recogniser
    from gateway.evaluation.wer import normalise, word_errors

    try:
        recogniser = load_recogniser("tiny.en", threads=1)
    except EvaluationError as error:
        say(f"no words counted: {error}")
        return None
    codec = Codec.load()
    reference = normalise(recogniser.transcribe(pcm))

    def lost(sound: NDArray[np.float32]) -> float:
        errors = word_errors(reference, normalise(recogniser.transcribe(sound)))
        return round(100 * errors / len(reference.split()), 1)

    return median(map(lost, heard)), lost(codec.decode(codec.encode(denoise(pcm) if available() else pcm)))
