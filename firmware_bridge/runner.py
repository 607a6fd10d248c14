"""One modem at work: a thread that owns port and driver, opens a port that is gone again, and keys if there is a key.

Rule: the thread waits for bytes, for room to write, for the driver's next deadline or for being woken, never by the
clock's turning; whatever a port does, `stop` returns in a second or two.

Everything that is not the port may be called from any thread: one lock guards the driver.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from firmware_bridge.driver import Lines, ModemDriver, ModemEvent, ModemOutput, ModemStatus, SetLine, Write
from firmware_bridge.port import Port, check_address, open_port
from firmware_bridge.ports import stable_name
from firmware_bridge.profile import PortSection
from firmware_bridge.raw_log import Mark, RawLog
from gateway.clock import Clock, SystemClock
from gateway.errors import LinkError
from gateway.links.base import LinkInfo
from gateway.metrics import Metrics

FIRST_RETRY_S, LAST_RETRY_S = 0.25, 4.0
"""A port that is not there is tried after this long, then twice as long, and so on up to the latter."""
LINES_EVERY_S = 0.1
LEAST_WAIT_S = 0.001
"""A driver that asks for a time that has passed, again and again, does not take the whole machine."""
GOOD_BYE_S = 1.0
"""At most this long may the driver's last words take."""
STOP_S = 2.0
MAX_EVENTS = 1024
"""Packets heard that nobody fetches: the oldest are dropped and counted."""

OpenPort = Callable[..., Port]


class KeyLineLike(Protocol):
    """What a keyer gives out: the line is to be switched."""

    @property
    def is_on(self) -> bool: ...


class KeyerLike(Protocol):
    """What the runner asks of a keyer (`firmware_bridge.ptt.keyer.Keyer`)."""

    def key(self, now: float) -> None: ...

    def release(self, now: float) -> None: ...

    def may_send(self, now: float) -> bool: ...

    def sending_until(self, now: float, end_s: float) -> None: ...

    def hold_over(self, now: float) -> None: ...

    def end_over(self, now: float) -> None: ...

    def tick(self, now: float) -> None: ...

    def next_deadline(self) -> float | None: ...

    def take_output(self) -> Sequence[KeyLineLike]: ...


