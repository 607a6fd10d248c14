"""`clarilink evaluate`: one table of systems on the same clips in one run.

Rule: every figure of a row comes from the same decoded audio; what a system could not do is a note, not a zero.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, astuple, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gateway.audio.files import write_wav
from gateway.channel.impairments import ChannelSpec
from gateway.channel.spec_file import load_channel
from gateway.codec import Codec
from gateway.evaluation import codec2
from gateway.evaluation.asr import EvaluationError, Recogniser, normalise, word_errors
from gateway.evaluation.cache import RememberingRecogniser
from gateway.evaluation.speech import Clip, load_clips, speech_folder
from gateway.loopback import LoopbackOptions, run_loopback

SAMPLE_RATE = 16_000
BOOTSTRAP_ROUNDS = 1000
LONGEST_SHIFT = 1600
"""Samples by which a system may lag and still be aligned for STOI: 100 ms."""

SYSTEMS = ("original", "8khz", *(f"codec2-{mode}" for mode in codec2.MODES), "ours-300", "ours-150")
"""Every system that can be asked for, ours through channels aside."""

OURS = "ours-300"

T = TypeVar("T")
System = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """What to compare on what. `channels` are names or files of channels that ours is sent through at 300 bit/s."""

    speech: Path | None = None
    subset: str = "cv-native"
    clips: int = 100
    seed: int = 1
    systems: tuple[str, ...] = ("original", "8khz", "codec2-3200", "codec2-1300", "codec2-700C", "ours-300", "ours-150")
    channels: tuple[str, ...] = ()
    asr: tuple[str, ...] = ("base", "tiny.en")
    stoi: bool = True
    weights: Path | None = None
    out: Path | None = None
    threads: int = 2


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % bootstrap interval over speakers."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Row:
    """One system, by recogniser: dWER (against its text of the original) and WER (against the transcript).

    `behind` is this system's dWER less that of ours at 300 bit/s, clip by clip: the interval of the difference is much
    narrower than the two figures' own, for a clip that is hard for one is hard for the other.
    """

    system: str
    dwer: dict[str, Interval]
    wer: dict[str, Interval]
    stoi: Interval | None
    behind: dict[str, Interval] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """The table, what it was measured on, and notes."""

    subset: str
    clips: int
    speakers: int
    seconds: float
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = field(default_factory=tuple)


def run_evaluation(options: EvaluateOptions) -> EvaluationReport:
    """Decode, recognise, score; progress on standard error, files under `options.out` if given.

    What was recognised is remembered there too, so that a second run hears only what changed.
    """
    clips = load_clips(speech_folder(options.speech), options.subset, options.clips, options.seed)
    notes: list[str] = []
    systems = _systems(options, notes)
    recognisers = [
        Recogniser(name, options.threads)
        if options.out is None
        else RememberingRecogniser(name, options.out, options.threads)
        for name in options.asr
    ]
    references = {
        r.name: [normalise(r.transcribe(c.pcm, c.lang), c.lang) for c in _progress(clips, f"original, {r.name}")]
        for r in recognisers
    }
    transcripts = [normalise(clip.text, clip.lang) for clip in clips]
    rows: list[Row] = []
    errors: dict[tuple[str, str], NDArray[np.float64]] = {}
    for name, system in systems.items():
        decoded = [system(clip.pcm) for clip in _progress(clips, name)]
        if options.out is not None:
            _write_audio(options.out / "audio" / name, clips, decoded)
        dwer, wer = {}, {}
        for recogniser in recognisers:
            reference = references[recogniser.name]
            heard = reference
            if name != "original":
                pairs = zip(clips, decoded, strict=True)
                heard = [
                    normalise(recogniser.transcribe(pcm, clip.lang), clip.lang)
                    for clip, pcm in _progress(list(pairs), f"{name}, {recogniser.name}")
                ]
                dwer[recogniser.name] = _share(clips, reference, heard)
                errors[name, recogniser.name] = _errors(reference, heard)
            wer[recogniser.name] = _share(clips, transcripts, heard)
        stoi = _stoi(clips, decoded) if options.stoi and name != "original" else None
        rows.append(Row(name, dwer, wer, stoi))
    rows = [replace(row, behind=_behind(clips, row.system, references, errors)) for row in rows]
    report = EvaluationReport(
        options.subset,
        len(clips),
        len({clip.speaker for clip in clips}),
        round(sum(len(clip.pcm) for clip in clips) / SAMPLE_RATE, 1),
        tuple(rows),
        tuple(notes),
    )
    if options.out is not None:
        _write_files(options.out, report)
    return report


class _Ours:
    """Ours without a channel, at 300 bit/s or with stage 1 alone at 150."""

    def __init__(self, codec: Codec, stages: int) -> None:
        self._codec, self._stages = codec, stages

    def __call__(self, pcm: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._codec.decode(self._codec.encode(pcm), stages=self._stages)[: len(pcm)]


class _OursThrough:
    """Ours at 300 bit/s through a channel, another seed for each clip."""

    def __init__(self, codec: Codec, spec: ChannelSpec) -> None:
        self._codec, self._spec = codec, spec
        self._seed = 0

    def __call__(self, pcm: NDArray[np.float32]) -> NDArray[np.float32]:
        self._seed += 1
        return run_loopback(self._codec, pcm, self._spec, LoopbackOptions(seed=self._seed)).heard


def _systems(options: EvaluateOptions, notes: list[str]) -> dict[str, System]:
    systems: dict[str, System] = {}
    codec: Codec | None = None

    def ours() -> Codec:
        nonlocal codec
        codec = codec or Codec.load(options.weights)
        return codec

    for name in options.systems:
        if name == "original":
            systems[name] = lambda pcm: pcm
        elif name == "8khz":
            systems[name] = codec2.telephone_band
        elif name.startswith("codec2-"):
            mode = name.removeprefix("codec2-")
            if not codec2.available():
                notes.append(f"{name} skipped: c2enc and c2dec are not installed (Debian package codec2)")
                continue
            systems[name] = partial(codec2.through_codec2, mode=mode)
        elif name in ("ours-300", "ours-150"):
            systems[name] = _Ours(ours(), 2 if name == "ours-300" else 1)
        else:
            raise EvaluationError(f"system {name!r} is not known; there are {', '.join(SYSTEMS)}")
    for channel in options.channels:
        spec = load_channel(channel)
        systems[f"ours through {spec.name}"] = _OursThrough(ours(), spec)
    return systems


def _share(clips: list[Clip], reference: list[str], heard: list[str]) -> Interval:
    """Word errors over words, with speakers resampled; clips without reference words count only their false words."""
    return _interval(clips, _errors(reference, heard), _words(reference))


def _errors(reference: list[str], heard: list[str]) -> NDArray[np.float64]:
    return np.array([word_errors(r, h) for r, h in zip(reference, heard, strict=True)], dtype=np.float64)


def _words(reference: list[str]) -> NDArray[np.float64]:
    return np.array([len(r.split()) for r in reference], dtype=np.float64)


def _behind(
    clips: list[Clip],
    system: str,
    references: dict[str, list[str]],
    errors: dict[tuple[str, str], NDArray[np.float64]],
) -> dict[str, Interval]:
    """By recogniser: how many more words `system` loses than ours at 300 bit/s; empty where that was not asked for."""
    return {
        name: _interval(clips, errors[system, name] - errors[OURS, name], _words(reference))
        for name, reference in references.items()
        if system != OURS and (system, name) in errors and (OURS, name) in errors
    }


def _interval(clips: list[Clip], amounts: NDArray[np.float64], sizes: NDArray[np.float64]) -> Interval:
    """Sum of `amounts` over sum of `sizes`, both (clips,); the interval from drawing speakers with replacement."""
    speakers = sorted({clip.speaker for clip in clips})
    member = np.array([speakers.index(clip.speaker) for clip in clips])
    by_amount = np.bincount(member, amounts, len(speakers))
    by_size = np.bincount(member, sizes, len(speakers))
    draws = np.random.default_rng(0).integers(0, len(speakers), (BOOTSTRAP_ROUNDS, len(speakers)))
    ratios = by_amount[draws].sum(1) / np.maximum(1, by_size[draws].sum(1))
    low, high = np.quantile(ratios, [0.025, 0.975])
    return Interval(float(amounts.sum() / max(1.0, sizes.sum())), float(low), float(high))


def _stoi(clips: list[Clip], decoded: list[NDArray[np.float32]]) -> Interval:
    import warnings

    from pystoi import stoi

    scores = []
    for clip, pcm in zip(clips, decoded, strict=True):
        original, aligned = align(clip.pcm, pcm)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pystoi warns about clips shorter than 0.4 s of speech
            scores.append(float(stoi(original, aligned, SAMPLE_RATE)))
    return _interval(clips, np.array(scores), np.ones(len(scores)))


def lag_samples(original: NDArray[np.float32], decoded: NDArray[np.float32]) -> int:
    """By how much `decoded` lags, judged by the envelopes (a vocoder keeps no waveform), within 100 ms."""
    window = np.hanning(161)
    a, b = (np.convolve(np.abs(x), window, "same") for x in (original, decoded))
    size = 1 << int(np.ceil(np.log2(len(a) + len(b))))
    correlation = np.fft.irfft(np.fft.rfft(b - b.mean(), size) * np.conj(np.fft.rfft(a - a.mean(), size)), size)
    shifts = np.concatenate([np.arange(0, LONGEST_SHIFT), np.arange(-LONGEST_SHIFT, 0)])
    return int(shifts[np.argmax(correlation[shifts])])


def align(
    original: NDArray[np.float32], decoded: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cut both to where they overlap once the lag is taken out."""
    shift = lag_samples(original, decoded)
    start, moved = (0, decoded[shift:]) if shift >= 0 else (-shift, decoded)
    length = min(len(original) - start, len(moved))
    return original[start : start + length], moved[:length]


