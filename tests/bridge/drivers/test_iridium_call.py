"""The Iridium call, two stations in simulated time: set-up, over, NO CARRIER, redial; and all that goes wrong."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.driver import Lines, Measured, ModemStatus, SetLine, Write
from firmware_bridge.drivers.iridium_call import ECHOES, MODEM, IridiumCallDriver
from firmware_bridge.drivers.isu import JITTER, backed_off_s
from firmware_bridge.profile import load_profile
from firmware_bridge.registry import build_driver
from firmware_bridge.sim.iridium import VirtualIridiumCall
from firmware_bridge.sim.simulated import Side, SimulatedPair
from gateway.errors import ConfigError
from gateway.metrics import Metrics
from gateway.protocol.live import CHECKSUM, Fit, live_verdict
from gateway.station.adaptation import profile_of as link_profile_of
from tests.bridge.pairs import all_ready, both, heard, is_ready, lost, of_kind, profile_of, sent, texts, unique, until

NUMBER = "0088160000001"
STEADY = {"drop_mean_s": 0.0}


def pair_of(seed: int = 0, virtual: dict[str, Any] | None = None, **settings: Any) -> SimulatedPair:
    """Side a dials, side b answers."""
    moods = {**STEADY, **(virtual or {})}
    dials = profile_of("iridium-call", role="dial", number=NUMBER, virtual=moods, **settings)
    answers = profile_of("iridium-call", role="answer", virtual=moods, **settings)
    return SimulatedPair(dials, seed=seed, profile_b=answers)


def call_of(seed: int = 0, **settings: Any) -> SimulatedPair:
    pair = pair_of(seed, **settings)
    until(pair, lambda: all_ready(pair), 120)
    return pair


def modem(pair: SimulatedPair, name: str) -> VirtualIridiumCall:
    found = pair.sides[name].modem
    assert isinstance(found, VirtualIridiumCall)
    return found


def packet(number: int) -> bytes:
    return b"%03d " % number + Random(number).randbytes(22)


def test_from_port_to_call() -> None:
    pair = call_of()
    assert 15 < pair.now < 30
    dialling = f"dialling {NUMBER}, signal 4"
    assert texts(pair.a)[:2] == ["port open", dialling]
    assert texts(pair.a)[-1] == f"in a call, with {NUMBER} (CONNECT 19200, signal 4)"
    assert texts(pair.b) == [
        "port open",
        "waiting for a call, signal 4",
        "answering a call",
        "in a call, answered (CONNECT 19200, signal 4)",
    ]
    assert Measured("signal_bars", 4.0) in of_kind(pair.a, Measured)


def test_an_over_a_lost_call_a_redial_and_nothing_accepted_lost() -> None:
    pair = call_of()
    accepted: list[bytes] = []
    for number in range(100):
        if pair.send("a", packet(number)) is not None:
            accepted.append(packet(number))
        pair.run(0.48)
        if number == 20:
            assert modem(pair, "a").drop_call(pair.now)
            pair.run(2.5)
            redial = texts(pair.a)[-1]
            assert redial.startswith("NO CARRIER: redial in ")
            assert not is_ready(pair.a)
            assert not is_ready(pair.b)
    until(pair, lambda: pair.a.driver.waiting == 0 and all_ready(pair))
    pair.run(5)
    assert sent(pair.a) == list(range(1, len(accepted) + 1))
    assert unique(heard(pair.b)) == accepted
    assert lost(pair.a) == []
    assert pair.a.driver.metrics.counter("modem.calls") == 2


@pytest.mark.parametrize("seed", range(6))
def test_calls_that_drop_again_and_again_lose_nothing(seed: int) -> None:
    pair = call_of(seed, virtual={"drop_mean_s": 25.0, "dial_s": (4.0, 6.0)})
    accepted: dict[str, list[bytes]] = {"a": [], "b": []}
    for number in range(600):
        for name in "ab":
            one = name.encode() + packet(number)
            if number % 5 == 0 and pair.send(name, one) is not None:
                accepted[name].append(one)
        pair.run(0.3)
    for side in both(pair):  # and no more of it
        modem(pair, side.name)._virtual = modem(pair, side.name)._virtual.model_copy(update=STEADY)
    until(
        pair,
        lambda: len(unique(heard(pair.b))) == len(accepted["a"]) and len(unique(heard(pair.a))) == len(accepted["b"]),
    )
    assert pair.a.driver.metrics.counter("modem.calls") >= 2
    assert all(side.driver.waiting == 0 for side in both(pair))
    assert unique(heard(pair.b)) == accepted["a"]
    assert unique(heard(pair.a)) == accepted["b"]


def test_the_stream_carries_the_rate_that_its_profile_says() -> None:
    pair = call_of()
    begun_s, size = pair.now, 30
    while pair.now < begun_s + 60:
        pair.send("a", Random(int(pair.now * 1000)).randbytes(size))
        pair.run(0.05)
    of_the_rate = len(heard(pair.b)) * (size + 5) * 8 / (60 * 2400)
    assert 0.95 < of_the_rate <= 1.0
    assert modem(pair, "a").overflowed_bytes == 0


def test_a_text_in_the_stream_is_not_the_end_of_the_call() -> None:
    pair = call_of()
    nasty = [
        b"\r\nNO CARRIER\r\n",
        b"x\r\nNO CARRIER\r\n",
        b"\r\nNO CARRIER\r\nOK\r\n",
        b"+++",
        b"+++ATH\r",
        b"\r\nRING\r\n",
    ]
    for one in nasty:
        pair.send("a", one)
        pair.run(3)
    pair.inject("b", b"\r\nNO CARRIER\r\n")  # and the modem falls silent in mid-packet
    pair.run(10)
    pair.send("a", b"after all")
    pair.send("b", b"back")
    pair.run(5)
    assert heard(pair.b) == [*nasty, b"after all"]
    assert heard(pair.a) == [b"back"]
    assert pair.a.driver.metrics.counter("modem.calls_ended") == pair.b.driver.metrics.counter("modem.calls_ended") == 0


def test_the_carrier_line_ends_a_call_without_any_text() -> None:
    pair = call_of()
    driver = pair.a.driver
    driver.receive_lines(Lines(dcd=True), pair.now)
    driver.receive_lines(Lines(dcd=False), pair.now)
    pair.run(0)
    assert texts(pair.a)[-1].startswith("carrier line off: redial in ")


def test_a_call_in_which_nothing_is_heard_is_hung_up_and_dialled_anew() -> None:
    pair = call_of(keep_alive_s=5.0)
    pair.run(120)
    assert all_ready(pair), "keep-alives keep a silent call"
    pair.air.cut = True
    until(pair, lambda: "nothing heard for 15 s: hanging up" in texts(pair.a), 40)
    until(pair, lambda: texts(pair.a)[-1].startswith("hung up: redial in "), 10)
    pair.run(60)
    pair.air.cut = False
    until(pair, lambda: all_ready(pair), 600)


def test_two_stations_that_both_dial_are_busy_for_each_other() -> None:
    profile = profile_of("iridium-call", role="dial", number=NUMBER)
    pair = SimulatedPair(profile, profile_b=profile)
    pair.run(300)
    assert any(text.startswith("BUSY: redial in ") for side in both(pair) for text in texts(side))
    assert not any(is_ready(side) for side in both(pair))


@pytest.mark.parametrize("seed", range(8))
def test_two_that_dial_or_answer_find_each_other(seed: int) -> None:
    pair = SimulatedPair(profile_of("iridium-call", number=NUMBER, virtual=STEADY), seed=seed)
    until(pair, lambda: all_ready(pair), 900)
    modem(pair, "b").drop_call(pair.now)
    pair.run(5)
    assert not all_ready(pair)
    until(pair, lambda: all_ready(pair), 900)


def test_nobody_there_is_tried_for_ever_with_bounded_waits() -> None:
    pair = pair_of()
    pair.unplug("b")
    pair.run(3600)
    waits = [int(text.split()[-2]) for text in texts(pair.a) if "redial in" in text]
    assert len(waits) > 15
    assert waits[0] < 10
    assert max(waits) <= 120 * (1 + JITTER)
    pair.plug("b")
    until(pair, lambda: all_ready(pair), 400)


@given(st.floats(0.1, 60), st.floats(60, 600), st.integers(0, 10_000), st.integers(0, 1000))
def test_back_off_is_bounded_and_jittered(first_s: float, longest_s: float, times: int, seed: int) -> None:
    wait_s = backed_off_s(first_s, longest_s, times, Random(seed))
    whole_s = min(longest_s, first_s * 2.0 ** min(times, 30))
    assert whole_s * (1 - JITTER) <= wait_s <= whole_s * (1 + JITTER)


def test_not_registered_yet() -> None:
    pair = pair_of()
    pair.power_cut("a")
    pair.run(10)
    assert "searching for a satellite" in texts(pair.a)
    until(pair, lambda: all_ready(pair), 200)


def test_a_modem_that_answers_by_itself() -> None:
    pair = call_of(auto_answer=True)
    assert "ringing" in texts(pair.b)
    pair.send("b", b"hello from b")
    pair.run(3)
    assert heard(pair.a) == [b"hello from b"]


def test_shut_down_hangs_up() -> None:
    pair = call_of()
    pair.a.driver.shut_down(pair.now)
    pair.run(5)
    assert not pair.a.dtr
    assert pair.a.driver.status is ModemStatus.STOPPED
    assert texts(pair.b)[-1] == "waiting for a call, signal 4"
    assert any(text.startswith("NO CARRIER: ") for text in texts(pair.b))
    pair.run(300)
    assert pair.a.driver.status is ModemStatus.STOPPED


def test_a_call_left_up_by_a_program_that_died_is_ended() -> None:
    pair = call_of()
    profile = profile_of("iridium-call", role="dial", number=NUMBER, virtual=STEADY)
    pair.a.driver = MODEM.driver(profile, Metrics(), Random(7))
    pair.plug("a")
    until(pair, lambda: "no answer to AT: trying +++" in texts(pair.a), 20)
    until(pair, lambda: all_ready(pair), 300)
    pair.send("a", b"here again")
    until(pair, lambda: b"here again" in heard(pair.b), 10)


def test_an_escape_that_was_damaged_is_tried_again() -> None:
    """Of a call that neither side knows of: nobody else would ever end it."""
    pair = call_of()
    lost: list[bytes] = []

    def lose_the_first(side: Side, role: str) -> None:
        hear, first = side.modem.from_host, len(lost)

        def lossy(data: bytes, now: float) -> None:
            if b"+" in data and len(lost) <= first:
                lost.append(data)
            else:
                hear(data, now)

        side.driver = MODEM.driver(
            profile_of("iridium-call", role=role, number=NUMBER, virtual=STEADY), Metrics(), Random(7)
        )
        side.modem.from_host = lossy  # type: ignore[method-assign]
        pair.plug(side.name)
        until(pair, lambda: len(lost) > first, 60)

    lose_the_first(pair.a, "dial")
    lose_the_first(pair.b, "answer")
    until(pair, lambda: all_ready(pair), 300)
    assert lost == [b"+++", b"+++"]


def test_a_call_that_is_up_in_command_mode_is_ended() -> None:
    """Left so by a program that died after +++: no call can be dialled, and none comes in, until somebody hangs up."""
    pair = call_of()
    for name, role in (("a", "dial"), ("b", "answer")):
        side = pair.sides[name]
        side.modem.from_host(b"+++", pair.now + 2)
        profile = profile_of("iridium-call", role=role, number=NUMBER, virtual=STEADY)
        side.driver = MODEM.driver(profile, Metrics(), Random(7))
    pair.run(4)
    pair.plug("a")
    pair.plug("b")
    until(pair, lambda: all_ready(pair), 100)


def test_a_power_cut_in_mid_over() -> None:
    pair = call_of()
    accepted = [packet(number) for number in range(8)]
    for one in accepted:
        pair.send("a", one)
    pair.run(0.4)
    pair.power_cut("a")
    until(pair, lambda: sent(pair.a) == list(range(1, 9)) and all_ready(pair), 600)
    until(pair, lambda: unique(heard(pair.b)) == accepted, 300)


def test_data_that_comes_back_means_that_there_is_no_call() -> None:
    pair = call_of(keep_alive_s=0.0)
    driver = pair.a.driver
    assert isinstance(driver, IridiumCallDriver)
    pair.power_cut("a")  # it echoes now, once it has booted, and says nothing of the call
    pair.run(4)
    assert is_ready(pair.a)
    for number in range(ECHOES):
        pair.send("a", packet(number))
        pair.run(1)
    assert texts(pair.a)[-1].startswith("modem echoes data: no call: redial in ")
    until(pair, lambda: unique(heard(pair.b)) == [packet(0), packet(1)], 300)


def test_a_silent_modem_says_so_is_asked_on_and_comes_back() -> None:
    pair = pair_of()
    modem(pair, "a").is_dead = True
    pair.run(120)
    assert pair.a.driver.status is ModemStatus.SILENT
    assert pair.a.driver.status_text == "modem does not answer: is it on, is the baud rate right?"
    modem(pair, "a").is_dead = False
    until(pair, lambda: all_ready(pair), 200)


@pytest.mark.parametrize("stored", [b"ATQ1\r", b"ATQ1V0\r", b"ATV0\r"])
def test_a_modem_that_was_stored_quiet_is_made_to_answer(stored: bytes) -> None:
    pair = pair_of()
    pair.unplug("a")
    pair.a.modem.from_host(stored, pair.now)
    pair.run(1)
    pair.plug("a")
    until(pair, lambda: all_ready(pair), 60)


# ---- the driver alone


class Script:
    """A driver and a modem played by the test."""

    def __init__(self, **settings: Any) -> None:
        settings = {"role": "dial", "number": NUMBER, **settings}
        self.driver = build_driver(profile_of("iridium-call", **settings), Metrics(), Random(1))
        self.now = 0.0
        self.driver.port_opened(0.0)

    def asked(self) -> bytes:
        return b"".join(output.data for output in self.driver.take_output() if isinstance(output, Write))

    def say(self, data: bytes, wait_s: float = 0.01) -> bytes:
        """The modem says this; what the driver writes then, at once or as its next deadlines come."""
        self.now += wait_s
        self.driver.receive_data(data, self.now)
        asked = self.asked()
        while not asked and (due := self.driver.next_deadline()) is not None:
            self.now = max(self.now, due)
            self.driver.tick(self.now)
            asked = self.asked()
        return asked


def test_a_wrong_pin_is_tried_once_only() -> None:
    script = Script(pin="1234", bearer="")
    seen: list[bytes] = [script.asked()]
    replies = {b"AT+CPIN?\r": b"+CPIN: SIM PIN\r\n\r\nOK\r\n", b'AT+CPIN="1234"\r': b"ERROR\r\n"}
    for _ in range(30):
        seen.append(script.say(replies.get(seen[-1], b"OK\r\n")))
    assert seen.count(b'AT+CPIN="1234"\r') == 1
    assert script.driver.status_text.startswith("registration unknown")
    assert "modem does not" not in script.driver.status_text


def test_a_command_that_is_refused_is_counted_and_passed_over() -> None:
    script = Script(init=("AT+NONSENSE",))
    asked = script.asked()
    while asked != b"AT+NONSENSE\r":
        asked = script.say(b"\r\nOK\r\n")
    assert script.say(b"\r\nERROR\r\n") == b"AT+CREG?\r"
    assert script.driver.status_text == "modem refuses AT+NONSENSE: ERROR"
    assert script.driver.metrics.counter("modem.refused_commands") == 1


def test_a_call_that_comes_up_in_mid_set_up_is_a_call() -> None:
    """A modem that answers by itself may do so behind any reply, in the same piece."""
    script = Script()
    assert script.asked() == b"AT\r"
    assert script.say(b"\r\nOK\r\n") == b"ATH\r"
    script.say(b"\r\nOK\r\n\r\nCONNECT 19200\r\n")
    assert script.driver.status is ModemStatus.READY
    assert script.driver.status_text.startswith("in a call, answered (CONNECT 19200")


def test_dtr_is_on_before_anything_is_said() -> None:
    driver = build_driver(load_profile("iridium-call"), Metrics(), Random(1))
    driver.port_opened(0.0)
    assert driver.take_output() == [SetLine("dtr", True), Write(b"AT\r")]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"role": "dial", "number": ""}, "dials, and needs one"),
        ({"number": "tel:12"}, "settings: number"),
        ({"colour": 1}, "colour: unknown key"),
        ({"role": "listen"}, "settings: role"),
        ({"virtual": {"dial": 1}}, "virtual.dial: unknown key; did you mean dial_s"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match="iridium-call") as caught:
        build_driver(profile_of("iridium-call", **settings), Metrics(), Random(1))
    assert words in str(caught.value)


def test_live_voice_fits_the_call() -> None:
    verdict = live_verdict(link_profile_of(load_profile("iridium-call").link_info()), 6, CHECKSUM)
    assert verdict.fit is Fit.LIVE
