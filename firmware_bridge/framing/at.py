"""Hayes AT commands: one command at a time, its reply, unsolicited lines, the way into data mode and out of it.

Rule: pure; bytes in, events out, bytes to write through the function handed in, time passed in. What cannot be a reply
is an `AtLine` that nobody asked for, never an exception.

What a line is
--------------
Replies are lines between CR and LF, in any mixture: `<CR><LF>text<CR><LF>` for words (V1), `digit<CR>` for numbers
(V0), `text<CR><LF>` for information under V0 (Iridium, ISU AT Command Reference 2.45, 3.6; ITU-T V.250, 5.7). Where the
modem echoes, the command itself comes back first and is passed over.

Data mode and what ends it
--------------------------
CONNECT leads to data mode, in which bytes are handed on as they come. The modem's own NO CARRIER comes in the same
stream, so that the text proves nothing: a packet may hold it. It is taken for the modem's when the text comes, then
silence for `HUSH_S`, and then an `AT` is answered by OK, which only a modem in command mode does. A packet that holds
the text is followed by its rest, or the `AT` remains unanswered; then nothing has happened, but that the far end got
three bytes of garbage. Where a DCD line works, no text is needed: `carrier_line_fell`.

The way out on purpose is `+++`, with silence before and after (V.250 leaves it open; Iridium: S2 and S12, 12.2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from gateway.errors import LocalProtocolError

MAX_LINE_BYTES = 512
"""A longer line is garbage: its beginning is dropped."""
HUSH_S = 0.5
"""Silence after NO CARRIER in data mode: the line's own pauses in mid-packet are shorter."""
PROBE_S = 2.0
"""How long an `AT` that asks whether this is still data mode may remain unanswered."""
ESCAPE_GUARD_S = 1.1
"""Silence before and after `+++`: a second is what modems ask for."""
_LOST = (b"\r\nNO CARRIER\r\n",)
_PROBE_OK = (b"OK\r\n", b"0\r")
_TAIL_BYTES = 24


class ResultCode(Enum):
    """What ends a command (V.250, 6.2.1, table 1); the value is the numeric form."""

    OK = 0
    CONNECT = 1
    RING = 2
    NO_CARRIER = 3
    ERROR = 4
    NO_DIALTONE = 6
    BUSY = 7
    NO_ANSWER = 8


_WORDS = {
    "OK": ResultCode.OK,
    "NO CARRIER": ResultCode.NO_CARRIER,
    "ERROR": ResultCode.ERROR,
    "NO DIALTONE": ResultCode.NO_DIALTONE,
    "NO DIAL TONE": ResultCode.NO_DIALTONE,
    "BUSY": ResultCode.BUSY,
    "NO ANSWER": ResultCode.NO_ANSWER,
}
_NUMBERS = {str(code.value): code for code in ResultCode}
_NOT_FINAL = {ResultCode.RING}
_UNSOLICITED = ("RING", "+CRING", "SBDRING", "+CIEV")
"""Beginnings of lines that are no reply to anything."""


def result_code(line: str, *, is_numeric: bool = False) -> ResultCode | None:
    """The result code that a line is, in words, or also as a number; None for any other line."""
    if line in _WORDS:
        return _WORDS[line]
    if line == "CONNECT" or line.startswith("CONNECT "):
        return ResultCode.CONNECT
    if line.startswith(("+CME ERROR", "+CMS ERROR")):
        return ResultCode.ERROR
    if is_numeric:
        return _NUMBERS.get(line)
    return None


@dataclass(frozen=True, slots=True)
class AtLine:
    """A line of information in reply to `command`; None: nobody asked for it (RING, SBDRING, garbage)."""

    text: str
    command: str | None


@dataclass(frozen=True, slots=True)
class AtPrompt:
    """The modem waits for what belongs to `command` (`READY`); the command goes on."""

    command: str


@dataclass(frozen=True, slots=True)
class AtBlock:
    """A binary reply: two bytes of length, `data`, two bytes of `checksum`, as the modem sent them."""

    data: bytes
    checksum: bytes
    command: str


@dataclass(frozen=True, slots=True)
class AtDone:
    """`command` has ended; `text` is the line that did it (`CONNECT 19200`). `code` None: no answer in time."""

    command: str
    code: ResultCode | None
    text: str


@dataclass(frozen=True, slots=True)
class AtData:
    """Bytes in data mode."""

    data: bytes


@dataclass(frozen=True, slots=True)
class AtLeftData:
    """Data mode is over; `is_lost`: the call is gone, otherwise `+++` was answered and the call waits for ATH."""

    is_lost: bool
    text: str


AtEvent = AtLine | AtPrompt | AtBlock | AtDone | AtData | AtLeftData


class AtMode(Enum):
    """What bytes from the modem are."""

    COMMAND = auto()
    DATA = auto()
    SUSPECT = auto()
    """Data mode in which NO CARRIER was the last thing said."""
    PROBING = auto()
    """Data mode, or not: an `AT` was written to find out."""
    QUIET = auto()
    """Data mode, before `+++`."""
    ESCAPING = auto()
    """Data mode until `+++`, which was written, is answered."""


