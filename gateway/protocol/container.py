"""The .clk file: codec frames with their codec, sample count and checksums (SPEC.md, clause 10).

The rule: a frame is handed out only once its block's checksum is verified, and what was handed out stays good:
truncation, corruption and a newer version are each told with the byte offset where they show.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from zlib import crc32

from gateway.errors import LocalProtocolError, RemoteProtocolError
from gateway.protocol.packets import FRAME_BYTES, FRAME_SAMPLES

MAGIC = b"\x89CLK\r\n\x1a\n"
CONTAINER_VERSION = 1
HEADER_BYTES = 16
UNKNOWN_SAMPLES = 0xFFFF_FFFF_FFFF_FFFF
MAX_BLOCK_FRAMES = 255
_CRC_BYTES = 4
_TRAILER_BYTES = 1 + 8 + _CRC_BYTES


class ByteSink(Protocol):
    """Where a container is written: a file, a pipe or a BytesIO that takes all it is given."""

    def write(self, data: bytes, /) -> object: ...

    def flush(self) -> object: ...


@dataclass(frozen=True, slots=True)
class ClkHeader:
    """What the first 16 bytes say."""

    codec_id: int
    codec_version: int

    def to_bytes(self) -> bytes:
        """Magic, container version, codec id and version, frame bytes, CRC-32."""
        fixed = MAGIC + bytes((CONTAINER_VERSION, self.codec_id, self.codec_version, FRAME_BYTES))
        return fixed + _crc(fixed)


class ClkWriter:
    """Writes the header at once and a block whenever `block_frames` frames are together; needs no seeking."""

    def __init__(self, stream: ByteSink, codec_id: int, codec_version: int, *, block_frames: int = 12) -> None:
        """`block_frames` (1..255): few for a live pipe, many for a small file. Raises LocalProtocolError."""
        for name, value in (("codec id", codec_id), ("codec version", codec_version)):
            if not 0 <= value <= 0xF:
                raise LocalProtocolError(f"{name} is {value}, needs 0 to 15")
        if not 1 <= block_frames <= MAX_BLOCK_FRAMES:
            raise LocalProtocolError(f"{block_frames} frames in a block: needs 1 to {MAX_BLOCK_FRAMES}")
        self._stream = stream
        self._block_bytes = block_frames * FRAME_BYTES
        self._pending = bytearray()
        self._frames = 0
        self._closed = False
        self._sum = 0
        header = ClkHeader(codec_id, codec_version).to_bytes()
        self._sum = crc32(header[:-_CRC_BYTES])
        self._emit(header)

    def write(self, frames: bytes) -> None:
        """Append whole frames (a multiple of 3 bytes)."""
        if self._closed:
            raise LocalProtocolError("frames written to a closed .clk")
        if len(frames) % FRAME_BYTES:
            raise LocalProtocolError(f"{len(frames)} bytes of frames are not a multiple of {FRAME_BYTES}")
        self._pending += frames
        self._frames += len(frames) // FRAME_BYTES
        while len(self._pending) >= self._block_bytes:
            self._emit_block(self._block_bytes)

    def flush(self) -> None:
        """Write out frames that do not fill a block yet."""
        if self._pending:
            self._emit_block(len(self._pending))

    def close(self, sample_count: int | None) -> None:
        """Write what is left and the trailer. `sample_count`: samples at 16 kHz, None if not known.

        The stream stays open. Raises LocalProtocolError if the frames are too few for the samples.
        """
        if self._closed:
            raise LocalProtocolError(".clk closed twice")
        if sample_count is not None and not 0 <= sample_count <= self._frames * FRAME_SAMPLES:
            raise LocalProtocolError(f"{sample_count} samples do not fit {self._frames} frames of {FRAME_SAMPLES}")
        self.flush()
        self._closed = True
        samples = UNKNOWN_SAMPLES if sample_count is None else sample_count
        self._emit_summed(b"\0" + samples.to_bytes(8, "big"))

    def _emit_block(self, size: int) -> None:
        body = bytes(self._pending[:size])
        del self._pending[:size]
        self._emit_summed(bytes((size // FRAME_BYTES,)) + body)

    def _emit_summed(self, data: bytes) -> None:
        self._sum = crc32(data, self._sum)
        self._emit(data + self._sum.to_bytes(_CRC_BYTES, "big"))

    def _emit(self, data: bytes) -> None:
        self._stream.write(data)
        self._stream.flush()


class ClkReader:
    """Takes a .clk in pieces of any size and gives verified frames.

    Damage raises RemoteProtocolError from the first `feed` or `finish` that has no good frame left to return, and from
    every call after it.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._offset = 0  # in the file, of _buffer[0]
        self._sum = 0
        self._header: ClkHeader | None = None
        self._frames = 0
        self._samples: int | None = None
        self._damage: str | None = None

    @property
    def header(self) -> ClkHeader | None:
        """The header, once it has arrived."""
        return self._header

    @property
    def frame_count(self) -> int:
        """Frames handed out so far."""
        return self._frames

    def feed(self, data: bytes) -> list[bytes]:
        """Verified frames that `data` completes, 3 bytes each."""
        self._buffer += data
        good: list[bytes] = []
        while self._damage is None and self._step(good):
            pass
        if self._damage is not None and not good:
            raise RemoteProtocolError(self._damage)
        self._frames += len(good)
        return good

    def finish(self) -> int | None:
        """The sample count, None if the writer did not know it. Raises RemoteProtocolError if anything is missing."""
        if self._damage is None and self._samples is None:
            self._damage = self._truncation()
        if self._damage is not None:
            raise RemoteProtocolError(self._damage)
        return None if self._samples == UNKNOWN_SAMPLES else self._samples

    def _step(self, good: list[bytes]) -> bool:
        """Take one header, block or trailer; False when there is no whole one."""
        if self._header is None:
            return self._take_header()
        if not self._buffer:
            return False
        if self._samples is not None:
            self._damage = f"not the end of a .clk: bytes after its trailer at byte {self._offset}"
            return False
        count = self._buffer[0]
        size = 1 + count * FRAME_BYTES + _CRC_BYTES if count else _TRAILER_BYTES
        if len(self._buffer) < size:
            return False
        data, got = bytes(self._buffer[: size - _CRC_BYTES]), bytes(self._buffer[size - _CRC_BYTES : size])
        total = crc32(data, self._sum)
        if total != int.from_bytes(got, "big"):
            what = "block" if count else "trailer"
            self._damage = (
                f"corrupt .clk: {what} at byte {self._offset} has CRC 0x{got.hex()}, needs 0x{total:08x};"
                f" the {self._frames + len(good)} frames before it are good"
            )
            return False
        self._sum = total
        if count:
            good.extend(data[at : at + FRAME_BYTES] for at in range(1, len(data), FRAME_BYTES))
        else:
            self._take_trailer(int.from_bytes(data[1:], "big"), self._frames + len(good))
        self._consume(size)
        return True

    def _take_header(self) -> bool:
        start = bytes(self._buffer[: len(MAGIC)])
        if not MAGIC.startswith(start):
            self._damage = f"not a .clk file: begins with {start!r} at byte 0, needs {MAGIC!r}"
            return False
        if len(self._buffer) < HEADER_BYTES:
            return False
        fixed, got = bytes(self._buffer[:12]), bytes(self._buffer[12:HEADER_BYTES])
        if _crc(fixed) != got:
            self._damage = f"corrupt .clk: header at byte 0 has CRC 0x{got.hex()}, needs 0x{_crc(fixed).hex()}"
            return False
        version, codec_id, codec_version, frame_bytes = fixed[len(MAGIC) :]
        if version != CONTAINER_VERSION:
            age = "newer" if version > CONTAINER_VERSION else "unknown"
            self._damage = f"{age} .clk: container version {version} at byte 8, this program reads {CONTAINER_VERSION}"
            return False
        if frame_bytes != FRAME_BYTES:
            self._damage = f".clk with frames of {frame_bytes} bytes at byte 11, this program reads {FRAME_BYTES}"
            return False
        self._header = ClkHeader(codec_id, codec_version)
        self._sum = crc32(fixed)
        self._consume(HEADER_BYTES)
        return True

    def _take_trailer(self, samples: int, frames: int) -> None:
        if samples != UNKNOWN_SAMPLES and samples > frames * FRAME_SAMPLES:
            self._damage = f"corrupt .clk: trailer at byte {self._offset} says {samples} samples for {frames} frames"
        self._samples = samples

    def _consume(self, size: int) -> None:
        del self._buffer[:size]
        self._offset += size

    def _truncation(self) -> str:
        end = self._offset + len(self._buffer)
        if self._header is None:
            return f"truncated .clk: ends at byte {end}, inside the header of {HEADER_BYTES} bytes"
        if not self._buffer:
            return f"truncated .clk: ends at byte {end} without its trailer; the {self._frames} frames before are good"
        return (
            f"truncated .clk: ends at byte {end}, inside the block at byte {self._offset};"
            f" the {self._frames} frames before it are good"
        )


def _crc(data: bytes) -> bytes:
    return crc32(data).to_bytes(_CRC_BYTES, "big")
