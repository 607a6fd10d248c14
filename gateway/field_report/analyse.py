"""From what lies in a folder to results: clocks, pairs, figures of each over, words.

Rule: one over that cannot be measured says why and costs the others nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.audio.base import SAMPLE_RATE_HZ, FloatArray
from gateway.errors import AudioError, EvaluationError, GatewayError
from gateway.evaluation.asr import Recogniser
from gateway.field_report import measure
from gateway.field_report.clocks import Clocks, set_clocks
from gateway.field_report.exercise import Exercise, moment_s
from gateway.field_report.pairing import Pair, pair
from gateway.field_report.path_traces import Way, align_machines, of_over, read_traces, ways_of
from gateway.field_report.results import OverResult, Results
from gateway.field_report.score import open_listener, score, stoi_of, text_of
from gateway.recording.entry import OverEntry, Runs
from gateway.recording.reader import read_recording

SYNTHESIS_S = 0.025
"""By what the decoder's window moves sound within its frames, and noise suppression before the encoder, at most."""
EARLIEST_LAG_S = -1.0
AROUND_S = 5.0
"""Packets of an over leave no earlier than so much before its recording, and no later after it."""


@dataclass(slots=True)
class Sounds:
    """Sound files, each read once; a file that cannot be read is a problem once."""

    problems: list[str]
    known: dict[Path, FloatArray | None] = field(default_factory=dict)

    def get(self, path: Path) -> FloatArray | None:
        """Samples (n,) at 16 kHz, or None."""
        if path not in self.known:
            try:
                self.known[path] = read_recording(path)
            except AudioError as error:
                self.problems.append(str(error))
                self.known[path] = None
        return self.known[path]


def analyse(
    exercise: Exercise,
    *,
    asr: str = "base",
    threads: int = 2,
    tell: Callable[[str], None] = lambda _line: None,
    listener: Recogniser | None = None,
) -> tuple[Results, Sounds]:
    """Everything measured, and the sound it was measured on. `asr` "none" leaves words out; `listener` stands in for
    the recogniser in tests; `tell` gets lines of progress."""
    problems = list(exercise.problems)
    given = {
        name: notes.clock_offset_s
        for name, notes in exercise.about.stations.items()
        if notes.clock_offset_s is not None
    }
    traces = read_traces(exercise.traces, exercise.openings, problems)
    openings = [*exercise.openings, *(over.opening for over in exercise.overs if not over.opening.wall_s)]
    openings += [trace.opening for trace in traces if trace.opening.station not in {o.station for o in openings}]
    clocks = set_clocks(openings, given, *align_machines(traces))
    ways = ways_of(traces, clocks, problems)
    sounds = Sounds(problems)
    names = {
        opening.station_id: opening.station for opening in exercise.openings if opening.station_id and opening.station
    }
    overs = []
    for number, found in enumerate(pair(exercise.overs, clocks), 1):
        overs.append(_measure(number, found, clocks, sounds, names))
        _count_packets(overs[-1], found, ways)
    told: list[str] = []
    recogniser = _score(exercise, overs, sounds, asr, threads, tell, listener, told)
    stations = list(
        dict.fromkeys(
            [opening.station for opening in openings if opening.station]
            + [name for over in overs for name in (over.talker, over.listener) if name]
        )
    )
    remarks = [
        (clocks.at(note.opening, note.at_s, note.wall_s), note.opening.station, note.text) for note in exercise.notes
    ]
    remarks += [(moment_s(remark.at), "", remark.text) for remark in exercise.about.remark]
    times = [over.start_s for over in overs] + [float(way.sent_s[0]) for way in ways]
    ends = [over.start_s + (over.said_s or 0) for over in overs]
    ends += [float(way.sent_s[-1]) for way in ways]
    ends += [over.heard_start_s + (over.heard_s or 0) for over in overs if over.heard_start_s is not None]
    results = Results(
        exercise.title,
        min(times, default=0.0),
        max([*times, *ends], default=0.0),
        clocks.source,
        stations,
        overs,
        ways,
        problems,
        recogniser,
        told[0] if told else "",
        sorted(remarks),
    )
    return results, sounds