@dataclass(slots=True)
class _Pending:
    text: str
    timeout_s: float
    deadline_s: float
    is_numeric: bool
    is_call: bool
    prompt: str | None
    max_block_bytes: int | None


class AtMachine:
    """One modem's command line. `write` takes what is to go to the port.

    `has_calls` False: there is no data mode that CONNECT could lead to, and a line that says so is any line.
    """

    def __init__(self, write: Callable[[bytes], None], *, has_calls: bool = True) -> None:
        self._write, self._has_calls = write, has_calls
        self._pending: _Pending | None = None
        self._tail = b""
        self._after_line = False
        self._next_s: float | None = None
        self._escape_wait_s = 0.0
        self.mode = AtMode.COMMAND
        self.has_echo = False
        """Whether the modem was seen to echo the last command."""

    @property
    def busy_with(self) -> str | None:
        """The command that has no final answer yet."""
        return None if self._pending is None else self._pending.text

    @property
    def may_write_data(self) -> bool:
        """Whether bytes written now are data: not while it is in doubt, and not around `+++`."""
        return self.mode is AtMode.DATA

    @property
    def in_data_mode(self) -> bool:
        """Whether a call is up as far as is known."""
        return self.mode is not AtMode.COMMAND

    def reset(self) -> None:
        """Nothing is known of the modem: command mode, no command."""
        self._pending, self._next_s, self._tail, self.mode = None, None, b"", AtMode.COMMAND
        self.has_echo = False

    def next_deadline(self) -> float | None:
        """When `tick` has something to do."""
        if self.mode is AtMode.COMMAND:
            return None if self._pending is None else self._pending.deadline_s
        return self._next_s

    def command(
        self,
        text: str,
        timeout_s: float,
        now: float,
        *,
        is_numeric: bool = False,
        is_call: bool = False,
        prompt: str | None = None,
        max_block_bytes: int | None = None,
    ) -> None:
        """Write a command and wait for what ends it, `timeout_s` at most (again after the prompt).

        `is_numeric`: a lone digit is a result code. `is_call`: NO CARRIER, BUSY and so on end it; for others, they are
        news of their own. `prompt`: the line that asks for more. `max_block_bytes`: the reply is a binary block.
        Raises LocalProtocolError while another command is under way or in data mode.
        """
        if self._pending is not None or self.mode is not AtMode.COMMAND:
            raise LocalProtocolError(f"{text!r} to a modem that is busy with {self.busy_with or 'a call'}")
        self._pending = _Pending(text, timeout_s, now + timeout_s, is_numeric, is_call, prompt, max_block_bytes)
        self.has_echo = False
        self._write(text.encode("ascii", "replace") + b"\r")

    def forget(self) -> None:
        """Wait no longer for the command under way."""
        self._pending = None

    def hurry(self, timeout_s: float, now: float) -> None:
        """What matters of the reply is here; the OK behind it, which some modems leave out, may take so long still."""
        if self._pending is not None:
            self._pending.deadline_s = min(self._pending.deadline_s, now + timeout_s)

    def escape(self, now: float, last_written_s: float, timeout_s: float = 3.0) -> None:
        """Leave data mode with `+++`, first silence and then the answer awaited; ends in `AtLeftData`.

        Works also where it is only a guess that the modem is in data mode.
        """
        self._pending = None
        self.mode, self._escape_wait_s, self._tail = AtMode.QUIET, timeout_s, b""
        self._next_s = max(now, last_written_s + ESCAPE_GUARD_S)

    def carrier_line_fell(self) -> list[AtEvent]:
        """DCD went off: the call is over."""
        if self.mode is AtMode.COMMAND:
            return []
        return [self._left("carrier line off")]

    def tick(self, now: float) -> list[AtEvent]:
        """Time-outs."""
        if self.mode is AtMode.COMMAND:
            return self._time_out(now)
        if self._next_s is None or now < self._next_s:
            return []
        match self.mode:
            case AtMode.SUSPECT:
                self.mode, self._tail, self._next_s = AtMode.PROBING, b"", now + PROBE_S
                self._write(b"AT\r")
            case AtMode.QUIET:
                self.mode, self._tail = AtMode.ESCAPING, b""
                self._next_s = now + ESCAPE_GUARD_S + self._escape_wait_s
                self._write(b"+++")
            case AtMode.ESCAPING:
                return [self._left("+++ not answered")]
            case _:
                self.mode, self._next_s = AtMode.DATA, None
        return []

    def receive(self, inbox: bytearray, now: float) -> list[AtEvent]:
        """Take the next thing from the front of `inbox` and say what it is; empty: nothing more is complete.

        To be called until then, so that each event is acted upon in the mode in which it happened: what follows it may
        be a call.
        """
        while inbox:
            before = len(inbox)
            events = self._data(inbox, now) if self.mode is not AtMode.COMMAND else self._command(inbox, now)
            if events or len(inbox) == before:
                return events
        return []

    # ---- data mode

    def _data(self, inbox: bytearray, now: float) -> list[AtEvent]:
        """One piece up to where the mode may change; what comes after it is judged anew."""
        if not inbox:
            return []
        if self.mode in (AtMode.PROBING, AtMode.ESCAPING):
            return self._answer(inbox)
        data = bytes(inbox)
        inbox.clear()
        if self._after_line:  # the line feed of CONNECT's own line
            self._after_line = False
            data = data.removeprefix(b"\n")
        self._tail = (self._tail + data)[-_TAIL_BYTES:]
        if self.mode is not AtMode.QUIET:
            says_lost = self._tail.endswith(_LOST)
            self.mode = AtMode.SUSPECT if says_lost else AtMode.DATA
            self._next_s = now + HUSH_S if says_lost else None
        return [AtData(data)] if data else []

    def _answer(self, inbox: bytearray) -> list[AtEvent]:
        """After `AT` or `+++`: byte by byte, since the rest of `inbox` is of another mode once OK came."""
        for at in range(len(inbox)):
            self._tail = (self._tail + inbox[at : at + 1])[-_TAIL_BYTES:]
            is_answered = self._tail.endswith(b"\nOK\r\n") or self._tail in _PROBE_OK
            is_lost = self._tail.endswith(_LOST)
            if is_answered or is_lost:
                data = bytes(inbox[: at + 1])
                del inbox[: at + 1]
                escaped = self.mode is AtMode.ESCAPING and is_answered
                left = self._left("+++") if escaped else self._left("NO CARRIER")
                return [AtData(data), AtLeftData(not escaped, left.text)]
        data = bytes(inbox)
        inbox.clear()
        return [AtData(data)]

    def _left(self, text: str) -> AtLeftData:
        self.mode, self._next_s, self._tail, self._pending = AtMode.COMMAND, None, b"", None
        return AtLeftData(True, text)

    def _connected(self) -> None:
        self.mode, self._tail, self._next_s, self._after_line = AtMode.DATA, b"", None, True

    # ---- command mode

    def _time_out(self, now: float) -> list[AtEvent]:
        pending = self._pending
        if pending is None or now < pending.deadline_s:
            return []
        self._pending = None
        return [AtDone(pending.text, None, "no answer")]

    def _command(self, inbox: bytearray, now: float) -> list[AtEvent]:
        pending = self._pending
        if pending is not None and pending.max_block_bytes is not None:
            taken = self._block(inbox, pending, pending.max_block_bytes)
            if taken is not None:
                return taken
        line = _take_line(inbox)
        if line is None:
            return []
        return self._line(line, now) if line else []

    def _block(self, inbox: bytearray, pending: _Pending, longest: int) -> list[AtEvent] | None:
        """The block at the front; [] if not whole yet; None if this is text: its length would be above 2560."""
        if len(inbox) < 2:
            return [] if not inbox or inbox[0] <= longest >> 8 else None
        size = int.from_bytes(inbox[:2], "big")
        if size > longest:
            return None
        if len(inbox) < size + 4:
            return []
        data, checksum = bytes(inbox[2 : 2 + size]), bytes(inbox[2 + size : 4 + size])
        del inbox[: size + 4]
        pending.max_block_bytes = None
        return [AtBlock(data, checksum, pending.text)]

    def _line(self, line: str, now: float) -> list[AtEvent]:
        pending = self._pending
        if pending is None:
            if self._has_calls and result_code(line) is ResultCode.CONNECT:  # it answers by itself, or late
                self._connected()
            return [AtLine(line, None)]
        if line == pending.text:
            self.has_echo = True
            return []
        if line.startswith(_UNSOLICITED):
            return [AtLine(line, None)]
        if pending.prompt is not None and line == pending.prompt:
            pending.prompt, pending.deadline_s = None, now + pending.timeout_s
            return [AtPrompt(pending.text)]
        code = result_code(line, is_numeric=pending.is_numeric)
        if code is None:
            return [AtLine(line, pending.text)]
        if code in _NOT_FINAL or (not pending.is_call and code not in (ResultCode.OK, ResultCode.ERROR)):
            if self._has_calls and code is ResultCode.CONNECT:
                self._pending = None
                self._connected()
            return [AtLine(line, None)]
        self._pending = None
        if code is ResultCode.CONNECT:
            self._connected()
        return [AtDone(pending.text, code, line)]


def _take_line(inbox: bytearray) -> str | None:
    """The line at the front of `inbox`, its end removed; "" for an empty one; None: not whole yet."""
    ends = [at for at in (inbox.find(b"\r"), inbox.find(b"\n")) if at >= 0]
    if not ends:
        if len(inbox) > MAX_LINE_BYTES:
            del inbox[:-MAX_LINE_BYTES]
        return None
    line = bytes(inbox[: min(ends)])
    del inbox[: min(ends) + 1]
    return line[-MAX_LINE_BYTES:].decode("latin-1").strip(" \0")
