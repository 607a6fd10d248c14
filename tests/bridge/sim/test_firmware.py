"""The virtual firmware by itself: key-up before and tail after, a power cut, what the line cannot hold."""

from __future__ import annotations

from random import Random

from firmware_bridge.framing.delimited import CobsFramer
from firmware_bridge.messages import Heard, Hello, Info, Key, Message, Send, Statistics, Unkey, Unknown, decode
from firmware_bridge.profile import load_profile
from firmware_bridge.sim.base import AirFrame, AirQuality
from firmware_bridge.sim.firmware import VirtualFirmware

FRAMER = CobsFramer(300)


class Desk:
    """A virtual firmware and time."""

    def __init__(self) -> None:
        self.modem = VirtualFirmware(load_profile("firmware"), "a", Random(1))
        self.now = 0.0
        self.heard()

    def say(self, message: Message) -> list[Message | Unknown]:
        self.modem.from_host(FRAMER.encode(message.to_bytes()), self.now)
        return self.heard()

    def heard(self) -> list[Message | Unknown]:
        return [decode(payload) for payload in CobsFramer(300).feed(self.modem.take_host())]

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.modem.next_deadline()) is not None and due <= end:
            assert due > self.now or due <= end
            self.now = max(self.now, due)
            self.modem.tick(self.now)
        self.now = end
        self.modem.tick(end)


def test_it_says_who_it_is_when_it_starts() -> None:
    modem = VirtualFirmware(load_profile("firmware"), "a", Random(1))
    (info,) = (decode(payload) for payload in FRAMER.feed(modem.take_host()))
    assert isinstance(info, Info)
    assert (info.session, info.mtu_bytes, info.rate_cbps, info.turnaround_ms) == (0, 128, 120_000, 20)


def test_key_up_first_then_the_packet_then_the_tail() -> None:
    desk = Desk()
    desk.say(Hello(1, 5, "x"))
    desk.say(Send(1, b"abc"))
    assert desk.modem.is_keyed
    desk.run(0.019)
    assert desk.modem.take_air() == []
    desk.run(0.001)
    (frame,) = desk.modem.take_air()
    assert frame == AirFrame(b"abc", (3 + 5) * 8 / 1200)
    desk.run(frame.duration_s)
    desk.modem.frame_ended(frame, desk.now)
    desk.run(0.009)
    assert desk.modem.is_keyed
    desk.run(0.002)
    assert not desk.modem.is_keyed


def test_a_held_key_goes_off_by_itself_or_when_asked() -> None:
    desk = Desk()
    desk.say(Hello(1, 5, "x"))
    desk.say(Key(400))
    desk.run(0.399)
    assert desk.modem.is_keyed
    desk.run(0.02)
    assert not desk.modem.is_keyed
    desk.say(Key(60_000))
    desk.run(0.1)
    desk.say(Unkey())
    desk.run(0.011)
    assert not desk.modem.is_keyed


def test_a_host_that_is_gone_keeps_no_key() -> None:
    desk = Desk()
    desk.say(Hello(1, 5, "x"))
    desk.say(Key(60_000))
    desk.run(4.9)
    assert desk.modem.is_keyed
    desk.run(0.2)
    assert not desk.modem.is_keyed


def test_a_power_cut_forgets_everything() -> None:
    desk = Desk()
    desk.say(Hello(1, 5, "x"))
    desk.say(Send(1, b"abc"))
    desk.modem.power_cut(desk.now)
    (info,) = desk.heard()
    assert isinstance(info, Info)
    assert info.session == 0
    assert not desk.modem.is_keyed
    desk.run(1.0)
    assert desk.modem.take_air() == []


def test_what_the_line_cannot_hold_is_counted() -> None:
    desk = Desk()
    desk.say(Hello(1, 5, "x"))
    for _ in range(3):
        desk.modem.on_air(AirFrame(bytes(100), 0.1), AirQuality(), desk.now)
    assert [type(message) for message in desk.heard()] == [Heard, Heard]
    statistics = desk.modem._device.statistics(0)
    assert isinstance(statistics, Statistics)
    assert (statistics.heard_packets, statistics.heard_dropped) == (3, 1)
