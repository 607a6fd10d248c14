"""The one door to PortAudio, which does not stand two threads at a time and may not come back from a call.

Rule: calls take turns, each in a thread of its own with a limit. While one has not come back, PortAudio is neither
ended nor started anew, for under a running call that aborts the program; while a stream is open, not started anew.

What hangs: a card that vanishes while it records (its issue 1037, up to 19.7: an endless loop, which only the end of
the program ends), and a start that fails (its issue 535).
"""

from __future__ import annotations

import atexit
import importlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from gateway.errors import AudioError

T = TypeVar("T")

CALL_S = 20.0
"""To list, open and start takes tenths of a second, on a busy machine some seconds."""
CLOSE_S = 3.0
EXIT_S = 1.0
HANGS = "the sound driver hangs; if it stays so, end this program and start it anew"


class PortAudio:
    """One for the whole process, as the library is: `PORT_AUDIO`."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._streams: set[Any] = set()
        """Open ones, those included whose closing hangs."""
        self._late_call: threading.Thread | None = None
        self._late_closes: list[threading.Thread] = []
        self._ours: Any = None

    @property
    def hangs(self) -> bool:
        """Whether some call has not come back in its time, and still has not; from any thread."""
        late = [*self._late_closes] if self._late_call is None else [self._late_call, *self._late_closes]
        return any(thread.is_alive() for thread in late)

    def call(self, work: Callable[[Any], T], unwanted: Callable[[T], None] | None = None) -> T:
        """What `work` gives, which gets the module sounddevice for itself alone; what comes too late is handed to
        `unwanted`. Raises AudioError where PortAudio is missing or hangs."""
        with self._turn:
            if self._late_call is not None and self._late_call.is_alive():
                raise AudioError(HANGS)
            thread, done = _started(lambda: work(self._library()))
            thread.join(CALL_S)
            if thread.is_alive():
                self._late_call = thread
        if thread is self._late_call:
            if unwanted is not None:
                done.add_done_callback(lambda came: came.exception() or unwanted(came.result()))
            raise AudioError(HANGS)
        return done.result()

    def start(self, stream: Any) -> None:
        """Start a stream that was just made, within `call`; one that does not start is closed."""
        self._streams.add(stream)
        try:
            stream.start()
        except BaseException:
            self._close(stream)
            raise

    def close(self, stream: Any) -> None:
        """Raises AudioError where the driver does not let go of it in time."""
        with self._turn:
            thread, _ = _started(lambda: self._close(stream))
            thread.join(CLOSE_S)
            if thread.is_alive():
                self._late_closes.append(thread)
                raise AudioError(HANGS)

    def _close(self, stream: Any) -> None:
        stream.close(ignore_errors=True)
        self._streams.discard(stream)

    def restart(self) -> None:
        """Start PortAudio anew, the only way to make it see devices that were plugged in; nothing happens while a
        stream is open or one hangs that was closed. Raises AudioError if it does not start."""

        def again(sd: Any) -> None:
            if self._streams or self.hangs:
                return
            try:
                # sounddevice has no public name for this; its documentation offers these two for the purpose.
                while sd._initialized:
                    sd._terminate()
                sd._initialize()
            except sd.PortAudioError as error:
                raise AudioError(f"PortAudio does not start again: {error}") from error

        self.call(again)

    def _library(self) -> Any:
        try:
            sd = importlib.import_module("sounddevice")
        except OSError as error:
            raise AudioError(
                f"the PortAudio library is not there (on Debian: apt install libportaudio2): {error}"
            ) from error
        except Exception as error:  # sounddevice starts PortAudio as it is imported, and raises its own error type
            raise AudioError(f"PortAudio does not start: {error}") from error
        if sd is not self._ours:
            # Its own handler ends PortAudio whatever is going on in it.
            atexit.unregister(sd._exit_handler)
            atexit.register(self._end, sd)
            self._ours = sd
        return sd

    def _end(self, sd: Any) -> None:
        """The program ends; PortAudio before it, where that can be."""
        if not self._turn.acquire(timeout=EXIT_S):
            return
        try:
            while sd._initialized and not self.hangs:
                sd._terminate()
        finally:
            self._turn.release()


PORT_AUDIO = PortAudio()


def _started(work: Callable[[], T]) -> tuple[threading.Thread, Future[T]]:
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    thread = threading.Thread(target=run, name="audio-call", daemon=True)
    thread.start()
    return thread, done