class ModemRunner:
    """Runs `driver` on the port at `address` from `start` to `stop`; a stopped runner is not started again."""

    def __init__(
        self,
        driver: ModemDriver,
        address: str | Sequence[str],
        *,
        clock: Clock | None = None,
        metrics: Metrics | None = None,
        raw_log: Path | None = None,
        keyer: KeyerLike | None = None,
        key_line: Callable[[bool], None] | str = "rts",
        open_with: OpenPort = open_port,
    ) -> None:
        """`address`: or several, tried in turn. `key_line` switches the transmitter: a function, or a line of the port;
        what `keyer` gives out before anybody keys is how it rests (else: off).

        Counters: `modem.port_opened`, `modem.port_lost`, `modem.bytes_read`, `modem.bytes_written`,
        `modem.events_dropped`. Raises ConfigError for an address that is none or a raw log that cannot be written.
        """
        self._addresses = [check_address(one) for one in ([address] if isinstance(address, str) else address)]
        self._driver = driver
        self._clock = SystemClock() if clock is None else clock
        self._metrics = driver.metrics if metrics is None else metrics
        self._log = None if raw_log is None else RawLog(raw_log)
        self._keyer, self._key_line, self._open_with = keyer, key_line, open_with
        self._port: Port | None = None
        self._outbox: deque[ModemOutput] = deque()
        self._events: deque[ModemEvent] = deque()
        self._changed = threading.Condition(threading.RLock())
        self._stopping = threading.Event()
        self._has_ended = False
        self._retry_s = self._backoff_s = 0.0
        self._lines = Lines()
        self._lines_due_s = 0.0
        self._air_until_s = 0.0
        resting = [] if keyer is None else list(keyer.take_output())
        self._rests_on = bool(resting) and resting[-1].is_on
        self._line_is_on: bool | None = None
        self._thread = threading.Thread(target=self._run, name=f"modem {self._addresses[0]}", daemon=True)
        self.failure: BaseException | None = None
        """What ended the thread, if it was not `stop`."""

    # ---- from any thread

    def start(self) -> None:
        """Open the port and begin, in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Let the driver say good-bye, unkey, close the port. Returns within seconds, whatever the port does."""
        self._stopping.set()
        self._wake()
        if self._thread.is_alive():
            # Without a port it may be in the middle of connecting: it ends by itself when that does.
            self._thread.join(STOP_S / 2 if self._port is None else GOOD_BYE_S + STOP_S)

    def send(self, data: bytes) -> int | None:
        """Accept a packet: its number, or None where it is refused."""
        with self._changed:
            number = self._driver.send(data, self._clock.now())
            self._collect()
        self._wake()
        return number

    def next_event(self, timeout_s: float = 0.0) -> ModemEvent | None:
        """The oldest event not fetched yet, waiting up to `timeout_s` for one."""
        with self._changed:
            if not self._events and timeout_s > 0:
                self._changed.wait_for(lambda: bool(self._events) or self._has_ended, timeout_s)
            return self._events.popleft() if self._events else None

    def wait_for(self, status: ModemStatus, timeout_s: float) -> bool:
        """Whether the driver got there within the time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._driver.status is status, timeout_s)

    def can_send(self) -> bool:
        """Whether a packet sent now would leave at once."""
        with self._changed:
            return self._driver.can_send(self._clock.now())

    def hold_over(self) -> None:
        """The station's operator talks: keep the key on between packets, if the keyer is set up so."""
        if self._keyer is not None:
            with self._changed:
                self._keyer.hold_over(self._clock.now())
            self._wake()

    def end_over(self) -> None:
        """The operator has ended: the key may go off when all is sent."""
        if self._keyer is not None:
            with self._changed:
                self._keyer.end_over(self._clock.now())
            self._wake()

    @property
    def info(self) -> LinkInfo:
        with self._changed:
            return self._driver.info

    @property
    def status(self) -> ModemStatus:
        with self._changed:
            return self._driver.status

    @property
    def status_text(self) -> str:
        """The status in words."""
        with self._changed:
            return self._driver.status_text

    @property
    def waiting(self) -> int:
        """Accepted packets that have not left."""
        with self._changed:
            return self._driver.waiting

    def _wake(self) -> None:
        port = self._port
        if port is not None:
            port.wake()

    # ---- the thread

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                if self._port is None:
                    self._try_to_open()
                else:
                    self._turn(self._port)
            self._say_good_bye()
        except BaseException as error:
            self.failure = error
            raise
        finally:
            self._end()

    def _try_to_open(self) -> None:
        now = self._clock.now()
        self._tend_key(None, now)
        if self._retry_s > now:
            due = None if self._keyer is None else self._keyer.next_deadline()
            until_s = self._retry_s if due is None else min(self._retry_s, max(due, now + 0.01))
            self._stopping.wait(until_s - now)
            return
        failures = []
        for address in self._addresses:
            try:
                port = self._open(address)
            except LinkError as error:
                failures.append(str(error))
                if self._stopping.is_set():
                    return
                continue
            self._opened(port)
            return
        why = "; ".join(failures)
        now = self._clock.now()
        self._backoff_s = min(LAST_RETRY_S, max(FIRST_RETRY_S, 2 * self._backoff_s))
        self._retry_s = now + self._backoff_s
        with self._changed:
            if self._driver.status_text != why:
                self._note(now, why)
            self._driver.port_closed(now, why)
            self._collect()

    def _open(self, address: str) -> Port:
        section: PortSection = self._driver.profile.port
        # A line that keys must not do so because the port is opened.
        key = self._key_line if self._keyer is not None else None
        rts, dtr = (self._rests_on if key == line else True for line in ("rts", "dtr"))
        return self._open_with(address, section, rts=rts, dtr=dtr)

    def _opened(self, port: Port) -> None:
        now = self._clock.now()
        self._backoff_s = 0.0
        stable = stable_name(port.address)
        if stable is not None and stable not in self._addresses:
            self._addresses.insert(0, stable)  # it comes back under this name, perhaps as another device
        self._metrics.count("modem.port_opened")
        self._note(now, f"open {port.address}")
        with self._changed:
            self._port = port
            self._lines = port.lines()
            self._outbox.clear()
            self._driver.port_opened(now, self._lines)
            self._collect()
        try:
            self._write_out(port)
        except LinkError as error:
            self._lose(str(error))

    def _lose(self, why: str) -> None:
        now = self._clock.now()
        self._metrics.count("modem.port_lost")
        self._note(now, why)
        with self._changed:
            port, self._port = self._port, None
            self._outbox.clear()
            self._driver.port_closed(now, why)
            self._collect()
        if port is not None:
            port.close()
        self._unkey()
        self._backoff_s = FIRST_RETRY_S
        self._retry_s = now + self._backoff_s

    def _turn(self, port: Port) -> None:
        """Wait, then do what is due."""
        try:
            port.wait(self._wait_s(port), to_write=self._is_writable())
            data = port.read()
            now = self._clock.now()
            if data:
                self._metrics.count("modem.bytes_read", len(data))
                if self._log is not None:
                    self._log.bytes_passed(now, Mark.FROM_MODEM, data)
                with self._changed:
                    self._driver.receive_data(data, now)
                    self._collect()
            self._look_at_lines(port, now)
            with self._changed:
                self._driver.tick(now)
                self._collect()
            self._write_out(port)
        except LinkError as error:
            self._lose(str(error))

    def _wait_s(self, port: Port) -> float | None:
        now = self._clock.now()
        with self._changed:
            dues = [self._driver.next_deadline()]
            if self._keyer is not None:
                dues.append(self._keyer.next_deadline())
        if port.has_lines:
            dues.append(self._lines_due_s)
        due = min((time for time in dues if time is not None), default=None)
        return None if due is None else max(LEAST_WAIT_S, due - now)

    def _is_writable(self) -> bool:
        with self._changed:
            return bool(self._outbox) and (self._keyer is None or self._keyer.may_send(self._clock.now()))

    def _look_at_lines(self, port: Port, now: float) -> None:
        if not port.has_lines or now < self._lines_due_s:
            return
        self._lines_due_s = now + LINES_EVERY_S
        lines = port.lines()
        if lines != self._lines:
            self._note(now, f"lines {lines}")
            with self._changed:
                self._lines = lines
                self._driver.receive_lines(lines, now)
                self._collect()

    def _write_out(self, port: Port) -> None:
        """Bytes and lines in order, as far as the port takes them and the key is on."""
        while True:
            now = self._clock.now()
            self._tend_key(port, now)
            with self._changed:
                head = self._outbox[0] if self._outbox else None
                if head is None or (isinstance(head, Write) and not self._may_send(now)):
                    return
                if isinstance(head, SetLine):
                    self._outbox.popleft()
            if isinstance(head, SetLine):
                self._note(now, f"{head.line} {'on' if head.is_on else 'off'}")
                port.set_line(head.line, head.is_on)
                continue
            taken = port.write(head.data) if head.data else 0
            if head.data and not taken:
                return
            self._wrote(head, taken)

    def _wrote(self, head: Write, taken: int) -> None:
        now = self._clock.now()
        self._metrics.count("modem.bytes_written", taken)
        if self._log is not None and taken:
            self._log.bytes_passed(now, Mark.TO_MODEM, head.data[:taken])
        with self._changed:
            if self._outbox and self._outbox[0] is head:
                self._outbox.popleft()
                if taken < len(head.data):
                    self._outbox.appendleft(Write(head.data[taken:]))
            self._air_until_s = self._estimated_end_s(now, taken)
            if self._keyer is not None:
                self._keyer.sending_until(now, self._air_until_s)
            self._driver.written(taken, now)
            self._collect()

    def _estimated_end_s(self, now: float, taken: int) -> float:
        """When bytes handed over now are off the line and off the air, as far as the profile tells."""
        profile = self._driver.profile
        byte_s = profile.port.bits_per_byte / profile.port.baud
        if profile.air.rate_bps is not None:
            byte_s = max(byte_s, 8 / profile.air.rate_bps)
        return max(now, self._air_until_s) + taken * byte_s

    def _collect(self) -> None:
        """Take over what the driver gives; the caller holds the lock."""
        self._outbox.extend(self._driver.take_output())
        events = self._driver.take_events()
        if events:
            self._events.extend(events)
            while len(self._events) > MAX_EVENTS:
                self._events.popleft()
                self._metrics.count("modem.events_dropped")
            self._changed.notify_all()

    # ---- keying

    def _may_send(self, now: float) -> bool:
        return self._keyer is None or self._keyer.may_send(now)

    def _tend_key(self, port: Port | None, now: float) -> None:
        if self._keyer is None:
            return
        with self._changed:
            if any(isinstance(item, Write) for item in self._outbox):
                self._keyer.key(now)
            else:
                self._keyer.release(now)
            self._keyer.tick(now)
            switched = list(self._keyer.take_output())
        for line in switched:
            self._switch_key(port, line.is_on, now)

    def _switch_key(self, port: Port | None, is_on: bool, now: float) -> None:
        self._line_is_on = is_on
        self._note(now, f"key line {'on' if is_on else 'off'}")
        if callable(self._key_line):
            self._key_line(is_on)
        elif port is not None:
            port.set_line(self._key_line, is_on)

    def _unkey(self) -> None:
        """The port is gone or we are leaving: nothing more is sent, not even a tail."""
        if self._keyer is None:
            return
        now = self._clock.now()
        with self._changed:
            self._keyer.end_over(now)
            self._keyer.release(now)
            self._keyer.tick(now)
            self._keyer.take_output()
        if self._line_is_on not in (None, self._rests_on):
            with contextlib.suppress(LinkError):
                self._switch_key(self._port, self._rests_on, now)

    # ---- the end

    def _say_good_bye(self) -> None:
        with self._changed:
            self._driver.shut_down(self._clock.now())
            self._collect()
        until_s = self._clock.now() + GOOD_BYE_S
        port = self._port
        if port is None:
            return
        try:
            self._write_out(port)
            while (self._outbox or port.unsent_bytes()) and self._clock.now() < until_s:
                # The device does not tell when its last byte has left.
                port.wait(min(0.02, until_s - self._clock.now()), to_write=self._is_writable() and bool(self._outbox))
                port.read()
                self._write_out(port)
        except LinkError:
            pass

    def _end(self) -> None:
        with contextlib.suppress(Exception):
            self._unkey()
        with self._changed:
            port, self._port = self._port, None
            if self._driver.status is not ModemStatus.STOPPED:
                self._driver.shut_down(self._clock.now())
            self._collect()
        if port is not None:
            port.close()
        if self._log is not None:
            self._note(self._clock.now(), "closed")
            self._log.close()
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()

    def _note(self, now: float, text: str) -> None:
        if self._log is not None:
            self._log.note(now, text)
