"""SBD, two modems and the gateway between them in simulated time: sessions, statuses, ring alerts, damage."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from firmware_bridge.driver import Measured, ModemStatus
from firmware_bridge.drivers.iridium_sbd import Fate, checksum, mo_status
from firmware_bridge.profile import load_profile
from firmware_bridge.registry import build_driver
from firmware_bridge.sim.iridium_sbd import VirtualIridiumSbd
from firmware_bridge.sim.simulated import SimulatedPair
from gateway.config import MessagesSection
from gateway.errors import ConfigError
from gateway.messages.pace import Pace
from gateway.metrics import Metrics
from gateway.protocol.bulk_airtime import block_size
from gateway.protocol.bulk_packets import (
    TYPE_TEXT,
    Addressee,
    MessageBlock,
    MessageHead,
    MessageOffer,
    MessageStatus,
    parse_message,
)
from gateway.protocol.bulk_receive import Arrived, BulkReceiver, ReceiveConfig
from gateway.protocol.bulk_send import Outgoing, SendState, SendTiming
from gateway.protocol.carriage import Carriage
from gateway.protocol.live import CHECKSUM, Fit, live_verdict
from gateway.protocol.packets import MessagePacket
from gateway.protocol.parse import Dropped, parse
from gateway.station.adaptation import profile_of as link_profile_of
from tests.bridge.pairs import all_ready, both, heard, is_ready, lost, of_kind, profile_of, sent, texts, unique, until

CALM = {"failure": 0.0, "lost_ring": 0.0}


def pair_of(seed: int = 0, virtual: dict[str, Any] | None = None, **settings: Any) -> SimulatedPair:
    pair = SimulatedPair(profile_of("iridium-sbd", virtual={**CALM, **(virtual or {})}, **settings), seed=seed)
    until(pair, lambda: all_ready(pair) and all(side.driver.can_send(pair.now) for side in both(pair)), 1800)
    return pair


def modem(pair: SimulatedPair, name: str) -> VirtualIridiumSbd:
    found = pair.sides[name].modem
    assert isinstance(found, VirtualIridiumSbd)
    return found


def test_a_message_rings_at_the_far_end_and_is_fetched() -> None:
    pair = pair_of()
    begun_s = pair.now
    pair.send("a", b"position 54.3 N 10.1 E")
    until(pair, lambda: bool(heard(pair.b)), 60)
    assert heard(pair.b) == [b"position 54.3 N 10.1 E"]
    assert sent(pair.a) == [1]
    assert 10 < pair.now - begun_s < 45  # two sessions and the gateway
    assert "sending a message, signal 4" in texts(pair.a)
    assert "asking the mailbox, signal 4" in texts(pair.b)
    assert texts(pair.a)[-1] == "ready, signal 4"
    assert pair.b.driver.metrics.counter("modem.ring_alerts") == 1
    assert modem(pair, "a")._mo is None, "sending does not clear the buffer; the driver does"


@pytest.mark.parametrize(
    "message",
    [
        b"\r\nOK\r\n",
        b"SBDRING\r\n",
        b"\r\n+SBDIX: 0, 1, 0, 0, 0, 0\r\n",
        bytes(256),
        bytes(range(256)),
        b"x",
        b"\xff" * 270,
    ],
)
def test_a_message_may_hold_anything(message: bytes) -> None:
    pair = pair_of()
    pair.send("a", message)
    until(pair, lambda: bool(heard(pair.b)), 60)
    assert heard(pair.b) == [message]


def test_what_waits_in_the_mailbox_is_fetched_one_by_one_and_what_is_sent_takes_one_along() -> None:
    pair = pair_of()
    modem(pair, "b").mailbox.extend([b"first", b"second", b"third"])
    pair.send("b", b"out")
    until(pair, lambda: len(heard(pair.b)) == 3, 120)
    assert heard(pair.b) == [b"first", b"second", b"third"]
    assert sent(pair.b) == [1]
    assert of_kind(pair.b, Measured)[-1] == Measured("mailbox_messages", 0.0)
    assert modem(pair, "b").sessions == 4  # one at start


@pytest.mark.parametrize("code", [5, 10, 11, 13, 15, 17, 18, 19, 32, 33, 34, 35, 36, 37, 38, 65, 99])
def test_a_session_that_fails_is_tried_again_after_a_while(code: int) -> None:
    pair = pair_of()
    modem(pair, "a").next_status.append(code)
    pair.send("a", b"again")
    until(pair, lambda: bool(heard(pair.b)), 900)
    assert heard(pair.b) == [b"again"]
    assert sent(pair.a) == [1]
    told = [text for text in texts(pair.a) if mo_status(code).words in text]
    assert told
    assert told[0].startswith(f"ready, signal 4; {mo_status(code).words}: again in ")


@pytest.mark.parametrize("code", [12, 14])
def test_a_message_that_the_gateway_never_takes_is_lost_with_its_reason(code: int) -> None:
    pair = pair_of()
    modem(pair, "a").next_status.append(code)
    pair.send("a", b"never")
    pair.send("a", b"the next one")
    until(pair, lambda: bool(heard(pair.b)), 200)
    assert heard(pair.b) == [b"the next one"]
    assert lost(pair.a) == [mo_status(code).words]
    assert sent(pair.a) == [2]


def test_statuses_up_to_four_are_success_and_all_others_known_or_not() -> None:
    assert [mo_status(code).fate for code in range(5)] == [Fate.SENT] * 5
    assert {mo_status(code).fate for code in range(5, 256)} == {Fate.AGAIN, Fate.NEVER}
    assert mo_status(36).wait_s == 180


def test_the_waits_grow_and_are_bounded() -> None:
    pair = pair_of()
    modem(pair, "a").next_status.extend([32] * 9)
    pair.send("a", b"patience")
    until(pair, lambda: bool(heard(pair.b)), 3600)
    waits = [int(text.rsplit(" in ", 1)[1].split()[0]) for text in texts(pair.a) if "no network service: again" in text]
    assert len(waits) == 9
    assert waits[0] < 20
    assert waits[3] > 2 * waits[0]
    assert max(waits) <= 300 * 1.25


@pytest.mark.parametrize("seed", range(4))
def test_bad_weather_loses_nothing(seed: int) -> None:
    pair = pair_of(seed, {"failure": 0.4, "lost_ring": 0.5}, mailbox_s=300)
    accepted: dict[str, list[bytes]] = {"a": [], "b": []}
    for number in range(20):
        for name in "ab":
            one = b"%s%d" % (name.encode(), number)
            if pair.send(name, one) is not None:
                accepted[name].append(one)
        pair.run(40)
    until(pair, lambda: set(heard(pair.b)) >= set(accepted["a"]) and set(heard(pair.a)) >= set(accepted["b"]), 7200, 5)
    assert unique(heard(pair.b)) == accepted["a"]
    assert len(accepted["a"]) >= 8


def test_a_ring_that_was_not_heard_is_made_good_by_asking_now_and_then() -> None:
    pair = pair_of(virtual={"lost_ring": 1.0}, mailbox_s=600)
    pair.send("a", b"unheard")
    pair.run(500)
    assert heard(pair.b) == []
    until(pair, lambda: heard(pair.b) == [b"unheard"], 200)
    assert pair.b.driver.metrics.counter("modem.ring_alerts") == 0


def test_bytes_damaged_on_the_cable_are_written_again() -> None:
    pair = pair_of()
    virtual = modem(pair, "a")
    hear, spoilt = virtual.from_host, []

    def hear_badly(data: bytes, now: float) -> None:
        if virtual._wanted is not None and len(spoilt) < 2 and b"m" in data:
            spoilt.append(data)
            data = data.replace(b"m", b"n", 1)
        hear(data, now)

    virtual.from_host = hear_badly  # type: ignore[method-assign]
    pair.send("a", b"many words")
    until(pair, lambda: bool(heard(pair.b)), 120)
    assert heard(pair.b) == [b"many words"]
    assert sent(pair.a) == [1]
    assert pair.a.driver.metrics.counter("modem.bad_writes") == len(spoilt) == 2
    assert any("message damaged on the cable (answer 2): again in" in text for text in texts(pair.a))


def test_a_message_damaged_when_read_is_read_again() -> None:
    pair = pair_of()
    virtual = modem(pair, "b")
    say, spoilt = virtual.take_host, []

    def say_badly() -> bytes:
        data = say()
        if b"many words" in data and not spoilt:
            spoilt.append(data)
            data = data.replace(b"many", b"zany")
        return data

    virtual.take_host = say_badly  # type: ignore[method-assign]
    pair.send("a", b"many words")
    until(pair, lambda: bool(heard(pair.b)), 120)
    assert heard(pair.b) == [b"many words"]
    assert pair.b.driver.metrics.counter("modem.rx_bad_frames") == 1


def test_too_long_a_message_is_refused_and_the_rest_goes_on() -> None:
    pair = pair_of()
    pair.send("a", bytes(341))
    pair.send("a", b"short")
    until(pair, lambda: bool(heard(pair.b)), 60)
    assert lost(pair.a) == ["341 bytes: a message has 1 to 340"]
    assert heard(pair.b) == [b"short"]


@pytest.mark.parametrize("after_s", [0.02, 0.05, 0.08, 3.0])
def test_unplugged_in_mid_session_and_plugged_again(after_s: float) -> None:
    pair = pair_of()
    pair.send("a", b"on its way")
    pair.run(after_s)
    pair.unplug("a")
    assert pair.a.driver.status is ModemStatus.NO_PORT
    pair.run(30)
    pair.plug("a")
    until(pair, lambda: sent(pair.a) == [1], 200)
    until(pair, lambda: unique(heard(pair.b)) == [b"on its way"], 200)


def test_a_power_cut_in_mid_session() -> None:
    pair = pair_of()
    pair.send("a", b"on its way")
    pair.run(3)
    pair.power_cut("a")
    until(pair, lambda: sent(pair.a) == [1], 400)
    until(pair, lambda: unique(heard(pair.b)) == [b"on its way"], 400)
    assert any(text == "modem stopped answering" for text in texts(pair.a))


def test_a_message_left_in_the_modem_is_read_when_the_port_comes_back() -> None:
    pair = pair_of()
    modem(pair, "b").mailbox.append(b"for b")
    virtual = modem(pair, "b")
    pair.send("b", b"x")
    until(pair, lambda: virtual._mt is not None, 60, 0.01)
    pair.unplug("b")
    pair.run(5)
    pair.plug("b")
    until(pair, lambda: b"for b" in heard(pair.b), 60)


def test_the_checksum_of_the_reference() -> None:
    assert checksum(b"hello") == b"\x02\x14"
    assert checksum(b"\xff" * 300) == bytes.fromhex("2ad4")


def test_live_voice_is_refused_by_arithmetic_and_messages_use_the_room() -> None:
    for name in ("iridium-sbd", "iridium-sbd-9523"):
        info = load_profile(name).link_info()
        for frames in range(1, 25):
            assert live_verdict(link_profile_of(info), frames, CHECKSUM).fit is not Fit.LIVE
        assert live_verdict(link_profile_of(info), 6, CHECKSUM).fitting == ()
    info = load_profile("iridium-sbd").link_info()
    assert pace_of(info.rate_bps).room_bytes >= 250


def pace_of(rate_bps: float | None) -> Pace:
    info = load_profile("iridium-sbd").link_info()
    return Pace.of(
        MessagesSection.model_validate_json('{"spool": "/tmp/none", "round_trip_s": 90}'),
        mtu_bytes=info.mtu_bytes,
        rate_bps=rate_bps,
        carriage=Carriage(2),
        overhead_bytes=info.overhead_bytes,
        turnaround_s=info.turnaround_s,
    )


def test_a_whole_message_of_the_gateway_crosses() -> None:
    pair = pair_of(3, {"failure": 0.1, "lost_ring": 0.0})
    pace = pace_of(2400.0)
    text = Random(5).randbytes(700)
    head = MessageHead(0x1234, 1, Addressee.STATION, 2, TYPE_TEXT, len(text) + 4, block_size(pace.room_bytes))
    sender = Outgoing(head, text, SendTiming(pace.answer_wait_s(Addressee.STATION)), Random(1), pair.now)
    receiver = BulkReceiver(ReceiveConfig(2, 0, pace.slot_s, pace.room_bytes, lambda kind: True), Random(2))
    arrived: list[bytes] = []
    seen = {"a": 0, "b": 0}

    def packets_of(name: str) -> list[MessageOffer | MessageBlock | MessageStatus]:
        new = heard(pair.sides[name])[seen[name] :]
        seen[name] += len(new)
        found = [parse(data, crc=True) for data in new]
        messages = [parse_message(packet) for packet in found if isinstance(packet, MessagePacket)]
        return [message for message in messages if not isinstance(message, Dropped)]

    begun_s = pair.now
    while sender.state is SendState.SENDING:
        assert pair.now < begun_s + 3600
        if pair.a.driver.can_send(pair.now):
            out = sender.next(pair.now)
            if isinstance(out, MessageOffer | MessageBlock):
                pair.send("a", out.packet().to_bytes(True))
        answer = receiver.next(pair.now)
        if isinstance(answer, MessageStatus):
            pair.send("b", answer.packet().to_bytes(True))
        pair.run(0.5)
        for message in packets_of("b"):
            if isinstance(message, MessageOffer):
                receiver.on_offer(message, pair.now)
            elif isinstance(message, MessageBlock):
                receiver.on_block(message)
        for event in receiver.work():
            if isinstance(event, Arrived):
                arrived.append(event.content)
                receiver.finish(event.head.key)
        for message in packets_of("a"):
            if isinstance(message, MessageStatus):
                sender.on_status(message, pair.now)
    assert sender.state is SendState.DELIVERED
    assert arrived == [text]
    assert len(sent(pair.a)) <= 8  # offers, three blocks and their parity: the room is used
    assert pair.now - begun_s < 900


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"mailbox": 3}, "mailbox: unknown key; did you mean mailbox_s"),
        ({"max_mo_bytes": 5000}, "max_mo_bytes"),
        ({"virtual": {"session": 1}}, "virtual.session: unknown key; did you mean session_s"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match="iridium-sbd") as caught:
        build_driver(profile_of("iridium-sbd", **settings), Metrics(), Random(1))
    assert words in str(caught.value)


def test_a_line_that_looks_like_a_call_is_any_line() -> None:
    pair = pair_of()
    pair.inject("a", b"\r\nCONNECT 19200\r\n")
    pair.run(1)
    pair.send("a", b"none the less")
    until(pair, lambda: heard(pair.b) == [b"none the less"], 60)


def test_a_silent_modem_is_asked_on() -> None:
    pair = pair_of()
    modem(pair, "a").is_dead = True
    pair.send("a", b"later")
    pair.run(200)
    assert pair.a.driver.status is ModemStatus.SILENT
    modem(pair, "a").is_dead = False
    until(pair, lambda: is_ready(pair.a) and bool(heard(pair.b)), 300)
    assert sent(pair.a) == [1]
