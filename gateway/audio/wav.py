"""The WAV format as a stream: for pipes, where nothing can be sought and the length may be unknown.

Rule: no I/O; bytes go in, a format or samples come out. (RIFF/WAVE: Microsoft Multimedia Programming Interface 1.0,
1991; the extensible form: WAVEFORMATEXTENSIBLE, Windows SDK mmreg.h.)
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from gateway.audio.base import SAMPLE_RATE_HZ, FloatArray
from gateway.errors import RemoteProtocolError

HEADER_BYTES = 44
UNKNOWN_BYTES = 0xFFFFFFFF
"""The data length that programs write when they stream."""
MAX_DATA_BYTES = UNKNOWN_BYTES - HEADER_BYTES

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_MAX_CHUNK_BEFORE_DATA = 1 << 20


class UnsupportedWav(RemoteProtocolError):
    """A WAV file in a coding that this module leaves to others (for example A-law)."""


@dataclass(frozen=True, slots=True)
class WavFormat:
    """How samples lie in a WAV data chunk; `bits` is 8, 16, 24, 32 or 64."""

    rate_hz: int
    channels: int
    bits: int
    is_float: bool

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return self.channels * self.bits // 8


def wav_header(data_bytes: int | None, rate_hz: int = SAMPLE_RATE_HZ) -> bytes:
    """The 44 bytes before mono 16-bit samples; None stands for a length that is not known yet."""
    size = UNKNOWN_BYTES if data_bytes is None else data_bytes
    riff = UNKNOWN_BYTES if data_bytes is None else data_bytes + HEADER_BYTES - 8
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", riff, b"WAVE", b"fmt ", 16, _PCM, 1, rate_hz, rate_hz * 2, 2, 16)
    return head + struct.pack("<4sI", b"data", size)


@dataclass(frozen=True, slots=True)
class WavStart:
    """A parsed header: samples begin at byte `data_offset` and are `data_bytes` long (None: until the end)."""

    form: WavFormat
    data_offset: int
    data_bytes: int | None


def parse_wav_start(data: bytes) -> WavStart | None:
    """Read the header from the first bytes of a stream; None if more bytes are needed.

    Raises RemoteProtocolError if this is no WAV stream, UnsupportedWav if it is one in a foreign coding.
    """
    if data[:4] != b"RIFF"[: len(data[:4])] or data[8:12] != b"WAVE"[: len(data[8:12])]:
        raise RemoteProtocolError(f"starts with {data[:12]!r}, not with a WAV header")
    offset = 12
    form: WavFormat | None = None
    while len(data) >= offset + 8:
        tag, size = struct.unpack_from("<4sI", data, offset)
        offset += 8
        if tag == b"data":
            if form is None:
                raise RemoteProtocolError("WAV data chunk comes before its fmt chunk")
            # Zero too is written by streaming programs; an empty file ends at once either way.
            return WavStart(form, offset, None if size in (0, UNKNOWN_BYTES) or size >= 0x7FFFF000 else size)
        if size > _MAX_CHUNK_BEFORE_DATA:
            raise RemoteProtocolError(f"WAV chunk {tag!r} of {size} bytes before the data; at most {1 << 20} accepted")
        if tag == b"fmt ":
            if len(data) < offset + size:
                return None
            form = _parse_format(data[offset : offset + size])
        offset += size + size % 2
        if offset > 4 * _MAX_CHUNK_BEFORE_DATA:
            raise RemoteProtocolError(f"no WAV data chunk in the first {4 * _MAX_CHUNK_BEFORE_DATA} bytes")
    return None


def _parse_format(chunk: bytes) -> WavFormat:
    if len(chunk) < 16:
        raise RemoteProtocolError(f"WAV fmt chunk has {len(chunk)} bytes; needs at least 16")
    coding, channels, rate_hz, _, align, bits = struct.unpack_from("<HHIIHH", chunk)
    if coding == _EXTENSIBLE and len(chunk) >= 26:
        (coding,) = struct.unpack_from("<H", chunk, 24)
    allowed = {_PCM: (8, 16, 24, 32), _FLOAT: (32, 64)}.get(coding, ())
    if bits not in allowed or channels == 0 or align != channels * bits // 8:
        raise UnsupportedWav(f"WAV coding {coding} with {bits} bits, {channels} channels, {align} bytes per frame")
    return WavFormat(rate_hz, channels, bits, coding == _FLOAT)


def decode_samples(raw: bytes, form: WavFormat) -> FloatArray:
    """Raw data, a whole number of frames, as float32 of shape (frames, channels), full scale 1 (NaN passes)."""
    if form.is_float:
        flat = np.frombuffer(raw, dtype="<f4" if form.bits == 32 else "<f8").astype(np.float32)
    elif form.bits == 8:
        flat = (np.frombuffer(raw, dtype=np.uint8).astype(np.float32) - 128) / np.float32(128)
    elif form.bits == 24:
        triples = np.frombuffer(raw, dtype=np.uint8).reshape(-1, 3)
        wide = np.zeros((len(triples), 4), dtype=np.uint8)
        wide[:, 1:] = triples
        flat = wide.view("<i4").reshape(-1).astype(np.float32) / np.float32(1 << 31)
    else:
        full_scale = np.float32(1 << (form.bits - 1))
        flat = np.frombuffer(raw, dtype=f"<i{form.bits // 8}").astype(np.float32) / full_scale
    return flat.reshape(-1, form.channels)
