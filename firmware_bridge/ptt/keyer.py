"""When a transmitter's key is on: delay before data, tail after it, and never longer than the limit.

Rule: pure; time is passed in, and what is to be done with the key line comes out as `KeyLine`s.

Theory of operation
-------------------
Two may want the key on: whoever hands data to the modem (`key` while data waits, `release` when none does), and the
station, for as long as its operator talks (`hold_over`, `end_over`; with `Hold.PACKET` it does not count). Data may
leave from `delay_s` after the key went on (`may_send`); whoever sends tells when the last byte is off the air
(`sending_until`). The key goes off `tail_s` after that, or after the end of the over if that is later.

A transmission that only data wants stops taking data in time to end within the limit, and the next one begins `BREAK_S`
later, so that others get a word in. At the limit the key goes off whatever anybody says, and is locked out until it is
let go: the over must end, data must be given up (`release`) or wait for `REST_S`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import inf

from gateway.metrics import Metrics

BREAK_S = 0.5
REST_S = 10.0


class Hold(Enum):
    """What keeps the key on."""

    PACKET = "packet"
    """Data that waits or is on the air."""
    OVER = "over"
    """The session's over besides: no key-up within it."""


@dataclass(frozen=True, slots=True)
class KeyLine:
    """Switch the key line."""

    is_on: bool


@dataclass(frozen=True, slots=True)
class KeyerTimes:
    """Seconds: key-up delay before data, tail after it, and the longest transmission."""

    delay_s: float = 0.3
    tail_s: float = 0.1
    time_out_s: float = 210.0


class Keyer:
    """The key of one transmitter; `confirms`: the delay counts from `line_is_on`, not from the `KeyLine`.

    Counters: `keying.transmissions`, `keying.time_outs`, `keying.failures`; gauge `keying.on_s`: how long the last
    transmission was.
    """

    def __init__(
        self, times: KeyerTimes, hold: Hold, metrics: Metrics | None = None, *, confirms: bool = False
    ) -> None:
        self.times = times
        self.hold = hold
        self._metrics = metrics if metrics is not None else Metrics()
        self._confirms = confirms
        self._output: list[KeyLine] = []
        self._has_data = False
        self._has_over = False
        self._on_s: float | None = None
        """When the key went on; None: it is off."""
        self._ready_s = inf
        """From when data may leave."""
        self._end_s: float | None = None
        """When the last data, or the over, ends; None: nothing was sent in this transmission."""
        self._takes_data = True
        self._tells_ready = False
        """The end of the delay is still to come."""
        self._is_locked = False
        self._rest_s = -inf
        """While locked: when data alone may key again. Otherwise: when the break between two transmissions ends."""

    # ---- whoever sends data

    def key(self, now: float) -> None:
        """Data waits; to be called again for as long as it does."""
        self._run(now)
        if self._is_locked and not self._has_over and now >= self._rest_s:
            self._is_locked = False
        if not self._is_locked:
            self._has_data = True
        self._run(now)

    def release(self, now: float) -> None:
        """No more data waits; the key goes off after the tail unless an over holds it."""
        self._has_data = False
        if not self._has_over:
            self._unlock(now)
        self._run(now)

    def may_send(self, now: float, air_s: float = 0.0) -> bool:
        """Whether data that takes `air_s` on the air may begin to leave now."""
        self._run(now)
        if self._on_s is None or now < self._ready_s or not self._takes_data:
            return False
        # What nobody holds but data ends by itself before the limit; one packet longer than that is sent all the same.
        end_s = max(now, self._end_s or now) + air_s + self.times.tail_s
        if self._end_s is not None and not self._has_over and end_s > self._on_s + self.times.time_out_s:
            self._takes_data = False
            self._run(now)
            return False
        return True

    def sending_until(self, now: float, end_s: float) -> None:
        """Data was handed over whose last byte is off the air at `end_s`."""
        self._end_s = max(end_s, now, self._end_s if self._end_s is not None else now)
        self._run(now)

    # ---- the station

    def hold_over(self, now: float) -> None:
        """The session has its transmitter on."""
        self._has_over = self.hold is Hold.OVER
        self._run(now)

    def end_over(self, now: float) -> None:
        """The session has its transmitter off; the key goes off when what waits is sent, and the tail."""
        if self._has_over:
            self._has_over = False
            self._end_s = max(now, self._end_s if self._end_s is not None else now)
            self._unlock(now)
        self._run(now)

    # ---- whoever has the line

    def line_is_on(self, now: float) -> None:
        """The line has followed a `KeyLine(True)`: only then the delay begins, where `confirms`."""
        if self._on_s is not None and self._ready_s == inf:
            self._ready_s = now + self.times.delay_s

    def fail(self, now: float) -> None:
        """The line went off or cannot be switched: locked out, as by the limit."""
        self._metrics.count("keying.failures")
        self._lock(now)

    def tick(self, now: float) -> None:
        """Time has passed."""
        self._run(now)

    def next_deadline(self) -> float | None:
        """When `tick` must be called at the latest; None: never."""
        if self._on_s is not None:
            due = [self._on_s + self.times.time_out_s]
            if self._may_end:
                due.append(self._off_s(self._on_s))
            if self._has_data and self._tells_ready and self._ready_s != inf:
                due.append(self._ready_s)
            return min(due)
        return self._rest_s if self._is_wanted and not self._is_locked else None

    def take_output(self) -> list[KeyLine]:
        """What to do with the line, in this order; each item is given once."""
        output, self._output = self._output, []
        return output

    @property
    def is_on(self) -> bool:
        return self._on_s is not None

    def is_up(self, now: float) -> bool:
        """Whether the key is on, and has been for its delay."""
        return self._on_s is not None and now >= self._ready_s

    @property
    def is_locked_out(self) -> bool:
        """Whether the limit, or a failure, keeps the key off until it is let go."""
        return self._is_locked

    @property
    def _is_wanted(self) -> bool:
        return self._has_data or self._has_over

    @property
    def _may_end(self) -> bool:
        return not self._is_wanted or (not self._takes_data and not self._has_over)

    def _off_s(self, on_s: float) -> float:
        return on_s if self._end_s is None else self._end_s + self.times.tail_s

    def _run(self, now: float) -> None:
        if self._on_s is not None and now >= self._on_s + self.times.time_out_s:
            self._metrics.count("keying.time_outs")
            self._lock(now)
        elif self._on_s is not None and self._may_end and now >= self._off_s(self._on_s):
            self._rest_s = now + BREAK_S if self._is_wanted else now
            self._switch_off(now)
        if self._on_s is None and self._is_wanted and not self._is_locked and now >= self._rest_s:
            self._metrics.count("keying.transmissions")
            self._on_s, self._end_s, self._takes_data = now, None, True
            self._ready_s = inf if self._confirms else now + self.times.delay_s
            self._tells_ready = True
            self._output.append(KeyLine(True))
        self._tells_ready = self._tells_ready and now < self._ready_s

    def _lock(self, now: float) -> None:
        self._switch_off(now)
        self._is_locked = True
        self._has_data = False
        self._rest_s = now + REST_S

    def _unlock(self, now: float) -> None:
        if self._is_locked:
            self._is_locked, self._rest_s = False, now

    def _switch_off(self, now: float) -> None:
        if self._on_s is not None:
            self._metrics.gauge("keying.on_s", now - self._on_s)
            self._on_s = None
            self._output.append(KeyLine(False))
        self._ready_s, self._end_s = inf, None
