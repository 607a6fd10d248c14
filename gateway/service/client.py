"""The other end of the control socket, for `clarilink ctl` and for programs in Python (CONTROL.md).

Rule: nothing waits longer than it was told to, and a station that is not there or goes away is a LinkError at once.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Any

import zmq

from gateway.clock import Clock, SystemClock
from gateway.errors import LinkError, RequestError
from gateway.service.messages import pack, unpack
from gateway.service.socket_file import check_reachable

TIMEOUT_S = 5.0
EVENTS_KEPT = 1024
MAX_ANSWER_BYTES = 4_000_000
NEVER_MS = 86_400_000


class ControlClient:
    """A connection to the station at a socket file; for one thread."""

    def __init__(self, path: Path, timeout_s: float = TIMEOUT_S, clock: Clock | None = None) -> None:
        """Raises LinkError where nobody listens."""
        check_reachable(path)
        self.path = path
        self._timeout_s = timeout_s
        self._clock = SystemClock() if clock is None else clock
        self._last_ref = 0
        self._is_gone = False
        self._events: deque[dict[str, Any]] = deque(maxlen=EVENTS_KEPT)
        self._context = zmq.Context[zmq.Socket[bytes]]()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 250)  # a last release shall leave
        self._socket.setsockopt(zmq.MAXMSGSIZE, MAX_ANSWER_BYTES)
        # Another station at the same place is not the one asked. -1, never, would drop what is yet unread.
        self._socket.setsockopt(zmq.RECONNECT_IVL, NEVER_MS)
        self._monitor = self._socket.get_monitor_socket(zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL)
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._poller.register(self._monitor, zmq.POLLIN)
        self._socket.connect(f"ipc://{path}")

    def __enter__(self) -> ControlClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave; what was sent still goes out."""
        self._socket.disable_monitor()
        self._monitor.close(linger=0)
        self._socket.close()
        self._context.term()

    def tell(self, op: str, **fields: Any) -> int:
        """Send a request without waiting; returns the `ref` of the answer, which is left unread."""
        self._last_ref += 1
        try:
            self._socket.send(pack({"ref": self._last_ref, "op": op, **fields}), zmq.NOBLOCK)
        except zmq.Again:
            raise LinkError(f"{self.path}: the station takes no more requests") from None
        return self._last_ref

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        """The answer. Raises RequestError with what the station says against it, LinkError where no answer comes."""
        wanted = self.tell(op, **fields)
        give_up = self._clock.now() + self._timeout_s
        while (message := self._receive(give_up - self._clock.now())) is not None:
            if "event" in message:
                self._events.append(message)
            elif message.get("ref") in (wanted, None):
                if message.get("ok") is not True:
                    raise RequestError(str(message.get("error", "refused without a reason")))
                return message
        raise LinkError(f"{self.path}: the station does not answer within {self._timeout_s:g} s")

    def next_event(self, timeout_s: float) -> dict[str, Any] | None:
        """The next event after `watch`, None if none comes in time. Raises LinkError when the station has gone."""
        if self._events:
            return self._events.popleft()
        give_up = self._clock.now() + timeout_s
        while (message := self._receive(give_up - self._clock.now())) is not None:
            if "event" in message:
                return message
        return None

    def _receive(self, timeout_s: float) -> dict[str, Any] | None:
        """The next message of any kind."""
        if not self._is_gone:
            ready = dict(self._poller.poll(max(0, int(1000 * timeout_s))))
            self._is_gone = self._monitor in ready
            if not ready:
                return None
        try:
            return unpack(self._socket.recv(zmq.NOBLOCK))
        except zmq.Again:  # its last words are read before it counts as gone
            raise LinkError(f"the station at {self.path} has gone") from None
        except RequestError:
            raise LinkError(f"{self.path}: what answers there is no station of ours") from None
