"""The host's side: hello until answered, repeats, silence, a device that forgets; and both sides over a bad line."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from firmware_bridge.driver import Measured, ModemStatus, PacketHeard
from firmware_bridge.host import Answered, HostEvent, HostSession, Returned, SessionChanged
from firmware_bridge.messages import (
    DEVICE_SILENT_S,
    Bye,
    Figure,
    Heard,
    Hello,
    Info,
    Keyed,
    LinesNow,
    Lost,
    Message,
    Ping,
    Pong,
    Refused,
    Send,
    Sent,
    Statistics,
    Status,
)
from gateway.links.base import LinkInfo
from tests.bridge.test_device import Plain

PLAIN = LinkInfo("plain", 100)


def session() -> HostSession:
    numbers = iter(range(11, 1000))
    return HostSession("alpha", PLAIN, lambda: next(numbers))


def told(host: HostSession, message: Message, now: float = 0.0) -> list[HostEvent]:
    host.receive(message.to_bytes(), now)
    return host.take_events()


def info(number: int, queue: int = 2) -> Info:
    return Info(1, number, 64, queue, 120_000, 5, 7, 20, 250, 3, "modem")


def opened() -> HostSession:
    host = session()
    host.begin(0.0)
    told(host, info(11))
    told(host, Status(2))
    host.take_messages()
    return host


def test_hello_is_repeated_until_info_comes() -> None:
    host = session()
    host.begin(0.0)
    assert host.take_messages() == [Hello(1, 11, "alpha")]
    host.tick(0.5)
    assert host.take_messages() == []
    host.tick(1.0)
    assert host.take_messages() == [Hello(1, 11, "alpha")]
    told(host, info(12), 1.1)
    assert host.send(b"x", 1.1) is None, "the answer to another's Hello is no session"
    told(host, info(11), 1.2)
    assert host.info == LinkInfo("plain", 64, 1200.0, True, 0.02, True, 5, fixed_s=0.007, delay_s=0.25)
    assert not host.is_ready
    assert told(host, Status(2, "dialled"), 1.3) == [SessionChanged(ModemStatus.READY, "dialled")]
    assert host.is_ready


def test_packets_are_numbered_and_answered() -> None:
    host = opened()
    first, second = host.send(b"1", 0.0), host.send(b"2", 0.0)
    assert first is not None
    assert second is not None
    assert host.send(b"3", 0.0) is None, "two may be on their way"
    assert host.take_messages() == [Send(1, b"1"), Send(2, b"2")]
    assert told(host, Sent(1)) == [Answered(first, None)]
    assert told(host, Sent(1)) == []
    assert told(host, Lost(2, 1)) == [Answered(second, "the modem refused it")]
    assert host.unanswered == 0


def test_what_is_not_answered_comes_again_in_order() -> None:
    host = opened()
    host.send(b"1", 0.0)
    host.send(b"2", 0.2)
    host.take_messages()
    host.tick(0.99)
    assert host.take_messages() == []
    host.tick(1.0)
    assert [m for m in host.take_messages() if isinstance(m, Send)] == [Send(1, b"1"), Send(2, b"2")]
    told(host, Sent(1), 1.1)
    told(host, Sent(2), 1.1)
    host.tick(2.5)
    assert not any(isinstance(m, Send) for m in host.take_messages())


def test_it_says_something_every_second() -> None:
    host, said_s = opened(), [0.0]
    for step in range(1, 300):
        now = step / 20
        host.tick(now)
        if host.take_messages():
            said_s.append(now)
        told(host, Pong(1, 11, 2, 0, False), now)
    assert max(b - a for a, b in pairwise(said_s)) <= 1.05
    assert len(said_s) < 20


def test_a_silent_device_is_told_and_found_again() -> None:
    host = opened()
    host.tick(DEVICE_SILENT_S - 0.1)
    assert host.take_events() == []
    host.tick(DEVICE_SILENT_S)
    assert host.take_events() == [SessionChanged(ModemStatus.SILENT, "the device does not answer")]
    assert any(isinstance(m, Ping) for m in host.take_messages())
    assert told(host, Pong(1, 11, 2, 0, False), 5.0) == [SessionChanged(ModemStatus.READY, "ready")]


@pytest.mark.parametrize("message", [info(0), Pong(1, 0, 2, 0, False), Pong(1, 99, 2, 0, False), Refused("in use")])
def test_a_device_that_has_forgotten_us_gets_a_new_session(message: Message) -> None:
    host = opened()
    ticket = host.send(b"1", 0.0)
    assert ticket is not None
    host.take_messages()
    events = told(host, message)
    assert events[0] == Returned(ticket)
    assert host.take_messages() == [Hello(1, 12, "alpha")]
    assert not host.is_ready
    told(host, info(12))
    told(host, Status(2))
    host.send(b"2", 0.0)
    assert host.take_messages()[-1] == Send(1, b"2")


def test_refusal_is_shown_and_asked_again() -> None:
    host = session()
    host.begin(0.0)
    host.take_events()
    assert told(host, Refused("in use by bravo")) == [SessionChanged(ModemStatus.STARTING, "in use by bravo")]
    host.take_messages()
    host.tick(1.0)
    assert host.take_messages() == [Hello(1, 11, "alpha")]


def test_what_the_device_tells_becomes_events() -> None:
    host = opened()
    assert told(host, Heard(b"abc", -57)) == [PacketHeard(b"abc", -5.7)]
    (heard,) = told(host, Heard(b"a", None, bytes((255, 0, 0, 0, 0, 0, 0, 51))))
    assert isinstance(heard, PacketHeard)
    assert heard.one_probability == (1.0, 0, 0, 0, 0, 0, 0, 0.2)
    assert told(host, Figure("supply_mv", 3300)) == [Measured("supply_mv", 3300.0)]
    assert told(host, LinesNow(0b10001, 0b10000)) == [Measured("line_cts", 0.0), Measured("line_ptt", 1.0)]
    assert told(host, Keyed(False, 2)) == [Measured("keyed", 0.0), Measured("key_cause", 2.0)]
    assert Measured("device_uptime_ms", 5.0) in told(host, Statistics(5, sent_packets=3))


def test_good_bye() -> None:
    host = opened()
    host.send(b"1", 0.0)
    host.take_messages()
    host.leave()
    assert host.take_messages() == [Bye()]
    assert any(isinstance(event, Returned) for event in host.take_events())
    assert host.next_deadline() is None


@pytest.mark.parametrize("seed", range(8))
def test_over_a_line_that_loses_a_third_nothing_is_lost_doubled_or_swapped(seed: int) -> None:
    rng, host, device = Random(seed), session(), Plain()
    device_name = device._info  # the plain device takes two at a time
    assert device_name().queue_packets == 2
    host.begin(0.0)
    packets = [bytes((number,)) for number in range(40)]
    waiting, left, answered, now = list(packets), [], [], 0.0
    while len(answered) < len(packets):
        now += 0.05
        assert now < 600, "it must end"
        host.tick(now)
        if waiting and host.send(waiting[0], now) is not None:
            waiting.pop(0)
        for message in host.take_messages():
            if rng.random() > 1 / 3:
                device.receive(message.to_bytes(), int(now * 1000))
        if device.session and not any(isinstance(said, Status) for said in device.said):
            device.said.append(Status(2))
        if device.queue and rng.random() < 0.5:
            left.append(device.queue[0])
            device.finish(None)
        for message in device.said:
            if rng.random() > 1 / 3:
                host.receive(message.to_bytes(), now)
        device.said.clear()
        device.watch_host(int(now * 1000))
        events = host.take_events()
        assert not any(isinstance(event, Returned) for event in events)
        answered += [event for event in events if isinstance(event, Answered)]
    assert left == packets
    assert all(event.lost is None for event in answered)
