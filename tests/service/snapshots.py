"""A station of values for tests of what stands on the hub: it obeys keys as a real one does, one turn at a time."""

from __future__ import annotations

import threading
from dataclasses import replace

from gateway.clock import ManualClock, SystemClock
from gateway.control.hub import ControlHub
from gateway.control.requests import HoldKey, PressKey, ReleaseKey, Request, SendText, ToggleKey
from gateway.control.snapshot import LinkView, PttView, Snapshot, StationView, TalkerView
from gateway.telling import Level

ALPHA = Snapshot(
    StationView("alpha", 1, 4, "1.0", 61.0),
    number=1,
    wall_s=1.8e9,
    link=LinkView("peers", "zeromq-peers"),
    names=((1, "alpha"), (2, "bravo")),
    counters=(("rx.overs", 2), ("tx.overs", 1)),
)


class FakeStation:
    """Turns every 10 ms on a thread of its own; `asked` are the requests so far."""

    def __init__(self, hub: ControlHub | None = None) -> None:
        self.hub = ControlHub(SystemClock()) if hub is None else hub
        self.snapshot = ALPHA
        self.asked: list[Request] = []
        self.refusal: str | None = None
        """Every press is refused for this."""
        self.locks_out = False
        """A refused key counts as down until it is let go."""
        self.cuts_after: int | None = None
        """Turns after which an over is ended by the station."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> FakeStation:
        self.hub.publish(self.snapshot)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        turns = 0
        while not self._stopping.wait(0.01):
            for request in self.hub.take():
                self.asked.append(request)
                self._obey(request)
                turns = 0
            turns += 1
            if self.cuts_after is not None and self.snapshot.ptt.held_by and turns > self.cuts_after:
                self._ptt(PttView("locked_out"))
            self.snapshot = replace(self.snapshot, number=self.snapshot.number + 1)
            self.hub.publish(self.snapshot)

    def _ptt(self, ptt: PttView) -> None:
        self.snapshot = replace(self.snapshot, ptt=ptt)

    def _obey(self, request: Request) -> None:
        match request:
            case PressKey() if self.refusal is not None:
                held = (request.holder,) if self.locks_out else ()
                self._ptt(PttView("busy_lockout" if held else "receiving", held_by=held, refusal=self.refusal))
                self.hub.tell(f"refused: {self.refusal}", Level.REFUSED)
            case PressKey(holder) | ToggleKey(holder) if not self.snapshot.ptt.held_by:
                self._ptt(PttView("talking", held_by=(holder,), time_left_s=180.0))
                self.hub.tell("talking")
            case ReleaseKey() | ToggleKey():
                self._ptt(PttView())
            case SendText(text, to):
                if to == 2:
                    self.hub.tell("message not sent: no link", Level.REFUSED)
                else:
                    self.hub.tell(f"message sent: {text}")
            case HoldKey():
                pass


def manual_hub() -> ControlHub:
    """A hub whose calendar stands still."""
    return ControlHub(ManualClock(), wall=lambda: 1.8e9)


TALKED_TO = replace(ALPHA, talker=TalkerView("bravo", 2, 4, 3.2))
