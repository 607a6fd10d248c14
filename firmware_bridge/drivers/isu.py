"""What both Iridium drivers share: greeting, set-up, registration, signal, and waiting for a modem that is silent.

Rule: one command at a time, and one timer; each names what follows it. A modem that answers nothing is asked again for
ever, ever more slowly.

Sources: Iridium, ISU AT Command Reference, version 2.45 (2011), cited by clause; 9523 Product Developers' Guide,
revision 2.6. The form `+CREG:000,001` is not verified; the reference has `+CREG: <n>,<stat>`. Both are read.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable
from random import Random

from firmware_bridge.driver import Lines, ModemDriver, ModemStatus
from firmware_bridge.framing.at import (
    AtBlock,
    AtData,
    AtDone,
    AtEvent,
    AtLeftData,
    AtLine,
    AtMachine,
    AtPrompt,
    ResultCode,
)
from firmware_bridge.profile import ModemProfile
from gateway.metrics import Metrics

GREET_S = 2.0
STEP_S = 5.0
SIGNAL_S = 60.0
"""+CSQ waits for a fresh reading, and gives up by itself after 50 s (10.4)."""
REGISTER_AGAIN_S = 5.0
FIRST_SILENT_S, LONGEST_SILENT_S = 2.0, 30.0
ESCAPE_AT_TRY, ESCAPE_EVERY = 2, 3
"""The modem may be in the call of a program that ended: at this try it is escaped from, and then at every so many more,
for an escape may be damaged on its way."""
LATE_ANSWERS_S = 0.5
JITTER = 0.25

Then = Callable[[AtDone, list[str], float], None]

_CREG = re.compile(r"\+CREG:\s*(\d+)\s*,\s*(\d+)")
_CSQ = re.compile(r"\+CSQF?:\s*(\d)\b")
_REGISTERED = {1: "registered", 5: "registered, roaming"}
_NOT_REGISTERED = {
    0: "not registered",
    2: "searching for a satellite",
    3: "registration denied",
    4: "registration unknown",
}


def backed_off_s(first_s: float, longest_s: float, times: int, rng: Random) -> float:
    """The wait before try number `times` (from 0): doubled each time up to `longest_s`, a quarter more or less."""
    return min(longest_s, first_s * 2.0 ** min(times, 30)) * rng.uniform(1 - JITTER, 1 + JITTER)


class IsuDriver(ModemDriver):
    """Base of the Iridium drivers: `_steps` says how the modem is set up, `_set_up` goes on from there."""

    has_calls = True

    def __init__(self, profile: ModemProfile, metrics: Metrics, rng: Random) -> None:
        super().__init__(profile, metrics)
        self._rng = rng
        self._at = AtMachine(self._write_at, has_calls=self.has_calls)
        self._then: Then | None = None
        self._reply: list[str] = []
        self._timer: tuple[float, Callable[[float], None]] | None = None
        self._tries = 0
        self._now = 0.0
        self._last_write_s = 0.0
        self.signal_bars: int | None = None
        """Last reading, 0 to 5."""

    # ---- for subclasses

    @abstractmethod
    def _steps(self) -> list[str]:
        """Commands that set the modem up; one that it refuses is counted and passed over."""

    @abstractmethod
    def _set_up(self, now: float) -> None:
        """The modem is set up."""

    @abstractmethod
    def _told(self, line: str, now: float) -> None:
        """A line that nobody asked for."""

    def _data_heard(self, data: bytes, now: float) -> None:
        """Bytes in data mode."""

    def _data_left(self, left: AtLeftData, now: float) -> None:
        """Data mode is over: a call that was not ours, or no call."""
        self._greet(now)

    def _prompted(self, now: float) -> None:
        """The modem waits for what belongs to the command."""

    def _block_heard(self, block: AtBlock, now: float) -> None:
        """A binary reply."""

    def _ask(
        self,
        text: str,
        then: Then,
        now: float,
        timeout_s: float = STEP_S,
        *,
        is_numeric: bool = False,
        is_call: bool = False,
        prompt: str | None = None,
        max_block_bytes: int | None = None,
    ) -> None:
        """A command; `then` gets how it ended and the lines of its reply. Cancels the timer."""
        self._timer, self._then, self._reply = None, then, []
        self._now = now
        self._at.command(
            text,
            timeout_s,
            now,
            is_numeric=is_numeric,
            is_call=is_call,
            prompt=prompt,
            max_block_bytes=max_block_bytes,
        )

    def _later(self, when_s: float, then: Callable[[float], None]) -> None:
        """The one timer."""
        self._timer = (when_s, then)

    def _signal_words(self) -> str:
        return "signal unknown" if self.signal_bars is None else f"signal {self.signal_bars}"

    # ---- greeting and set-up

    def _start(self, now: float) -> None:
        self._tries = 0
        self._greet(now)

    def _greet(self, now: float) -> None:
        self._at.reset()
        self._inbox.clear()
        self._set_line("dtr", True)
        # A modem may have been stored quiet: it obeys, and says nothing to a mere AT for ever (V.250, 6.2.5).
        self._ask("ATQ0" if self._tries % 2 else "AT", self._greeted, now, GREET_S, is_numeric=True)

    def _greeted(self, done: AtDone, reply: list[str], now: float) -> None:
        if done.code is ResultCode.OK:
            # Answers to what was asked before may still come: they are not to be taken for those of the next commands.
            wait_s = LATE_ANSWERS_S if self._tries else 0.0
            self._tries = 0
            self._later(now + wait_s, lambda now: self._step(self._steps(), now))
            return
        self._tries += 1
        if self._tries > ESCAPE_AT_TRY:
            self.metrics.count("modem.silent")
            self._set_status(ModemStatus.SILENT, self._silent_words())
        if self._tries % ESCAPE_EVERY == ESCAPE_AT_TRY:
            if self._tries == ESCAPE_AT_TRY:
                self._set_status(ModemStatus.STARTING, "no answer to AT: trying +++")
            self._at.escape(now, self._last_write_s)
            return
        wait_s = min(LONGEST_SILENT_S, FIRST_SILENT_S * 2.0 ** min(self._tries - 1, 10))
        self._later(now + wait_s, self._greet)

    def _silent_words(self) -> str:
        if self._at.has_echo:
            return "modem only echoes what we write: is it the right baud rate, is the cable looped?"
        return "modem does not answer: is it on, is the baud rate right?"

    def _silent(self, now: float) -> None:
        """A command got no answer: greet again."""
        self.metrics.count("modem.unanswered")
        self._try_again()
        self._tries = ESCAPE_AT_TRY  # it was in command mode
        self._set_status(ModemStatus.SILENT, "modem stopped answering")
        self._greet(now)

    def _step(self, steps: list[str], now: float) -> None:
        if not steps:
            self._set_up(now)
            return
        rest = steps[1:]

        def done(done: AtDone, reply: list[str], now: float) -> None:
            if done.code is None:
                self._silent(now)
                return
            if done.code is not ResultCode.OK:
                self.metrics.count("modem.refused_commands")
                self._set_status(ModemStatus.STARTING, f"modem refuses {steps[0]}: {done.text}")
            self._step(rest, now)

        self._ask(steps[0], done, now, is_numeric=True)

    # ---- registration and signal

    def _register(self, then: Callable[[float], None], now: float) -> None:
        """Wait for the network, then go on; `then` may look at `signal_bars`."""

        def again(now: float) -> None:
            self._register(then, now)

        def registered(done: AtDone, reply: list[str], now: float) -> None:
            if done.code is None:
                self._silent(now)
                return
            found = next((m for m in map(_CREG.search, reply) if m), None)
            state = int(found[2]) if found else 4
            if state in _REGISTERED:
                self._read_signal(then, now)
                return
            self._set_status(ModemStatus.STARTING, _NOT_REGISTERED.get(state, f"registration state {state}"))
            self._later(now + REGISTER_AGAIN_S, again)

        self._ask("AT+CREG?", registered, now)

    def _read_signal(self, then: Callable[[float], None], now: float) -> None:
        def read(done: AtDone, reply: list[str], now: float) -> None:
            if done.code is None:
                self._silent(now)
                return
            found = next((m for m in map(_CSQ.search, reply) if m), None)
            if found:
                self.signal_bars = int(found[1])
                self._measured("signal_bars", float(found[1]))
            then(now)

        self._ask("AT+CSQ", read, now, SIGNAL_S)

    # ---- contract

    def next_deadline(self) -> float | None:
        times = [self._at.next_deadline(), None if self._timer is None else self._timer[0]]
        return min((time for time in times if time is not None), default=None)

    def port_closed(self, now: float, why: str) -> None:
        super().port_closed(now, why)
        self._at.reset()
        self._timer = self._then = None

    def port_opened(self, now: float, lines: Lines | None = None) -> None:
        self._now = self._last_write_s = now
        super().port_opened(now, lines)

    def shut_down(self, now: float) -> None:
        super().shut_down(now)
        self._at.reset()
        self._timer = self._then = None

    def _write_at(self, data: bytes) -> None:
        self._last_write_s = self._now
        self._write(data)

    def _parse(self, now: float) -> None:
        self._now = now
        if self._status is ModemStatus.STOPPED:
            self._inbox.clear()
        while events := self._at.receive(self._inbox, now):
            self._take(events, now)

    def _tick(self, now: float) -> None:
        self._now = now
        self._take(self._at.tick(now), now)
        if self._timer is not None and now >= self._timer[0]:
            then = self._timer[1]
            self._timer = None
            then(now)

    def _take(self, events: list[AtEvent], now: float) -> None:
        for event in events:
            match event:
                case AtLine(text, None):
                    self._told(text, now)
                case AtLine(text, _):
                    self._reply.append(text)
                    self._line_heard(text, now)
                case AtDone():
                    then, reply = self._then, self._reply
                    self._then, self._reply = None, []
                    if then is not None:
                        then(event, reply, now)
                case AtData(data):
                    self._data_heard(data, now)
                case AtLeftData():
                    self._data_left(event, now)
                case AtPrompt():
                    self._prompted(now)
                case AtBlock():
                    self._block_heard(event, now)

    def _line_heard(self, line: str, now: float) -> None:
        """A line of the reply under way."""
