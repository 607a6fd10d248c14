"""Sender's redundancy: golden overs, what each packet may carry, and figures that are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import LocalProtocolError
from gateway.protocol.packetizer import Packetizer, carries_session
from gateway.protocol.packets import ParityPacket, Repeat, RepeatScheme, SessionBlock, VoicePacket
from gateway.protocol.parse import Dropped, DropReason, parse
from gateway.protocol.protection import Protection, ProtectionKind, protector
from gateway.protocol.protection_file import load_protection

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "air_protection.json").read_text(encoding="utf-8"))
SESSION = SessionBlock(1, 2, 1, 1)
protections = st.one_of(
    st.builds(
        Protection,
        st.sampled_from(
            [ProtectionKind.STAGE_ONE_REPEAT, ProtectionKind.TWO_BYTE_REPEAT, ProtectionKind.PAYLOAD_REPEAT]
        ),
        distance=st.integers(1, 15),
    ),
    st.tuples(st.integers(2, 6), st.integers(1, 5), st.integers(1, 5)).map(
        lambda t: Protection(ProtectionKind.REED_SOLOMON, k=t[0], n=t[0] + t[1], depth=t[2])
    ),
)


def named(vector: dict[str, Any]) -> str:
    return str(vector["name"])


def build(fields: dict[str, Any]) -> VoicePacket | ParityPacket:
    rest = {key: value for key, value in fields.items() if key != "kind"}
    if fields["kind"] == "parity":
        return ParityPacket(**(rest | {"data": bytes.fromhex(rest["data"])}))
    rest["frames"] = tuple(map(bytes.fromhex, rest["frames"]))
    rest["session"] = SessionBlock(**rest["session"]) if rest["session"] else None
    again = rest["repeat"]
    rest["repeat"] = Repeat(
        RepeatScheme(again["scheme"]), again["distance"], tuple(map(bytes.fromhex, again["frames"]))
    )
    return VoicePacket(**rest)


def sent_for(
    frames: list[bytes], protection: Protection, frames_per_packet: int, over_id: int = 11
) -> list[VoicePacket | ParityPacket]:
    packetizer = Packetizer(frames_per_packet, SESSION, over_id)
    guard = protector(protection)
    voice = [packet for frame in frames if (packet := packetizer.push(frame)) is not None]
    return [sent for packet in (*voice, packetizer.finish()) for sent in guard.push(packet)]


@pytest.mark.parametrize("vector", GOLDEN["packets"], ids=named)
def test_golden_packets_both_ways(vector: dict[str, Any]) -> None:
    packet = build(vector["packet"])
    assert packet.to_bytes(vector["crc"]).hex() == vector["hex"]
    assert parse(bytes.fromhex(vector["hex"]), crc=vector["crc"]) == packet


@pytest.mark.parametrize("vector", GOLDEN["overs"], ids=named)
def test_golden_overs(vector: dict[str, Any]) -> None:
    packetizer = Packetizer(vector["frames_per_packet"], SessionBlock(**vector["session"]), vector["over_id"])
    guard = protector(load_protection(vector["protection"]))
    voice = [packet for frame in vector["frames"] if (packet := packetizer.push(bytes.fromhex(frame))) is not None]
    sent = [one for packet in (*voice, packetizer.finish()) for one in guard.push(packet)]
    assert [packet.to_bytes(crc=False).hex() for packet in sent] == vector["packets"]


@settings(deadline=None)
@given(protections, st.integers(1, 7), st.integers(0, 60))
def test_the_voice_is_in_it_as_without_protection_and_sessions_keep_their_places(
    protection: Protection, frames_per_packet: int, count: int
) -> None:
    frames = [index.to_bytes(3, "big") for index in range(count)]
    plain = sent_for(frames, Protection(), frames_per_packet)
    guarded = [packet for packet in sent_for(frames, protection, frames_per_packet) if isinstance(packet, VoicePacket)]
    first = {packet.sequence: packet for packet in reversed(guarded)}
    assert [(p.sequence, p.frames, p.end_of_over) for p in plain] == [
        (p.sequence, p.frames, p.end_of_over) for _, p in sorted(first.items())
    ]
    for packet in guarded:
        assert (packet.session is not None) == carries_session(packet.sequence)
        assert parse(packet.to_bytes(crc=False), crc=False) == packet


@settings(deadline=None)
@given(protections, st.integers(1, 7), st.integers(0, 60))
def test_every_packet_is_sent_twice_or_covered(protection: Protection, per_packet: int, count: int) -> None:
    frames = [index.to_bytes(3, "big") for index in range(count)]
    sent = sent_for(frames, protection, per_packet)
    covered: list[int] = []
    for packet in sent:
        if isinstance(packet, ParityPacket):
            covered += [packet.first + place * packet.depth for place in range(packet.members)]
        elif packet.repeat is not None:
            covered.append(packet.sequence - packet.repeat.distance)
    own = [packet.sequence for packet in sent if isinstance(packet, VoicePacket)]
    for sequence in range(count // per_packet + 1):
        assert sequence in covered or own.count(sequence) > 1


def test_the_first_packets_are_of_the_old_types() -> None:
    frames = [index.to_bytes(3, "big") for index in range(20)]
    sent = sent_for(frames, Protection(ProtectionKind.STAGE_ONE_REPEAT, distance=3), 2)
    kinds = [packet.to_bytes(crc=False)[0] >> 4 & 3 for packet in sent]
    assert kinds == [1, 0, 1, *[3] * 8, 3, 3]
    assert [packet.repeat.distance for packet in sent[-3:]] == [3, 2, 1]  # type: ignore[union-attr]


@settings(deadline=None)
@given(st.integers(0, 0x0FFF), st.binary(max_size=120))
def test_random_bodies_of_type_3_never_raise(low: int, body: bytes) -> None:
    parsed = parse((1 << 14 | 3 << 12 | low).to_bytes(2, "big") + body, crc=False)
    if isinstance(parsed, VoicePacket):
        again = parse(parsed.to_bytes(crc=False), crc=False)
        assert again == parsed


@settings(deadline=None)
@given(st.integers(0, 0x0FFF), st.binary(max_size=120))
def test_random_parity_never_raises(low: int, body: bytes) -> None:
    parsed = parse((1 << 14 | 2 << 12 | low).to_bytes(2, "big") + b"\x03" + body, crc=False)
    assert isinstance(parsed, Dropped) or parse(parsed.to_bytes(crc=False), crc=False) == parsed


@pytest.mark.parametrize("scheme", RepeatScheme)
@pytest.mark.parametrize("count", range(1, 64))
def test_every_number_of_frames_has_a_length_of_its_own(scheme: RepeatScheme, count: int) -> None:
    frames = (b"\xa5\x5a\xff",) * count
    repeat = Repeat(scheme, 1, ({12: b"\xa5\x50\x00", 16: b"\xa5\x5a\x00", 24: b"\xa5\x5a\xff"}[scheme.bits],) * count)
    whole = VoicePacket(0, 1, False, frames, None, repeat)
    assert parse(whole.to_bytes(crc=False), crc=False) == whole
    for kept in (0, 1, count):
        last = VoicePacket(0, 1, True, frames[:kept], SESSION, repeat)
        assert parse(last.to_bytes(crc=False), crc=False) == last
    for change in (-2, -1, 1, 2):
        data = whole.to_bytes(crc=False)
        other = parse(data[:change] if change < 0 else data + bytes(change), crc=False)
        assert isinstance(other, Dropped)


@pytest.mark.parametrize(
    ("hex_", "reason"),
    [
        ("7000", DropReason.BAD_LENGTH),
        ("700004a53c0fa53c", DropReason.UNKNOWN_TYPE),
        ("700074a53c0fa53c", DropReason.UNKNOWN_TYPE),
        ("700010a53c0fa53c", DropReason.BAD_FIELD),
        ("780011", DropReason.BAD_LENGTH),
        ("78001100a53c0f", DropReason.BAD_FIELD),
        ("78001140a53c0f", DropReason.BAD_FIELD),
        ("700091123456", DropReason.BAD_LENGTH),
        ("600003", DropReason.BAD_LENGTH),
        ("6000030001a53c0f", DropReason.BAD_FIELD),  # one member
        ("6000031020a53c0f", DropReason.BAD_FIELD),  # row 2 of 1
        ("6800031000" + "02" + "a53c0f", DropReason.BAD_FIELD),  # last member longer than the others
    ],
)
def test_what_is_no_packet_says_why(hex_: str, reason: DropReason) -> None:
    dropped = parse(bytes.fromhex(hex_), crc=False)
    assert isinstance(dropped, Dropped)
    assert dropped.reason is reason, dropped.detail


@pytest.mark.parametrize(
    ("figures", "message"),
    [
        ({"distance": 0}, "distance 0"),
        ({"distance": 16}, "distance 16"),
        ({"k": 1}, "k 1"),
        ({"n": 4}, "n 4"),
        ({"n": 21}, "n 21"),
        ({"depth": 9}, "depth 9"),
        ({"strong_bits": 25}, "strong_bits 25"),
    ],
)
def test_figures_out_of_range_are_refused(figures: dict[str, int], message: str) -> None:
    with pytest.raises(LocalProtocolError, match=message):
        Protection(ProtectionKind.NONE, **figures)


def test_forbidden_packets_cannot_be_built() -> None:
    repeat = Repeat(RepeatScheme.PAYLOAD, 1, (b"abc", b"def"))
    with pytest.raises(LocalProtocolError, match="packets of an over are equal"):
        VoicePacket(0, 1, False, (b"abc",), None, repeat)
    with pytest.raises(LocalProtocolError, match="longer than the one it repeats"):
        VoicePacket(0, 1, True, (b"abc",) * 3, None, repeat)
    for scheme, distance, frames in (
        (RepeatScheme.PAYLOAD, 16, (b"abc",)),
        (RepeatScheme.PAYLOAD, 1, ()),
        (RepeatScheme.STAGE_ONE, 1, (b"abc",)),
    ):
        with pytest.raises(LocalProtocolError):
            Repeat(scheme, distance, frames)
    for fields in ({"members": 1}, {"row": 2}, {"data": b"ab"}, {"last_frames": 2}, {"depth": 17}):
        good = {"over_id": 0, "first": 0, "members": 2, "depth": 1, "parities": 2, "row": 0, "last_frames": None}
        with pytest.raises(LocalProtocolError):
            ParityPacket(**({"data": b"abc"} | good | fields))  # type: ignore[arg-type]


def test_names_and_delays_are_for_people() -> None:
    assert Protection().name == "none"
    assert load_protection("reed-solomon:n=6,k=4,depth=2").name == "reed-solomon (6,4) depth 2"
    assert load_protection("reed-solomon:n=6,k=4,depth=2").delay_packets == 8
    assert load_protection("payload-repeat:distance=5").delay_packets == 5
    assert load_protection("bit:strong_bits=24").delay_packets == 0
