"""KISS framing: the documents' examples, any bytes in any pieces, damage, checksums."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.framing.kiss import (
    MAX_BODY_BYTES,
    Checksum,
    KissCommand,
    KissDecoder,
    KissFrame,
    encode_kiss,
    smack_crc,
)
from gateway.metrics import Metrics

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "kiss_frames.json").read_text())
FRAMES = st.builds(KissFrame, st.integers(0, 7), st.integers(0, 15), st.binary(max_size=80))


def decode(data: bytes, checksum: Checksum = Checksum.NONE, metrics: Metrics | None = None) -> list[KissFrame]:
    return KissDecoder(checksum, metrics or Metrics()).feed(data)


@pytest.mark.parametrize("vector", GOLDEN["frames"], ids=lambda vector: vector["what"])
def test_golden_frames(vector: dict[str, object]) -> None:
    frame = KissFrame(int(str(vector["port"])), int(str(vector["command"])), bytes.fromhex(str(vector["data"])))
    line = bytes.fromhex(str(vector["line"]))
    checksum = Checksum(vector["checksum"])
    assert encode_kiss(frame, checksum) == line
    assert decode(line, checksum) == [frame]


def test_smacks_crc_is_crc_16() -> None:
    assert smack_crc(b"123456789") == 0xBB3D  # the check value of CRC-16/ARC in catalogues of CRCs
    assert smack_crc(b"123456789" + 0xBB3D.to_bytes(2, "little")) == 0


@given(st.lists(FRAMES, max_size=4), st.sampled_from(Checksum), st.lists(st.integers(1, 20)))
def test_frames_cross_in_any_pieces(frames: list[KissFrame], checksum: Checksum, cuts: list[int]) -> None:
    line = b"".join(encode_kiss(frame, checksum) for frame in frames)
    decoder, got, at = KissDecoder(checksum, Metrics()), [], 0
    for cut in [*cuts, len(line)]:
        got += decoder.feed(line[at : at + cut])
        at += cut
    assert got == frames
    assert decode(line, checksum) == frames
    decoder = KissDecoder(checksum, Metrics())
    assert [frame for byte in line for frame in decoder.feed(bytes((byte,)))] == frames


@given(st.binary(max_size=200), FRAMES, st.sampled_from(Checksum))
def test_after_any_garbage_the_next_frame_counts(garbage: bytes, frame: KissFrame, checksum: Checksum) -> None:
    assert decode(garbage + encode_kiss(frame, checksum), checksum)[-1] == frame


@given(st.binary(min_size=1, max_size=60), st.integers(0, 60), st.integers(1, 255))
def test_checksums_find_a_wrong_byte(data: bytes, place: int, change: int) -> None:
    for checksum in (Checksum.SMACK, Checksum.XOR):
        body = bytearray(encode_kiss(KissFrame(0, KissCommand.DATA, data), checksum)[1:-1])
        at = 1 + place % (len(body) - 1)  # a wrong command byte can make a frame without checksum of SMACK's
        body[at] ^= change
        metrics = Metrics()
        got = decode(b"\xc0" + bytes(body) + b"\xc0", checksum, metrics)
        assert KissFrame(0, KissCommand.DATA, data) not in got
        if {0xC0, 0xDB}.isdisjoint({body[at], body[at] ^ change}) and 0xDB not in body:
            assert got == []
            assert metrics.snapshot()["modem.rx_bad_checksum"] == 1


def test_two_frames_may_share_a_fend_and_fends_alone_are_nothing() -> None:
    assert decode(b"\xc0\xc0\x00a\xc0\x00b\xc0\xc0\xc0") == [KissFrame(0, 0, b"a"), KissFrame(0, 0, b"b")]


@pytest.mark.parametrize("line", [b"\xc0\x00a\xdbb\xc0", b"\xc0\x00a\xdb\xc0", b"\xc0\x00\xdb\xdb\xdcb\xc0"])
def test_a_wrong_escape_costs_its_frame_only(line: bytes) -> None:
    metrics = Metrics()
    assert decode(line + b"\x00b\xc0", metrics=metrics) == [KissFrame(0, 0, b"b")]
    assert metrics.snapshot()["modem.rx_bad_escape"] == 1


def test_transposed_bytes_alone_are_data() -> None:
    assert decode(b"\xc0\x00\xdc\xdd\xc0") == [KissFrame(0, 0, b"\xdc\xdd")]  # section 2 of the KISS document


def test_an_endless_frame_is_dropped_and_takes_no_memory() -> None:
    metrics = Metrics()
    decoder = KissDecoder(Checksum.NONE, metrics)
    for _ in range(20):
        assert decoder.feed(b"\x00" + bytes(999)) == []
    assert len(decoder.partial) <= MAX_BODY_BYTES
    assert decoder.feed(b"\xc0\x00b\xc0") == [KissFrame(0, 0, b"b")]
    assert metrics.snapshot()["modem.rx_too_long"] == 1


def test_smack_takes_frames_without_a_checksum_and_sends_commands_so() -> None:
    decoder = KissDecoder(Checksum.SMACK, Metrics())
    assert decoder.feed(b"\xc0\x00plain\xc0") == [KissFrame(0, 0, b"plain")]
    assert not decoder.heard_smack
    assert decoder.feed(encode_kiss(KissFrame(3, 0, b"x"), Checksum.SMACK)) == [KissFrame(3, 0, b"x")]
    assert decoder.heard_smack
    assert encode_kiss(KissFrame(0, KissCommand.TX_DELAY, b"\x0a"), Checksum.SMACK) == b"\xc0\x01\x0a\xc0"
