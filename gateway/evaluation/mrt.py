"""ABC-MRT16: the land-mobile-radio field's own objective rhyme test, on the recordings of NTIA/ITS.

Rule: the algorithm is the institute's package (extra `mrt`); its 1200 recordings are not ours to ship, the user brings
them (48 kHz WAV, names like F1_b12_w3_orig.wav).
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from gateway.audio.files import read_audio
from gateway.errors import EvaluationError
from gateway.evaluation.systems import System

MRT_RATE, CODEC_RATE = 48_000, 16_000


def rhyme_test(folder: Path, systems: dict[str, System], count: int) -> Iterator[tuple[str, float]]:
    """Success rate corrected for guessing, 0..1, of every system over the first `count` recordings in the order that
    comes closest to the whole test. Raises EvaluationError: no package, no recordings."""
    abcmrt = _package()
    found = {number: path for path in sorted(folder.rglob("*.wav")) if (number := abcmrt.file2number(str(path)))}
    numbers = [int(n) for n in abcmrt.file_order() if int(n) in found][:count]
    if not numbers:
        raise EvaluationError(f"{folder}: no recordings of the rhyme test (names like F1_b12_w3_orig.wav)")
    # The gateway's reader resamples: the codecs' 16 kHz in, the test's 48 kHz out.
    spoken = [read_audio(found[number]) for number in numbers]
    for name, system in systems.items():
        heard = [_up(system(i, pcm)) for i, pcm in enumerate(spoken)]
        yield name, float(abcmrt.process(heard, numbers)[0])


def _up(pcm: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(soxr.resample(pcm, CODEC_RATE, MRT_RATE, quality="VHQ"), dtype=np.float64)


def _package() -> Any:
    if importlib.util.find_spec("abcmrt") is None:
        raise EvaluationError("abcmrt16 is not installed; install clarilink[mrt] (356 MB)")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports a part of NumPy that is on its way out
        import abcmrt

    return abcmrt
