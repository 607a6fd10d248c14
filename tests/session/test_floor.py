"""Floor control: who goes first by rule, one station's waiting, and whole nets on a simulated channel."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.session.events import (
    Action,
    EndOver,
    Event,
    KeyDown,
    KeyUp,
    LinkLost,
    LinkRestored,
    Notice,
    Notify,
    OverEnded,
    OverStarted,
    PlayTone,
    PttPressed,
    PttReleased,
    PttToggled,
    Refusal,
    Refused,
    StartOver,
    Tick,
    Tone,
)
from gateway.session.floor import FloorRules, Verdict
from gateway.session.machine import Mode, SessionMachine, SessionState

SLOT_S = 0.8
RULES = FloorRules(station_id=5, order=(9, 7), slot_s=SLOT_S, slots=3, wait_s=20.0)
MACHINE = SessionMachine(release_s=0.3, floor=RULES)
GRANTED = [Notify(Notice.FLOOR_GRANTED), KeyUp(), StartOver(), PlayTone(Tone.FLOOR_GRANTED)]
CUT_OFF = [EndOver(), KeyDown(), PlayTone(Tone.REFUSED), Notify(Notice.YIELDED)]


class Run:
    """A machine driven by hand."""

    def __init__(self, machine: SessionMachine = MACHINE, seed: int = 1) -> None:
        self.machine, self.state = machine, SessionState(seed=seed)

    def __call__(self, event: Event, now_s: float) -> list[Action]:
        self.state, actions = self.machine.handle(self.state, event, now_s)
        return list(actions)


# ---- the rules


def test_those_in_the_order_go_first_then_lower_ids() -> None:
    assert sorted([1, 5, 7, 9, 30], key=RULES.rank) == [9, 7, 1, 5, 30]


@pytest.mark.parametrize(
    ("source", "age_s", "verdict"),
    [
        (7, 1.0, Verdict.YIELD),
        (1, 1.0, Verdict.YIELD),
        (30, 1.0, Verdict.GO_ON),
        (30, 2 * SLOT_S, Verdict.GO_ON),
        (30, 2 * SLOT_S + 0.01, Verdict.YIELD),
        (None, 1.0, Verdict.OPEN),
        (None, 1.7, Verdict.YIELD),
        (5, 9.0, Verdict.GO_ON),
    ],
)
def test_verdicts(source: int | None, age_s: float, verdict: Verdict) -> None:
    assert RULES.verdict(source, age_s) is verdict


@given(st.integers(1, 65535), st.integers(1, 65535), st.lists(st.integers(1, 65535), max_size=4, unique=True))
def test_of_two_stations_exactly_one_goes_on(first: int, second: int, order: list[int]) -> None:
    if first != second:
        verdicts = {
            FloorRules(own, tuple(order)).verdict(other, 0.5) for own, other in ((first, second), (second, first))
        }
        assert verdicts == {Verdict.GO_ON, Verdict.YIELD}


def test_the_wait_is_a_number_of_slots_and_every_number_comes() -> None:
    seed, drawn = 7, []
    for _ in range(300):
        hold_off_s, seed = RULES.hold_off_s(seed)
        drawn.append(round(hold_off_s / SLOT_S, 6))
    assert set(drawn) == {0.0, 1.0, 2.0}
    assert all(60 < drawn.count(slots) < 140 for slots in (0.0, 1.0, 2.0))
    assert RULES.hold_off_s(7) == RULES.hold_off_s(7)


# ---- one station


def test_a_press_waits_and_begins_when_its_turn_comes() -> None:
    run = Run()
    run(OverStarted(1), 0.0)
    assert run(PttPressed(), 1.0) == [Notify(Notice.WAITING_FOR_FLOOR)]
    assert (run.state.mode, run.state.is_key_down, run.state.is_listening) == (Mode.WAITING, True, True)
    assert MACHINE.next_deadline_s(run.state) == 21.0
    assert run(OverEnded(), 3.0) == [PlayTone(Tone.ROGER), Notify(Notice.OVER_ENDED)] + (
        GRANTED if run.state.mode is Mode.TALKING else []
    )
    if run.state.mode is Mode.WAITING:
        turn_s = MACHINE.next_deadline_s(run.state)
        assert turn_s in (3.0 + SLOT_S, 3.0 + 2 * SLOT_S)
        assert run(Tick(), turn_s - 0.01) == []
        assert run(Tick(), turn_s) == GRANTED
    assert run.state.mode is Mode.TALKING


def test_every_wait_has_its_own_limit() -> None:
    run = Run(SessionMachine(release_s=0.0, floor=FloorRules(5, slots=1, wait_s=20.0)))
    for begin_s in (0.0, 100.0):
        run(OverStarted(1), begin_s)
        run(PttPressed(), begin_s + 1.0)
        assert run.machine.next_deadline_s(run.state) == begin_s + 21.0
        assert KeyUp() in run(OverEnded(), begin_s + 5.0)
        run(PttReleased(), begin_s + 10.0)
        assert run.state.mode is Mode.IDLE


def test_the_one_who_drew_less_goes_first_and_the_other_waits_on() -> None:
    seed = next(seed for seed in range(100) if RULES.hold_off_s(seed)[0] == 2 * SLOT_S)
    run = Run(seed=seed)
    run(OverStarted(1), 0.0)
    run(PttPressed(), 1.0)
    run(OverEnded(), 3.0)
    assert run(OverStarted(2), 4.0) == [Notify(Notice.HEARD)]
    assert run(Tick(), 6.0) == []
    assert run.state.mode is Mode.WAITING
    run(OverEnded(), 7.0)
    run(Tick(), 7.0 + 2 * SLOT_S)
    assert run.state.mode is Mode.TALKING


def test_waiting_ends_by_letting_go_by_toggling_and_by_the_limit() -> None:
    for event in (PttReleased(), PttToggled()):
        run = Run()
        run(OverStarted(1), 0.0)
        run(PttPressed(), 1.0)
        assert run(event, 2.0) == []
        assert run.state.mode is Mode.RECEIVING
        run(OverEnded(), 3.0)
        assert run(Tick(), 10.0) == []
    run = Run()
    run(OverStarted(1), 0.0)
    run(PttToggled(), 1.0)
    assert run(Tick(), 21.0) == [Refused(Refusal.NOT_FREE), PlayTone(Tone.REFUSED)]
    run(OverEnded(), 22.0)
    assert run(Tick(), 30.0) == []
    assert run.state.mode is Mode.BUSY_LOCKOUT
    run(PttReleased(), 31.0)
    assert run.state.mode is Mode.IDLE


def test_an_emergency_does_not_wait() -> None:
    for event in (PttPressed(break_in=True), PttToggled(break_in=True)):
        run = Run()
        run(OverStarted(1), 0.0)
        run(PttPressed(), 1.0)
        assert run(event, 2.0)[:2] == [Notify(Notice.BREAK_IN), KeyUp()]
        assert run.state.mode is Mode.TALKING


def test_a_lost_link_ends_the_waiting_until_the_key_is_let_go() -> None:
    run = Run()
    run(OverStarted(1), 0.0)
    run(PttPressed(), 1.0)
    assert run(LinkLost(), 2.0) == [PlayTone(Tone.REFUSED), Notify(Notice.LINK_LOST)]
    run(LinkRestored(), 3.0)
    assert run(Tick(), 10.0) == []
    assert run.state.mode is Mode.LOCKED_OUT


def test_a_grant_that_is_taken_back_during_the_guard_waits_on_within_the_same_limit() -> None:
    run = Run(SessionMachine(key_up_s=2.0, floor=FloorRules(5, slots=1, wait_s=20.0)))
    run(OverStarted(1), 0.0)
    run(PttPressed(), 1.0)
    assert run(OverEnded(), 5.0)[-2:] == [Notify(Notice.FLOOR_GRANTED), KeyUp()]
    assert run(OverStarted(2), 5.2) == [KeyDown(), Notify(Notice.WAITING_FOR_FLOOR)]
    assert run.state.mode is Mode.WAITING
    assert run(Tick(), 21.0) == [Refused(Refusal.NOT_FREE), PlayTone(Tone.REFUSED)]


@pytest.mark.parametrize(("source", "goes_on"), [(30, True), (1, False), (9, False)])
def test_two_who_began_at_once(source: int, goes_on: bool) -> None:
    run = Run()
    run(PttPressed(), 0.0)
    assert run(OverStarted(None), 0.5) == [Notify(Notice.COLLISION)]
    assert run(OverStarted(source), 0.6) == ([] if goes_on else CUT_OFF)
    assert run.state.mode is (Mode.TALKING if goes_on else Mode.LOCKED_OUT)
    run(PttReleased(), 2.0)
    run(Tick(), 3.0)
    assert run.state.mode is Mode.RECEIVING


def test_he_who_yields_in_the_tail_is_not_locked_out() -> None:
    run = Run()
    run(PttPressed(), 0.0)
    run(PttReleased(), 0.4)
    assert run(OverStarted(1), 0.5) == CUT_OFF
    assert run.state.mode is Mode.RECEIVING


def test_whoever_begins_late_breaks_in() -> None:
    run = Run()
    run(PttPressed(), 0.0)
    assert run(OverStarted(None), 10.0) == CUT_OFF


def test_an_emergency_does_not_yield() -> None:
    run = Run()
    run(PttPressed(break_in=True), 0.0)
    assert run(OverStarted(1), 0.5) == [Notify(Notice.COLLISION)]
    run = Run()
    run(PttPressed(), 0.0)
    run(OverStarted(None), 0.4)
    assert run(PttPressed(break_in=True), 0.5) == []  # he means it, while the other is not known yet
    assert run(OverStarted(1), 0.6) == []
    assert run.state.mode is Mode.TALKING


def test_without_floor_control_nobody_yields() -> None:
    run = Run(SessionMachine())
    run(PttPressed(), 0.0)
    assert run(OverStarted(1), 0.5) == [Notify(Notice.COLLISION)]
    assert run(OverStarted(1), 10.0) == []


# ---- nets


@dataclass
class Station:
    """One of a net: its machine, what it hears, and when it talked."""

    id: int
    machine: SessionMachine
    state: SessionState
    talks: list[list[float]] = field(default_factory=list)
    hears: int | None = None
    """Whose over its receiver is busy with: one at a time (SPEC 7.4)."""


class Net:
    """Stations in earshot of each other: a beginning is heard `detect_s` later, an end `end_s` later."""

    def __init__(self, order: Sequence[int], ids: Sequence[int], detect_s: float, end_s: float, wait_s: float) -> None:
        self.detect_s, self.end_s = detect_s, end_s
        self.stations = {
            id_: Station(
                id_,
                SessionMachine(
                    release_s=0.2,
                    time_out_s=30.0,
                    warning_s=5.0,
                    floor=FloorRules(id_, tuple(order), SLOT_S, 3, wait_s),
                ),
                SessionState(seed=id_),
            )
            for id_ in ids
        }
        self._count = itertools.count()
        self._due: list[tuple[float, int, int, Event | tuple[str, int]]] = []
        self.now_s = 0.0

    def at(self, when_s: float, id_: int, what: Event | tuple[str, int]) -> None:
        heapq.heappush(self._due, (when_s, next(self._count), id_, what))

    def run(self, until_s: float) -> None:
        while True:
            deadlines = [
                (deadline_s, id_)
                for id_, station in self.stations.items()
                if (deadline_s := station.machine.next_deadline_s(station.state)) is not None
            ]
            next_deadline = min(deadlines, default=(until_s + 1, 0))
            if self._due and self._due[0][0] <= next_deadline[0]:
                if self._due[0][0] > until_s:
                    return
                self.now_s, _, id_, what = heapq.heappop(self._due)
                self._hear(self.stations[id_], what)
            elif next_deadline[0] <= until_s:
                self.now_s = max(self.now_s, next_deadline[0])
                self._tell(self.stations[next_deadline[1]], Tick())
            else:
                return

    def _hear(self, station: Station, what: Event | tuple[str, int]) -> None:
        if not isinstance(what, tuple):
            self._tell(station, what)
            return
        word, source = what
        if word == "begins" and station.hears is None:
            station.hears = source
            self._tell(station, OverStarted())
            self._tell(station, OverStarted(source))
        elif word == "ends" and station.hears == source:
            station.hears = None
            self._tell(station, OverEnded())
            # Packets of another over that still runs begin it, now that there is room (SPEC 7.4 b).
            for other in self.stations.values():
                if other is not station and station.hears is None and self._is_audible(other):
                    self._hear(station, ("begins", other.id))

    def _is_audible(self, other: Station) -> bool:
        return bool(other.talks) and len(other.talks[-1]) == 1 and other.talks[-1][0] + self.detect_s <= self.now_s

    def _tell(self, station: Station, event: Event) -> None:
        station.state, actions = station.machine.handle(station.state, event, self.now_s)
        for action in actions:
            if isinstance(action, StartOver):
                station.talks.append([self.now_s])
                for other in self.stations.keys() - {station.id}:
                    self.at(self.now_s + self.detect_s, other, ("begins", station.id))
            elif isinstance(action, EndOver):
                begun_s = station.talks[-1][0]
                station.talks[-1].append(self.now_s)
                for other in self.stations.keys() - {station.id}:
                    self.at(max(begun_s + self.detect_s, self.now_s + self.end_s), other, ("ends", station.id))

    def longest_overlap_s(self) -> float:
        """How long two stations ever talked at the same time."""
        spans = [
            [(talk[0], talk[1] if len(talk) > 1 else self.now_s) for talk in station.talks]
            for station in self.stations.values()
        ]
        return max(
            (
                min(a[1], b[1]) - max(a[0], b[0])
                for mine, theirs in itertools.combinations(spans, 2)
                for a in mine
                for b in theirs
            ),
            default=0.0,
        )


KEYS = st.lists(
    st.tuples(st.floats(0.0, 3.0), st.integers(0, 2), st.sampled_from([PttPressed(), PttReleased(), PttToggled()])),
    max_size=40,
)
DETECT_S = st.floats(0.05, SLOT_S - 0.01)


def play(net: Net, ids: Sequence[int], keys: list[tuple[float, int, Event]]) -> None:
    when_s = 1.0
    for pause_s, index, event in keys:
        when_s += pause_s
        net.at(when_s, ids[index % len(ids)], event)
    net.run(when_s + 100.0)


@given(KEYS, DETECT_S, st.floats(0.02, 0.5), st.permutations([4, 8]), st.sampled_from([(), (8,)]))
def test_two_stations_never_both_talk_longer_than_it_takes_to_hear_it(
    keys: list[tuple[float, int, Event]], detect_s: float, end_s: float, ids: list[int], order: tuple[int, ...]
) -> None:
    net = Net(order, ids, detect_s, end_s, wait_s=20.0)
    play(net, ids, keys)
    assert net.longest_overlap_s() <= detect_s + 1e-9


@given(KEYS, DETECT_S, st.floats(0.02, 0.5))
@example([(0.0, 0, PttPressed()), (0.1, 1, PttPressed()), (0.1, 2, PttPressed())], 0.7, 0.3)
def test_nor_do_three_for_long(keys: list[tuple[float, int, Event]], detect_s: float, end_s: float) -> None:
    """A receiver follows one over at a time, so that the third is heard when the second has given way."""
    net = Net((), [4, 8, 12], detect_s, end_s, wait_s=20.0)
    play(net, [4, 8, 12], keys)
    assert net.longest_overlap_s() <= 2 * detect_s + end_s + 1e-9


def test_all_who_wait_get_their_turn_one_after_the_other() -> None:
    ids = [3, 6, 9, 12]
    net = Net((), ids, detect_s=0.6, end_s=0.3, wait_s=60.0)
    net.at(0.0, 3, PttPressed())
    for number, id_ in enumerate(ids[1:]):
        net.at(2.0 + 0.1 * number, id_, PttPressed())
    net.at(5.0, 3, PttReleased())
    for _ in range(400):  # each lets go 4 s after he was let talk
        net.run(net.now_s + 0.25)
        net.now_s += 0.25
        for station in net.stations.values():
            if station.state.mode in (Mode.TALKING, Mode.LOCKED_OUT) and net.now_s - station.state.since_s > 4.0:
                net.at(net.now_s, station.id, PttReleased())
                if station.state.mode is Mode.LOCKED_OUT:  # he had to yield, and presses again
                    net.at(net.now_s + 0.1, station.id, PttPressed())
    said_s = {
        id_: sum(talk[1] - talk[0] for talk in station.talks if len(talk) > 1) for id_, station in net.stations.items()
    }
    assert all(seconds > 3.5 for seconds in said_s.values()), said_s
    assert net.longest_overlap_s() <= 2 * 0.6 + 0.3


def test_an_emergency_is_heard_alone_within_a_detection_time() -> None:
    net = Net((), [4, 8], detect_s=0.6, end_s=0.3, wait_s=20.0)
    net.at(0.0, 4, PttPressed())
    net.at(5.0, 8, PttPressed(break_in=True))
    net.run(10.0)
    assert net.stations[4].talks == [[0.0, pytest.approx(5.6)]]
    assert net.stations[4].state.mode is Mode.LOCKED_OUT
    assert net.stations[8].state.mode is Mode.TALKING
