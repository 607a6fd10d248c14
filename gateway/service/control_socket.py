"""The control socket: requests in, answers and events out, over ZeroMQ at a socket file (CONTROL.md).

Rule: this shell moves bytes and time; what a message does is decided by gateway.service.desk. Its thread sleeps until a
message comes or the hub has something new, and the station never waits for it.
"""

from __future__ import annotations

import errno
import os
import threading
from contextlib import suppress

import zmq

from gateway.clock import Clock, SystemClock
from gateway.config import ControlSection
from gateway.control.hub import ControlHub
from gateway.errors import ConfigError
from gateway.service.desk import ClientGone, Desk
from gateway.service.messages import MAX_REQUEST_BYTES
from gateway.service.socket_file import SocketFile, listen
from gateway.telling import Level, Say

QUEUE_MESSAGES = 32
"""For one slow client; more are lost, and counted."""
MESSAGES_A_TURN = 64
"""Handled before watchers are served again, so that a flood delays nobody's events."""
LINGER_MS = 250
JOIN_S = 5.0


class ControlSocket:
    """Listens from `start` to `stop`; both may be called once, from one thread."""

    def __init__(self, section: ControlSection, hub: ControlHub, say: Say, clock: Clock | None = None) -> None:
        """`say` gets lines for the log."""
        self._section, self._hub, self._say = section, hub, say
        self._clock = SystemClock() if clock is None else clock
        self._desk = Desk(hub)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._file: SocketFile | None = None

    @property
    def address(self) -> str:
        """Where it listens."""
        return str(self._section.socket)

    @property
    def refused(self) -> dict[str, int]:
        """Messages that were not obeyed, by reason."""
        return dict(self._desk.counts)

    def start(self) -> None:
        """Listen. Raises ConfigError naming control.socket."""
        self._file = listen(self._section.socket, group=self._section.group)
        self._context = zmq.Context[zmq.Socket[bytes]]()
        self._router = self._context.socket(zmq.ROUTER)
        self._router.setsockopt(zmq.LINGER, LINGER_MS)
        self._router.setsockopt(zmq.SNDHWM, QUEUE_MESSAGES)
        self._router.setsockopt(zmq.RCVHWM, QUEUE_MESSAGES)
        self._router.setsockopt(zmq.MAXMSGSIZE, 2 * MAX_REQUEST_BYTES)  # who sends yet more is disconnected
        self._router.setsockopt(zmq.ROUTER_MANDATORY, 1)  # tells who has gone and who is slow
        self._router.setsockopt(zmq.USE_FD, self._file.descriptor)
        try:
            self._router.bind(f"ipc://{self._file.path}")
        except zmq.ZMQError as error:
            self._context.destroy(linger=0)
            self._file.remove()
            raise ConfigError(f"control.socket: cannot listen at {self._file.path}: {error.strerror}") from error
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._unlisten = self._hub.listen(self._wake)
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)
        self._thread.start()
        self._say(f"control socket at {self._file.path}")

    def stop(self) -> None:
        """Tell watchers, close, take the file away; nothing if not started."""
        if self._thread is None or self._file is None:
            return
        self._unlisten()
        self._stopping.set()
        self._wake()
        self._thread.join(JOIN_S)
        self._thread = None
        self._file.remove()
        os.close(self._wake_write)
        os.close(self._wake_read)

    def _wake(self) -> None:
        with suppress(BlockingIOError):  # full: it is awake already
            os.write(self._wake_write, b"\0")

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._router, zmq.POLLIN)
        poller.register(self._wake_read, zmq.POLLIN)
        next_s: float | None = None
        try:
            while not self._stopping.is_set():
                wait_ms = None if next_s is None else max(0, int(1000 * (next_s - self._clock.now())) + 1)
                poller.poll(wait_ms)
                with suppress(BlockingIOError):
                    os.read(self._wake_read, 65_536)
                for _ in range(MESSAGES_A_TURN):
                    if not self._receive():
                        break
                next_s = self._desk.send_events(self._send, self._clock.now())
            self._desk.say_goodbye(self._send)
        except Exception as error:  # the station goes on without; whoever asks sees that nobody answers
            self._say(f"control socket failed: {error!r}", Level.WARNING)
        finally:
            self._router.close()
            self._context.term()

    def _receive(self) -> bool:
        try:
            client, *parts = self._router.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return False
        if len(parts) == 2 and not parts[0]:
            parts = parts[1:]  # a REQ socket puts an empty one before
            client_is_req = True
        else:
            client_is_req = False
        if len(parts) != 1:
            self._desk.refuse_parts()
            return True
        answer = self._desk.receive(client, parts[0], self._clock.now())
        if answer is not None:
            with suppress(ClientGone):
                self._send(client, answer, is_req=client_is_req)
        return True

    def _send(self, client: bytes, message: bytes, *, is_req: bool = False) -> bool:
        try:
            self._router.send_multipart((client, b"", message) if is_req else (client, message), zmq.NOBLOCK)
        except zmq.Again:
            return False
        except zmq.ZMQError as error:
            if error.errno == errno.EHOSTUNREACH:
                raise ClientGone from None
            raise
        return True
