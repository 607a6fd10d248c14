"""The process that has the key: `python -m firmware_bridge.ptt.watchdog`, started by `WatchedSwitch`.

Rule: whatever becomes of the program that started it, the transmitter is unkeyed: when that program ends (its pipe
closes), hangs (no beat for `hang_s` while the key is on), or keys for longer than the limit. Only what is needed for
that is imported, so that it starts in a fraction of a second.

Lines on standard input: first the [keying] section as JSON, then `on N`, `off N`, `beat`. On standard output: `ready`
(the device is there, unkeyed), `lost TEXT` (it is not; tried again every second), `on N` and `off N` (done),
`refused N`, `unkeyed REASON` (by the watchdog itself), `alive`. SIGINT is for the program that started it and ignored
here; SIGTERM and SIGHUP unkey and end.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from collections.abc import Callable

from firmware_bridge.ptt.devices import KeyDevice, open_key_device
from firmware_bridge.ptt.guard import Guard
from gateway.clock import Clock, SystemClock
from gateway.config_file import parse_json
from gateway.errors import GatewayError, KeyingError
from gateway.ptt_config import KeyDeviceSection, KeyingSection

RETRY_S = 1.0
LAST_RETRIES_S = 600.0
"""How long an orphan goes on trying to unkey a transmitter that it cannot reach."""
GRACE_S = 0.5
"""The program's own limit comes first."""


class Watchdog:
    """Serves one program on two pipes until the first of them closes."""

    def __init__(
        self,
        section: KeyingSection,
        pipes: tuple[int, int],
        clock: Clock,
        open_device: Callable[[KeyDeviceSection], KeyDevice] = open_key_device,
    ) -> None:
        self._section = section
        self._input, self._output = pipes
        self._clock = clock
        self._open_device = open_device
        self._device: KeyDevice | None = None
        self._retry_s = clock.now()
        self._guard = Guard(section.time_out_s + GRACE_S, section.hang_s)
        self._rest = b""
        self._owes_unkey = False
        """The key was switched on, and nothing has confirmed since that it is off."""

    def run(self, begun: bytes = b"") -> None:
        """Until the pipe closes; `begun` is what was read of it already. The device is closed on any way out."""
        try:
            self._feed(begun)
            while self._turn():
                pass
        finally:
            self._unkey_for_good()

    def _turn(self) -> bool:
        now = self._clock.now()
        if self._device is None and now >= self._retry_s:
            self._open()
        due = [self._guard.next_deadline(), self._retry_s if self._device is None else None]
        waits = [max(0.0, when - self._clock.now()) for when in due if when is not None]
        ready, _, _ = select.select([self._input], [], [], min(waits, default=None))
        if ready:
            data = os.read(self._input, 4096)
            if not data:
                return False
            self._feed(data)
        reason = self._guard.due(self._clock.now())
        if reason is not None:
            self._set(False)
            self._tell(f"unkeyed {reason}")
        return True

    def _feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._obey(line.decode("ascii", "replace"))

    def _obey(self, line: str) -> None:
        command, _, number = line.partition(" ")
        now = self._clock.now()
        if command == "on":
            if self._device is not None and self._guard.key(now) and self._set(True):
                self._tell(f"on {number}")
            else:
                self._tell(f"refused {number}")
        elif command == "off":
            self._guard.let_go(now)
            if self._set(False):
                self._tell(f"off {number}")
        elif command == "beat":
            self._guard.beat(now)
            self._tell("alive")

    def _set(self, is_on: bool) -> bool:
        if self._device is None:
            return False
        self._owes_unkey = self._owes_unkey or is_on
        try:
            self._device.set(is_on)
        except KeyingError as error:
            self._lose(error)
            return False
        self._owes_unkey = is_on
        return True

    def _open(self) -> None:
        try:
            self._device = self._open_device(self._section.device)
            self._owes_unkey = False  # opening unkeys
            self._tell("ready")
        except KeyingError as error:
            self._lose(error)

    def _lose(self, error: KeyingError) -> None:
        if self._device is not None:
            self._device.close()
            self._device = None
        self._guard.lock()
        self._retry_s = self._clock.now() + RETRY_S
        self._tell(f"lost {error}")

    def _tell(self, line: str) -> None:
        # The program may be gone; its other pipe says so.
        with contextlib.suppress(OSError):
            os.write(self._output, line.replace("\n", " ").encode() + b"\n")

    def _unkey_for_good(self) -> None:
        give_up_s = self._clock.now() + LAST_RETRIES_S
        while self._owes_unkey and not self._set(False) and self._clock.now() < give_up_s:
            self._clock.sleep(RETRY_S)
            self._open()
        if self._device is not None:
            self._device.close()


def main() -> None:
    """Serve standard input and output."""

    def end(number: int, frame: object) -> None:
        sys.exit(0)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGHUP, end)
    begun = b""
    while b"\n" not in begun:
        data = os.read(0, 4096)
        if not data:
            return
        begun += data
    first, _, rest = begun.partition(b"\n")
    try:
        section = parse_json(first.decode(), KeyingSection, "keying")
    except GatewayError as error:
        sys.exit(f"watchdog: {error}")
    Watchdog(section, (0, 1), SystemClock()).run(rest)


if __name__ == "__main__":
    main()
