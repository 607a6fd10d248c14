"""The virtual TNC: it keeps to its parameters, waits for the channel, drops in silence, says only what KISS says."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.framing.kiss import Checksum, KissCommand, KissDecoder, KissFrame, encode_kiss
from firmware_bridge.profile import ModemProfile, load_profile
from firmware_bridge.sim.air import Air
from firmware_bridge.sim.base import AirFrame, AirQuality
from firmware_bridge.sim.kiss import BOOT_S, BUFFER_FRAMES, VirtualTnc
from gateway.channel.impairments import ChannelSpec
from gateway.metrics import Metrics

CLEAN = ChannelSpec("clean")


def profile(**more: Any) -> ModemProfile:
    base = load_profile("kiss-1200")
    return base.model_copy(update={"settings": base.settings | more}, deep=True)


def tnc(name: str = "a", seed: int = 1, **more: Any) -> VirtualTnc:
    return VirtualTnc(profile(**more), name, Random(seed))


def command(kind: KissCommand, value: int) -> bytes:
    return encode_kiss(KissFrame(0, kind, bytes((value,))))


def data(payload: bytes, checksum: Checksum = Checksum.NONE) -> bytes:
    return encode_kiss(KissFrame(0, KissCommand.DATA, payload), checksum)


def run(air: Air, tncs: list[VirtualTnc], until: float, start: float = 0.0) -> None:
    now = start
    while now <= until:
        for one in tncs:
            one.tick(now)
        air.step(now)
        due = [at for at in (air.next_deadline(), *(one.next_deadline() for one in tncs)) if at is not None]
        now = max(now, min(due)) if due and min(due) > now else now + 0.01


def test_air_time_is_key_up_bytes_and_tail_of_the_last() -> None:
    one = tnc()
    one.from_host(command(KissCommand.TX_DELAY, 30) + command(KissCommand.TX_TAIL, 5), 0.0)
    one.from_host(command(KissCommand.PERSISTENCE, 255) + data(bytes(46)) + data(bytes(96)), 0.0)
    first = one.take_air()
    assert [frame.duration_s for frame in first] == [pytest.approx(0.3 + 50 * 8 / 1181 + 0.05)]
    one.frame_ended(first[0], 1.0)
    second = one.take_air()
    assert [frame.duration_s for frame in second] == [pytest.approx(100 * 8 / 1181 + 0.05)]
    one.frame_ended(second[0], 2.0)
    assert one.take_air() == []
    assert one.take_host() == b""
    assert one.counts["sent"] == 2


def test_the_first_of_several_has_no_tail() -> None:
    one = tnc()
    one.carrier(True, 0.0)
    one.from_host(command(KissCommand.PERSISTENCE, 255) + data(bytes(46)) + data(bytes(46)), 0.0)
    assert one.take_air() == []
    one.carrier(False, 1.0)
    assert one.take_air()[0].duration_s == pytest.approx(0.5 + 50 * 8 / 1181)  # the document's default TXDELAY


def test_a_full_buffer_drops_in_silence() -> None:
    one = tnc()
    one.carrier(True, 0.0)
    for number in range(BUFFER_FRAMES + 3):
        one.from_host(data(bytes((number,))), 0.0)
    assert one.counts["dropped_full"] == 3
    assert one.take_host() == b""


def test_persistence_and_slots_set_the_wait() -> None:
    waits = []
    for seed in range(300):
        one = tnc(seed=seed)
        one.from_host(command(KissCommand.SLOT_TIME, 5) + command(KissCommand.PERSISTENCE, 63) + data(b"x"), 0.0)
        now = 0.0
        while not one.take_air():
            now = one.next_deadline() or now
            one.tick(now)
        waits.append(now)
    assert all(wait / 0.05 == pytest.approx(round(wait / 0.05)) for wait in waits)
    assert sum(waits) / len(waits) == pytest.approx(0.05 * 3, rel=0.3)  # (1 - p) / p slots


def test_it_waits_for_the_channel_unless_full_duplex() -> None:
    for value, begins in ((0, False), (1, True)):
        one = tnc()
        one.carrier(True, 0.0)
        one.from_host(command(KissCommand.PERSISTENCE, 255) + command(KissCommand.FULL_DUPLEX, value) + data(b"x"), 0.0)
        assert bool(one.take_air()) is begins


def test_two_that_listen_do_not_collide() -> None:
    both = {name: tnc(name) for name in "ab"}
    air = Air(both, CLEAN)
    for one in both.values():
        one.from_host(command(KissCommand.PERSISTENCE, 255), 0.0)
    both["a"].from_host(data(b"from a"), 0.0)
    air.step(0.0)
    both["b"].from_host(data(b"from b"), 0.1)
    air.step(0.1)
    run(air, list(both.values()), 5.0, 0.1)
    assert air.counts == {"sent": 2, "delivered": 2}
    assert both["a"].take_host() == data(b"from b")
    assert both["b"].take_host() == data(b"from a")


def test_a_frame_that_breaks_off_leaves_the_channel_free() -> None:
    both = {name: tnc(name) for name in "ab"}
    air = Air(both, CLEAN)
    both["a"].from_host(command(KissCommand.PERSISTENCE, 255) + data(bytes(200)), 0.0)
    both["b"].from_host(command(KissCommand.PERSISTENCE, 255), 0.0)
    air.step(0.0)
    both["b"].from_host(data(b"after"), 0.1)
    air.abort("a")
    both["a"].power_cut(0.2)
    run(air, list(both.values()), 1.0, 0.2)  # 200 bytes would have kept b waiting until 1.9
    assert both["b"].counts == {"sent": 1}
    assert both["b"].take_host() == b""


def test_ackmode_answers_when_the_frame_has_left() -> None:
    one = tnc(ackmode=True, checksum="xor")
    line = [KissFrame(0, KissCommand.PERSISTENCE, b"\xff"), KissFrame(0, KissCommand.ACKED_DATA, b"\x12\xc0hello")]
    for frame in line:
        one.from_host(encode_kiss(frame, Checksum.XOR), 0.0)
    frames = one.take_air()
    assert [frame.data for frame in frames] == [b"hello"]
    assert one.take_host() == b""
    one.frame_ended(frames[0], 1.0)
    assert KissDecoder(Checksum.XOR, Metrics()).feed(one.take_host()) == [KissFrame(0, 12, b"\x12\xc0")]


def test_without_ackmode_its_command_is_unknown() -> None:
    one = tnc()
    one.from_host(encode_kiss(KissFrame(0, KissCommand.ACKED_DATA, b"\0\1hello")), 0.0)
    assert one.counts == {"unknown_command": 1}


def test_smack_is_used_once_the_host_has_used_it() -> None:
    one = tnc(checksum="smack")
    heard = AirFrame(b"hello", 1.0)
    one.on_air(heard, AirQuality(), 0.0)
    assert one.take_host() == data(b"hello")
    one.from_host(data(b"x", Checksum.SMACK), 0.0)
    one.on_air(heard, AirQuality(), 0.0)
    assert one.take_host() == data(b"hello", Checksum.SMACK)


def test_a_power_cut_forgets_and_takes_its_time() -> None:
    one = tnc()
    one.from_host(command(KissCommand.PERSISTENCE, 255), 0.0)
    one.power_cut(1.0)
    one.from_host(data(b"lost"), 1.0 + BOOT_S / 2)
    one.on_air(AirFrame(b"unheard", 1.0), AirQuality(), 1.0)
    assert one.counts == {"dropped_booting": 1}
    assert one.take_host() == b""


def test_command_mode_until_the_lines_that_start_kiss() -> None:
    one = tnc(enter_kiss=["KISS ON", "RESTART"])
    one.tick(0.0)
    one.from_host(data(b"not yet") + b"\rhelp\rkiss on\r", 0.0)
    assert one.take_host() == b"\r\nVirtual TNC\r\ncmd:" + b"?EH\r\ncmd:" * 2 + b"cmd:"
    one.from_host(b"RESTART\r" + command(KissCommand.PERSISTENCE, 255) + data(b"now"), 0.0)
    assert [frame.data for frame in one.take_air()] == [b"now"]
    one.from_host(b"\xc0\xff\xc0", 1.0)
    one.tick(1.0)
    assert one.take_host().endswith(b"cmd:")


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=60), max_size=8), st.sampled_from(["none", "smack", "xor"]))
def test_any_bytes_from_the_host(pieces: list[bytes], checksum: str) -> None:
    one = tnc(checksum=checksum)
    for at, piece in enumerate(pieces):
        one.from_host(piece, float(at))
        for frame in one.take_air():
            assert frame.duration_s > 0
            one.frame_ended(frame, at + 0.5)
