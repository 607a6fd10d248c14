"""Everything that the report shows, as values: one `OverResult` per over and listener, and sums over them.

Rule: None is "not known", with the reason in `why`; nothing is a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gateway.field_report.clocks import Source
from gateway.field_report.measure import Delivered
from gateway.field_report.path_traces import Way
from gateway.field_report.score import Score

AMI_LEAST = 0.8
"""Share of words for a message to count as delivered on average (our threshold for NIST TN 2259's AMI)."""


@dataclass(slots=True)
class OverResult:
    """One over as one station heard it; times in common seconds since 1970, delays in seconds.

    `mouth_to_ear_s` is the delay of speech, `over_time` its course: (common time, delay). `first_sound_s` and
    `first_speech_s` count from the key to the first sound of the over and to the first speech heard; `pause_s` from the
    key to the first speech said. `packets` and `packets_lost` are the receiver's counts.
    """

    number: int
    talker: str
    listener: str
    start_s: float
    said_s: float | None = None
    heard_start_s: float | None = None
    heard_s: float | None = None
    said_path: Path | None = None
    heard_path: Path | None = None
    mouth_to_ear_s: float | None = None
    similarity: float | None = None
    by_frames_s: float | None = None
    over_time: list[tuple[float, float]] = field(default_factory=list)
    first_sound_s: float | None = None
    first_speech_s: float | None = None
    pause_s: float | None = None
    delivered: Delivered | None = None
    is_by_frames: bool = False
    packets: int | None = None
    packets_lost: int | None = None
    packets_late: int | None = None
    snr_db: float | None = None
    concealed_s: list[tuple[float, float]] = field(default_factory=list)
    """Guessed stretches of the heard recording, in its time."""
    absent_s: list[tuple[float, float]] = field(default_factory=list)
    """Silences of the heard recording in which the speaker had to wait, in its time."""
    paused_s: float | None = None
    """Sum of the silences."""
    lag_s: float | None = None
    """Of the heard recording behind the said one, sample by sample."""
    score: Score | None = None
    why: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """For people."""
        return f"Over {self.number}, {self.talker} to {self.listener}"

    @property
    def is_pair(self) -> bool:
        """Whether both sides were recorded."""
        return self.said_path is not None and self.heard_path is not None


@dataclass(slots=True)
class Results:
    """The whole exercise."""

    title: str
    start_s: float
    end_s: float
    clock_source: Source
    stations: list[str]
    overs: list[OverResult]
    ways: list[Way]
    problems: list[str]
    recogniser: str = ""
    """Name, or empty with the reason in `no_scores`."""
    no_scores: str = ""
    remarks: list[tuple[float, str, str]] = field(default_factory=list)
    """(common time, station or "", text)."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, extremes and count of a figure."""

    median: float
    low: float
    high: float
    count: int


def spread(values: Sequence[float | None]) -> Spread | None:
    """Of the values that are known."""
    known = [value for value in values if value is not None]
    return Spread(float(np.median(known)), min(known), max(known), len(known)) if known else None


def delivered_share(overs: Sequence[OverResult]) -> float | None:
    """Seconds of speech delivered over seconds of speech said, where both are known."""
    parts = [over.delivered for over in overs if over.delivered is not None]
    speech = sum(part.speech_s for part in parts)
    return sum(part.delivered * part.speech_s for part in parts) / speech if speech else None


def words_wrong(overs: Sequence[OverResult]) -> tuple[int, int] | None:
    """(wrong, words) over all overs that were scored."""
    scores = [over.score for over in overs if over.score is not None and over.score.words]
    return (sum(one.wrong for one in scores), sum(one.words for one in scores)) if scores else None


def messages_delivered(overs: Sequence[OverResult]) -> tuple[int, int, int] | None:
    """(every word right, at least 80 % of the words right, all) of the overs that were scored."""
    errors = [over.score.word_error for over in overs if over.score is not None]
    known = [error for error in errors if error is not None]
    if not known:
        return None
    return sum(error == 0 for error in known), sum(error <= 1 - AMI_LEAST + 1e-9 for error in known), len(known)


def packet_loss(overs: Sequence[OverResult]) -> tuple[int, int] | None:
    """(lost, all) packets as the receivers counted them, late ones among the lost."""
    known = [over for over in overs if over.packets]
    lost = sum((over.packets_lost or 0) + (over.packets_late or 0) for over in known)
    return (lost, sum(over.packets or 0 for over in known)) if known else None
