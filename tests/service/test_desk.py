"""Every message is answered or counted; a flood, a slow watcher and one that has gone cost only themselves."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.control.hub import MAX_WAITING, ControlHub, HistoryPoint
from gateway.control.requests import OPERATIONS, DeleteMessage, PressKey, SendText, ToggleKey
from gateway.service.desk import BURST, MAX_CLIENTS, MAX_WATCHERS, RATE_PER_S, ClientGone, Desk
from gateway.service.messages import MAX_REQUEST_BYTES
from tests.service.snapshots import ALPHA, manual_hub


def ask(desk: Desk, message: dict[str, Any], client: bytes = b"one", now_s: float = 0.0) -> dict[str, Any]:
    answer = desk.receive(client, msgpack.packb(message), now_s)
    assert answer is not None
    return dict(msgpack.unpackb(answer))


class Inbox:
    """What clients are sent; `full` and `gone` as ZeroMQ tells it."""

    def __init__(self) -> None:
        self.messages: list[tuple[bytes, dict[str, Any]]] = []
        self.full: set[bytes] = set()
        self.gone: set[bytes] = set()

    def send(self, client: bytes, message: bytes) -> bool:
        if client in self.gone:
            raise ClientGone
        if client in self.full:
            return False
        self.messages.append((client, msgpack.unpackb(message)))
        return True

    def take(self, client: bytes = b"one") -> list[Any]:
        taken = [message for known, message in self.messages if known == client]
        self.messages = [entry for entry in self.messages if entry[0] != client]
        return taken


@pytest.fixture
def hub() -> ControlHub:
    return manual_hub()


@pytest.fixture
def desk(hub: ControlHub) -> Desk:
    return Desk(hub)


def test_the_snapshot_as_consoles_have_it(desk: Desk, hub: ControlHub) -> None:
    assert ask(desk, {"op": "snapshot"}) == {"v": 1, "ref": None, "ok": True, "snapshot": None, "refused": {}}
    hub.publish(ALPHA)
    assert ask(desk, {"v": 1, "ref": "a", "op": "snapshot"})["snapshot"] == ALPHA.as_dict()


def test_requests_reach_the_hub_and_tell_where_to_look_for_their_effect(desk: Desk, hub: ControlHub) -> None:
    hub.publish(ALPHA)
    hub.tell("hello")
    answer = ask(desk, {"ref": 7, "op": "text", "text": "hi", "to": 2})
    assert answer == {"v": 1, "ref": 7, "ok": True, "number": 1, "news": 1}
    assert hub.take() == [SendText("hi", 2)]


def test_a_message_may_be_named_and_the_answer_known_by_another_key(desk: Desk, hub: ControlHub) -> None:
    assert ask(desk, {"ref": 1, "op": "delete", "id": "1f"})["ref"] == 1
    assert hub.take() == [DeleteMessage("1f")]


def test_no_request_has_a_key_of_the_envelope() -> None:
    for kind in OPERATIONS.values():
        assert not {field.name for field in dataclasses.fields(kind)} & {"v", "ref", "op"}


def test_a_press_without_a_lease_gets_one_and_a_latch_does_not(desk: Desk, hub: ControlHub) -> None:
    ask(desk, {"op": "press", "holder": "x"})
    ask(desk, {"op": "press", "holder": "x", "lease_s": 3, "break_in": True})
    ask(desk, {"op": "toggle", "holder": "x"})
    assert hub.take() == [PressKey("x", lease_s=1.0), PressKey("x", True, 3.0), ToggleKey("x")]


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ({}, "op: got None"),
        ({"op": ["snapshot"]}, "op: got"),
        ({"op": "reboot"}, "needed: one of press"),
        ({"op": "snapshot", "x": 1}, "snapshot: unknown key 'x'"),
        ({"op": "press", "holder": "a", "why": 1}, "press: unknown key 'why'"),
        ({"op": "press"}, "holder is missing"),
        ({"op": "volume", "volume_db": float("nan")}, "needed: a number from -40 to 20"),
        ({"op": "news", "after": -1}, "news.after: needed: a whole number"),
        ({"op": "news", "after": True}, "news.after: needed: a whole number"),
        ({"op": "watch", "every_s": -1}, "watch.every_s: needed: a number from 0"),
        ({"op": "history", "after_wall_s": "now"}, "history.after_wall_s"),
        ({"op": "snapshot", "v": 2}, "speaks version 1"),
        ({"op": "snapshot", "ref": {}}, "ref: needed"),
    ],
)
def test_what_is_wrong_is_named(desk: Desk, hub: ControlHub, message: dict[str, Any], told: str) -> None:
    answer = ask(desk, message)
    assert answer["ok"] is False
    assert told in answer["error"]
    assert desk.counts == {"refused": 1}
    assert hub.take() == []


def test_news_and_history_from_where_one_was(desk: Desk, hub: ControlHub) -> None:
    for text in ("one", "two"):
        hub.tell(text)
    assert [line["text"] for line in ask(desk, {"op": "news"})["news"]] == ["one", "two"]
    assert [line["text"] for line in ask(desk, {"op": "news", "after": 1})["news"]] == ["two"]
    hub.remember(HistoryPoint(10.0, -30.0))
    hub.remember(HistoryPoint(20.0, -20.0, lost=0.5))
    assert [point["lost"] for point in ask(desk, {"op": "history", "after_wall_s": 10.0})["history"]] == [0.5]


def test_watchers_get_what_is_new_once(desk: Desk, hub: ControlHub) -> None:
    inbox = Inbox()
    hub.tell("before")
    ask(desk, {"op": "watch"})
    assert desk.send_events(inbox.send, 0.0) is None
    assert inbox.take() == []
    hub.tell("after")
    hub.publish(ALPHA)
    desk.send_events(inbox.send, 0.0)
    desk.send_events(inbox.send, 0.0)
    news, snapshot = inbox.take()
    assert news == {"v": 1, "event": "news", "news": {"number": 2, "wall_s": 1.8e9, "text": "after", "level": "info"}}
    assert snapshot == {"v": 1, "event": "snapshot", "snapshot": ALPHA.as_dict()}
    ask(desk, {"op": "unwatch"})
    hub.publish(replace(ALPHA, number=2))
    desk.send_events(inbox.send, 0.0)
    assert inbox.take() == []


def test_a_watcher_may_ask_for_fewer_and_for_old_news(desk: Desk, hub: ControlHub) -> None:
    inbox = Inbox()
    hub.tell("old")
    hub.publish(ALPHA)
    ask(desk, {"op": "watch", "every_s": 2.0, "news_after": 0}, now_s=0.0)
    assert desk.send_events(inbox.send, 0.0) is None
    assert [message["event"] for message in inbox.take()] == ["news", "snapshot"]
    hub.publish(replace(ALPHA, number=2))
    assert desk.send_events(inbox.send, 1.0) == 2.0
    assert inbox.take() == []
    assert desk.send_events(inbox.send, 2.0) is None
    assert [message["snapshot"]["number"] for message in inbox.take()] == [2]


def test_a_slow_watcher_misses_snapshots_but_no_news(desk: Desk, hub: ControlHub) -> None:
    inbox = Inbox()
    ask(desk, {"op": "watch"})
    inbox.full.add(b"one")
    for number in (1, 2, 3):
        hub.tell(f"line {number}")
        hub.publish(replace(ALPHA, number=number))
        desk.send_events(inbox.send, 0.0)
    inbox.full.clear()
    desk.send_events(inbox.send, 0.0)
    assert [message["news"]["text"] for message in inbox.take()] == ["line 1", "line 2", "line 3"]
    assert desk.counts == {"slow_watcher": 3}


def test_a_watcher_that_has_gone_is_forgotten_and_the_rest_hear_the_end(desk: Desk, hub: ControlHub) -> None:
    inbox = Inbox()
    for client in (b"one", b"two"):
        ask(desk, {"op": "watch"}, client)
    inbox.gone.add(b"one")
    hub.publish(ALPHA)
    desk.send_events(inbox.send, 0.0)
    assert desk.watchers == 1
    inbox.take(b"two")
    inbox.gone.add(b"three")
    desk.say_goodbye(inbox.send)
    assert inbox.take(b"two") == [{"v": 1, "event": "end"}]


def test_so_many_may_watch(desk: Desk) -> None:
    for number in range(MAX_WATCHERS):
        assert ask(desk, {"op": "watch"}, b"%d" % number)["ok"]
    assert "others watch already" in ask(desk, {"op": "watch"}, b"late")["error"]
    assert ask(desk, {"op": "watch"}, b"0")["ok"]  # again, with other wishes
    desk.forget(b"1")
    assert ask(desk, {"op": "watch"}, b"late")["ok"]


def test_a_flood_is_told_once_and_others_are_served(desk: Desk) -> None:
    data = msgpack.packb({"op": "snapshot"})
    answers = [desk.receive(b"one", data, 0.0) for _ in range(int(BURST) + 50)]
    assert all(msgpack.unpackb(answer)["ok"] for answer in answers[: int(BURST)] if answer is not None)
    refusal = answers[int(BURST)]
    assert refusal is not None
    assert "too many requests" in msgpack.unpackb(refusal)["error"]
    assert answers[int(BURST) + 1 :] == [None] * 49
    assert desk.counts == {"too_many": 50}
    assert ask(desk, {"op": "snapshot"}, b"two")["ok"]
    assert ask(desk, {"op": "snapshot"}, now_s=1.0)["ok"]
    left = [desk.receive(b"one", data, 1.0) for _ in range(int(RATE_PER_S))]
    assert sum(answer is not None and msgpack.unpackb(answer)["ok"] for answer in left) == RATE_PER_S - 1


def test_of_many_clients_the_longest_silent_is_forgotten(desk: Desk) -> None:
    for number in range(MAX_CLIENTS + 100):
        ask(desk, {"op": "snapshot"}, b"%d" % number)
    assert len(desk._clients) == MAX_CLIENTS


def test_a_station_that_takes_nothing_is_told_of(desk: Desk, hub: ControlHub) -> None:
    for _ in range(MAX_WAITING):
        hub.post(ToggleKey("x"))
    assert "does not keep up" in ask(desk, {"op": "toggle", "holder": "y"})["error"]
    assert hub.dropped == 1


def test_what_is_too_long_is_refused(desk: Desk) -> None:
    assert f"at most {MAX_REQUEST_BYTES}" in ask(desk, {"op": "text", "text": "x" * MAX_REQUEST_BYTES})["error"]


values = st.none() | st.booleans() | st.integers(-5, 2**40) | st.floats() | st.text(max_size=8) | st.binary(max_size=4)
keys = st.sampled_from(
    [
        "v",
        "ref",
        "id",
        "holder",
        "break_in",
        "lease_s",
        "text",
        "to",
        "index",
        "after",
        "every_s",
        "news_after",
        "is_on",
        "x",
    ]
)
ops = st.sampled_from([*OPERATIONS, "snapshot", "news", "history", "watch", "unwatch", "nonsense"])


@settings(max_examples=300)
@given(st.dictionaries(keys, values, max_size=5), ops)
def test_any_map_is_answered_and_only_sound_requests_are_posted(message: dict[str, Any], op: str) -> None:
    hub = manual_hub()
    desk = Desk(hub)
    answer = ask(desk, {**message, "op": op})
    assert answer["ok"] or answer["error"]
    posted = hub.take()
    assert len(posted) == (answer["ok"] and op in OPERATIONS)
    assert all(isinstance(request, OPERATIONS[op]) for request in posted)


class DeskMachine(RuleBasedStateMachine):
    """Clients come, go, flood and lag in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.hub, self.inbox = manual_hub(), Inbox()
        self.desk = Desk(self.hub)
        self.now_s = 0.0
        self.number = 0
        self.heard: dict[bytes, int] = {}

    clients = st.sampled_from([b"a", b"b", b"c"])

    @rule(client=clients, every_s=st.sampled_from([0.0, 0.5]))
    def watch(self, client: bytes, every_s: float) -> None:
        self.desk.receive(client, msgpack.packb({"op": "watch", "every_s": every_s}), self.now_s)
        self.heard.pop(client, None)

    @rule(client=clients, data=st.binary(max_size=30))
    def anything(self, client: bytes, data: bytes) -> None:
        self.desk.receive(client, data, self.now_s)

    @rule(client=clients)
    def full_or_not(self, client: bytes) -> None:
        self.inbox.full ^= {client}

    @rule(client=clients)
    def gone_or_back(self, client: bytes) -> None:
        self.inbox.gone ^= {client}

    @rule(seconds=st.floats(0, 3))
    def time_passes(self, seconds: float) -> None:
        self.now_s += seconds

    @rule()
    def something_happens(self) -> None:
        self.number += 1
        self.hub.publish(replace(ALPHA, number=self.number))
        self.hub.tell("line")

    @rule()
    def serve(self) -> None:
        due_s = self.desk.send_events(self.inbox.send, self.now_s)
        assert due_s is None or due_s > self.now_s
        for client in (b"a", b"b", b"c"):
            for message in self.inbox.take(client):
                if message["event"] == "news":
                    number = message["news"]["number"]
                    assert number > self.heard.get(client, 0)  # each line once, in order
                    self.heard[client] = number

    @invariant()
    def little_is_kept(self) -> None:
        assert self.desk.watchers <= 3
        assert len(self.desk._clients) <= 3


TestDeskMachine = DeskMachine.TestCase
