"""A desk for consoles under test: a hub that is served as a station would, and web consoles that stand on it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from gateway.clock import SystemClock
from gateway.control import snapshot as views
from gateway.control.hub import ControlHub, HistoryPoint
from gateway.control.requests import PressKey, ReleaseKey, Request
from gateway.control.snapshot import Snapshot
from gateway.metrics import Metrics
from gateway.operator_config import WebSection
from gateway.telling import Level
from gateway.web.server import WebConsole
from tests.patience import PATIENCE_S

WALL_S = 1_760_000_000.0


def until(condition: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    """What `condition` gives once it is true; fails loudly when that does not come."""
    give_up = time.monotonic() + patience_s
    while not (found := condition()):
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.02)
    return found


def rich_snapshot() -> Snapshot:
    """A station in the middle of its work."""
    return Snapshot(
        views.StationView("Boreas", 1, 4, "0.1.0", 7512.0),
        number=1,
        wall_s=WALL_S,
        ptt=views.PttView(mode_s=12.0),
        audio=views.AudioView(
            views.DeviceView("USB Audio Headset"),
            views.DeviceView("USB Audio Headset", xruns=2),
            level_db=-23.0,
            peak_db=-14.0,
            output_level_db=-100.0,
            volume_db=-3.0,
            noise_suppression=True,
        ),
        link=views.LinkView("acoustic modem", "modem", True, None, 640.0, 64, True, "6 frames, repeat of stage one"),
        delay=views.DelayView(160, 480, 20, 0, 390, 870, 120, 60, 2100),
        reception=views.ReceptionView(
            views.Quality.FAIR, 120, 0.06, 0.02, 1.7, 0.08, 11.0, "fair: 6 % lost, 1.7 in a row, 2 % late"
        ),
        sent_reception=views.ReceptionView(views.Quality.GOOD, 60, 0.02, 0.0, 1.0, 0.0, None, "good: 2 % lost"),
        airtime=views.AirtimeView(212.0, 96.0, 0.027, 388.0, 9120, 412.0),
        security=views.SecurityView(
            "authenticate-encrypt", 3, (3, 4), (("replay", 2), ("unknown key", 1)), "speech is encrypted with key 3"
        ),
        keying=views.KeyingView("serial", False),
        record=views.RecordView("/var/lib/clarilink/recordings"),
        last_heard=(
            views.HeardView(2, "Dorado", WALL_S - 40, 7, 0.06, 11.0),
            views.HeardView(3, "Castle base", WALL_S - 4000, 2, 0.0, None),
        ),
        overs=(
            views.OverView("heard", "Dorado", 2, WALL_S - 40, 6.2, 0.06, 11.0, 1),
            views.OverView("said", "Boreas", 1, WALL_S - 65, 4.1),
            views.OverView("heard", "Castle base", 3, WALL_S - 4000, 12.9, 0.0, None, 2),
        ),
        messages=(
            views.MessageView(
                "text", "in", "Dorado", WALL_S - 100, "Anchor is up, moving to channel two.", None, "received"
            ),
            views.MessageView("text", "out", "Castle base", WALL_S - 300, "Weather at noon, please", None, "sent"),
            views.MessageView("voice", "in", "Castle base", WALL_S - 900, "", "0badcafe", "inbox", 1.0, 14.0),
            views.MessageView("voice", "out", "Dorado", WALL_S - 1800, "", "0badf00d", "failed", 0.4, 9.0),
        ),
        names=((1, "Boreas"), (2, "Dorado"), (3, "Castle base")),
        counters=(("rx.frames_concealed", 61.0), ("rx.packets", 1201.0), ("tx.packets", 230.0)),
    )


NEWS = (
    ("message from Dorado: Anchor is up, moving to channel two.", Level.INFO),
    ("refused: busy", Level.WARNING),
    ("over sent", Level.INFO),
)


def history_point(minute: int) -> HistoryPoint:
    """A minute of the last hour: bursts of loss, and times in which nobody was heard."""
    is_heard = minute % 7 != 3
    return HistoryPoint(
        WALL_S - 3600 + 60 * minute,
        -40.0,
        0.02 + 0.1 * (minute % 11 == 5) + 0.001 * minute if is_heard else None,
        0.01 if is_heard else None,
        0.03 if is_heard else None,
        1900 + 200 * (minute % 5),
        11.0,
    )


class Desk:
    """A hub as the station would serve it: `change` publishes, `requests` is what was asked."""

    def __init__(self) -> None:
        self.hub = ControlHub(SystemClock(), lambda: WALL_S)
        self.snapshot = rich_snapshot()
        self.requests: list[Request] = []
        self.obeys = False
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.hub.publish(self.snapshot)
        for words, level in NEWS:
            self.hub.tell(words, level)
        for minute in range(60):
            self.hub.remember(history_point(minute))
        self._thread.start()

    def change(self, **parts: Any) -> None:
        """Publish a snapshot with these parts."""
        with self._lock:
            self.snapshot = replace(self.snapshot, number=self.snapshot.number + 1, **parts)
            self.hub.publish(self.snapshot)

    def asked(self, *kinds: type) -> list[Request]:
        """Requests so far, of these kinds (none: all)."""
        return [request for request in list(self.requests) if not kinds or isinstance(request, kinds)]

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5)

    def _run(self) -> None:
        tick = 0
        while not self._stop.wait(0.05):
            for request in self.hub.take():
                self.requests.append(request)
                ptt = self.snapshot.ptt
                if not self.obeys:
                    continue
                if isinstance(request, PressKey) and ptt.mode == "idle":
                    self.change(
                        ptt=replace(ptt, mode="talking", mode_s=0.0, held_by=(request.holder,), time_left_s=180.0)
                    )
                elif isinstance(request, ReleaseKey) and request.holder in ptt.held_by:
                    self.change(ptt=views.PttView())
            tick += 1
            if tick % 20 == 0:  # the station's clock goes on
                self.change(wall_s=self.snapshot.wall_s + 1)


class Consoles:
    """Starts web consoles that stop with the test."""

    def __init__(self, desk: Desk, folder: Path) -> None:
        self.hub, self.folder = desk.hub, folder
        self.said: list[str] = []
        self.metrics = Metrics()
        self._running: list[WebConsole] = []

    def start(self, section: WebSection | None = None, **changes: Any) -> WebConsole:
        settings: dict[str, Any] = {
            "station": "Boreas",
            "recordings": None,
            "config": lambda: {"station": {"name": "Boreas"}},
            "say": self.said.append,
            "metrics": self.metrics,
        } | changes
        console = WebConsole(section or WebSection(bind="127.0.0.1:0"), self.hub, **settings)
        self._running.append(console)
        console.start()
        return console

    def close(self) -> None:
        for console in self._running:
            console.stop()
