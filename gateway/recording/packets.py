"""The packets of one over as values, and the file beside its recording that keeps them (docs/field-report.md, Files).

Rule: items as in a trace, each with a check of its own (gateway.traces.framing): a file that was cut or damaged gives
back what is whole. Reading never raises for what is in an item.

Packets are kept as they were opened, not as they came over the air: keys are changed and counters used once, so that
sealed bytes could not be read again, and the speech lies in the clear beside them anyway. What a demodulator doubted
is kept with each frame.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from gateway.errors import AudioError, LocalProtocolError
from gateway.protocol.frames import FRAME_BITS, PartialFrame, ReceivedFrame, SoftFrame
from gateway.protocol.packets import FRAME_BYTES, ParityPacket, SessionBlock, VoicePacket
from gateway.protocol.parse import Dropped, parse
from gateway.recording.entry import Side, number, whole
from gateway.traces.framing import MARK, Unpacker, pack

FORMAT = "clarilink over"
VERSION = 1
SUFFIX = ".packets"
MAX_FILE_BYTES = 64_000_000
LONGEST_WAIT_MS = 60_000.0


@dataclass(frozen=True, slots=True)
class OverHeader:
    """What a packets file begins with. Heard: `packet_ms`, `cushion_ms` and `cap_ms` are those of the jitter buffer,
    `repair_ms` of cushion and cap is the wait for repairs; said: `packet_ms` is not known yet (None)."""

    side: Side
    over_id: int | None = None
    begin_s: float = 0.0
    packet_ms: float | None = None
    cushion_ms: float | None = None
    repair_ms: float = 0.0
    cap_ms: float | None = None

    def item(self) -> bytes:
        """As it stands in the file."""
        values = {"format": FORMAT, "version": VERSION, "side": self.side.value, "over_id": self.over_id}
        waits = {"packet_ms": self.packet_ms, "cushion_ms": self.cushion_ms, "cap_ms": self.cap_ms}
        return pack({**values, "mono_s": round(self.begin_s, 4), **waits, "repair_ms": self.repair_ms})


@dataclass(frozen=True, slots=True)
class OverPacket:
    """A packet and when it was sent or came (monotonic clock); `air_bytes` is its length on the air, where known."""

    at_s: float
    packet: VoicePacket | ParityPacket
    air_bytes: int | None = None
    snr_db: float | None = None

    def item(self) -> bytes:
        """As it stands in the file: [mono_s, bytes, air_bytes, snr_db, frames] without what is not known at the end."""
        heard = self.packet.heard if isinstance(self.packet, VoicePacket) else None
        doubts = None if heard is None else [_frame_item(frame) for frame in heard]
        snr_db = None if self.snr_db is None else round(self.snr_db, 2)
        row = [round(self.at_s, 4), self.packet.to_bytes(False), self.air_bytes, snr_db, doubts]
        while row[-1] is None:
            row.pop()
        return pack(row)


@dataclass(slots=True)
class OverFile:
    """A packets file as read. `is_complete`: its end was written; `end` is what it says (expected, lost, late...)."""

    path: Path
    header: OverHeader
    packets: list[OverPacket] = field(default_factory=list)
    end: Mapping[str, Any] = field(default_factory=dict)
    is_complete: bool = False
    damage: str | None = None
    """In words what was skipped, None if nothing was."""

    @property
    def session(self) -> SessionBlock | None:
        """Who talks, to whom, in which codec: the first that a packet tells."""
        return next(
            (one.packet.session for one in self.packets if isinstance(one.packet, VoicePacket) and one.packet.session),
            None,
        )


def end_item(values: Mapping[str, Any]) -> bytes:
    """The last item of a file whose over ended."""
    return pack({"end": True, **values})


def parse_over(data: bytes, path: Path) -> OverFile | None:
    """What is whole of a packets file; None if it is none. Raises AudioError for one of a later version."""
    unpacker = Unpacker()
    items = [*unpacker.feed(data), *unpacker.finish()]
    first = items[0] if items else None
    found: OverFile | None = None
    if isinstance(first, dict) and first.get("format") == FORMAT:
        version = whole(first.get("version"))
        if version is None or version > VERSION:
            raise AudioError(f"{path}: packets of version {first.get('version')!r}; this program reads up to {VERSION}")
        found = OverFile(path, _header(first))
    elif first is not None and any(_packet(item) is not None for item in items):
        found = OverFile(path, OverHeader(_side_of(path)))  # the header is damaged, packets are not
    if found is None:
        return None
    unknown = 0
    for item in items:
        if isinstance(item, dict):
            if item.get("end") is True:
                found.end, found.is_complete = item, True
        elif (packet := _packet(item)) is not None:
            found.packets.append(packet)
        else:
            unknown += 1
    # Records of a clock that went back would be of two overs: their order in the file is the order of arrival.
    found.packets.sort(key=lambda one: one.at_s)
    damages = []
    if unpacker.damages:
        damages.append(f"{unpacker.skipped_bytes} damaged bytes in {unpacker.damages} places skipped")
    if unknown:
        damages.append(f"{unknown} unknown items skipped")
    found.damage = ", ".join(damages) or None
    return found


def read_over(path: Path) -> OverFile:
    """The packets of an over. Raises AudioError for a file that cannot be read or is none."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES)
    except OSError as error:
        raise AudioError(f"{path}: cannot read: {error.strerror or error}") from error
    found = parse_over(data, path)
    if found is None:
        is_cut = data.startswith(MARK) and not Unpacker().feed(data)
        what = "cut off or damaged before its first packet" if is_cut else "no packets of an over"
        what = what if data else "empty"
        raise AudioError(f"{path}: {what}; needed: a {SUFFIX} file of a folder of recordings")
    return found