def table(report: EvaluationReport) -> str:
    """The report for people."""
    names = list(report.rows[0].wer) if report.rows else []
    head = (
        f"{'system':<26}" + "".join(f"{f'dWER {n}':>22}" for n in names) + "".join(f"{f'WER {n}':>14}" for n in names)
    )
    lines = [
        f"{report.subset}: {report.clips} dev clips, {report.speakers} speakers, {report.seconds:.0f} s; "
        "ASR word error rates in %, 95 % intervals by speaker",
        head + f"{'STOI':>22}",
    ]
    for row in report.rows:
        cells = f"{row.system:<26}"
        for name in names:
            d = row.dwer.get(name)
            shown = "-" if d is None else f"{100 * d.value:.1f} ({100 * d.low:.1f}..{100 * d.high:.1f})"
            cells += f"{shown:>22}"
        cells += "".join(f"{100 * row.wer[name].value:>14.1f}" for name in names)
        stoi = "-" if row.stoi is None else f"{row.stoi.value:.3f} ({row.stoi.low:.3f}..{row.stoi.high:.3f})"
        lines.append(f"{cells}{stoi:>22}")
    for row in report.rows:
        for name, d in row.behind.items():
            lines.append(
                f"{row.system} less {OURS}, dWER {name}: {100 * d.value:+.1f} ({100 * d.low:+.1f}..{100 * d.high:+.1f})"
            )
    return "\n".join([*lines, *(f"note: {note}" for note in report.notes)])


