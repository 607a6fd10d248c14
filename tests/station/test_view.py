"""From a running station to the snapshot that consoles draw: published ten times a second, and at once on a change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gateway.audio.paced import NullInput
from gateway.clock import ManualClock
from gateway.codec import Codec
from gateway.control.requests import PressKey, ReleaseKey, SendText, ToggleKey
from gateway.control.snapshot import RecordView, SecurityView
from gateway.links.memory import MemoryHub
from gateway.links.recorded import LinkRecording, RecordedLink
from gateway.station.secured import Secured
from gateway.traces import Outcome, TraceRecord
from tests.station.bench import Bench, run


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(100.0)


@pytest.fixture
def pair(small_codec: Codec, clock: ManualClock) -> tuple[Bench, Bench]:
    hub = MemoryHub(clock)
    security = Secured(None, None, "", SecurityView("authenticate", 7, (7, 8), text="security on"))
    a, b = (
        Bench(small_codec, clock, hub.station(name), number, secured=security, ptt={"time_out_s": 20.0})
        for number, name in enumerate("ab", 1)
    )
    return a, b


def test_both_sides_of_an_over(pair: tuple[Bench, Bench], clock: ManualClock) -> None:
    a, b = pair
    run(clock, 0.2, a, b)
    a.hub.post(PressKey("switch"))
    run(clock, 2.0, a, b)
    mine, his = a.hub.snapshot, b.hub.snapshot
    assert mine is not None
    assert his is not None
    assert (mine.ptt.mode, mine.ptt.held_by) == ("talking", ("switch",))
    assert mine.ptt.time_left_s == pytest.approx(18.0, abs=0.3)
    assert mine.talker is None
    assert (his.ptt.mode, his.ptt.time_left_s) == ("receiving", None)
    assert his.talker is not None
    assert (his.talker.name, his.talker.source, his.talker.group) == ("alpha", 1, 1)
    a.hub.post(ReleaseKey("switch"))
    run(clock, 3.0, a, b)
    mine, his = a.hub.snapshot, b.hub.snapshot
    assert mine is not None
    assert his is not None
    assert [view.name for view in his.last_heard] == ["alpha"]
    assert [(over.side, over.name) for over in mine.overs] == [("said", "alpha")]
    assert his.reception.words == "good: 0 % lost"
    assert dict(mine.counters)["tx.overs"] == 1
    assert mine.airtime.sent_bytes > 0
    assert mine.names == ((1, "alpha"), (2, "bravo"))
    assert mine.security.key_id == 7


def test_a_refusal_is_shown_until_the_next_press(pair: tuple[Bench, Bench], clock: ManualClock) -> None:
    a, b = pair
    a.hub.post(PressKey("switch"))
    run(clock, 1.5, a, b)
    b.hub.post(ToggleKey("keyboard"))
    run(clock, 0.1, a, b)
    shown = b.hub.snapshot
    assert shown is not None
    assert (shown.ptt.refusal, shown.ptt.held_by) == ("busy", ()), "a latching key is not left on by a refused press"
    a.hub.post(ReleaseKey("switch"))
    run(clock, 2.0, a, b)
    b.hub.post(ToggleKey("keyboard"))
    run(clock, 0.1, a, b)
    shown = b.hub.snapshot
    assert shown is not None
    assert (shown.ptt.refusal, shown.ptt.mode) == (None, "talking")


def test_a_phone_that_is_gone_does_not_keep_the_transmitter_on(pair: tuple[Bench, Bench], clock: ManualClock) -> None:
    a, b = pair
    a.hub.post(PressKey("web:00aa", lease_s=1.0))
    run(clock, 0.9, a, b)
    assert a.station.snapshot().ptt.mode == "talking"
    run(clock, 0.5, a, b)
    assert a.station.snapshot().ptt.mode == "idle"
    assert a.metrics.counter("ptt.key_down") == 1


def test_two_keys_one_over(pair: tuple[Bench, Bench], clock: ManualClock) -> None:
    a, b = pair
    a.hub.post(PressKey("switch"))
    run(clock, 0.5, a, b)
    a.hub.post(PressKey("web:00aa", lease_s=5.0))
    a.hub.post(ReleaseKey("switch"))
    run(clock, 0.5, a, b)
    assert a.station.snapshot().ptt.mode == "talking"
    a.hub.post(ReleaseKey("web:00aa"))
    run(clock, 0.5, a, b)
    assert a.metrics.counter("tx.overs") == 1


def test_texts_are_shown_on_both_sides(pair: tuple[Bench, Bench], clock: ManualClock) -> None:
    a, b = pair
    a.hub.post(SendText("Standing by.", to=2))
    run(clock, 0.5, a, b)
    (sent,) = a.station.snapshot().messages
    (received,) = b.station.snapshot().messages
    assert (sent.direction, sent.text) == ("out", "@bravo Standing by.")
    assert (received.direction, received.peer, received.text) == ("in", "alpha", "@bravo Standing by.")


def test_snapshots_come_at_their_rate_and_with_every_change(pair: tuple[Bench, Bench], clock: ManualClock) -> None:
    a, b = pair
    told: list[str] = []

    def note() -> None:
        shown = a.hub.snapshot
        assert shown is not None
        told.append(shown.ptt.mode)

    a.hub.listen(note)
    run(clock, 2.0, a, b)
    assert 15 <= len(told) <= 21
    told.clear()
    a.hub.post(PressKey("switch"))
    a.station.step()
    assert told == ["talking"]


def test_microphone_level_is_shown(small_codec: Codec, clock: ManualClock) -> None:
    a = Bench(small_codec, clock, MemoryHub(clock).station("a"), 1)
    rng = np.random.default_rng(1)

    class Microphone(NullInput):
        def read(self) -> np.ndarray:
            return (0.1 * rng.standard_normal(len(super().read()))).astype(np.float32)

    a.station._input = Microphone(clock)
    run(clock, 0.5, a)
    shown = a.station.snapshot()
    assert shown.audio.level_db == pytest.approx(-20, abs=1)
    assert not shown.audio.is_clipping
    assert shown.audio.input.state == "running"
    assert a.hub.history() != []


class FullDisk:
    """Where a trace goes until there are packets to be kept."""

    path = Path("traces/alpha.trace")
    problem: str | None = None

    def put(self, record: TraceRecord) -> None:
        if record.outcome is not Outcome.EVENT:
            self.problem = "no space left"

    def flush(self) -> None:
        pass


def test_a_trace_that_cannot_go_on_is_seen(small_codec: Codec, clock: ManualClock) -> None:
    recording = LinkRecording(FullDisk(), "alpha", clock)
    a = Bench(small_codec, clock, RecordedLink(MemoryHub(clock).station("a"), recording), 1)
    assert a.station.snapshot().trace == RecordView("traces")
    a.press()
    run(clock, 2.0, a)
    assert a.station.snapshot().trace == RecordView("traces", "no space left")
