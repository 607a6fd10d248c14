"""Overs out of a folder of recordings: listed, heard as they were recorded, or decoded anew from their packets.

Rule: what an over sounded like is never changed; a new decoding goes where the user says.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from gateway.audio.base import SAMPLE_RATE_HZ, FloatArray, to_int16
from gateway.codec import Codec
from gateway.codec.spec import FRAME_SAMPLES
from gateway.errors import AudioError
from gateway.metrics import Metrics
from gateway.notices import CodecUnknown, Notice, RemoteOverEnded
from gateway.protocol.packets import FRAME_S
from gateway.protocol.report import Reception
from gateway.receive import Receiver
from gateway.recording.entry import OverEntry, Side
from gateway.recording.packets import SUFFIX as PACKETS
from gateway.recording.packets import OverFile, read_over
from gateway.recording.reader import read_recording, read_recordings
from gateway.station.again import hear_again

DEFAULT_CUSHION_MS, DEFAULT_CAP_MS, DEFAULT_PACKET_MS = 60.0, 1500.0, 480.0
"""As [jitter] and [packets] have them: for overs said, which no jitter buffer has seen."""
SILENT_POWER = 1e-10
LONGEST_PAUSE_SAMPLES = 60 * SAMPLE_RATE_HZ
MOST_FRAMES = 100_000
MAX_FACTS_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Found:
    """An over of a folder: its sound, and its packets where it has any."""

    sound: Path
    entry: OverEntry | None = None

    @property
    def packets(self) -> Path:
        """Where its packets are, if they are."""
        return self.sound.with_suffix(PACKETS)


@dataclass(slots=True)
class Replayed:
    """An over decoded anew: its sound (samples,), and what the receiver did with its packets, in frames of 80 ms."""

    pcm: FloatArray
    played: int = 0
    concealed: list[int] = field(default_factory=list)
    first_frame: int | None = None
    end_frame: int = 0
    pauses: int = 0
    sequence: list[tuple[int, int]] = field(default_factory=list)
    """As in gateway.recording.entry."""
    reception: Reception | None = None
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def duration_s(self) -> float:
        """How long it sounds."""
        return len(self.pcm) / SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class Waits:
    """The jitter buffer, ms; None is as the over had it. `cushion_ms` is without the wait for repairs."""

    cushion_ms: float | None = None
    cap_ms: float | None = None


def list_overs(folder: Path) -> tuple[list[str], list[str]]:
    """The overs of a folder as a table, oldest first, and what is wrong with the folder. Raises AudioError."""
    found = read_recordings(folder)
    rows = [("OVER", "BEGAN", "SIDE", "TALKER", "SECONDS", "PACKETS", "LOST", "LATE", "SNR", "")]
    for entry in found.overs:
        facts = _facts(entry.path)
        seconds = entry.samples if entry.samples is not None else len(read_recording(entry.path))
        notes = [] if entry.is_complete else ["cut off"]
        if not entry.was_played:
            notes.append("not played")
        packets = ""
        if not entry.path.with_suffix(PACKETS).is_file():
            notes.append("no packets")
        elif (count := facts.get("packets")) is not None or not entry.is_complete:
            packets = str(count if isinstance(count, int) else len(read_over(entry.path.with_suffix(PACKETS)).packets))
        rows.append(
            (
                str(entry.number or entry.path.name),
                datetime.fromtimestamp(min(max(entry.wall_s, 0.0), 1e11)).strftime("%Y-%m-%d %H:%M:%S"),
                entry.side.value,
                _talker(entry, facts),
                f"{seconds / SAMPLE_RATE_HZ:.1f}",
                packets,
                _share(entry.lost, entry.expected),
                _share(entry.late, entry.expected),
                "" if entry.snr_db is None else f"{entry.snr_db:.1f} dB",
                ", ".join(notes),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return lines if found.overs else [f"{folder}: no overs"], found.problems


def find_over(path: Path, over: str | None) -> Found:
    """The over that a file is of, or the one of a folder: by number as the table has it, or `last`.

    Raises AudioError naming what is there.
    """
    if not path.is_dir():
        if not path.exists():
            raise AudioError(f"{path}: no such file or folder")
        if over is not None:
            raise AudioError(f"{path}: is one over; --over chooses from a folder")
        if path.suffix not in (".wav", PACKETS, ".json"):
            raise AudioError(
                f"{path}: no recording; needed: a folder of recordings, or its .wav or {PACKETS} of one over"
            )
        sound = path.with_suffix(".wav")
        index = read_recordings(path.parent).overs if (path.parent / "index.jsonl").is_file() else []
        return Found(sound, next((entry for entry in index if entry.path.name == sound.name), None))
    overs = read_recordings(path).overs
    if not overs:
        raise AudioError(f"{path}: no overs there")
    if over == "last":
        return Found(overs[-1].path, overs[-1])
    for entry in overs:
        if over is not None and over.isdecimal() and entry.number == int(over):
            return Found(entry.path, entry)
    numbers = f"{overs[0].number} to {overs[-1].number}"
    raise AudioError(f"{path}: no over {over}; needed: a number of `clarilink replay {path}` ({numbers}), or last")


def sound_as_recorded(found: Found) -> FloatArray:
    """The recording itself (samples,). Raises AudioError."""
    pcm = read_recording(found.sound)
    if not len(pcm):
        raise AudioError(f"{found.sound}: no sound: nobody could hear this over; decode it from its packets instead")
    return pcm


def packets_of(found: Found) -> OverFile:
    """The packets of an over. Raises AudioError where there are none of use."""
    if not found.packets.is_file():
        raise AudioError(
            f"{found.packets}: missing: this over was recorded without packets; --as-recorded plays its sound"
        )
    over = read_over(found.packets)
    if not over.packets:
        raise AudioError(f"{found.packets}: holds no packet ({over.damage or 'its over was cut off at the beginning'})")
    return over


def decode_anew(over: OverFile, codec: Codec, waits: Waits | None = None) -> Replayed:
    """The over through a jitter buffer as it had, or as `waits` say, and through `codec`.

    Raises AudioError for an over in a codec that `codec` cannot decode.
    """
    waits = Waits() if waits is None else waits
    header = over.header
    repair_ms = header.repair_ms
    packet_ms = header.packet_ms or DEFAULT_PACKET_MS
    cushion_ms = repair_ms + waits.cushion_ms if waits.cushion_ms is not None else header.cushion_ms
    cap_ms = repair_ms + waits.cap_ms if waits.cap_ms is not None else header.cap_ms
    metrics, notices, said = Metrics(), list[Notice](), list[FloatArray]()
    receiver = Receiver(
        codec,
        frames_per_packet=min(63, max(1, round(packet_ms / 1000 / FRAME_S))),
        crc=False,
        cushion_s=(DEFAULT_CUSHION_MS if cushion_ms is None else cushion_ms) / 1000,
        cap_s=(DEFAULT_CAP_MS if cap_ms is None else cap_ms) / 1000,
        metrics=metrics,
    )
    done = Replayed(np.zeros(0, np.float32))
    samples, last = 0, -2
    for heard in hear_again(receiver, over.packets, notices):
        played = heard.played
        if done.first_frame is None:
            done.first_frame = played.frame_index
        pause = min(heard.pause, LONGEST_PAUSE_SAMPLES)
        if pause:
            done.pauses += pause
            said.append(np.zeros(pause, np.float32))
        if pause or played.frame_index != last + 1:
            done.sequence.append((played.frame_index, samples + pause))
        said.append(played.pcm)
        samples, last = samples + pause + len(played.pcm), played.frame_index
        done.played += 1
        done.end_frame = max(done.end_frame, played.frame_index + 1)
        if played.concealed:
            done.concealed.append(played.frame_index)
    unknown = next((notice for notice in notices if isinstance(notice, CodecUnknown)), None)
    if unknown is not None and not said:
        session, spec = unknown.session, codec.spec
        raise AudioError(
            f"{over.path}: made by codec {session.codec_id} version {session.codec_version}; "
            f"these weights are of codec {spec.codec_id} version {spec.codec_version}"
        )
    done.pcm = np.concatenate(said) if said else done.pcm
    done.reception = next((one.reception for one in notices if isinstance(one, RemoteOverEnded)), None)
    done.counts = Counter({name: int(value) for name, value in metrics.snapshot().items() if value})
    return done


def words(over: OverFile, done: Replayed) -> list[str]:
    """What was replayed, for people."""
    session, got = over.session, done.reception
    lines = [
        f"{over.path.name}: {len(over.packets)} packets, {done.played} frames played, {len(done.concealed)} of them "
        f"concealed, {done.duration_s:.2f} s"
    ]
    if session is not None:
        codec = f"codec {session.codec_id} version {session.codec_version}"
        lines.append(f"  station {session.source} to group {session.group}, {codec}")
    if got is not None and over.header.side is Side.HEARD:
        snr = "" if got.snr_db is None else f", SNR {got.snr_db:.1f} dB"
        lines.append(f"  {got.lost} of {got.expected} packets lost, {got.late} late{snr}")
    if over.damage is not None:
        lines.append(f"  {over.damage}")
    if not over.is_complete:
        lines.append("  its end was not written: the station was stopped or its disk was full")
    return lines


def compare(found: Found, over: OverFile, done: Replayed, recorded: FloatArray) -> list[str]:
    """How the over decoded anew differs from its recording, frame by frame, so that a wait of the speaker moves
    nothing; the last line is about the sound."""
    if over.header.side is Side.SAID:
        return ["  the recording is of the microphone, not of a decoder: listen to both (--as-recorded)"]
    entry, lines = found.entry, list[str]()
    is_known = entry is not None and entry.is_complete and bool(entry.sequence)
    was_frames = _frames(recorded, entry.sequence if entry is not None and is_known else ((done.first_frame or 0, 0),))
    if entry is not None and is_known:
        was = [frame for begin, end in entry.concealed for frame in range(begin, min(end, begin + MOST_FRAMES))]
        _differ(lines, "first frame", entry.first_frame, done.first_frame)
        _differ(lines, "end frame", entry.end_frame, done.end_frame)
        waited = sum(samples for _, samples in entry.pauses)
        if waited != done.pauses:
            lines.append(
                f"  silence while the speaker waited: recorded {1000 * waited / SAMPLE_RATE_HZ:.0f} ms, "
                f"anew {1000 * done.pauses / SAMPLE_RATE_HZ:.0f} ms"
            )
        if was != done.concealed:
            more, fewer = sorted(set(done.concealed) - set(was)), sorted(set(was) - set(done.concealed))
            lines.append(f"  concealed: recorded {len(was)} frames, anew {len(done.concealed)}")
            lines += [f"    only anew: {_listed(more)}"] if more else []
            lines += [f"    only recorded: {_listed(fewer)}"] if fewer else []
    else:
        lines.append("  how it was played is not known (its end was not written): compared from the first sample on")
    return [*lines, f"  sound: {_apart(was_frames, _frames(done.pcm, tuple(done.sequence)))}"]


def _frames(pcm: FloatArray, sequence: Sequence[tuple[int, int]]) -> dict[tuple[int, int], FloatArray]:
    """The frames (1280,) of a sound by index and, for one that was played twice, by how often before."""
    found: dict[tuple[int, int], FloatArray] = {}
    played: Counter[int] = Counter()
    ends = [at for _, at in sequence[1:]] + [len(pcm)]
    for (frame, begin), end in zip(sequence, ends, strict=True):
        for at in range(begin, end - FRAME_SAMPLES + 1, FRAME_SAMPLES):
            found[frame, played[frame]] = pcm[at : at + FRAME_SAMPLES]
            played[frame] += 1
            frame += 1
    return found


def _apart(recorded: dict[tuple[int, int], FloatArray], anew: dict[tuple[int, int], FloatArray]) -> str:
    """How far two sounds are from each other in the frames that both have."""
    both = sorted(recorded.keys() & anew.keys())
    if not both:
        return "no frame is in both"
    a = to_int16(np.concatenate([recorded[key] for key in both])).astype(np.float64).reshape(len(both), -1)
    b = to_int16(np.concatenate([anew[key] for key in both])).astype(np.float64).reshape(len(both), -1)
    differs = np.abs(a - b).max(axis=1) > 1
    if not differs.any():
        what = "the same, sample for sample"
        return what if recorded.keys() == anew.keys() else f"{what}, in the {len(both)} frames that both have"
    power, rest = float(np.mean(a**2)), float(np.mean((a - b) ** 2))
    distance_db = 10 * np.log10((rest + SILENT_POWER) / (power + SILENT_POWER))
    first = both[int(np.argmax(differs))][0]
    return (
        f"differs in {int(differs.sum())} of {len(both)} frames, first in frame {first}; "
        f"the difference is {distance_db:+.1f} dB of it"
    )


def _differ(lines: list[str], what: str, was: int | None, now: int | None) -> None:
    if was is not None and was != now:
        lines.append(f"  {what}: recorded {was}, anew {now}")


def _listed(frames: Sequence[int]) -> str:
    return ", ".join(map(str, frames[:12])) + (f" and {len(frames) - 12} more" if len(frames) > 12 else "")


def _share(part: int | None, whole: int | None) -> str:
    return "" if part is None or not whole else f"{100 * part / whole:.0f} %"


def _facts(sound: Path) -> dict[str, Any]:
    try:
        with sound.with_suffix(".json").open("rb") as file:
            found = json.loads(file.read(MAX_FACTS_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _talker(entry: OverEntry, facts: dict[str, Any]) -> str:
    talker = facts.get("talker")
    name = talker.get("name") if isinstance(talker, dict) else None
    if isinstance(name, str):
        return name
    if entry.side is Side.SAID:
        return entry.opening.station
    return "unknown" if entry.source is None else f"station {entry.source}"
