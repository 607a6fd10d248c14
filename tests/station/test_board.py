"""What a station knows of itself: levels, who was heard, reception, air time, over restarts too."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.clock import ManualClock
from gateway.config import StationConfig
from gateway.control.kept import Kept
from gateway.control.snapshot import HeardView, Quality
from gateway.protocol.report import LinkReport, Reception
from gateway.station.board import MAX_HEARD, MAX_OVERS, MAX_TEXTS, LevelMeter, StationBoard

CONFIG = StationConfig.model_validate(
    {
        "station": {"name": "alpha", "id": 1, "group": 1},
        "net": {"names": {1: "alpha", 2: "bravo"}},
        "link": {"kind": "memory"},
    }
)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(50.0)


@pytest.fixture
def board(clock: ManualClock) -> StationBoard:
    return StationBoard(CONFIG, clock, wall=lambda: 1e9 + clock.now())


def hear(board: StationBoard, clock: ManualClock, source: int | None, reception: Reception | None) -> None:
    board.over_begins()
    if source is not None:
        board.talker_known(source, 1)
    for frame in range(10):
        board.played(concealed=frame < 2)
    clock.sleep(2.0)
    board.over_ends(reception)


def test_level_and_peak_are_of_the_last_tenth_of_a_second() -> None:
    meter = LevelMeter()
    assert (meter.level_db, meter.peak_db) == (-100.0, -100.0)
    meter.hear(np.full(320, 0.1, np.float32), 1.0)
    assert meter.level_db == pytest.approx(-20, abs=0.01)
    meter.hear(np.zeros(0, np.float32), 1.01)
    meter.hear(np.full(320, 1.0, np.float32), 1.02)
    assert meter.peak_db == pytest.approx(0, abs=0.01)
    assert meter.is_clipping(1.9)
    assert not meter.is_clipping(2.03)
    meter.hear(np.zeros(320, np.float32), 2.0)
    assert meter.level_db == -100.0


def test_who_is_heard_and_was(board: StationBoard, clock: ManualClock) -> None:
    board.over_begins()
    assert board.talker == "unknown talker"
    assert board.talker_known(2, 1) == "bravo"
    clock.sleep(1.5)
    talker = board.talker_view()
    assert talker is not None
    assert (talker.name, talker.source, talker.group, talker.talking_s) == ("bravo", 2, 1, 1.5)
    board.over_ends(Reception(3, expected=10, lost=1, bursts=1, longest_burst=1, snr_db=8.0))
    assert board.talker_view() is None
    hear(board, clock, 3, None)
    hear(board, clock, 2, None)
    assert [(view.name, view.overs) for view in board.last_heard] == [("bravo", 2), ("station 3", 1)]
    assert [(over.name, over.duration_s, over.lost) for over in board.overs] == [
        ("bravo", 2.0, None),
        ("station 3", 2.0, None),
        ("bravo", 1.5, 0.1),
    ]
    assert board.airtime_view().heard_s == pytest.approx(5.5)


def test_what_a_parrot_says_is_this_stations_own(clock: ManualClock) -> None:
    config = StationConfig.model_validate({"station": {"name": "lone", "id": 7}, "link": {"kind": "memory"}})
    board = StationBoard(config, clock)
    board.over_begins()
    assert board.talker_known(7, 0) == "lone"
    assert board.talker_known(8, 0) == "station 8"


def test_an_over_that_never_began_does_not_end(board: StationBoard) -> None:
    board.over_ends(None)
    assert board.overs == ()


def test_reception_is_of_the_last_overs_and_forgotten_after_a_while(board: StationBoard, clock: ManualClock) -> None:
    assert board.reception_view().quality is Quality.UNKNOWN
    hear(board, clock, 2, Reception(1, expected=50, lost=50, bursts=1, longest_burst=50))
    for over_id in range(5):
        hear(board, clock, 2, Reception(over_id, expected=20, lost=1, bursts=1, longest_burst=1, snr_db=9.0))
    view = board.reception_view()
    assert (view.expected, view.lost, view.mean_burst, view.concealed, view.snr_db) == (100, 0.05, 1.0, 0.2, 9.0)
    assert view.quality is Quality.FAIR
    assert board.history_point(700.0).lost == 0.05
    clock.sleep(61)
    assert board.history_point(700.0).lost is None
    clock.sleep(900)
    assert board.reception_view().quality is Quality.UNKNOWN


def test_how_own_overs_arrive_is_known_from_reports_about_this_station(board: StationBoard) -> None:
    board.reported(LinkReport(2, 9, 0, expected=50, lost=40, mean_burst=2.0, longest_burst=9))
    assert board.sent_reception_view().quality is Quality.UNKNOWN
    board.reported(LinkReport(2, 1, 0, expected=40, lost=4, mean_burst=2.0, longest_burst=2))
    view = board.sent_reception_view()
    assert (view.expected, view.lost, view.mean_burst) == (40, 0.1, 2.0)


def test_air_time_is_counted_by_the_hour(board: StationBoard, clock: ManualClock) -> None:
    board.own_over_ends()
    board.own_over_begins()
    for _ in range(10):
        board.sent(24, 0.64)
        clock.sleep(0.48)
    board.own_over_ends()
    view = board.airtime_view()
    assert view.own_s == pytest.approx(6.4)
    assert view.on_air_bps == pytest.approx(8 * 240 / 4.8)
    assert view.share_hour == pytest.approx(6.4 / 60), "of a minute at least"
    clock.sleep(600)
    assert board.airtime_view().share_hour == pytest.approx(6.4 / 604.8)
    clock.sleep(3000)
    assert board.airtime_view().own_hour_s == 0
    assert board.airtime_view().own_s == pytest.approx(6.4)


def test_lists_have_bounds(board: StationBoard, clock: ManualClock) -> None:
    for number in range(150):
        hear(board, clock, number, None)
        board.text("in", "bravo", f"text {number}", "received")
    assert (len(board.last_heard), len(board.overs), len(board.texts)) == (MAX_HEARD, MAX_OVERS, MAX_TEXTS)
    assert board.last_heard[0].source == 149
    assert board.texts[0].text == "text 149"


def test_it_goes_on_with_what_was_kept(clock: ManualClock) -> None:
    kept = Kept(last_heard=(HeardView(2, "bravo", 20.0, 3), HeardView(3, "charlie", 10.0)))
    board = StationBoard(CONFIG, clock, kept, wall=lambda: 30.0)
    assert board.last_heard == kept.last_heard
    hear(board, clock, 3, None)
    assert [(view.source, view.overs) for view in board.last_heard] == [(3, 2), (2, 3)]
