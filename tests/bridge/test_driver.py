"""The base of all drivers: queue, events, output, whatever the modem's language."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.driver import (
    MAX_INBOX_BYTES,
    Lines,
    ModemDriver,
    ModemStatus,
    Outgoing,
    PacketHeard,
    PacketLost,
    PacketSent,
    SetLine,
    StatusChanged,
    Write,
)
from firmware_bridge.profile import AirSection, ModemProfile

PROFILE = ModemProfile(name="fake", driver="fake", air=AirSection(mtu_bytes=16, queue_packets=3))


class FakeDriver(ModemDriver):
    """A modem that greets with `!`, says `+` for sent, `-` for refused, `x` for given up, `R` when it boots; anything
    else, up to a full stop, is a packet."""

    def _start(self, now: float) -> None:
        self._set_line("rts", True)
        self._write(b"?")

    def _parse(self, now: float) -> None:
        while self._inbox:
            byte = self._inbox[:1]
            end = self._inbox.find(b".")
            if byte in (b"!", b"+", b"-", b"x", b"R"):
                del self._inbox[:1]
                self._obey(bytes(byte), now)
            elif end < 0:
                return
            else:
                self._heard(bytes(self._inbox[:end]))
                del self._inbox[: end + 1]

    def _obey(self, byte: bytes, now: float) -> None:
        match byte:
            case b"!":
                self._set_status(ModemStatus.READY, "ready")
            case b"+":
                self._sent()
            case b"-":
                self._try_again()
            case b"x":
                self._give_up("no")
            case _:
                self._modem_restarted(now, "booted")

    def _is_free(self, now: float) -> bool:
        return True

    def _transmit(self, packet: Outgoing, now: float) -> None:
        self._write(b"S" + packet.data)

    def _stop(self, now: float) -> None:
        self._write(b"bye")


def opened() -> FakeDriver:
    driver = FakeDriver(PROFILE)
    driver.port_opened(0.0)
    driver.receive_data(b"!", 0.0)
    driver.take_events()
    driver.take_output()
    return driver


def test_opening_greets_and_says_so_once() -> None:
    driver = FakeDriver(PROFILE)
    assert (driver.status, driver.status_text) == (ModemStatus.NO_PORT, "port not open")
    driver.port_opened(1.0, Lines(cts=True))
    assert driver.take_output() == [SetLine("rts", True), Write(b"?")]
    assert driver.take_output() == []
    driver.receive_data(b"!!", 2.0)
    assert driver.take_events() == [
        StatusChanged(ModemStatus.STARTING, "port open"),
        StatusChanged(ModemStatus.READY, "ready"),
    ]
    assert driver.take_events() == []
    assert driver.next_deadline() is None


def test_packets_wait_until_the_modem_is_ready_and_go_one_by_one() -> None:
    driver = FakeDriver(PROFILE)
    driver.port_opened(0.0)
    driver.take_output()
    assert not driver.can_send(0.0)
    assert [driver.send(b"one", 0.0), driver.send(b"two", 0.0)] == [1, 2]
    assert driver.take_output() == []
    driver.receive_data(b"!", 1.0)
    assert driver.take_output() == [Write(b"Sone")]
    driver.receive_data(b"+", 2.0)
    assert driver.take_output() == [Write(b"Stwo")]
    assert PacketSent(1) in driver.take_events()
    assert driver.waiting == 1
    driver.receive_data(b"+", 3.0)
    assert driver.waiting == 0
    assert driver.can_send(3.0)


def test_a_full_queue_refuses_and_numbers_go_on_without_a_gap() -> None:
    driver = opened()
    assert [driver.send(b"p", 0.0) for _ in range(5)] == [1, 2, 3, None, None]
    driver.receive_data(b"+", 1.0)
    assert driver.send(b"p", 1.0) == 4


def test_a_refused_packet_is_tried_again_and_keeps_its_place() -> None:
    driver = opened()
    driver.send(b"one", 0.0)
    driver.send(b"two", 0.0)
    driver.receive_data(b"-", 1.0)
    assert driver.take_output() == [Write(b"Sone"), Write(b"Sone")]
    driver.receive_data(b"x", 2.0)
    assert driver.take_events() == [PacketLost(1, "no")]
    assert driver.take_output() == [Write(b"Stwo")]


def test_what_was_under_way_when_the_port_closed_is_sent_again() -> None:
    driver = opened()
    driver.send(b"one", 0.0)
    driver.receive_data(b"half a pack", 0.5)
    driver.port_closed(1.0, "unplugged")
    assert (driver.status, driver.status_text) == (ModemStatus.NO_PORT, "unplugged")
    assert driver.take_output() == []  # nobody is there to write to
    driver.port_opened(5.0)
    driver.receive_data(b"!et.", 6.0)
    assert driver.take_output() == [SetLine("rts", True), Write(b"?"), Write(b"Sone")]
    assert [event for event in driver.take_events() if isinstance(event, PacketHeard)] == [PacketHeard(b"et")]
    driver.receive_data(b"+", 7.0)
    assert driver.take_events() == [PacketSent(1)]


def test_what_was_under_way_when_the_modem_booted_is_sent_again() -> None:
    driver = opened()
    driver.send(b"one", 0.0)
    driver.take_output()
    driver.receive_data(b"R", 1.0)
    assert driver.status is ModemStatus.STARTING
    assert driver.metrics.counter("modem.restarts") == 1
    driver.receive_data(b"!", 2.0)
    assert driver.take_output() == [SetLine("rts", True), Write(b"?"), Write(b"Sone")]


def test_confirmations_that_nobody_waits_for_change_nothing() -> None:
    driver = opened()
    driver.receive_data(b"+-x", 1.0)
    assert driver.take_events() == []


def test_shut_down_says_good_bye_and_ends_what_waits() -> None:
    driver = opened()
    driver.send(b"one", 0.0)
    driver.send(b"two", 0.0)
    driver.take_output()
    driver.shut_down(1.0)
    assert driver.take_output() == [Write(b"bye")]
    assert driver.take_events() == [
        PacketLost(1, "shut down"),
        PacketLost(2, "shut down"),
        StatusChanged(ModemStatus.STOPPED, "shut down"),
    ]
    assert driver.send(b"three", 2.0) is None
    driver.shut_down(3.0)
    assert driver.take_output() == []


def test_what_comes_after_the_end_is_not_heard_until_a_port_opens() -> None:
    driver = opened()
    driver.shut_down(1.0)
    driver.take_events()
    driver.receive_data(b"!heard.", 2.0)
    driver.written(3, 2.0)
    driver.tick(2.0)
    driver.receive_lines(Lines(cts=True), 2.0)
    driver.port_closed(2.5, "closed")
    assert driver.take_events() == []
    assert driver.send(b"p", 2.5) is None
    driver.port_opened(3.0)
    driver.receive_data(b"!", 3.0)
    assert driver.status is ModemStatus.READY


def test_a_flood_without_a_message_is_dropped_and_counted() -> None:
    driver = opened()
    for _ in range(40):
        driver.receive_data(b"a" * 4096, 1.0)
    assert len(driver._inbox) == MAX_INBOX_BYTES
    assert driver.metrics.counter("modem.rx_garbage_bytes") == 40 * 4096 - MAX_INBOX_BYTES


def test_the_profile_is_the_link() -> None:
    driver = FakeDriver(PROFILE)
    assert driver.info == PROFILE.link_info()
    assert driver.info.name == "modem:fake"


ACTIONS = st.lists(
    st.sampled_from(["send", "open", "close", "tick", b"!", b"+", b"-", b"x", b"R", b"heard.", b"h", b"."]), max_size=60
)


@given(ACTIONS)
@settings(max_examples=200)
def test_each_accepted_packet_ends_in_exactly_one_event_in_order(actions: list[str | bytes]) -> None:
    driver = FakeDriver(PROFILE)
    accepted: list[int] = []
    ends: list[int] = []
    is_open = False
    for now, action in enumerate(actions):
        if action == "send":
            number = driver.send(b"p", now)
            accepted += [] if number is None else [number]
        elif action == "open" and not is_open:
            driver.port_opened(now)
            is_open = True
        elif action == "close" and is_open:
            driver.port_closed(now, "closed")
            is_open = False
        elif action == "tick":
            driver.tick(now)
        elif isinstance(action, bytes) and is_open:
            driver.receive_data(action, now)
        driver.take_output()
        ends += [event.number for event in driver.take_events() if isinstance(event, PacketSent | PacketLost)]
        assert driver.waiting == len(accepted) - len(ends) <= PROFILE.air.queue_packets
    driver.shut_down(len(actions))
    ends += [event.number for event in driver.take_events() if isinstance(event, PacketSent | PacketLost)]
    assert ends == accepted
    assert not Counter(ends) - Counter(accepted)
