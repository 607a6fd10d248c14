"""Bit protection: golden packets, what is promised of errors, and nothing that raises."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import LocalProtocolError
from gateway.protocol import golay
from gateway.protocol.bit_protection import (
    Unprotected,
    coded_other_bytes,
    coded_voice_bytes,
    crc8,
    importance,
    longest_other_bytes,
    protect,
    unprotect,
)
from gateway.protocol.frames import SoftFrame
from gateway.protocol.packets import SessionBlock, TextPacket, VoicePacket
from gateway.protocol.parse import Dropped, DropReason

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "air_protection.json").read_text(encoding="utf-8"))
SESSION = SessionBlock(0x1234, 5, 1, 1)
voice = st.builds(
    VoicePacket,
    over_id=st.integers(0, 31),
    sequence=st.integers(0, 63),
    end_of_over=st.just(True),
    frames=st.lists(st.binary(min_size=3, max_size=3), max_size=63).map(tuple),
    session=st.none() | st.just(SESSION),
)
strengths = st.integers(8, 24)


def named(vector: dict[str, Any]) -> str:
    return str(vector["name"])


def flipped(data: bytes, rng: np.random.Generator, rate: float) -> bytes:
    flips = np.packbits(rng.random(8 * len(data)) < rate)
    return (np.frombuffer(data, np.uint8) ^ flips).tobytes()


def packet(frames: int = 6, session: SessionBlock | None = None) -> VoicePacket:
    rng = np.random.default_rng(frames)
    return VoicePacket(19, 41, False, tuple(rng.bytes(3) for _ in range(frames)), session)


@pytest.mark.parametrize("vector", GOLDEN["bits"], ids=named)
def test_golden_packets_both_ways(vector: dict[str, Any]) -> None:
    plain, protected = bytes.fromhex(vector["packet"]), bytes.fromhex(vector["protected"])
    assert protect(plain, vector["strong_bits"]) == protected
    got = unprotect(protected, vector["strong_bits"])
    assert isinstance(got, Unprotected)
    assert got.data == plain


@pytest.mark.parametrize("vector", GOLDEN["golay"], ids=lambda vector: vector["data"])
def test_golden_words(vector: dict[str, str]) -> None:
    data = np.array([[int(vector["data"], 16) >> bit & 1 for bit in range(11, -1, -1)]], np.uint8)
    assert np.packbits(golay.encode(data)).tobytes().hex() == vector["word"]


def test_crc_is_the_one_named_in_the_specification() -> None:
    assert crc8(b"123456789") == 0xDF


@settings(max_examples=60, deadline=None)
@given(voice, strengths)
def test_voice_comes_back_and_its_length_tells_the_frames(packet: VoicePacket, strong_bits: int) -> None:
    plain = packet.to_bytes(crc=False)
    protected = protect(plain, strong_bits)
    assert len(protected) == coded_voice_bytes(len(packet.frames), strong_bits, session=packet.session is not None)
    assert unprotect(protected, strong_bits) == Unprotected(plain, packet.frames)


@settings(deadline=None)
@given(st.binary(max_size=255), st.sampled_from([b"\x60\x00", b"\x74\xe9"]))
def test_other_packets_come_back(body: bytes, header: bytes) -> None:
    protected = protect(header + body, 12)
    assert len(protected) == coded_other_bytes(2 + len(body))
    assert longest_other_bytes(len(protected)) >= 2 + len(body) > longest_other_bytes(len(protected) - 1)
    assert unprotect(protected, 12) == Unprotected(header + body)


@settings(max_examples=60, deadline=None)
@given(voice, strengths, st.data())
def test_three_errors_anywhere_leave_all_that_is_strong_right(
    packet: VoicePacket, strong_bits: int, data: st.DataObject
) -> None:
    protected = protect(packet.to_bytes(crc=False), strong_bits)
    spoilt = bytearray(protected)
    for place in data.draw(st.sets(st.integers(0, 8 * len(protected) - 1), max_size=3)):
        spoilt[place // 8] ^= 0x80 >> place % 8
    got = unprotect(bytes(spoilt), strong_bits)
    assert isinstance(got, Unprotected)
    plain = packet.to_bytes(crc=False)
    start = 2 if packet.session is None else 6
    assert got.data[:start] == plain[:start]
    for sent, found in zip(
        packet.frames, (got.data[at : at + 3] for at in range(start, len(got.data), 3)), strict=True
    ):
        wrong = np.unpackbits(np.frombuffer(sent, np.uint8) ^ np.frombuffer(found, np.uint8))
        assert not wrong[importance()[:strong_bits]].any()


def test_a_burst_of_errors_on_the_air_hits_different_words() -> None:
    """Ten bits in a row wrong: no word gets more than three, wherever the burst lies."""
    sent = packet(session=SESSION)
    plain = sent.to_bytes(crc=False)
    protected = protect(plain, 24)
    for begin in range(8 * len(protected) - 9):
        spoilt = int.from_bytes(protected, "big") ^ (0x3FF << (8 * len(protected) - 10 - begin))
        assert unprotect(spoilt.to_bytes(len(protected), "big"), 24) == Unprotected(plain, sent.frames)


def test_a_packet_with_wrong_frames_is_used_and_one_with_a_wrong_header_is_not() -> None:
    rng = np.random.default_rng(5)
    plain = packet().to_bytes(crc=False)
    protected = protect(plain, 12)
    used = damaged = 0
    for _ in range(3000):
        got = unprotect(flipped(protected, rng, 0.06), 12)
        if isinstance(got, Dropped):
            assert got.reason is DropReason.BAD_CRC
            continue
        used += 1
        assert got.data[:2] == plain[:2]
        damaged += got.data != plain
    assert used > 2500
    assert damaged > 2000


def test_at_one_percent_what_is_strong_is_right() -> None:
    rng = np.random.default_rng(6)
    sent = packet()
    protected = protect(sent.to_bytes(crc=False), 12)
    frames = np.frombuffer(b"".join(sent.frames), np.uint8)
    lost = 0
    wrong = np.zeros(24)
    for _ in range(4000):
        got = unprotect(flipped(protected, rng, 0.01), 12)
        if isinstance(got, Dropped):
            lost += 1
        else:
            bits = np.unpackbits(frames ^ np.frombuffer(got.data[2:], np.uint8)).reshape(6, 24)
            wrong += bits[:, importance()].mean(axis=0)
    wrong /= 4000
    assert lost <= 5  # 0.7 expected
    assert wrong[:12].max() < 0.001
    assert wrong[12:] == pytest.approx(0.01, abs=0.003)


def test_a_broken_session_block_costs_only_itself() -> None:
    sent = packet(session=SESSION)
    protected = np.unpackbits(np.frombuffer(protect(sent.to_bytes(crc=False), 12), np.uint8))
    size = len(protected)
    step = next(q for q in range(25, 99) if np.gcd(q, size) == 1)
    order = np.arange(size) * step % size
    spoilt = protected.copy()
    spoilt[np.isin(order, np.arange(48, 48 + 96, 3))] ^= 1  # eight errors in each word of the session block
    got = unprotect(np.packbits(spoilt).tobytes(), 12)
    assert isinstance(got, Unprotected)
    assert got.data == VoicePacket(19, 41, False, sent.frames).to_bytes(crc=False)


def test_soft_bits_find_what_hard_bits_cannot() -> None:
    """At 3 % wrong bits, a modem that says which are doubtful saves nearly all that is strong."""
    rng = np.random.default_rng(7)
    sent = packet()
    bits = np.unpackbits(np.frombuffer(protect(sent.to_bytes(crc=False), 12), np.uint8))
    hard_wrong = soft_wrong = doubtful = 0
    amplitude = 1.88  # of white noise: 3 % of the signs are wrong
    for _ in range(300):
        heard = amplitude * (2.0 * bits - 1.0) + rng.standard_normal(len(bits))
        ones = 1.0 / (1.0 + np.exp(-2.0 * amplitude * heard))
        soft = unprotect(ones, 12)
        hard = unprotect(np.packbits(heard > 0).tobytes(), 12)
        strong = [
            importance()[:12],
        ]
        for got, kind in ((soft, "soft"), (hard, "hard")):
            if isinstance(got, Dropped):
                wrong = 1
            else:
                error = np.unpackbits(
                    np.frombuffer(b"".join(sent.frames), np.uint8) ^ np.frombuffer(got.data[2:], np.uint8)
                )
                wrong = int(error.reshape(6, 24)[:, strong[0]].any())
                doubtful += sum(isinstance(frame, SoftFrame) for frame in got.heard or ())
            if kind == "soft":
                soft_wrong += wrong
            else:
                hard_wrong += wrong
    assert soft_wrong <= 1
    assert hard_wrong >= 3
    assert doubtful > 100


def test_doubtful_bits_are_handed_on_with_their_probability() -> None:
    sent = packet(1)
    bits = np.unpackbits(np.frombuffer(protect(sent.to_bytes(crc=False), 12), np.uint8))
    got = unprotect(np.where(bits == 1, 0.8, 0.2), 12)
    assert isinstance(got, Unprotected)
    assert got.heard is not None
    (frame,) = got.heard
    assert isinstance(frame, SoftFrame)
    ones = np.array(frame.one_probability)[importance()]
    assert set(ones[:12]) <= {0.0, 1.0}
    assert set(np.round(ones[12:], 6)) <= {0.2, 0.8}


@settings(deadline=None)
@given(st.binary(max_size=300), strengths)
def test_random_bytes_never_raise(data: bytes, strong_bits: int) -> None:
    assert isinstance(unprotect(data, strong_bits), Unprotected | Dropped)


@settings(deadline=None)
@given(st.lists(st.floats(), max_size=400), strengths)
def test_random_probabilities_never_raise(ones: list[float], strong_bits: int) -> None:
    assert isinstance(unprotect(ones, strong_bits), Unprotected | Dropped)


def test_random_bytes_are_seldom_taken_for_a_header() -> None:
    """Words near enough to be corrected are many; the CRC-8 lets one in 256 of them pass."""
    rng = np.random.default_rng(8)
    taken = sum(isinstance(unprotect(rng.bytes(6), 12), Unprotected) for _ in range(4000))
    assert taken < 40


def test_lengths_of_no_packet_are_dropped() -> None:
    good = protect(packet().to_bytes(crc=False), 12)
    assert isinstance(unprotect(good[:5], 12), Dropped)
    header = protect(VoicePacket(19, 41, True, ()).to_bytes(crc=False), 12)
    # The header alone is 48 bits in the order of their places; with another length the order is another too.
    assert isinstance(unprotect(header + b"\0", 12), Dropped)
    text = protect(TextPacket(1, 2, 3, 0, True, False, "hello").to_bytes(crc=False), 12)
    assert isinstance(unprotect(text[:-3], 12), Dropped)


def test_what_cannot_be_protected_is_refused() -> None:
    for data, message in (
        (b"\x44", "needs a header"),
        (b"\x44\xe9ab", "whole frames"),
        (b"\x60\0" + bytes(256), "at most"),
    ):
        with pytest.raises(LocalProtocolError, match=message):
            protect(data, 12)
    with pytest.raises(LocalProtocolError, match="strong_bits 7"):
        protect(b"\x44\xe9", 7)
