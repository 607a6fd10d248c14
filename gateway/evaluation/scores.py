"""Figures clip by clip, so that two systems, or this run and an earlier one, are compared on the same clips.

Rule: what is compared is paired by clip: a clip that is hard for one is hard for the other, and the interval of the
difference is much narrower than the two figures' own.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gateway.errors import EvaluationError
from gateway.evaluation.report import Interval, interval

FILE_NAME = "clips.csv"
COLUMNS = ("system", "condition", "figure", "clip", "speaker", "amount", "size")


@dataclass(frozen=True, slots=True)
class Score:
    """Of one clip: a figure is the sum of amounts over the sum of sizes, as words lost over words said."""

    clip: str
    speaker: str
    amount: float
    size: float


@dataclass(frozen=True, slots=True)
class Key:
    """Which figure: by what system, under what condition ('' is clean), and its name, such as "dwer base"."""

    system: str
    condition: str
    figure: str


class Scores:
    """Of one run."""

    def __init__(self, kept: Mapping[Key, Sequence[Score]] | None = None) -> None:
        self._kept: dict[Key, Sequence[Score]] = dict(kept or {})

    def add(self, key: Key, scores: Sequence[Score]) -> Interval:
        """Keep them; the figure over all clips, with its interval by speaker."""
        self._kept[key] = scores
        return _interval(scores)

    def less(self, key: Key, other: Key, others: Scores | None = None) -> Interval | None:
        """By how much figure `key` is more than `other`, of these scores or of `others`, over the clips that both
        have, sizes being those of `key`; None where there is nothing to compare."""
        theirs = {score.clip: score for score in (others or self)._kept.get(other, ())}
        both = [score for score in self._kept.get(key, ()) if score.clip in theirs]
        paired = [Score(s.clip, s.speaker, s.amount - theirs[s.clip].amount, s.size) for s in both]
        return _interval(paired) if paired else None

    def write(self, folder: Path) -> None:
        """clips.csv in `folder`, one line a clip and figure."""
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / FILE_NAME).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for key, scores in self._kept.items():
                writer.writerows(
                    (key.system, key.condition, key.figure, s.clip, s.speaker, f"{s.amount:.6g}", f"{s.size:g}")
                    for s in scores
                )


def read_scores(folder: Path) -> Scores:
    """Those that an earlier run wrote to `folder`. Raises EvaluationError where it wrote none, or none that can be
    read."""
    path = folder / FILE_NAME
    if not path.is_file():
        raise EvaluationError(f"{folder}: no {FILE_NAME} there; name the --out folder of an earlier evaluation")
    kept: dict[Key, list[Score]] = {}
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        lines = csv.DictReader(file)
        try:
            for line in lines:
                system, condition, figure, clip, speaker, amount, size = (line[name] for name in COLUMNS)
                score = Score(clip, speaker, float(amount), float(size))
                kept.setdefault(Key(system, condition, figure), []).append(score)
        except (csv.Error, KeyError, TypeError, ValueError) as error:
            raise EvaluationError(f"{path}, line {lines.line_num}: no line of scores ({error})") from error
    return Scores(kept)


def _interval(scores: Sequence[Score]) -> Interval:
    amounts: NDArray[np.float64] = np.array([score.amount for score in scores], np.float64)
    sizes: NDArray[np.float64] = np.array([score.size for score in scores], np.float64)
    return interval([score.speaker for score in scores], amounts, sizes)
