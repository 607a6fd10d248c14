"""What is told reaches log, consoles and the recording, as urgent as it is."""

from __future__ import annotations

from pathlib import Path

import structlog
from structlog.testing import capture_logs

from gateway.audio.base import DeviceEvent, DeviceState, Direction
from gateway.clock import ManualClock
from gateway.control.hub import ControlHub
from gateway.recording import read_recordings
from gateway.recording.recorder import Recorder
from gateway.recording.shelf import Shelf
from gateway.station.teller import Teller
from gateway.telling import Level


def test_it_reaches_everybody(tmp_path: Path) -> None:
    clock = ManualClock(5.0)
    hub = ControlHub(clock)
    shelf = Shelf(tmp_path, max_bytes=10**7, max_age_s=1e9, least_free_bytes=0)
    shelf.open()
    with capture_logs() as logged:
        teller = Teller(structlog.get_logger(), hub)
        teller.say("before there was a recorder")
        teller.recorder = Recorder(shelf, said=True, heard=True, clock=clock, say=print)
        teller.say("talking")
        teller.warn("the disk is full")
        for state in (DeviceState.MISSING, DeviceState.RUNNING):
            teller.on_device(DeviceEvent(Direction.INPUT, "USB headset", state, ""))
        teller.recorder.close()
    assert [line["log_level"] for line in logged] == ["info", "info", "warning", "warning", "warning"]
    assert [(news.text, news.level) for news in hub.news()] == [
        ("before there was a recorder", Level.INFO),
        ("talking", Level.INFO),
        ("the disk is full", Level.WARNING),
        ("sound input USB headset is missing", Level.WARNING),
        ("sound input USB headset is running", Level.INFO),
    ]
    assert [note.text for note in read_recordings(tmp_path).notes] == ["talking"]
