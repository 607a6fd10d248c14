"""The air between virtual modems: who hears what, when, and what spoils it."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.sim.air import Air
from firmware_bridge.sim.base import AirFrame
from gateway.channel.impairments import ChannelSpec
from tests.bridge.toy_modem import ToyModem, toy_profile

CLEAN = ChannelSpec("clean")


class Field:
    """Modems on one air, and a clock that `until` moves from deadline to deadline."""

    def __init__(self, names: str = "ab", spec: ChannelSpec = CLEAN, seed: int = 1, **how: float | bool) -> None:
        self.modems = {name: ToyModem(toy_profile(), name, Random(1)) for name in names}
        self.air = Air(self.modems, spec, seed, **how)  # type: ignore[arg-type]
        self.now = 0.0

    def send(self, name: str, data: bytes, duration_s: float = 1.0, damageable: bool = True) -> None:
        self.modems[name]._to_air.append(AirFrame(data, duration_s, (0, len(data)) if damageable else None))
        self.air.step(self.now)

    def until(self, when: float) -> None:
        while (due := self.air.next_deadline()) is not None and due <= when:
            self.now = max(self.now, due)
            self.air.step(self.now)
        self.now = when
        self.air.step(when)

    def heard(self, name: str) -> list[tuple[float, bytes]]:
        return [(pytest.approx(at), data) for at, data in self.modems[name].heard]


def test_a_frame_arrives_whole_after_its_time_and_the_travel_at_all_but_its_sender() -> None:
    field = Field("abc", delay_s=0.25)
    field.send("a", b"one", 2.0)
    field.until(2.24)
    assert not field.modems["b"].heard
    assert field.modems["a"].take_host() == b"\0"  # it has left
    field.until(5.0)
    assert field.heard("b") == field.heard("c") == [(2.25, b"one")]
    assert field.heard("a") == []
    assert field.air.counts == {"sent": 1, "delivered": 2}
    assert field.air.busy_s == {"a": 2.0, "b": 0.0, "c": 0.0}


def test_frames_of_one_modem_go_one_after_the_other() -> None:
    field = Field()
    for data in (b"one", b"two", b"three"):
        field.send("a", data)
    assert field.air.is_sending("a")
    field.until(10.0)
    assert field.heard("b") == [(1.0, b"one"), (2.0, b"two"), (3.0, b"three")]
    assert not field.air.is_sending("a")


def test_who_transmits_hears_nothing_in_half_duplex_and_all_in_full() -> None:
    for half in (True, False):
        field = Field(half_duplex=half)
        field.send("a", b"one")
        field.until(0.5)
        field.send("b", b"two")
        field.until(5.0)
        assert bool(field.modems["a"].heard) is not half
        assert bool(field.modems["b"].heard) is not half
        assert field.air.counts["collided"] == (2 if half else 0)


def test_with_travel_time_two_that_talk_at_once_may_both_be_heard() -> None:
    """0.1 s frames that cross in the water over 1 s: each is over before the other's arrives."""
    field = Field(delay_s=1.0)
    field.send("a", b"one", 0.1)
    field.send("b", b"two", 0.1)
    field.until(5.0)
    assert field.heard("a") == [(1.1, b"two")]
    assert field.heard("b") == [(1.1, b"one")]


def test_a_transmission_spoils_what_arrives_during_it_even_if_it_is_over_before_the_end() -> None:
    field = Field(delay_s=0.0)
    field.send("a", b"long", 2.0)
    field.until(0.5)
    field.send("b", b"short", 0.2)
    field.until(5.0)
    assert field.modems["b"].heard == []


def test_two_that_overlap_at_a_third_are_both_lost_there_and_one_after_the_other_are_not() -> None:
    field = Field("abc")
    field.send("a", b"one")
    field.until(0.9)
    field.send("b", b"two")
    field.until(5.0)
    assert field.modems["c"].heard == []
    field.send("a", b"three")
    field.until(6.0)
    field.send("b", b"four")
    field.until(9.0)
    assert [data for _, data in field.modems["c"].heard] == [b"three", b"four"]


def test_a_power_cut_breaks_a_frame_off_and_what_waited_behind_it() -> None:
    field = Field()
    field.send("a", b"one")
    field.send("a", b"two")
    field.until(0.5)
    field.air.abort("a")
    assert not field.air.is_sending("a")
    field.until(1.2)
    field.send("a", b"three")
    field.until(5.0)
    assert field.heard("b") == [(2.2, b"three")]


def test_nothing_passes_while_the_air_is_cut() -> None:
    field = Field()
    field.air.cut = True
    field.send("a", b"one")
    field.until(2.0)
    field.air.cut = False
    field.send("a", b"two")
    field.until(4.0)
    assert [data for _, data in field.modems["b"].heard] == [b"two"]
    assert field.air.counts["lost"] == 1


def test_wrong_bits_reach_only_modems_that_let_them_and_only_where_they_may_be() -> None:
    noisy = ChannelSpec("noisy", bit_error_rate=0.3)
    strict, lax = Field(spec=noisy), Field(spec=noisy)
    strict.send("a", bytes(40), damageable=False)
    lax.modems["a"]._to_air.append(AirFrame(bytes(40), 1.0, (8, 40)))
    lax.air.step(0.0)
    strict.until(2.0)
    lax.until(2.0)
    assert strict.modems["b"].heard == []
    ((_, data),) = lax.modems["b"].heard
    assert data[:8] == bytes(8)
    assert data[8:] != bytes(32)


def test_another_channel_holds_for_what_is_sent_from_then_on() -> None:
    field = Field()
    field.send("a", b"one")
    field.air.change(ChannelSpec("dead", loss=1.0), 0.0)
    field.until(2.0)
    field.send("a", b"two")
    field.until(4.0)
    assert field.heard("b") == [(1.0, b"one")]
    assert field.air.spec.name == "dead"


def lossy(seed: int) -> list[bytes]:
    field = Field("abc", ChannelSpec("lossy", loss=0.5), seed)
    for index in range(60):
        field.send("a", bytes((index,)), 0.1)
    field.until(60.0)
    return [data for name in "bc" for _, data in field.modems[name].heard] + [b"|"]


def test_a_seed_gives_the_same_losses_again_and_another_gives_others() -> None:
    assert lossy(4) == lossy(4)
    assert lossy(4) != lossy(5)
    field = Field("abc", ChannelSpec("lossy", loss=0.5), 4)
    for index in range(60):
        field.send("a", bytes((index,)), 0.1)
    field.until(60.0)
    b, c = ({data for _, data in field.modems[name].heard} for name in "bc")
    assert b != c  # each direction has losses of its own
    assert 15 < len(b) < 45


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 2), st.floats(0.01, 1.5)), max_size=25),
    st.sampled_from([0.0, 0.3, 2.0]),
    st.booleans(),
)
def test_every_frame_is_accounted_for_at_every_receiver(
    plan: list[tuple[str, float, float]], delay_s: float, half: bool
) -> None:
    field = Field("abc", delay_s=delay_s, half_duplex=half)
    for name, pause_s, duration_s in plan:
        field.until(field.now + pause_s)
        field.send(name, name.encode(), duration_s)
    field.until(field.now + 100)
    counts = field.air.counts
    assert counts["sent"] == len(plan)
    assert counts["delivered"] + counts["collided"] + counts["lost"] == 2 * len(plan)
    assert field.air.next_deadline() is None
    assert counts["delivered"] == sum(len(modem.heard) for modem in field.modems.values())