def _side_of(path: Path) -> Side:
    return Side.SAID if path.stem.endswith(Side.SAID.value) else Side.HEARD


def _header(values: Mapping[Any, Any]) -> OverHeader:
    side = values.get("side")
    return OverHeader(
        Side(side) if side in list(Side) else Side.HEARD,
        whole(values.get("over_id")),
        number(values.get("mono_s")) or 0.0,
        _wait(values.get("packet_ms")),
        _wait(values.get("cushion_ms")),
        _wait(values.get("repair_ms")) or 0.0,
        _wait(values.get("cap_ms")),
    )


def _wait(value: object) -> float | None:
    found = number(value)
    return found if found is not None and 0 <= found <= LONGEST_WAIT_MS else None


def _packet(item: object) -> OverPacket | None:
    if not isinstance(item, list) or len(item) < 2 or not isinstance(item[1], bytes):
        return None
    at_s = number(item[0])
    packet = parse(item[1], crc=False)
    if at_s is None or isinstance(packet, Dropped) or not isinstance(packet, VoicePacket | ParityPacket):
        return None
    more = [*item[2:5], None, None, None]
    if isinstance(packet, VoicePacket) and isinstance(more[2], list):
        frames = tuple(known for one in more[2] if (known := _frame(one)) is not None)
        if len(frames) == len(packet.frames):
            packet = replace(packet, heard=frames)
    return OverPacket(at_s, packet, whole(more[0]), number(more[1]))


def _frame_item(frame: ReceivedFrame) -> object:
    if isinstance(frame, PartialFrame):
        return [frame.data, frame.known_bits]
    return np.array(frame.one_probability, "<f8").tobytes() if isinstance(frame, SoftFrame) else frame


def _frame(item: object) -> ReceivedFrame | None:
    if isinstance(item, bytes) and len(item) == FRAME_BYTES:
        return item
    if isinstance(item, bytes) and len(item) == 8 * FRAME_BITS:
        chances = tuple(np.frombuffer(item, "<f8").tolist())
        return SoftFrame(chances) if all(math.isfinite(one) and 0 <= one <= 1 for one in chances) else None
    if isinstance(item, list) and len(item) == 2 and isinstance(item[0], bytes):
        bits = whole(item[1])
        if bits is not None and 1 <= bits <= FRAME_BITS:
            try:
                return PartialFrame(item[0], bits)
            except LocalProtocolError:
                return None
    return None
