"""Where a station and its consoles meet: requests in from any thread, snapshots and news out to any thread.

Rule: nobody waits for anybody. The media thread publishes and takes; listeners are called from it and must only hand
on (an event, `call_soon_threadsafe`). Whoever asks too much or reads too slowly loses his own, and it is counted.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from gateway.clock import Clock, calendar_s
from gateway.control.requests import Request
from gateway.control.snapshot import NewsView, Snapshot
from gateway.telling import Level

MAX_WAITING = 256
NEWS_KEPT = 200
HISTORY_KEPT = 720
"""Points of the charts: two hours at one in ten seconds."""


@dataclass(frozen=True, slots=True)
class HistoryPoint:
    """Figures for charts: `lost`, `late` and `concealed` shares 0..1 of an interval, None where nothing was heard."""

    wall_s: float
    level_db: float
    lost: float | None = None
    late: float | None = None
    concealed: float | None = None
    delay_ms: float | None = None
    snr_db: float | None = None
    own_airtime: float = 0.0


class ControlHub:
    """One per station."""

    def __init__(self, clock: Clock, wall: Callable[[], float] = calendar_s) -> None:
        self._clock, self._wall = clock, wall
        self._lock = threading.Lock()
        self._requests: deque[Request] = deque()
        self._snapshot: Snapshot | None = None
        self._news: deque[NewsView] = deque(maxlen=NEWS_KEPT)
        self._news_count = 0
        self._history: deque[HistoryPoint] = deque(maxlen=HISTORY_KEPT)
        self._listeners: list[Callable[[], None]] = []
        self.dropped = 0
        """Requests beyond what may wait."""

    # For the station.

    def publish(self, snapshot: Snapshot) -> None:
        """The state from now on; listeners are told."""
        with self._lock:
            self._snapshot = snapshot
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener()

    def tell(self, text: str, level: Level = Level.INFO) -> None:
        """A line for the operator; from any thread."""
        with self._lock:
            self._news_count += 1
            self._news.append(NewsView(self._news_count, self._wall(), text, level))
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener()

    def remember(self, point: HistoryPoint) -> None:
        """A point of the charts."""
        with self._lock:
            self._history.append(point)

    def take(self) -> list[Request]:
        """What was asked since the last call, in order."""
        with self._lock:
            taken = list(self._requests)
            self._requests.clear()
        return taken

    # For consoles.

    def post(self, request: Request) -> None:
        """Ask; the answer is what snapshots and news then say."""
        self.offer(request)

    def offer(self, request: Request) -> bool:
        """`post` for who wants to know: False where too much waits already and it was dropped."""
        with self._lock:
            if len(self._requests) >= MAX_WAITING:
                self.dropped += 1
                return False
            self._requests.append(request)
            return True

    @property
    def snapshot(self) -> Snapshot | None:
        """The newest; None before the station's first turn."""
        with self._lock:
            return self._snapshot

    def news(self, after: int = 0) -> list[NewsView]:
        """Lines with a number above `after` that are still kept, oldest first."""
        with self._lock:
            return [line for line in self._news if line.number > after]

    @property
    def last_news(self) -> int:
        """The number of the newest line; 0 before the first."""
        with self._lock:
            return self._news_count

    def history(self, after_wall_s: float = float("-inf")) -> list[HistoryPoint]:
        """Points later than `after_wall_s`, oldest first."""
        with self._lock:
            return [point for point in self._history if point.wall_s > after_wall_s]

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` whenever there is something new, from whichever thread; returns what ends that."""
        with self._lock:
            self._listeners.append(listener)

        def stop() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return stop
