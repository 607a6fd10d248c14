"""`clarilink evaluate`: one table of systems on the same clips in one run."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from gateway.evaluation.asr import RECOGNISERS, hears
from gateway.evaluation.conditions import (
    CLEAN,
    Condition,
    band,
    made_up_noise,
    noise,
    noise_recordings,
    overdrive,
    reverb,
)
from gateway.evaluation.judges import Judges
from gateway.evaluation.pictures import draw
from gateway.evaluation.quality import MEASURES
from gateway.evaluation.report import EvaluationReport, write_report
from gateway.evaluation.scores import read_scores
from gateway.evaluation.speech import load_clips, speech_folder
from gateway.evaluation.systems import build_damaged, build_protected, build_systems
from gateway.tools.bench import run_bench

SAMPLE_RATE = 16_000


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """What to compare on what.

    `channels` are names or files of channels that ours is sent through at 300 bit/s, `bit_errors` shares of bits
    flipped in it, `protected` pairs of a channel and a protection; all with clean input, and with
    the encoder's search where `search`. `noise_db`, `reverb_s`, `bands` and `overdrive_db` are conditions of the input
    that all `systems` are given besides the clean one. `noise` is a folder of recordings, by default the one beside the
    speech. `against` is the `out` of an earlier run whose rows of the same name these are compared with, clip by clip.
    """

    speech: Path | None = None
    subset: str = "cv-native"
    clips: int = 100
    seed: int = 1
    systems: tuple[str, ...] = (
        "original",
        "8khz",
        "codec2-3200",
        "codec2-1300",
        "codec2-700C",
        "ours-300",
        "ours-300-search",
        "ours-150",
    )
    channels: tuple[str, ...] = ()
    bit_errors: tuple[float, ...] = ()
    search: bool = False
    protected: tuple[tuple[str, str], ...] = ()
    noise_db: tuple[float, ...] = ()
    reverb_s: tuple[float, ...] = ()
    bands: tuple[str, ...] = ()
    overdrive_db: tuple[float, ...] = ()
    noise: Path | None = None
    asr: tuple[str, ...] = RECOGNISERS
    measures: tuple[str, ...] = MEASURES
    speed: bool = True
    weights: Path | None = None
    out: Path | None = None
    against: Path | None = None
    threads: int = 2


def run_evaluation(options: EvaluateOptions) -> EvaluationReport:
    """Decode, recognise, score; progress on standard error, files under `options.out` if given.

    What was recognised is remembered there too, so that a second run hears only what changed.
    """
    folder = speech_folder(options.speech)
    earlier = None if options.against is None else read_scores(options.against)
    notes: list[str] = []
    unknown: set[str] = set()

    def known(lang: str) -> bool:
        if options.asr and not any(hears(name, lang) for name in options.asr):
            unknown.add(lang)
        return lang not in unknown

    clips = load_clips(folder, options.subset, options.clips, options.seed, known)
    if unknown:
        notes.append(f"clips in {', '.join(sorted(unknown))} left out: no recogniser asked for knows the language")
    systems = build_systems(options.systems, options.weights, notes)
    damaged = build_damaged(options.channels, options.bit_errors, options.weights, options.search)
    damaged |= build_protected(options.protected, options.weights, options.search)
    judges = Judges(clips, options.asr, options.measures, options.out, options.threads, notes)
    rows = [judges.row(name, system, CLEAN) for name, system in chain(systems.items(), damaged.items())]
    for condition in _conditions(options, folder, notes):
        # No codec is asked to do better than the telephone band under a condition: that row would say little.
        rows += [judges.row(name, system, condition) for name, system in systems.items() if name != "8khz"]
    report = EvaluationReport(
        options.subset,
        len(clips),
        len({clip.speaker for clip in clips}),
        round(sum(len(clip.pcm) for clip in clips) / SAMPLE_RATE, 1),
        tuple(judges.with_differences(rows, earlier)),
        run_bench(options.weights, repeats=1).as_dict() if options.speed else {},
        tuple(notes),
    )
    if options.out is not None:
        write_report(options.out, report)
        judges.scores.write(options.out)
        draw(options.out, report)
    return report


def _conditions(options: EvaluateOptions, speech: Path, notes: list[str]) -> list[Condition]:
    conditions = [*map(band, options.bands), *map(reverb, options.reverb_s), *map(overdrive, options.overdrive_db)]
    if options.noise_db:
        beside = speech.parent / "noise"
        if options.noise is None and not (beside / "manifest.tsv").is_file():
            notes.append(f"noise is made up (wind, hiss, engines): there are no recordings in {beside}")
            recordings = made_up_noise()
        else:
            recordings = noise_recordings(options.noise or beside)
        conditions += [noise(snr, recordings) for snr in options.noise_db]
    return conditions