def _progress(items: list[T], what: str) -> Iterator[T]:
    for i, item in enumerate(items, 1):
        if sys.stderr.isatty() or i == len(items):
            sys.stderr.write(f"\r{what}: {i}/{len(items)}" + ("\n" if i == len(items) else ""))
            sys.stderr.flush()
        yield item


def _write_audio(folder: Path, clips: list[Clip], decoded: list[NDArray[np.float32]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for clip, pcm in zip(clips, decoded, strict=True):
        write_wav(folder / f"{clip.id.replace('/', '_')}.wav", [pcm])


def _write_files(out: Path, report: EvaluationReport) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.json").write_text(json.dumps(asdict(report), indent=2) + "\n")
    with (out / "report.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        names = list(report.rows[0].wer) if report.rows else []
        figures = [*(f"{figure}_{n}" for figure in ("dwer", "behind", "wer") for n in names), "stoi"]
        writer.writerow(["system", *(f"{f}{part}" for f in figures for part in ("", "_low", "_high"))])
        for row in report.rows:
            cells: list[str] = []
            by_name = [*(row.dwer.get(n) for n in names), *(row.behind.get(n) for n in names)]
            for interval in (*by_name, *(row.wer[n] for n in names), row.stoi):
                cells += ["", "", ""] if interval is None else [f"{x:.4f}" for x in astuple(interval)]
            writer.writerow([row.system, *cells])
