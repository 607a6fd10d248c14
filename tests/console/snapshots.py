"""Snapshots for tests of the screen: one of a station at work, and any at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from gateway.control.hub import HistoryPoint
from gateway.control.snapshot import (
    AirtimeView,
    AudioView,
    DelayView,
    DeviceView,
    HeardView,
    LinkView,
    MessageView,
    OverView,
    PttView,
    Quality,
    ReceptionView,
    Snapshot,
    StationView,
    TalkerView,
)
from gateway.session.table import Mode

WALL_S = 1_700_000_000.0

AT_WORK = Snapshot(
    StationView("alpha", 1, 7, "0.1.0", 100.0),
    number=1,
    wall_s=WALL_S,
    audio=AudioView(DeviceView("USB headset"), DeviceView("USB headset"), -18.0, -9.0, False, -30.0),
    link=LinkView("radio", "serial", True, None, 300.0, 64, True, "480 ms packets, robust-packet"),
    delay=DelayView(160, 480, 14, 0, 240, 260, 200, 40, 1394),
    reception=ReceptionView(Quality.FAIR, 120, 0.08, 0.01, 1.7, 0.05, 12.0, "fair: 8 % lost, 1.7 in a row"),
    sent_reception=ReceptionView(Quality.GOOD, 60, words="good: 0 % lost"),
    airtime=AirtimeView(125.0, 80.0, 0.022, 340.0, 5321, 342.0),
    last_heard=(HeardView(2, "bravo", WALL_S - 12, 5, 0.08, 12.0), HeardView(3, "charlie", WALL_S - 600)),
    overs=(OverView("heard", "bravo", 2, WALL_S - 12, 7.5, 0.08, 12.0, 1), OverView("said", "alpha", 1, WALL_S, 12.0)),
    messages=(
        MessageView("text", "in", "bravo", WALL_S - 30, "Standing by at the north buoy.", None, "received"),
        MessageView("voice", "out", "group", WALL_S - 60, "", "a1b2", "sending", 0.45, 6.0),
        MessageView("voice", "in", "charlie", WALL_S - 300, "", "c3d4", "received", 1.0, 11.0),
        MessageView("voice", "out", "bravo", WALL_S - 400, "", "e5f6", "failed", 0.2, 11.0),
    ),
    names=((2, "bravo"), (3, "charlie")),
    counters=(("rx.packets", 120.0), ("tx.packets", 60.0)),
)
TALKING = replace(AT_WORK, ptt=PttView("talking", 15.0, ("keyboard",), 165.0))
HEARING = replace(AT_WORK, ptt=PttView("receiving", 12.0), talker=TalkerView("bravo", 2, 7, 12.0))


def with_ptt(**fields: Any) -> Snapshot:
    """At work, but with such a push-to-talk."""
    return replace(AT_WORK, ptt=replace(AT_WORK.ptt, **fields))


MODES = st.sampled_from([*(mode.value for mode in Mode), "of the future"])


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Any snapshot: whatever the types allow, with modes that mean something."""
    shot = draw(st.from_type(Snapshot))
    return replace(shot, ptt=replace(shot.ptt, mode=draw(MODES)))


histories = st.lists(st.from_type(HistoryPoint), max_size=8)
