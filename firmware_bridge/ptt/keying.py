"""The one owner of a transmitter's key: the rules (`Keyer`), the device (`Switch`), and who is told of what happens.

Rule: thread-safe, and nothing waits. Whoever hands data to the modem (`ModemRunner`, `KeyedLink`) uses it as a `Keyer`;
the station says when its operator talks, and that it lives (`alive`): a station that hangs is unkeyed by the watchdog
although the thread with the modem's port goes on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from firmware_bridge.ptt.keyer import Hold, Keyer, KeyerTimes, KeyLine
from firmware_bridge.ptt.switch import DirectSwitch, LineIsOn, Switch, SwitchLost, SwitchReady, Unkeyed, WatchedSwitch
from gateway.metrics import Metrics
from gateway.ptt_config import KeyingSection, ModemLineKey, SerialLineKey, VoxKey

NOT_THERE_YET = "its device is being opened"


class Keying:
    """`say` gets lines for the operator, from any thread. `beats` "alive": a station beats; "tick": the sender does.

    Counters, besides those of `Keyer`: `keying.lost`, `keying.watchdog_unkeyed`, `keying.without_watchdog`.
    """

    def __init__(
        self,
        section: KeyingSection,
        metrics: Metrics,
        say: Callable[[str], None],
        *,
        station_beats: bool = False,
        switch: Switch | None = None,
    ) -> None:
        self._section = section
        self._metrics, self._say = metrics, say
        self._station_beats = station_beats
        self._lock = threading.RLock()
        device = section.device
        self._is_ours = not isinstance(device, ModemLineKey | VoxKey)
        self._switch: Switch | None = switch
        if switch is None and self._is_ours:
            self._switch = DirectSwitch(section) if section.watchdog == "off" else WatchedSwitch(section)
        times = KeyerTimes(section.delay_ms / 1000, section.tail_ms / 1000, section.time_out_s)
        self._keyer = Keyer(times, Hold(section.hold), metrics, confirms=self._switch is not None)
        self._problem: str | None = None if self._switch is None else NOT_THERE_YET
        self._failure: str | None = None
        self._was_locked = False
        self._inverts = isinstance(device, ModemLineKey | SerialLineKey) and device.active_low
        has_line = isinstance(device, ModemLineKey | SerialLineKey)
        self._for_runner: list[KeyLine] = [KeyLine(self._inverts)] if has_line else []

    def line_at(self, address: str) -> str | None:
        """`rts` or `dtr` if that line of the port at `address` keys: who opens it must leave the line as the next
        `take_output` says, and from then on switch it as that says, if it says anything; None: no line there does."""
        device = self._section.device
        if isinstance(device, ModemLineKey) or (isinstance(device, SerialLineKey) and device.port == address):
            with self._lock:
                # A port that is opened again rests as it did the first time.
                self._for_runner = [KeyLine(self._inverts)]
            return device.line
        return None

    def line_among(self, port: str | Sequence[str]) -> Callable[[bool], None] | str:
        """What a runner with its modem at `port` (or one of several) is to switch: nothing if the key is elsewhere."""
        addresses = [port] if isinstance(port, str) else port
        lines = [line for line in map(self.line_at, addresses) if line is not None]
        return lines[0] if lines else lambda is_on: None

    @property
    def problem(self) -> str | None:
        """Why no transmission can begin, for people; None: it can."""
        return self._problem

    @property
    def is_locked_out(self) -> bool:
        return self._keyer.is_locked_out

    @property
    def is_on(self) -> bool:
        return self._keyer.is_on

    def is_up(self, now: float) -> bool:
        """Whether the key is on and its delay over."""
        with self._lock:
            return self._keyer.is_up(now)

    # ---- for who sends data: see Keyer

    def key(self, now: float) -> None:
        with self._lock:
            if self._problem is None:
                self._keyer.key(now)
            self._after(now)

    def release(self, now: float) -> None:
        with self._lock:
            self._keyer.release(now)
            self._after(now)

    def may_send(self, now: float, air_s: float = 0.0) -> bool:
        with self._lock:
            may = self._keyer.may_send(now, air_s)
            self._after(now)
            return may

    def sending_until(self, now: float, end_s: float) -> None:
        with self._lock:
            self._keyer.sending_until(now, end_s)
            self._after(now)

    def tick(self, now: float) -> None:
        with self._lock:
            if not self._station_beats:
                self._beat(now)
            self._poll(now)
            self._keyer.tick(now)
            self._after(now)

    def next_deadline(self) -> float | None:
        with self._lock:
            return self._keyer.next_deadline()

    def take_output(self) -> list[KeyLine]:
        """What the modem's port is to be switched to, electrically; nothing where there is a device of our own."""
        with self._lock:
            lines, self._for_runner = self._for_runner, []
            return lines

    # ---- for the station

    def hold_over(self, now: float) -> None:
        """The session has its transmitter on."""
        with self._lock:
            if self._problem is None:
                self._keyer.hold_over(now)
            self._after(now)

    def end_over(self, now: float) -> None:
        """The session has its transmitter off."""
        with self._lock:
            self._keyer.end_over(now)
            self._after(now)

    def alive(self, now: float) -> None:
        """The station turns."""
        with self._lock:
            self._beat(now)
            self._poll(now)
            self._keyer.tick(now)
            self._after(now)

    def take_failure(self) -> str | None:
        """Why the key went off by itself since the last call; None: it did not."""
        with self._lock:
            failure, self._failure = self._failure, None
            return failure

    def close(self) -> None:
        """Unkey, whatever is on the air, and end the watchdog."""
        with self._lock:
            if self._switch is not None:
                self._switch.close()
                self._switch = None
                self._problem = "closed"
            elif self._is_for_runner:
                self._for_runner.append(KeyLine(self._inverts))

    @property
    def _is_for_runner(self) -> bool:
        return isinstance(self._section.device, ModemLineKey)

    def _beat(self, now: float) -> None:
        if self._switch is not None:
            self._switch.beat(now)

    def _after(self, now: float) -> None:
        """Hand on what the keyer has decided, and tell of a lock-out."""
        for line in self._keyer.take_output():
            if self._switch is not None:
                self._switch.set(line.is_on, now)
            elif self._is_for_runner:
                self._for_runner.append(KeyLine(line.is_on is not self._inverts))
        if self._keyer.is_locked_out and not self._was_locked and self._failure is None:
            self._failure = f"it was keyed for {self._section.time_out_s:g} s, the limit"
            self._say(f"transmitter unkeyed: {self._failure}")
        self._was_locked = self._keyer.is_locked_out

    def _poll(self, now: float) -> None:
        if self._switch is None:
            return
        for event in self._switch.poll(now):
            match event:
                case SwitchReady():
                    if self._problem not in (None, NOT_THERE_YET):
                        self._say("transmitter can be keyed again")
                    self._problem = None
                case LineIsOn():
                    self._keyer.line_is_on(now)
                case Unkeyed(why):
                    self._metrics.count("keying.watchdog_unkeyed")
                    self._fail(why, now)
                case SwitchLost(why, is_guard):
                    if why != self._problem:
                        self._metrics.count("keying.lost")
                        self._say(f"transmitter cannot be keyed: {why}")
                    self._problem = why
                    if self._keyer.is_on:
                        self._fail(why, now)
                    if is_guard and self._section.watchdog == "preferred":
                        self._go_on_without()

    def _fail(self, why: str, now: float) -> None:
        self._failure = why
        self._say(f"transmitter unkeyed: {why}")
        self._keyer.fail(now)

    def _go_on_without(self) -> None:
        assert self._switch is not None
        self._metrics.count("keying.without_watchdog")
        self._say("keying goes on without a watchdog: a program that hangs would stay keyed")
        self._switch.close()
        self._switch = DirectSwitch(self._section)
