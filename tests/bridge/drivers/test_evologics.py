"""EvoLogics, two modems in simulated time: live overs, acknowledgements, BUSY, both lines, and a driver by script."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from firmware_bridge.driver import Measured, ModemStatus, PacketHeard, PacketSent, Write
from firmware_bridge.profile import load_profile
from firmware_bridge.registry import build_driver
from firmware_bridge.sim.evologics import VirtualEvoLogics
from firmware_bridge.sim.simulated import SimulatedPair
from gateway.errors import ConfigError
from gateway.metrics import Metrics
from gateway.protocol.live import CHECKSUM, Fit, live_verdict
from gateway.station.adaptation import profile_of as link_profile_of
from tests.bridge.pairs import all_ready, heard, is_ready, lost, of_kind, profile_of, sent, texts, unique, until

LINES = pytest.mark.parametrize("name", ["evologics-s2c", "evologics-s2c-serial"])
PACKET_S = 0.48


def pair_of(name: str = "evologics-s2c", seed: int = 0, **settings: Any) -> SimulatedPair:
    pair = SimulatedPair(profile_of(name, **settings), seed=seed)
    until(pair, lambda: all_ready(pair), 30)
    return pair


def modem(pair: SimulatedPair, name: str) -> VirtualEvoLogics:
    found = pair.sides[name].modem
    assert isinstance(found, VirtualEvoLogics)
    return found


@LINES
def test_a_live_over_keeps_pace(name: str) -> None:
    pair = pair_of(name)
    begun_s = pair.now
    packets = [bytes((n,)) + Random(n).randbytes(33 if n % 8 == 0 else 22) for n in range(60)]
    for one in packets:
        pair.send("a", one)
        pair.run(PACKET_S)
    until(pair, lambda: len(heard(pair.b)) == 60, 5)
    assert heard(pair.b) == packets
    assert pair.now - begun_s < 60 * PACKET_S + 2
    assert 0.75 < pair.air.busy_s["a"] / (60 * PACKET_S) < 0.9
    assert sent(pair.a) == list(range(1, 61))
    assert "modem.missing_sendend" not in pair.a.driver.metrics.snapshot()
    assert "modem.rx_garbage_bytes" not in pair.a.driver.metrics.snapshot()


def test_live_voice_fits_from_six_frames_on_and_burst_data_is_for_messages() -> None:
    info = link_profile_of(load_profile("evologics-s2c").link_info())
    assert live_verdict(info, 6, CHECKSUM).fit is Fit.LIVE
    assert live_verdict(info, 3, CHECKSUM).fit is Fit.TOO_SLOW
    assert live_verdict(link_profile_of(load_profile("evologics-s2c-burst").link_info()), 6, CHECKSUM).fitting == ()


@LINES
def test_figures_of_what_was_heard(name: str) -> None:
    pair = pair_of(name)
    pair.send("a", b"hello")
    until(pair, lambda: bool(heard(pair.b)), 5)
    figures = {event.name: event.value for event in of_kind(pair.b, Measured)}
    assert figures["rssi_db"] == -36
    assert figures["integrity"] == 150
    assert abs(figures["velocity_mps"]) < 1


def acknowledged(seed: int = 0, **settings: Any) -> SimulatedPair:
    return pair_of(seed=seed, flag="ack", remote="other", **settings)


def test_with_acknowledgement_sent_means_delivered() -> None:
    pair = acknowledged()
    pair.send("a", b"hello")
    until(pair, lambda: sent(pair.a) == [1], 10)
    assert heard(pair.b) == [b"hello"]
    assert pair.now > 0.2 + 2 * 0.667


def test_what_is_not_acknowledged_goes_again_and_is_lost_in_the_end() -> None:
    pair = acknowledged(tries=3)
    pair.air.cut = True
    pair.send("a", b"one")
    pair.run(4)
    pair.air.cut = False
    pair.send("a", b"two")
    until(pair, lambda: sent(pair.a) == [1, 2], 30)
    assert heard(pair.b) == [b"one", b"two"]
    pair.air.cut = True
    pair.send("a", b"three")
    until(pair, lambda: bool(lost(pair.a)), 60)
    assert lost(pair.a) == ["FAILEDIM, 3 times"]
    assert is_ready(pair.a)


@pytest.mark.parametrize("seed", range(4))
def test_two_that_talk_at_once_are_busy_and_nothing_acknowledged_is_lost(seed: int) -> None:
    pair = acknowledged(seed, tries=30)
    accepted: dict[str, list[bytes]] = {"a": [], "b": []}
    for number in range(12):
        for name in "ab":
            one = name.encode() + bytes((number,)) * 9
            if pair.send(name, one) is not None:
                accepted[name].append(one)
        pair.run(3)
    until(pair, lambda: pair.a.driver.waiting == pair.b.driver.waiting == 0, 900)
    assert unique(heard(pair.b)) == accepted["a"]
    assert unique(heard(pair.a)) == accepted["b"]
    assert lost(pair.a) == lost(pair.b) == []


def test_burst_data_is_delivered_and_tried_again() -> None:
    pair = pair_of("evologics-s2c-burst")
    pair.send("a", bytes(range(256)) * 4)
    until(pair, lambda: sent(pair.a) == [1], 60)
    pair.air.cut = True
    pair.send("b", b"back")
    pair.run(9)
    pair.air.cut = False
    until(pair, lambda: sent(pair.b) == [1], 120)
    assert heard(pair.b) == [bytes(range(256)) * 4]
    assert heard(pair.a) == [b"back"]


@pytest.mark.parametrize("seed", range(5))
def test_burst_data_that_begins_at_both_ends_at_once_does_not_collide_for_ever(seed: int) -> None:
    pair = pair_of("evologics-s2c-burst", seed=seed)
    for number in range(3):
        pair.send("a", b"%d from a" % number)
        pair.send("b", b"%d from b" % number)
    until(pair, lambda: len(sent(pair.a) + lost(pair.a)) == len(sent(pair.b) + lost(pair.b)) == 3, 600)
    assert (lost(pair.a), lost(pair.b)) == ([], [])


@LINES
def test_old_firmware_that_does_not_say_sendend(name: str) -> None:
    pair = pair_of(name, virtual={"says_sendend": False})
    for number in range(3):
        pair.send("a", b"%d" % number)
    until(pair, lambda: sent(pair.a) == [1, 2, 3], 20)
    assert heard(pair.b) == [b"0", b"1", b"2"]
    assert pair.a.driver.metrics.counter("modem.missing_sendend") == 3


def test_the_address_is_set_and_set_again_when_it_is_lost() -> None:
    pair = pair_of(local=7, probe_s=20.0)
    assert modem(pair, "a").address == 7
    assert texts(pair.a)[-1] == "ready: 7 to everyone, instant"
    modem(pair, "a").address = 1
    pair.run(60)
    assert modem(pair, "a").address == 7
    assert "modem has lost its address: setting it up again" in texts(pair.a)
    assert is_ready(pair.a)


@LINES
def test_a_power_cut_while_sending(name: str) -> None:
    pair = pair_of(name)
    for number in range(4):
        pair.send("a", b"packet %d" % number)
    pair.run(0.5)
    pair.power_cut("a")
    until(pair, lambda: sent(pair.a) == [1, 2, 3, 4], 120)
    until(pair, lambda: len(unique(heard(pair.b))) == 4 and is_ready(pair.a), 30)
    assert unique(heard(pair.b)) == [b"packet %d" % number for number in range(4)]


@LINES
def test_a_modem_that_dies_is_asked_on_and_comes_back(name: str) -> None:
    pair = pair_of(name)
    modem(pair, "a").is_dead = True
    pair.run(100)  # nothing is sent: only the probe can tell
    assert pair.a.driver.status is ModemStatus.SILENT
    assert pair.a.driver.status_text.startswith("modem ")
    pair.send("a", b"later")
    modem(pair, "a").is_dead = False
    until(pair, lambda: heard(pair.b) == [b"later"], 60)


# ---- the driver alone


class Script:
    """A driver on TCP, ready, and a modem played by the test."""

    def __init__(self, **settings: Any) -> None:
        self.driver = build_driver(profile_of("evologics-s2c", **settings), Metrics(), Random(1))
        self.now = 0.0
        self.driver.port_opened(0.0)
        assert self.asked() == b"+++AT?AL\n"
        self.say(b"1", b"?AL")
        assert self.driver.status is ModemStatus.READY

    def asked(self) -> bytes:
        return b"".join(output.data for output in self.driver.take_output() if isinstance(output, Write))

    def say(self, body: bytes, command: bytes = b"") -> None:
        self.now += 0.01
        self.driver.receive_data(b"+++AT%s:%d:%s\r\n" % (command, len(body), body), self.now)

    def wait(self) -> bytes:
        """Go to the next deadlines until something is written."""
        asked = self.asked()
        while not asked and (due := self.driver.next_deadline()) is not None:
            self.now = max(self.now, due)
            self.driver.tick(self.now)
            asked = self.asked()
        return asked

    def sent(self) -> list[int]:
        return [event.number for event in self.driver.take_events() if isinstance(event, PacketSent)]


def test_the_command_on_the_wire() -> None:
    script = Script(remote=3, pid=0)
    script.driver.send(b"ab\ncd", 1.0)
    assert script.asked() == b"+++AT*SENDIM,p0,5,3,noack,ab\ncd\n"


def test_a_notification_may_overtake_the_answer() -> None:
    script = Script(remote=3, flag="ack")
    script.driver.send(b"hello", script.now)
    script.asked()
    script.say(b"DELIVEREDIM,3")
    assert script.sent() == []
    script.say(b"OK", b"*SENDIM")
    assert script.sent() == [1]


def test_a_reception_holds_us_back_but_not_for_ever() -> None:
    script = Script()
    script.say(b"RECVSTART")
    begun_s = script.now
    script.driver.send(b"hello", script.now)
    assert script.asked() == b""
    assert script.wait() == b"+++AT*SENDIM,5,255,noack,hello\n"
    assert script.now == pytest.approx(begun_s + 1.5)
    script.say(b"OK", b"*SENDIM")
    script.say(b"SENDEND,255,im,1,2")
    script.say(b"RECVSTART")
    script.driver.send(b"again", script.now)
    script.say(b"RECVEND,1,2,-36,100")
    assert script.asked() == b"+++AT*SENDIM,5,255,noack,again\n"


def test_busy_waits_longer_each_time_and_gives_nothing_up() -> None:
    script = Script()
    script.driver.send(b"hello", script.now)
    waits = []
    for _ in range(20):
        assert script.wait() == b"+++AT*SENDIM,5,255,noack,hello\n"
        script.say(b"BUSY BACKOFF STATE", b"*SENDIM")
        waits.append((script.driver.next_deadline() or 0) - script.now)
    assert 0.04 < waits[0] < 0.16
    assert max(waits) <= 3.0
    assert script.driver.waiting == 1
    assert script.driver.metrics.counter("modem.busy") == 20


def test_an_error_is_lost_with_its_words_after_some_tries() -> None:
    script = Script(tries=2)
    script.driver.send(b"hello", script.now)
    for _ in range(2):
        assert script.wait().startswith(b"+++AT*SENDIM")
        script.say(b"ERROR WRONG DESTINATION ADDRESS", b"*SENDIM")
    (event,) = [event for event in script.driver.take_events() if hasattr(event, "reason")]
    assert event.reason == "ERROR WRONG DESTINATION ADDRESS, 2 times"


def test_an_answer_to_nothing_is_counted() -> None:
    script = Script()
    script.say(b"OK", b"!L")
    script.say(b"OK", b"*SENDIM")
    assert script.driver.metrics.counter("modem.rx_unexpected") == 2
    assert script.driver.status is ModemStatus.READY


def test_a_message_in_the_middle_of_an_answer_is_heard() -> None:
    script = Script()
    script.driver.send(b"hello", script.now)
    script.say(b"RECVIM,2,9,255,noack,300000,-40,110,-0.2,hi")
    script.say(b"OK", b"*SENDIM")
    script.say(b"SENDEND,255,im,1,2")
    events = script.driver.take_events()
    assert [event.data for event in events if isinstance(event, PacketHeard)] == [b"hi"]
    assert PacketSent(1) in events


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"flag": "ack"}, "need one receiver, not 255"),
        ({"mode": "burst"}, "need one receiver, not 255"),
        ({"remote": 0}, "remote: got 0; Input should be 'other'"),
        ({"adress": 1}, "adress: unknown key"),
        ({"virtual": {"boot": 1}}, "virtual.boot: unknown key; did you mean boot_s"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match="evologics-s2c") as caught:
        build_driver(profile_of("evologics-s2c", **settings), Metrics(), Random(1))
    assert words in str(caught.value)
