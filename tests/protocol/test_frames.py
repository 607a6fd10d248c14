"""Partly known frames: the first bits packed and unpacked, and which of two says more."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codec import bits as codec_bits
from gateway.errors import LocalProtocolError
from gateway.protocol.frames import (
    PartialFrame,
    SoftFrame,
    first_bits,
    is_better,
    pack_first_bits,
    packed_bytes,
    unpack_first_bits,
)

frames = st.lists(st.binary(min_size=3, max_size=3), min_size=1, max_size=63).map(tuple)


@given(frames, st.sampled_from([12, 16, 24]))
def test_packing_keeps_the_first_bits_and_nothing_else(given_frames: tuple[bytes, ...], bits: int) -> None:
    packed = pack_first_bits(given_frames, bits)
    assert len(packed) == packed_bytes(len(given_frames), bits)
    unpacked = unpack_first_bits(packed, len(given_frames), bits)
    assert unpacked == tuple(first_bits(frame, bits) for frame in given_frames)


def test_filling_is_zero_when_sent_and_ignored_when_received() -> None:
    packed = pack_first_bits((b"\xff\xff\xff",), 12)
    assert packed == b"\xff\xf0"
    assert unpack_first_bits(b"\xff\xff", 1, 12) == (b"\xff\xf0\x00",)


def test_what_says_more_is_better() -> None:
    soft = SoftFrame((0.5,) * 24)
    ranked = [PartialFrame(bytes(3), 12), PartialFrame(bytes(3), 16), soft, bytes(3)]
    for place, worse in enumerate(ranked):
        assert not is_better(worse, worse)
        for better in ranked[place + 1 :]:
            assert is_better(better, worse)
            assert not is_better(worse, better)


@given(st.binary(min_size=3, max_size=3))
def test_the_coarse_stage_alone_is_what_the_codec_makes_of_half_the_bits(frame: bytes) -> None:
    known = PartialFrame(first_bits(frame, 12))
    coarse = codec_bits.hear(frame, stages=1)
    soft = codec_bits.hear_soft(np.array(known.probabilities()))
    np.testing.assert_allclose(soft.values, coarse.values, atol=1e-6)
    np.testing.assert_allclose(soft.doubt, coarse.doubt, atol=1e-6)


def test_forbidden_frames_cannot_be_built() -> None:
    for data, bits in ((b"\0\0\1", 12), (b"\0\0\1", 16), (b"\0\0", 12)):
        with pytest.raises(LocalProtocolError, match="partial frame"):
            PartialFrame(data, bits)
    with pytest.raises(LocalProtocolError, match="soft frame of 23 bits"):
        SoftFrame((0.0,) * 23)