def _measure(number: int, found: Pair, clocks: Clocks, sounds: Sounds, names: Mapping[int, str]) -> OverResult:
    said, heard = found.said, found.heard
    talker = said.opening.station if said is not None else names.get(found.one.source or 0, "unknown talker")
    result = OverResult(
        number,
        talker or "unknown talker",
        heard.opening.station if heard is not None else "",
        clocks.start_of(found.one),
    )
    said_pcm = None if said is None else sounds.get(said.path)
    heard_pcm = None if heard is None else sounds.get(heard.path)
    if said is not None and said_pcm is not None:
        result.said_path, result.said_s = said.path, len(said_pcm) / SAMPLE_RATE_HZ
        if not said.is_complete:
            result.why.append("what was said ends where its recording was cut off")
    if heard is not None and heard_pcm is not None:
        result.heard_path, result.heard_s = heard.path, len(heard_pcm) / SAMPLE_RATE_HZ
        result.heard_start_s = clocks.start_of(heard)
        result.packets, result.packets_lost, result.packets_late = heard.expected, heard.lost, heard.late
        result.snr_db = heard.snr_db
        if not heard.is_complete:
            result.why.append("what was heard ends where its recording was cut off")
    if heard is None:
        result.why.append("nobody's recording has it as heard")
    elif said is None:
        result.why.append("nobody's recording has it as said")
    if said is None or heard is None or said_pcm is None or heard_pcm is None:
        return result
    apart_s = clocks.start_of(heard) - clocks.start_of(said)
    a, b = measure.envelopes(said_pcm), measure.envelopes(heard_pcm)
    found_lag = measure.lag(a, b, EARLIEST_LAG_S - apart_s, len(heard_pcm) / SAMPLE_RATE_HZ)
    if found_lag is None or found_lag.similarity < measure.LEAST_SIMILARITY:
        result.why.append("too unlike what was said for its delay to be measured")
    else:
        result.lag_s, result.similarity = found_lag.lag_s, found_lag.similarity
        result.mouth_to_ear_s = apart_s + found_lag.lag_s
        result.over_time = [
            (clocks.start_of(said) + at_s, apart_s + lag_s)
            for at_s, lag_s in measure.lag_over_time(a, b, found_lag.lag_s)
        ]
    key_s = clocks.key_of(said)
    said_onset, heard_onset = measure.onset_s(a), measure.onset_s(b)
    if key_s is not None:
        result.first_sound_s = clocks.start_of(heard) - key_s
        if said_onset is not None:
            result.pause_s = clocks.start_of(said) + said_onset - key_s
        if heard_onset is not None:
            result.first_speech_s = clocks.start_of(heard) + heard_onset - key_s
    else:
        result.why.append("when the key went down is not known")
    if heard.first_frame is not None and heard.end_frame is not None:
        result.is_by_frames = True
        result.delivered = measure.delivered_by_frames(
            a, heard.first_frame, heard.end_frame, heard.concealed, heard.absent
        )
        result.by_frames_s = apart_s - heard.first_frame * measure.FRAME_S + SYNTHESIS_S
        result.concealed_s = _places(heard, heard.concealed)
        after_s = _starts(heard, *(frame for frame, _ in heard.pauses))
        result.absent_s = [
            (at_s - samples / SAMPLE_RATE_HZ, at_s) for at_s, (_, samples) in zip(after_s, heard.pauses, strict=True)
        ]
        result.paused_s = sum(samples for _, samples in heard.pauses) / SAMPLE_RATE_HZ
    elif result.lag_s is not None:
        result.delivered = measure.delivered_by_sound(a, b, result.lag_s)
    if result.delivered is None:
        result.why.append("no speech in what was said" if not measure.level_steps(a).any() else "share not known")
    return result


def _count_packets(over: OverResult, found: Pair, ways: Sequence[Way]) -> None:
    """By both stations' traces where there are any: a receiver does not know what it lost before it heard anything."""
    begin_s = over.start_s - AROUND_S
    end_s = over.start_s + (over.said_s or over.heard_s or 0.0) + AROUND_S
    if found.one.over_id is None:
        return
    told = of_over(ways, over.talker, over.listener, found.one.over_id, (begin_s, end_s))
    if told is not None:
        over.packets, over.packets_lost = len(told), told.n_lost


def _starts(heard: OverEntry, *frames: int) -> list[float]:
    return measure.places_s(heard.first_frame or 0, heard.absent, heard.pauses, frames)


def _places(heard: OverEntry, runs: Runs) -> list[tuple[float, float]]:
    """Runs of frames as stretches of the heard recording."""
    found = []
    for begin, end in runs:
        start_s, last_s = _starts(heard, begin, end - 1)
        found.append((start_s, last_s + measure.FRAME_S))
    return found


def _score(
    exercise: Exercise,
    overs: list[OverResult],
    sounds: Sounds,
    asr: str,
    threads: int,
    tell: Callable[[str], None],
    listener: Recogniser | None,
    told: list[str],
) -> str:
    """Scores into `overs`; the recogniser's name, or "" with the reason in `told`."""
    pairs = [over for over in overs if over.is_pair]
    if not pairs:
        told.append("no over was recorded on both sides")
        return ""
    if asr == "none":
        told.append("words were not asked for (--asr none)")
        return ""
    language = exercise.about.language
    try:
        hearing = listener if listener is not None else open_listener(asr, language, threads)
        texts: dict[Path, str] = {}
        for count, over in enumerate(pairs, 1):
            assert over.said_path is not None
            assert over.heard_path is not None
            tell(f"recognising over {count} of {len(pairs)}")
            for path in (over.said_path, over.heard_path):
                pcm = sounds.get(path)
                if path not in texts and pcm is not None:
                    texts[path] = text_of(hearing, pcm, language)
            said, heard = sounds.get(over.said_path), sounds.get(over.heard_path)
            assert said is not None
            assert heard is not None
            over.score = score(
                texts[over.said_path],
                texts[over.heard_path],
                exercise.transcripts.get(over.said_path, ""),
                language,
                None if over.lag_s is None else stoi_of(said, heard, over.lag_s),
            )
    except (EvaluationError, ImportError) as error:
        told.append(str(error) if isinstance(error, GatewayError) else f"{error}; install clarilink[evaluate]")
        return ""
    return hearing.name
