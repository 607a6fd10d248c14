"""How decoded speech sounds, by the field's own measures: STOI, PESQ and DNSMOS, and phones, each by a library.

Rule: the original and the decoded clip are aligned first; a clip that a measure refuses is left out and counted.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gateway.errors import EvaluationError

Pcm = NDArray[np.float32]
SAMPLE_RATE = 16_000
LONGEST_SHIFT = 1600
"""Samples by which a system may lag and still be aligned: 100 ms."""

TOO_SHORT_FOR_STOI = 1e-5
"""What pystoi gives for a clip with less than 0.4 s of speech."""

NATS = "nats"
"""Judged by recognisers (nats.py), not here."""
MEASURES = ("stoi", "pesq", "dnsmos", "phones")


def measure(name: str) -> Callable[[Pcm, Pcm], float | None]:
    """A function of (original, decoded), aligned, to a figure, or None for a clip that cannot be judged.

    Raises EvaluationError where its package is not installed.
    """
    if name not in MEASURES:
        raise EvaluationError(f"measure {name!r} is not known; there are {', '.join((*MEASURES, NATS))}")
    package = {"stoi": "pystoi", "pesq": "pesq", "dnsmos": "speechmos", "phones": "pocketsphinx"}[name]
    if importlib.util.find_spec(package) is None:
        extra = "pesq" if name == "pesq" else "evaluate"
        raise EvaluationError(f"{package} is not installed; install clarilink[{extra}]")
    return {"stoi": _stoi, "pesq": _pesq, "dnsmos": _dnsmos, "phones": _phones}[name]


def _stoi(original: Pcm, decoded: Pcm) -> float | None:
    """Short-time objective intelligibility, 0..1 (Taal et al. 2011)."""
    from pystoi import stoi

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of what TOO_SHORT_FOR_STOI tells
        score = float(stoi(original, decoded, SAMPLE_RATE))
    return None if score == TOO_SHORT_FOR_STOI else score


def _pesq(original: Pcm, decoded: Pcm) -> float | None:
    """Wide-band PESQ, 1.04..4.64 (ITU-T P.862.2)."""
    from pesq import PesqError, pesq

    if not (np.any(original) and np.any(decoded)):
        return None  # the library divides by the loudest sample
    try:
        return float(pesq(SAMPLE_RATE, original, decoded, "wb"))
    except PesqError:  # it finds no utterance
        return None


def _dnsmos(_original: Pcm, decoded: Pcm) -> float | None:
    """Overall quality of DNSMOS P.835, 1..5, without a reference (Reddy et al. 2022).

    The package's models are run by onnxruntime directly: its own module asks for librosa, with a hundred megabytes
    behind it, for a second model that this does not use. Windows and polynomial are those of the package.
    """
    if not len(decoded):
        return None
    window = int(9.01 * SAMPLE_RATE)
    repeated = np.tile(decoded, -(-window // len(decoded))) if len(decoded) < window else decoded
    session = _dnsmos_session()
    scores = []
    for start in range(0, len(repeated) - window + 1, SAMPLE_RATE):
        segment = repeated[start : start + window].astype(np.float32)[None]
        overall = float(session.run(None, {"input_1": segment})[0][0][2])  # type: ignore[attr-defined]
        scores.append(np.polyval([-0.06766283, 1.11546468, 0.04602535], overall))
    return float(np.mean(scores))


@lru_cache
def _dnsmos_session() -> object:
    import onnxruntime

    spec = importlib.util.find_spec("speechmos")
    if spec is None or spec.origin is None:
        raise EvaluationError("speechmos is not installed; install clarilink[evaluate]")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    model = Path(spec.origin).parent / "dnsmos_models" / "sig_bak_ovr.onnx"
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def _phones(original: Pcm, decoded: Pcm) -> float | None:
    """Phone error rate against the original's phones, 0..1, by PocketSphinx without words.

    A recogniser of another kind than Whisper (Gaussian mixtures, no network): what only pleases Whisper shows here.
    """
    wanted = _phone_string(original) if np.any(original) else []
    if not wanted:
        return None
    return min(1.0, _distance(wanted, _phone_string(decoded)) / len(wanted))


def _phone_string(pcm: Pcm) -> list[str]:
    decoder = _phone_decoder()
    decoder.reinit_feat()  # type: ignore[attr-defined] # its estimate of the noise would go on from the clip before
    decoder.start_utt()  # type: ignore[attr-defined]
    decoder.process_raw((np.clip(pcm, -1, 1) * 32767).astype("<i2").tobytes(), full_utt=True)  # type: ignore[attr-defined]
    decoder.end_utt()  # type: ignore[attr-defined]
    return [s.word for s in decoder.seg() or () if s.word not in _NO_PHONES]  # type: ignore[attr-defined]


_NO_PHONES = ("SIL", "+NSN+", "+SPN+", "(NULL)")


@lru_cache
def _phone_decoder() -> object:
    import pocketsphinx

    folder = Path(pocketsphinx.get_model_path()) / "en-us"
    return pocketsphinx.Decoder(
        hmm=str(folder / "en-us"),
        allphone=str(folder / "en-us-phone.lm.bin"),
        lw=2.0,
        beam=1e-20,
        pbeam=1e-20,
        loglevel="FATAL",
    )


def _distance(wanted: list[str], got: list[str]) -> int:
    """Levenshtein's."""
    row = list(range(len(got) + 1))
    for i, phone in enumerate(wanted, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(got, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (phone != other))
    return row[-1]


def lag_samples(original: Pcm, decoded: Pcm) -> int:
    """By how much `decoded` lags, judged by the envelopes (a vocoder keeps no waveform), within 100 ms."""
    window = np.hanning(161)
    a, b = (np.convolve(np.abs(x), window, "same") for x in (original, decoded))
    size = 1 << int(np.ceil(np.log2(len(a) + len(b))))
    correlation = np.fft.irfft(np.fft.rfft(b - b.mean(), size) * np.conj(np.fft.rfft(a - a.mean(), size)), size)
    shifts = np.concatenate([np.arange(0, LONGEST_SHIFT), np.arange(-LONGEST_SHIFT, 0)])
    return int(shifts[np.argmax(correlation[shifts])])


def align(original: Pcm, decoded: Pcm) -> tuple[Pcm, Pcm]:
    """Cut both to where they overlap once the lag is taken out."""
    shift = lag_samples(original, decoded)
    start, moved = (0, decoded[shift:]) if shift >= 0 else (-shift, decoded)
    length = min(len(original) - start, len(moved))
    return original[start : start + length], moved[:length]
