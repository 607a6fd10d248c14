"""Station and consoles meet without waiting: everything has a bound, and listeners can go at any time."""

from __future__ import annotations

import threading

from gateway.clock import ManualClock
from gateway.control.hub import HISTORY_KEPT, MAX_WAITING, NEWS_KEPT, ControlHub, HistoryPoint
from gateway.control.requests import ReplayOver, StopPlaying
from gateway.control.snapshot import Snapshot, StationView
from gateway.telling import Level


def hub() -> ControlHub:
    return ControlHub(ManualClock(), wall=lambda: 1000.0)


def test_requests_are_taken_in_order_and_once() -> None:
    meeting = hub()
    meeting.post(StopPlaying())
    meeting.post(ReplayOver(2))
    assert meeting.take() == [StopPlaying(), ReplayOver(2)]
    assert meeting.take() == []


def test_too_many_requests_are_dropped_and_counted() -> None:
    meeting = hub()
    for _ in range(MAX_WAITING + 5):
        meeting.post(StopPlaying())
    assert len(meeting.take()) == MAX_WAITING
    assert meeting.dropped == 5


def test_an_offer_says_whether_there_was_room() -> None:
    meeting = hub()
    assert all(meeting.offer(ReplayOver(number)) for number in range(MAX_WAITING))
    assert not meeting.offer(StopPlaying())
    assert meeting.dropped == 1
    assert meeting.take() == [ReplayOver(number) for number in range(MAX_WAITING)]
    assert meeting.offer(StopPlaying())
    assert meeting.dropped == 1


def test_listeners_are_told_of_snapshots_and_news_until_they_go() -> None:
    meeting, told = hub(), []
    assert meeting.snapshot is None
    leave = meeting.listen(lambda: told.append(len(told)))
    snapshot = Snapshot(StationView("alpha", 1, 1))
    meeting.publish(snapshot)
    meeting.tell("heard", Level.WARNING)
    assert told == [0, 1]
    assert meeting.snapshot is snapshot
    leave()
    leave()
    meeting.tell("not for him")
    assert told == [0, 1]


def test_news_are_numbered_and_bounded() -> None:
    meeting = hub()
    for number in range(NEWS_KEPT + 10):
        meeting.tell(f"line {number}")
    kept = meeting.news()
    assert [line.number for line in kept] == list(range(11, NEWS_KEPT + 11))
    assert [line.text for line in meeting.news(after=NEWS_KEPT + 8)] == [
        f"line {NEWS_KEPT + 8}",
        f"line {NEWS_KEPT + 9}",
    ]


def test_the_last_news_is_counted_even_where_it_is_kept_no_longer() -> None:
    meeting = hub()
    assert meeting.last_news == 0
    for number in range(1, NEWS_KEPT + 10):
        meeting.tell("line")
        assert meeting.last_news == number
    before = meeting.last_news
    assert meeting.news(after=before) == []
    meeting.tell("said after that")
    assert [line.text for line in meeting.news(after=before)] == ["said after that"]


def test_history_is_bounded_and_given_from_a_time_on() -> None:
    meeting = hub()
    for second in range(HISTORY_KEPT + 3):
        meeting.remember(HistoryPoint(float(second), -60.0))
    assert [point.wall_s for point in meeting.history()] == list(range(3, HISTORY_KEPT + 3))
    assert [point.wall_s for point in meeting.history(after_wall_s=HISTORY_KEPT + 0.5)] == [
        HISTORY_KEPT + 1,
        HISTORY_KEPT + 2,
    ]


def test_many_threads_ask_at_once() -> None:
    meeting, taken = hub(), []
    askers = [threading.Thread(target=lambda: [meeting.post(StopPlaying()) for _ in range(50)]) for _ in range(4)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    taken += meeting.take()
    assert len(taken) == 200
