"""What an EvoLogics S2C modem says: answers, notifications and received messages, in either of its two forms.

Rule: pure; bytes in, messages out, whatever else is skipped and counted. The two forms are told apart by themselves:

    +++AT*SENDIM:2:OK<CR><LF>            data mode, TCP 9200: the command, the length, the text
    +++AT:13:DELIVEREDIM,3<CR><LF>       a notification has no command
    OK<CR><LF>, DELIVEREDIM,3<CR><LF>    command mode, serial: one line each, in any order

A received message names its length first, and its data may hold anything: it is taken by length, and must be followed
by <CR><LF>. Where an interface echoes, our own commands come back, and are passed over by length, too.

Source: the formats are those of EvoLogics' own open framework (evins, role_at, 2015), of drivers and traces published
by users; the S2C guide itself was not at hand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_DATA_BYTES = 1024
MAX_HEAD_BYTES = 160
MAX_LINE_BYTES = 2048

_PREFIX = b"+++AT"
_FRAME = re.compile(rb"\+\+\+AT([^:,\r\n]{0,32}):(\d{1,5}):")
_FRAME_BEGUN = re.compile(rb"\+\+\+AT[^:,\r\n]{0,32}(:\d{0,5})?")
_RECEIVED = re.compile(rb"(RECV(?:IMS|IM|PBM)?),(?:p\d+,)?(\d+),")
_RECEIVED_BEGUN = re.compile(rb"RECV(IMS|IM|PBM)?,")
_OWN = re.compile(rb"(?:\+\+\+)?AT\*SEND(?:(?:PBM)?,(?:p\d+,)?(\d+),\d+,|IM,(?:p\d+,)?(\d+),\d+,(?:ack|noack|force),)")
_OWN_BEGUN = re.compile(rb"(?:\+\+\+)?AT\*SEND(?:IM|PBM)?,")
_FIELDS = {"RECVIM": 7, "RECVIMS": 7, "RECV": 7, "RECVPBM": 6}
_NOTICE = re.compile(
    r"(RECVSTART|RECVEND|RECVFAILED|SENDSTART|SENDEND|DELIVERED|DELIVEREDIM|DELIVEREDPBM|FAILED|FAILEDIM|FAILEDPBM"
    r"|CANCELEDIM|CANCELEDIMS|CANCELEDPBM|EXPIREDIMS|BITRATE|SRCLEVEL|PHYON|PHYOFF|USBL[A-Z]+|RADDR|STATUS|DROPCNT)"
    r"(?:,(.*))?",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class EvoAnswer:
    """The answer to a command: `command` without AT and arguments (`*SENDIM`), None where the form does not say."""

    command: str | None
    text: str


@dataclass(frozen=True, slots=True)
class EvoNotice:
    """A notification: `DELIVEREDIM` with fields ("3",)."""

    name: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EvoReceived:
    """A message from another modem; `kind` is RECVIM, RECV, RECVIMS or RECVPBM."""

    kind: str
    source: int
    destination: int
    flag: str
    rssi_db: float
    integrity: float
    velocity_mps: float
    data: bytes


@dataclass(frozen=True, slots=True)
class EvoEcho:
    """What we wrote came back."""


EvoMessage = EvoAnswer | EvoNotice | EvoReceived | EvoEcho


class EvoParser:
    """The stream of one modem, cut anywhere."""

    def __init__(self) -> None:
        self._held = bytearray()
        self.skipped_bytes = 0
        """Bytes that belonged to no message."""

    @property
    def has_begun(self) -> bool:
        """Whether part of a message is held."""
        return bool(self._held)

    def flush(self) -> None:
        """What was begun will not be finished."""
        self._skip(len(self._held))

    def reset(self) -> None:
        """Forget what was begun, uncounted."""
        self._held.clear()

    def feed(self, data: bytes) -> list[EvoMessage]:
        """The messages that `data` completes."""
        self._held += data
        messages: list[EvoMessage] = []
        while self._held:
            before = len(self._held)
            message = self._next()
            if message is not None:
                messages.append(message)
            elif len(self._held) == before:
                break
        return messages

    def _next(self) -> EvoMessage | None:
        """The message at the front, or None: nothing yet, or something was skipped (`_held` is shorter then)."""
        held = self._held
        if held[0] in b"\r\n\0":
            del held[0]
            return None
        if _PREFIX.startswith(held[: len(_PREFIX)]) and len(held) < len(_PREFIX):
            return None
        if _OWN_BEGUN.match(held):
            return self._echo()
        if held.startswith(_PREFIX):
            return self._frame()
        return self._bare()

    def _echo(self) -> EvoMessage | None:
        own = _OWN.match(self._held[:MAX_HEAD_BYTES])
        if own is None:
            if len(self._held) > MAX_HEAD_BYTES or b"\n" in self._held[:MAX_HEAD_BYTES]:
                self._skip(1)
            return None
        end = own.end() + min(int(own[1] or own[2]), MAX_DATA_BYTES)
        if len(self._held) < end + 1:
            return None
        del self._held[:end]
        return EvoEcho()

    def _frame(self) -> EvoMessage | None:
        frame = _FRAME.match(self._held)
        if frame is None:
            if not _FRAME_BEGUN.fullmatch(self._held):
                self._skip(1)
            return None
        size = int(frame[2])
        if size > MAX_DATA_BYTES + MAX_HEAD_BYTES:
            self._skip(1)
            return None
        end = frame.end() + size
        if len(self._held) < end + 2:
            return None
        if self._held[end : end + 2] != b"\r\n":
            self._skip(1)
            return None
        body, command = bytes(self._held[frame.end() : end]), frame[1].decode("latin-1")
        del self._held[: end + 2]
        if command:
            return EvoAnswer(command, body.decode("latin-1").strip())
        taken = _received(body + b"\r\n")
        if taken is not None and taken[0] is not None:
            return taken[0]
        notice = _notice(body)
        if notice is None:
            self.skipped_bytes += len(body)
        return notice

    def _bare(self) -> EvoMessage | None:
        if _RECEIVED_BEGUN.match(self._held):
            taken = _received(bytes(self._held[: MAX_HEAD_BYTES + MAX_DATA_BYTES]))
            if taken is None:
                return None
            message, size = taken
            if message is None:
                self._skip(size)
            else:
                del self._held[:size]
            return message
        end = self._held.find(b"\n")
        begins_anew = self._held.find(_PREFIX, 1)
        if begins_anew >= 0 and (end < 0 or begins_anew < end):
            self._skip(begins_anew)
            return None
        if end < 0:
            if len(self._held) > MAX_LINE_BYTES:
                self._skip(len(self._held) - MAX_LINE_BYTES)
            return None
        line = bytes(self._held[:end]).strip(b"\r\0 ")
        del self._held[: end + 1]
        if not line:
            return None
        notice = _notice(line)
        if notice is not None:
            return notice
        if not line.isascii():
            self.skipped_bytes += len(line)
            return None
        return EvoAnswer(None, line.decode("ascii"))

    def _skip(self, count: int) -> None:
        self.skipped_bytes += count
        del self._held[:count]


def _notice(line: bytes) -> EvoNotice | None:
    found = _NOTICE.fullmatch(line.decode("latin-1").strip("\r\n"))
    if found is None:
        return None
    return EvoNotice(found[1], tuple(found[2].split(",")) if found[2] else ())


def _received(held: bytes) -> tuple[EvoReceived | None, int] | None:
    """The received message at the front and its length; (None, bytes to skip) if it is none; None: not whole yet."""
    head = _RECEIVED.match(held)
    if head is None:
        is_short = len(held) < MAX_HEAD_BYTES and b"\n" not in held
        return None if is_short else (None, 1)
    kind, size = head[1].decode(), int(head[2])
    parts = held[head.end() : head.end() + MAX_HEAD_BYTES].split(b",", _FIELDS[kind])
    if size > MAX_DATA_BYTES:
        return None, 1
    if len(parts) <= _FIELDS[kind]:
        return (None, 1) if len(held) - head.end() >= MAX_HEAD_BYTES else None
    fields = [part.decode("latin-1") for part in parts[:-1]]
    begin = head.end() + sum(len(part) + 1 for part in parts[:-1])
    if len(held) < begin + size + 2:
        return None
    if held[begin + size : begin + size + 2] != b"\r\n":
        return None, 1
    message = _fill(kind, fields, held[begin : begin + size])
    return message, begin + size + 2


def _fill(kind: str, fields: list[str], data: bytes) -> EvoReceived | None:
    """RECVIM and RECVIMS: src, dst, flag or time, duration, rssi, integrity, velocity. RECV: src, dst, bit rate, rssi,
    integrity, propagation time, velocity. RECVPBM: src, dst, duration, rssi, integrity, velocity."""
    if kind == "RECVPBM":
        fields.insert(2, "")
    elif kind == "RECV":
        source, destination, rate, rssi, integrity, _travel, velocity = fields
        fields = [source, destination, "", rate, rssi, integrity, velocity]
    try:
        source_, destination_ = int(fields[0]), int(fields[1])
        rssi_db, integrity_, velocity_mps = (float(field) for field in fields[4:7])
    except ValueError:
        return None
    return EvoReceived(kind, source_, destination_, fields[2], rssi_db, integrity_, velocity_mps, data)
