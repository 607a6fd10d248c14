"""The sender's promises: no nonce twice, forms as SPEC.md clause 13 has them, and the cost that it states."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import LocalProtocolError, SecurityError
from gateway.protocol.packetizer import Packetizer
from gateway.protocol.packets import AckPacket, SessionBlock, TextPacket, VoicePacket
from gateway.protocol.sealing import Sealer
from gateway.protocol.security import NetKey, SecurityMode, Suite

ENCRYPT = Suite(SecurityMode.AUTHENTICATE_ENCRYPT)
TEXT = TextPacket(5, 1, 0, 0, True, False, "hello")
PARITY = bytes((0x60, 0, 3)) + bytes(30)  # an extended packet of kind 3


class Counting:
    """Counters that run out."""

    def __init__(self, left: int = 10**6) -> None:
        self.next, self._left = 0, left

    def take(self) -> int:
        if self.next == self._left:
            raise SecurityError("disk full")
        self.next += 1
        return self.next - 1


def sealer(suite: Suite = ENCRYPT, counters: Counting | None = None) -> Sealer:
    return Sealer(
        suite,
        NetKey(9, bytes(32)),
        source=5,
        counters=counters or Counting(),
        random_bytes=random.Random(1).randbytes,
    )


def over(frames: int, per_packet: int = 6) -> list[bytes]:
    """The plain packets of an over."""
    packetizer = Packetizer(per_packet, SessionBlock(5, 1, 1, 1), 3)
    made = [packetizer.push(bytes((i % 256, 1, 2))) for i in range(frames)]
    return [packet.to_bytes(False) for packet in [*made, packetizer.finish()] if packet is not None]


def added(packets: int, suite: Suite = ENCRYPT) -> float:
    """Bytes added per packet, over an over of so many packets."""
    plain = over(6 * packets - 1)
    assert len(plain) == packets
    seals = sealer(suite)
    seals.begin_over()
    return sum(len(seals.seal(packet)) - len(packet) for packet in plain) / packets


def test_the_cost_stated_in_the_specification() -> None:
    """SPEC 13.13: 4 bytes and a block of 16 in each of 12 packets, 5.33; at most 6 for every over of 40 packets."""
    plain = over(6 * (2 + 12 * 20) - 1)
    seals = sealer()
    seals.begin_over()
    costs = [len(seals.seal(packet)) - len(packet) for packet in plain]
    assert sum(costs[2:]) / len(costs[2:]) == pytest.approx(4 + 16 / 12)
    assert all(added(packets) <= 6 for packets in range(40, 120))
    assert added(39) > 6
    assert added(12) == pytest.approx(4 + 32 / 12)
    assert all(added(packets, Suite(SecurityMode.AUTHENTICATE, 3)) <= 5 for packets in range(40, 60))


def test_the_stated_cost_of_what_stands_alone_and_of_what_follows_a_packet() -> None:
    seals = sealer()
    for packet in (TEXT, AckPacket(5, 6, 0, 0)):
        plain = packet.to_bytes(False)
        assert len(seals.seal(plain)) - len(plain) == 16
    assert len(seals.seal(PARITY)) - len(PARITY) == 16  # no over to belong to
    seals.begin_over()
    seals.seal(over(6)[0])
    assert len(seals.seal(PARITY)) - len(PARITY) == 7
    assert seals.packet_overhead_bytes == 16


def test_a_repeated_packet_gives_the_same_bytes() -> None:
    seals = sealer()
    seals.begin_over()
    sealed = [seals.seal(packet) for packet in over(20)]
    assert seals.seal(over(20)[-1]) == sealed[-1]


def test_a_used_number_goes_aside_under_a_nonce_of_its_own() -> None:
    """Copies of the end with other repeats (12.1.4), an earlier packet in place of parity (12.2.4)."""
    seals = sealer()
    seals.begin_over()
    first, second = over(12)[:2]
    sealed = [seals.seal(first), seals.seal(second)]
    aside = [seals.seal(second[:-1] + b"x"), seals.seal(second[:-1] + b"y"), seals.seal(first)]
    assert [data[0] & 0x38 for data in sealed + aside] == [0x10, 0x00, 0x28, 0x28, 0x28]  # types, and bit 11
    assert [data[2] for data in aside] == [0, 1, 2]


def test_an_over_must_be_begun_and_has_an_end() -> None:
    seals = sealer()
    with pytest.raises(LocalProtocolError, match="before its over was begun"):
        seals.seal(over(6)[0])
    seals.begin_over()
    plain = over(16_390, per_packet=1)
    for packet in plain[:16_384]:
        seals.seal(packet)
    with pytest.raises(LocalProtocolError, match="packet 16384 of an over"):
        seals.seal(plain[16_384])


def test_only_so_many_extended_packets_follow_one_voice_packet() -> None:
    seals = sealer()
    seals.begin_over()
    seals.seal(over(6)[0])
    sealed = {seals.seal(PARITY) for _ in range(256)}
    assert len(sealed) == 256
    with pytest.raises(LocalProtocolError, match="more than 256"):
        seals.seal(PARITY)


def test_equal_speech_never_looks_equal() -> None:
    seals = sealer()
    bodies = []
    for _ in range(20):
        seals.begin_over()
        frame = (b"\x00\x00\x00",) * 6
        bodies += [seals.seal(VoicePacket(0, n, False, frame).to_bytes(False))[2:] for n in (1, 3)]
    bodies += [seals.seal(TEXT.to_bytes(False))[14:] for _ in range(20)]
    assert len(set(bodies)) == 60


def test_without_a_counter_nothing_is_sealed() -> None:
    seals = sealer(counters=Counting(1))
    seals.begin_over()
    with pytest.raises(SecurityError, match="disk full"):
        seals.begin_over()
    with pytest.raises(SecurityError, match="disk full"):
        seals.seal(TEXT.to_bytes(False))


@given(st.lists(st.sampled_from(["over", "voice", "end", "text", "parity"]), max_size=40))
def test_no_key_and_nonce_meet_twice(steps: list[str]) -> None:
    """Whatever is sent in whatever order: the clear parts and numbers that make key and nonce are all different."""
    seals = sealer()
    used: set[tuple[object, ...]] = set()
    number, counter = 0, 0
    for step in steps:
        if step == "over":
            seals.begin_over()
            number, counter = 0, counter + 1
        elif step in ("voice", "end") and counter:
            seals.seal(VoicePacket(1, number % 64, step == "end", (bytes(3),)).to_bytes(False))
            what: tuple[object, ...] = ("voice", counter, number)
            assert what not in used
            used.add(what)
            number += 1
        elif step in ("text", "parity"):
            sealed = seals.seal(TEXT.to_bytes(False) if step == "text" else PARITY)
            what = ("aside", counter, sealed[:3]) if sealed[0] & 8 else ("alone", sealed[6:14])
            assert what not in used
            used.add(what)
