"""COBS: vectors of the paper's rules, any bytes there and back, and what damage does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.framing.cobs import cobs_decode, cobs_decode_damaged, cobs_encode, encoded_bytes

VECTORS = [
    ("", "01"),
    ("00", "0101"),
    ("0000", "010101"),
    ("00 11 00", "01021101"),
    ("11 22 00 33", "0311220233"),
    ("11 22 33 44", "0511223344"),
    ("11 00 00 00", "0211010101"),
]


@pytest.mark.parametrize(("plain", "encoded"), VECTORS)
def test_short_vectors(plain: str, encoded: str) -> None:
    assert cobs_encode(bytes.fromhex(plain)).hex() == encoded
    assert cobs_decode(bytes.fromhex(encoded)) == bytes.fromhex(plain)


def test_groups_of_254() -> None:
    run = bytes(range(1, 255))
    assert cobs_encode(run) == b"\xff" + run
    assert cobs_encode(run + b"\0") == b"\xff" + run + b"\x01\x01"
    assert cobs_encode(run + b"\xff") == b"\xff" + run + b"\x02\xff"
    assert cobs_encode(b"\0" + run) == b"\x01\xff" + run
    assert cobs_decode(b"\xff" + run + b"\x01") == run, "what other encoders write"


@pytest.mark.parametrize("wrong", ["", "00", "02", "0311", "01021100", "ff11"])
def test_what_no_encoder_makes_is_none(wrong: str) -> None:
    assert cobs_decode(bytes.fromhex(wrong)) is None


dense = st.lists(st.sampled_from([b"\0", b"\xff", b"a" * 253, b"b" * 254, b"c" * 255]), max_size=6).map(b"".join)


@given(st.binary(max_size=700) | dense)
def test_any_bytes_come_back(data: bytes) -> None:
    encoded = cobs_encode(data)
    assert 0 not in encoded
    assert 1 <= len(encoded) <= encoded_bytes(len(data))
    assert cobs_decode(encoded) == data
    assert cobs_decode_damaged(encoded) == data


@given(st.binary(max_size=600))
def test_decoding_never_raises_and_what_it_takes_is_equal_after_another_round(data: bytes) -> None:
    decoded = cobs_decode(data)
    cobs_decode_damaged(data)
    if decoded is not None:
        assert cobs_decode(cobs_encode(decoded)) == decoded


@given(st.binary(min_size=1, max_size=200), st.data())
def test_wrong_bits_leave_the_length(data: bytes, draw: st.DataObject) -> None:
    encoded = bytearray(cobs_encode(data))
    place = draw.draw(st.integers(0, len(encoded) - 1))
    encoded[place] ^= 1 << draw.draw(st.integers(0, 7))
    if encoded[place] not in (0, 0xFF):
        assert len(cobs_decode_damaged(bytes(encoded))) == len(data)
