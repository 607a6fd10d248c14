"""Base of drivers for modems that are set up by commands and replies: one command at a time, each until its reply.

Rule: `_script` is what the modem is told after the port opened, after it restarted, and again and again while it does
not answer. A modem that stops answering is SILENT and asked on; no packet is given up for that.

    port open -> step 1 -> ... -> step n -> READY -> (idle: `_probe`) -> READY
                   ^ no reply, `_tries` times: SILENT, pause, from step 1

A subclass calls `_answered` when the reply of the step under way came, `_refused` when the modem declined it, and sets
`_wait_until` while it waits for the modem after `_transmit`: if that passes, `_waited_in_vain` is called.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from dataclasses import dataclass

from firmware_bridge.driver import ModemDriver, ModemStatus, Outgoing
from firmware_bridge.profile import ModemProfile
from gateway.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Step:
    """One command; `name` is for people and for telling replies apart, `quiet_s` the silence it needs before it."""

    name: str
    command: bytes
    quiet_s: float = 0.0
    expect: str = ""
    """The driver's own mark of the right reply."""


class ScriptedDriver(ModemDriver):
    """Adds the script, the probe and the time-outs to `ModemDriver`."""

    _reply_s = 5.0
    """How long a command may stay unanswered."""
    _tries = 3
    _pause_s = 5.0
    """Between rounds with a silent modem."""
    _idle_s = 30.0
    """A modem that said nothing for so long is probed."""
    _max_refusals = 20
    """A packet that the modem has refused so often is given up."""

    def __init__(self, profile: ModemProfile, metrics: Metrics | None = None) -> None:
        super().__init__(profile, metrics)
        self._steps: deque[Step] = deque()
        self._asked_tries = 0
        self._ask_at: float | None = None
        """When to write the step at the front: None while its reply is awaited."""
        self._step_deadline: float | None = None
        self._wait_until: float | None = None
        self._hold_until = 0.0
        """No packet is handed over before: a modem that was busy."""
        self._heard_at = 0.0
        self._declined: list[str] = []

    # ---- for subclasses

    @abstractmethod
    def _script(self) -> list[Step]:
        """What the modem is told to be ready."""

    def _probe(self) -> Step | None:
        """What an idle modem is asked to see that it is there; None: nothing."""
        return None

    def _ready_text(self) -> str:
        """The status in words when the script is through."""
        return "ready"

    def _forget_line(self) -> None:
        """The port opened or closed: drop what is half read."""

    def _forget_modem(self) -> None:
        """The port opened or the modem booted: nothing is under way with it. What is half read stays."""

    @property
    def _step(self) -> Step | None:
        """The step whose reply is awaited."""
        return self._steps[0] if self._steps and self._step_deadline is not None else None

    def _answered(self, now: float) -> None:
        """The step under way is done: on to the next, or ready."""
        self._steps.popleft()
        if self._status is ModemStatus.SILENT:
            self._set_status(ModemStatus.STARTING, "answers again")
        self._step_deadline, self._asked_tries = None, 0
        if self._steps:
            self._ask(now)
        else:
            self._ask_at = None
            self._script_done(now)
            note = f" (declined: {', '.join(self._declined)})" if self._declined else ""
            self._set_status(ModemStatus.READY, self._ready_text() + note)

    def _script_done(self, now: float) -> None:
        """The last reply came."""

    def _refused(self, now: float) -> None:
        """The modem declines the step under way, as older firmware does: asked twice, then passed over and named in the
        status."""
        step = self._step
        if step is not None and self._asked_tries < 2:
            self._ask(now)
        elif step is not None:
            self.metrics.count("modem.setup_declined")
            if step.name not in self._declined:
                self._declined.append(step.name)
            self._answered(now)

    def _waited_in_vain(self, now: float) -> None:
        """The modem did not say what `_wait_until` gave it time for: it is taken for silent, and greeted anew."""
        self._fall_silent(now, "no answer to a packet")

    def _fall_silent(self, now: float, why: str, pause_s: float = 0.0) -> None:
        if self._status is not ModemStatus.SILENT:
            self.metrics.count("modem.silences")
        self._try_again()
        self._set_status(ModemStatus.SILENT, f"{why}; asking again every {self._reply_s + self._pause_s:g} s")
        self._begin_script(now, pause_s)
        # From now on one try a round: whoever looks at the line sees one question each time.
        self._asked_tries = self._tries - 1

    def _busy(self, now: float, wait_s: float) -> None:
        """The modem cannot take the packet under way now: once more after `wait_s`; often refused, it is given up."""
        self.metrics.count("modem.tx_refused")
        self._wait_until, self._hold_until = None, now + wait_s
        head = self._under_way
        if head is not None and head.tries >= self._max_refusals:
            self._give_up(f"the modem refused it {head.tries} times")
        else:
            self._try_again()

    def _count(self, name: str, by: int) -> None:
        """As `metrics.count`, and nothing for 0: a counter appears with its first event."""
        if by:
            self.metrics.count(name, by)

    def _done(self) -> None:
        """The packet under way has left."""
        self._wait_until = None
        self._sent()

    # ---- ModemDriver

    def receive_data(self, data: bytes, now: float) -> None:
        if self._status is not ModemStatus.NO_PORT:
            super().receive_data(data, now)

    def _start(self, now: float) -> None:
        self._hold_until, self._heard_at = 0.0, now
        self._forget_modem()
        self._begin_script(now)

    def _restart(self) -> None:
        super()._restart()
        self._forget_line()

    def _begin_script(self, now: float, pause_s: float = 0.0) -> None:
        self._wait_until, self._asked_tries = None, 0
        self._declined = []
        self._steps = deque(self._script())
        self._ask(now, pause_s)

    def _ask(self, now: float, pause_s: float = 0.0) -> None:
        self._step_deadline = None
        self._ask_at = now + max(pause_s, self._steps[0].quiet_s)
        if self._ask_at <= now:
            self._write_step(now)

    def _write_step(self, now: float) -> None:
        self._ask_at = None
        self._write(self._steps[0].command)
        self._asked_tries += 1
        self._step_deadline = now + self._reply_s

    def _is_free(self, now: float) -> bool:
        return not self._steps and now >= self._hold_until

    def _tick(self, now: float) -> None:
        if self._status is ModemStatus.NO_PORT:
            return
        if now >= self._hold_until:
            self._hold_until = 0.0
        if self._ask_at is not None and now >= self._ask_at:
            self._write_step(now)
        elif self._step_deadline is not None and now >= self._step_deadline:
            self._unanswered(now)
        elif self._wait_until is not None and now >= self._wait_until:
            self._wait_until = None
            self._waited_in_vain(now)
        elif self._status is ModemStatus.READY and self._is_idle() and now >= self._heard_at + self._idle_s:
            self._heard_at = now
            probe = self._probe()
            if probe is not None:
                self._steps.append(probe)
                self._ask(now)

    def _unanswered(self, now: float) -> None:
        self.metrics.count("modem.reply_timeouts")
        if self._asked_tries < self._tries:
            self._ask(now)
            return
        self._fall_silent(now, f"no answer to {self._steps[0].name}", self._pause_s)

    def _is_idle(self) -> bool:
        return not self._steps and self._wait_until is None and self._probe() is not None

    def next_deadline(self) -> float | None:
        if self._status in (ModemStatus.NO_PORT, ModemStatus.STOPPED):
            return None
        times = [self._ask_at, self._step_deadline, self._wait_until]
        if self._status is ModemStatus.READY:
            times.append(self._heard_at + self._idle_s if self._is_idle() else None)
            times.append(self._hold_until if self._queue and self._under_way is None and self._hold_until else None)
        return min((time for time in times if time is not None), default=None)

    @abstractmethod
    def _transmit(self, packet: Outgoing, now: float) -> None: ...
