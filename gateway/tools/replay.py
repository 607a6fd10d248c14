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
    for heard in hear_again(receiver, over.packets, notices):
        played = heard.played
        if done.first_frame is None:
            done.first_frame = played.frame_index
        if heard.pause:
            done.pauses += heard.pause
            said.append(np.zeros(min(heard.pause, 60 * SAMPLE_RATE_HZ), np.float32))
        said.append(played.pcm)
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
    """How the over decoded anew differs from its recording; one line says so if it does not."""
    if over.header.side is Side.SAID:
        return [
            "  recorded is the microphone, decoded is what arrives over a link without loss: "
            + _apart(recorded, done.pcm)
        ]
    entry, lines = found.entry, list[str]()
    if len(recorded) != len(done.pcm):
        lines.append(f"  length: recorded {len(recorded) / SAMPLE_RATE_HZ:.2f} s, anew {done.duration_s:.2f} s")
    if entry is not None and entry.is_complete:
        was = [frame for begin, end in entry.concealed for frame in range(begin, min(end, begin + 100_000))]
        _differ(lines, "first frame", entry.first_frame, done.first_frame)
        _differ(lines, "end frame", entry.end_frame, done.end_frame)
        _differ(lines, "silence in pauses, samples", sum(samples for _, samples in entry.pauses), done.pauses)
        if was != done.concealed:
            more, fewer = sorted(set(done.concealed) - set(was)), sorted(set(was) - set(done.concealed))
            lines.append(f"  concealed: recorded {len(was)} frames, anew {len(done.concealed)}")
            lines += [f"    only anew: {_listed(more)}"] if more else []
            lines += [f"    only recorded: {_listed(fewer)}"] if fewer else []
    sound = _apart(recorded, done.pcm)
    return [*lines, f"  sound: {sound}"]


def _apart(recorded: FloatArray, anew: FloatArray) -> str:
    """How far two sounds are from each other, over what both have."""
    length = min(len(recorded), len(anew))
    if not length:
        return "nothing to compare"
    a, b = to_int16(recorded[:length]).astype(np.float64), to_int16(anew[:length]).astype(np.float64)
    if np.max(np.abs(a - b)) <= 1:
        return "the same, sample for sample" if len(recorded) == len(anew) else f"the same in {length} samples"
    frames = length // FRAME_SAMPLES
    shaped = np.abs(a - b)[: frames * FRAME_SAMPLES].reshape(frames, FRAME_SAMPLES).max(1) > 1 if frames else []
    first = f", first in frame {int(np.argmax(shaped))} of it" if np.any(shaped) else ""
    power, rest = float(np.mean(a**2)), float(np.mean((a - b) ** 2))
    distance_db = 10 * np.log10((rest + SILENT_POWER) / (power + SILENT_POWER))
    return f"differs in {int(np.sum(shaped))} of {frames} frames{first}; the difference is {distance_db:+.1f} dB of it"


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
