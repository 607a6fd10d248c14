"""The .clk container: golden files, any pieces, and every damage found, placed and survivable."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import LocalProtocolError, RemoteProtocolError
from gateway.protocol.container import ClkHeader, ClkReader, ClkWriter

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "clk_container.json").read_text())


def named(vector: dict[str, Any]) -> str:
    return str(vector["name"])


def make(frames: bytes, samples: int | None, block_frames: int = 12) -> bytes:
    out = io.BytesIO()
    writer = ClkWriter(out, 1, 1, block_frames=block_frames)
    writer.write(frames)
    writer.close(samples)
    return out.getvalue()


def salvage(data: bytes, step: int) -> tuple[list[bytes], str | None]:
    """Frames and the error, as a caller that keeps what it got sees them."""
    reader, frames = ClkReader(), []
    try:
        for at in range(0, len(data), step):
            frames += reader.feed(data[at : at + step])
        reader.finish()
    except RemoteProtocolError as error:
        return frames, str(error)
    return frames, None


@pytest.mark.parametrize("vector", GOLDEN["files"], ids=named)
def test_golden_files_both_ways(vector: dict[str, Any]) -> None:
    out = io.BytesIO()
    writer = ClkWriter(out, vector["codec_id"], vector["codec_version"])
    for block in vector["blocks"]:
        writer.write(bytes.fromhex("".join(block)))
        writer.flush()
    writer.close(vector["samples"])
    assert out.getvalue().hex() == vector["hex"]
    reader = ClkReader()
    frames = reader.feed(out.getvalue())
    assert [frame.hex() for frame in frames] == [frame for block in vector["blocks"] for frame in block]
    assert reader.header == ClkHeader(vector["codec_id"], vector["codec_version"])
    assert reader.finish() == vector["samples"]
    assert reader.frame_count == len(frames)


@pytest.mark.parametrize("vector", GOLDEN["damaged"], ids=named)
@pytest.mark.parametrize("step", [1, 5, 1000])
def test_golden_damage(vector: dict[str, Any], step: int) -> None:
    frames, error = salvage(bytes.fromhex(vector["hex"]), step)
    assert len(frames) == vector["frames"]
    assert error is not None
    # Fed byte by byte a wrong magic shows at its first byte, so only the words before the bytes are the same.
    assert vector["message"].split(" begins")[0] in error


@given(st.integers(0, 600), st.integers(1, 255), st.integers(1, 3000), st.booleans())
def test_round_trip_in_any_pieces(count: int, block_frames: int, step: int, known: bool) -> None:
    data = bytes(place % 251 for place in range(3 * count))
    samples = max(0, count * 1280 - 7) if known else None
    packed = make(data, samples, block_frames)
    reader, frames = ClkReader(), []
    for at in range(0, len(packed), step):
        frames += reader.feed(packed[at : at + step])
    assert b"".join(frames) == data
    assert reader.finish() == samples


def test_frames_come_out_while_the_input_arrives() -> None:
    class Pipe(io.BytesIO):
        flushes = 0

        def flush(self) -> None:
            self.flushes += 1

        def seekable(self) -> bool:
            return False

        def seek(self, *_: int) -> int:
            raise OSError("a pipe cannot seek")

    pipe, reader = Pipe(), ClkReader()
    writer = ClkWriter(pipe, 1, 1, block_frames=2)
    done = 0
    for count in range(1, 9):
        writer.write(b"abc")
        written = pipe.getvalue()
        reader.feed(written[done:])
        done = len(written)
        assert reader.frame_count == count // 2 * 2
    assert pipe.flushes == 5


def test_every_truncation_is_found_and_loses_no_whole_block() -> None:
    data = make(bytes(range(30)), 12_000, block_frames=2)
    for length in range(len(data)):
        frames, error = salvage(data[:length], 7)
        assert error is not None
        assert f"truncated .clk: ends at byte {length}" in error
        assert len(frames) == min(10, max(0, length - 16) // 11 * 2)  # header 16 bytes, blocks 1 + 6 + 4


def test_every_bit_flip_is_found_and_loses_nothing_before_it() -> None:
    data = make(bytes(range(30)), 12_000, block_frames=2)
    for bit in range(8 * len(data)):
        spoilt = bytearray(data)
        spoilt[bit // 8] ^= 1 << bit % 8
        frames, error = salvage(bytes(spoilt), 1000)
        assert error is not None
        assert len(frames) == min(10, max(0, bit // 8 - 16) // 11 * 2)
        assert b"".join(frames) == bytes(range(30))[: 3 * len(frames)]


def test_blocks_exchanged_repeated_or_left_out_are_found() -> None:
    data = make(bytes(range(18)), None, block_frames=2)
    head, blocks, trailer = data[:16], [data[16 + 11 * k : 27 + 11 * k] for k in range(3)], data[49:]
    for order in ((1, 0, 2), (0, 0, 1, 2), (0, 2), (0, 1)):
        assert salvage(head + b"".join(blocks[k] for k in order) + trailer, 1000)[1] is not None


def test_good_frames_in_the_same_piece_as_the_damage_come_first() -> None:
    data = bytearray(make(bytes(range(30)), None, block_frames=2))
    data[16 + 22 + 5] ^= 1
    reader = ClkReader()
    assert len(reader.feed(bytes(data))) == 4
    wanted = re.escape("block at byte 38 has CRC") + ".*the 4 frames before it are good"
    for again in (lambda: reader.feed(b""), reader.finish, reader.finish):
        with pytest.raises(RemoteProtocolError, match=wanted):
            again()


@given(st.binary(max_size=300), st.booleans())
def test_random_bytes_raise_nothing_else(data: bytes, headed: bool) -> None:
    frames, error = salvage((ClkHeader(1, 1).to_bytes() if headed else b"") + data, 64)
    assert error is not None
    assert not frames


def test_hostile_sample_count_is_refused() -> None:
    good = make(b"abcdef", 2560)
    assert salvage(good, 1000)[1] is None
    from zlib import crc32

    summed = good[:12] + good[16:23] + b"\0" + (2561).to_bytes(8, "big")
    bad = good[:-13] + summed[-9:] + crc32(summed).to_bytes(4, "big")
    assert "says 2561 samples for 2 frames" in str(salvage(bad, 1000)[1])


def test_writing_nonsense_is_refused() -> None:
    writer = ClkWriter(io.BytesIO(), 1, 1)
    with pytest.raises(LocalProtocolError, match="4 bytes of frames are not a multiple of 3"):
        writer.write(b"1234")
    with pytest.raises(LocalProtocolError, match="1 samples do not fit 0 frames"):
        writer.close(1)
    writer.close(0)
    with pytest.raises(LocalProtocolError, match="closed"):
        writer.write(b"123")
    with pytest.raises(LocalProtocolError, match="twice"):
        writer.close(0)
    with pytest.raises(LocalProtocolError, match="codec id is 16"):
        ClkWriter(io.BytesIO(), 16, 1)
    with pytest.raises(LocalProtocolError, match="256 frames in a block"):
        ClkWriter(io.BytesIO(), 1, 1, block_frames=256)
