"""Any link behind a keyed transmitter: packets wait for the key-up delay, and the key for the last of them.

Rule: no thread of its own; packets leave and the key is tended in `send`, `receive` and `pump`. Air times are those of
`info`: the link below takes packets at once and has them on the air one after the other. (A modem's own link is not
wrapped: its runner knows better when bytes leave, and uses the same `Keying`.)
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from firmware_bridge.ptt.keying import Keying
from gateway.clock import Clock
from gateway.errors import LinkError
from gateway.links.base import Drop, Link, LinkInfo, Received
from gateway.ptt_config import KeyingSection

QUEUE_PACKETS = 64
CLOSE_S = 5.0
"""How long closing waits for what is on the air."""
_TURN_S = 0.01
_SLACK_S = 1e-9


class KeyedLink(Link):
    """`inner` with its transmitter keyed by `keying`; opening and closing it opens and closes `inner`.

    Counters `keying.tx_packets` and the like, `keying.tx_drop_not_keyed` where the transmitter cannot be keyed.
    """

    _layer = "keying"

    def __init__(self, inner: Link, keying: Keying, section: KeyingSection, clock: Clock) -> None:
        super().__init__(inner.metrics)
        self._inner, self._keying, self._clock = inner, keying, clock
        # Keyed anew for every burst, a transmitter takes longer to turn around.
        self._turnaround_s = section.delay_ms / 1000 if section.hold == "packet" else 0.0
        self._waiting: deque[bytes] = deque()
        self._end_s = float("-inf")

    @property
    def info(self) -> LinkInfo:
        inner = self._inner.info
        return replace(inner, turnaround_s=inner.turnaround_s + self._turnaround_s)

    def ready(self) -> bool:
        return super().ready() and self._inner.ready() and not self._waiting and self._is_keyable

    def pump(self) -> float | None:
        """Hand on what may leave now and tend the key; returns when to come again, None: when there is news."""
        now = self._clock.now()
        while self._waiting:
            if not self._is_keyable:
                self._give_up()
                break
            self._keying.key(now)
            air_s = self._inner.info.airtime_s(len(self._waiting[0]))
            if not self._keying.may_send(now, air_s):
                break
            try:
                self._inner.send(self._waiting.popleft())
            except LinkError:
                self._waiting.clear()
                self._keying.release(now)
                raise
            self._end_s = max(now, self._end_s) + air_s
            self._keying.sending_until(now, self._end_s)
        if not self._waiting:
            self._keying.release(now)
        self._keying.tick(now)
        return self._keying.next_deadline()

    @property
    def _is_keyable(self) -> bool:
        return self._keying.problem is None and not self._keying.is_locked_out

    def _give_up(self) -> None:
        for _ in self._waiting:
            self._drop_tx(Drop.NOT_KEYED)
        self._waiting.clear()

    def _open(self) -> None:
        self._inner.open()

    def _close(self) -> None:
        give_up_s = self._clock.now() + CLOSE_S
        try:
            while self._keying.is_on and self._clock.now() < give_up_s:
                self.pump()
                self._clock.sleep(_TURN_S)
        except LinkError:
            pass  # nothing more leaves on this link
        self._waiting.clear()
        self._keying.release(self._clock.now())
        self._inner.close()

    def _send(self, data: bytes) -> bool:
        if not self._is_keyable:
            self._drop_tx(Drop.NOT_KEYED)
            return False
        if len(self._waiting) >= QUEUE_PACKETS:
            self._drop_tx(Drop.QUEUE_FULL)
            return False
        self._waiting.append(data)
        self.pump()
        return True

    def _receive(self, timeout_s: float) -> Received | None:
        deadline_s = self._clock.now() + timeout_s
        while True:
            due_s = self.pump()
            until_s = deadline_s if due_s is None else min(deadline_s, due_s)
            received = self._inner.receive(max(0.0, until_s - self._clock.now()))
            if received is not None:
                return received
            if self._clock.now() >= deadline_s - _SLACK_S:
                self.pump()
                return None
