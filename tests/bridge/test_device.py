"""The device's side: sessions, numbers, outcomes told again, by the clauses of BRIDGE.md."""

from __future__ import annotations

from firmware_bridge.device import OUTCOMES, SESSION_MS, Device
from firmware_bridge.messages import (
    Bye,
    GetStatistics,
    Hello,
    Info,
    Key,
    Lost,
    LostCause,
    Message,
    Ping,
    Pong,
    Send,
    Sent,
    Statistics,
    Unkey,
)


class Plain(Device):
    """A device that remembers what it said."""

    def __init__(self) -> None:
        super().__init__(2, 40, 0)
        self.said: list[Message] = []
        self.is_line_busy = False
        self.held: int | None = None

    def _say(self, message: Message) -> bool:
        if not self.is_line_busy:
            self.said.append(message)
        return not self.is_line_busy

    def _info(self) -> Info:
        return Info(1, self.session, 40, 2, 0, 0, 0, 0, 0, 0, "plain")

    def _status_code(self) -> int:
        return 2

    def _owe_status(self) -> None:
        pass

    def _hold_key(self, hold_ms: int, now_ms: int) -> None:
        self.held = hold_ms

    def _release_key(self, now_ms: int) -> None:
        self.held = None

    def _host_left(self) -> None:
        self.held = None

    def told(self, message: Message, now_ms: int = 0) -> list[Message]:
        self.said.clear()
        self.receive(message.to_bytes(), now_ms)
        return list(self.said)


def greeted() -> Plain:
    device = Plain()
    device.told(Hello(1, 7, "x"))
    return device


def test_outside_a_session_it_introduces_itself() -> None:  # 4.7
    device = Plain()
    for message in (Send(1, b"x"), Key(5), Unkey(), GetStatistics()):
        assert [type(said) for said in device.told(message)] == [Info]
    assert device.told(Bye()) == []
    assert device.told(Ping(3)) == [Pong(3, 0, 2, 0, False)]
    assert not device.queue


def test_numbers_are_taken_in_order_and_once() -> None:  # 5.2
    device = greeted()
    device.told(Send(2, b"too early"))
    device.told(Send(1, b"one"))
    device.told(Send(1, b"again"))
    device.told(Send(2, b"two"))
    assert list(device.queue) == [b"one", b"two"]
    device.told(Send(3, b"no room"))
    assert len(device.queue) == 2
    assert device.finish(None)
    device.told(Send(3, b"three"))
    assert list(device.queue) == [b"two", b"three"]


def test_outcomes_are_told_again() -> None:  # 5.3
    device = greeted()
    device.told(Send(1, b"one"))
    device.told(Send(2, b"two"))
    device.said.clear()
    assert device.finish(None)
    assert device.finish(LostCause.REFUSED, "why")
    assert device.said == [Sent(1), Lost(2, 1, "why")]
    assert device.told(Send(1, b"one")) == [Sent(1)]
    assert device.told(Send(2, b"two")) == [Lost(2, 1)]
    for number in range(3, OUTCOMES + 3):
        device.told(Send(number, b""))
        device.finish(None)
    assert device.told(Send(2, b"two")) == []
    assert device.told(Send(3, b"")) == [Sent(3)]
    assert (device.counts.sent_packets, device.counts.lost_packets) == (OUTCOMES + 1, 1)


def test_an_outcome_that_cannot_be_told_waits() -> None:
    device = greeted()
    device.told(Send(1, b"one"))
    device.is_line_busy = True
    assert not device.finish(None)
    assert len(device.queue) == 1
    device.is_line_busy = False
    assert device.finish(None)


def test_a_new_hello_forgets_the_old_session() -> None:  # 4.3
    device = greeted()
    device.told(Send(1, b"one"))
    device.told(Key(900))
    assert device.told(Hello(1, 7, "x")) == [device._info()]
    assert list(device.queue) == [b"one"]
    assert device.held == 900
    device.told(Hello(1, 8, "x"))
    assert not device.queue
    assert device.held is None
    assert device.counts.lost_packets == 1
    device.told(Send(1, b"first of the new"))
    assert len(device.queue) == 1


def test_a_silent_host_has_left() -> None:  # 4.5
    device = greeted()
    device.told(Ping(1), 100)
    device.watch_host(100 + SESSION_MS - 1)
    assert device.session == 7
    assert device.session_ends_ms() == 100 + SESSION_MS
    device.watch_host(100 + SESSION_MS)
    assert device.session == 0
    assert device.session_ends_ms() is None


def test_what_is_malformed_is_counted_and_prolongs_nothing() -> None:
    device = greeted()
    for data in (b"", b"\x80", Send(1, bytes(41)).to_bytes()):
        device.receive(data, SESSION_MS - 1)
    assert device.counts.rx_malformed == 3
    device.watch_host(SESSION_MS)
    assert device.session == 0


def test_numbers_wrap() -> None:  # 5.1
    device = greeted()
    device._expected = 0xFFFF_FFFF
    device.told(Send(0xFFFF_FFFF, b"last"))
    device.told(Send(0, b"first"))
    device.said.clear()
    device.finish(None)
    device.finish(None)
    assert device.said == [Sent(0xFFFF_FFFF), Sent(0)]
    assert device.told(Send(0xFFFF_FFFF, b"last")) == [Sent(0xFFFF_FFFF)]


def test_statistics_count() -> None:
    device = greeted()
    device.told(Send(1, b"one"))
    device.finish(None)
    (said,) = device.told(GetStatistics(), 1234)
    assert isinstance(said, Statistics)
    assert (said.uptime_ms, said.sent_packets, said.lost_packets) == (1234, 1, 0)
