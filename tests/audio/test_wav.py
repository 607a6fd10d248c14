"""WAV headers and samples from a stream: whole, byte by byte, and damaged."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from gateway.audio.wav import (
    UnsupportedWav,
    WavFormat,
    decode_samples,
    parse_wav_start,
    wav_header,
)
from gateway.errors import RemoteProtocolError


def made_by_soundfile(subtype: str, channels: int = 1, wav: str = "WAV") -> bytes:
    rng = np.random.default_rng(1)
    buffer = io.BytesIO()
    soundfile.write(buffer, rng.uniform(-0.9, 0.9, (50, channels)), 8000, subtype, format=wav)
    return buffer.getvalue()


@pytest.mark.parametrize("wav", ["WAV", "WAVEX"])
@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_same_samples_as_soundfile(subtype: str, channels: int, wav: str) -> None:
    data = made_by_soundfile(subtype, channels, wav)
    start = parse_wav_start(data)
    assert start is not None
    assert (start.form.rate_hz, start.form.channels) == (8000, channels)
    assert start.data_bytes == 50 * start.form.frame_bytes
    raw = data[start.data_offset : start.data_offset + start.data_bytes]
    expected, _ = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    np.testing.assert_allclose(decode_samples(raw, start.form), expected, rtol=0, atol=1e-7)


def test_our_header_is_read_back_by_us_and_by_soundfile() -> None:
    data = wav_header(6) + b"\x01\x00\x02\x00\x03\x00"
    start = parse_wav_start(data)
    assert start is not None
    assert (start.form, start.data_offset, start.data_bytes) == (WavFormat(16_000, 1, 16, False), 44, 6)
    samples, rate = soundfile.read(io.BytesIO(data), dtype="int16")
    assert (samples.tolist(), rate) == ([1, 2, 3], 16_000)


@pytest.mark.parametrize("size", [0, 0x7FFFF000, 0x80000000, 0xFFFFFFFF])
def test_streamed_lengths_are_unknown(size: int) -> None:
    data = wav_header(None)[:-4] + struct.pack("<I", size)
    start = parse_wav_start(data)
    assert start is not None
    assert start.data_bytes is None


def test_every_prefix_of_a_header_asks_for_more() -> None:
    data = wav_header(2)
    assert all(parse_wav_start(data[:n]) is None for n in range(44))
    assert parse_wav_start(data) is not None


def test_other_chunks_are_stepped_over() -> None:
    plain = wav_header(2)
    data = plain[:12] + b"LIST" + struct.pack("<I", 3) + b"abc\0" + plain[12:]
    start = parse_wav_start(data)
    assert start is not None
    assert start.data_offset == 44 + 12


def no_format(data: bytes) -> bytes:
    return data[:12] + data[36:]


def huge_chunk(data: bytes) -> bytes:
    return data[:12] + b"junk" + struct.pack("<I", 1 << 30)


@pytest.mark.parametrize(
    ("change", "error", "part"),
    [
        (lambda data: b"hello there", RemoteProtocolError, "not with a WAV header"),
        (no_format, RemoteProtocolError, "before its fmt"),
        (huge_chunk, RemoteProtocolError, "of 1073741824 bytes"),
        (lambda data: data[:16] + b"\x04" + data[17:], RemoteProtocolError, "4 bytes; needs at least 16"),
        (lambda data: data[:20] + b"\x06" + data[21:], UnsupportedWav, "coding 6"),
        (lambda data: data[:22] + b"\x00" + data[23:], UnsupportedWav, "0 channels"),
        (lambda data: data[:34] + b"\x0c" + data[35:], UnsupportedWav, "12 bits"),
    ],
)
def test_damage_is_named(change: Callable[[bytes], bytes], error: type[Exception], part: str) -> None:
    with pytest.raises(error, match=part):
        parse_wav_start(change(wav_header(2)))


@given(st.binary(max_size=100), st.integers(0, 44))
def test_any_bytes_end_in_a_start_or_more_or_a_protocol_error(tail: bytes, keep: int) -> None:
    data = wav_header(4)[:keep] + tail
    try:
        start = parse_wav_start(data)
    except RemoteProtocolError:
        start = None
    assert start is None or start.data_offset <= len(data)
