"""Sound files to .clk or raw frames and back, while the input arrives.

Rule: whatever was decoded before an input turned out to be damaged is kept; the error comes after it is written.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from gateway.audio.denoise import Denoiser
from gateway.audio.files import SoundReader, WavWriter
from gateway.codec import Codec, SearchSettings
from gateway.codec.codec import frames_of
from gateway.codec.level import active_level_db
from gateway.codec.spec import CODEC_ID, FRAME_BYTES, FRAME_SAMPLES, SAMPLE_RATE, SYNTHESIS_DELAY
from gateway.errors import CheckpointError, GatewayError, RemoteProtocolError
from gateway.protocol.container import ClkReader, ClkWriter

Pcm = NDArray[np.float32]

READ_BYTES = 4096
PIPE_BLOCK_FRAMES = 3
FILE_BLOCK_FRAMES = 60
PIPE_SEARCH_FRAMES = 6
LEVEL_S = 30.0
"""Of a file, from its beginning: by them its talker's level is known."""


@dataclass(frozen=True, slots=True)
class Transcoded:
    """What went through, and remarks for the user (repaired samples and the like)."""

    frames: int
    samples: int
    remarks: tuple[str, ...] = ()


def encode_file(
    codec: Codec,
    source: str,
    target: str,
    *,
    raw: bool,
    lookahead: int | None = None,
    denoise: bool = False,
    search: SearchSettings | None = None,
) -> Transcoded:
    """Encode sound file `source` to `target` ('-': standard streams); raises GatewayError naming the file at fault.

    With `search` digits are tried before they are written, in a pipe over half a second at a time.
    """
    with ExitStack() as stack:
        reader = stack.enter_context(SoundReader(source))
        out = stack.enter_context(_binary_output(target))
        # Small blocks to a pipe, so that whoever decodes it hears the speech soon.
        block_frames = PIPE_BLOCK_FRAMES if target == "-" else FILE_BLOCK_FRAMES
        spec = codec.spec
        writer = None if raw else ClkWriter(out, spec.codec_id, spec.codec_version, block_frames=block_frames)
        piped = "-" in (source, target)
        ahead = spec.default_lookahead if lookahead is None else lookahead
        if search is not None and piped:
            search = replace(search, segment_frames=PIPE_SEARCH_FRAMES, ahead_frames=ahead)
        blocks = iter(reader)
        # A file's level is known before its first word is coded; a pipe's is heard as it comes (codec/level.py).
        first = [] if piped else list(_seconds(blocks, LEVEL_S))
        level_db = active_level_db(np.concatenate(first)) if first else None
        stream = codec.encoder_stream(lookahead, search, level_db=level_db)
        denoiser = Denoiser() if denoise else None
        samples = frames = 0

        def put(codes: list[bytes]) -> None:
            nonlocal frames
            if codes:
                data = b"".join(codes)
                if writer is None:
                    out.write(data)
                else:
                    writer.write(data)
                frames += len(codes)

        for block in chain(first, blocks):
            samples += len(block)
            put(stream.push(block if denoiser is None else denoiser.push(block)))
        if denoiser is not None:
            put(stream.push(denoiser.flush()))
        put(stream.flush())
        if writer is not None:
            writer.close(samples)
        return Transcoded(frames, samples, tuple(reader.report.warnings()))


def decode_file(codec: Codec, source: str, target: str, *, raw: bool, stages: int = 2) -> Transcoded:
    """Decode `source` to the WAV `target` ('-': standard streams), writing as input arrives."""
    remarks: tuple[str, ...] = ()
    with ExitStack() as stack:
        chunks = _chunks(stack.enter_context(_binary_input(source)))
        writer = stack.enter_context(WavWriter(target))
        play = _AlignedDecoder(codec, writer, stages)
        failure: GatewayError | None = None
        samples: int | None = None
        try:
            if raw:
                _feed_raw(chunks, play)
            else:
                samples = _feed_container(chunks, play, codec)
        except RemoteProtocolError as error:
            if play.frames == 0:
                writer.discard()
                raise RemoteProtocolError(f"{source}: {error}") from error
            failure = RemoteProtocolError(f"{source}: {error}; the {play.frames} frames before it are in {target}")
        play.finish(samples)
    if failure is not None:
        raise failure
    return Transcoded(play.frames, play.written, remarks)


class _AlignedDecoder:
    """Decodes frames into a WAV without the decoder's constant lag."""

    def __init__(self, codec: Codec, writer: WavWriter, stages: int) -> None:
        self._stream = codec.decoder_stream()
        self._writer = writer
        self._stages = stages
        self._skip = SYNTHESIS_DELAY
        # Held back until more follows: the file may end within it.
        self._held = np.zeros(0, np.float32)
        self.frames = 0
        self.written = 0

    def push(self, frame: bytes) -> None:
        pcm = self._stream.decode(frame, self._stages)[self._skip :]
        self._skip = 0
        self._write(self._held)
        self._held = pcm
        self.frames += 1

    def finish(self, samples: int | None) -> None:
        rest = np.concatenate([self._held, self._stream.flush()]) if self.frames else self._held
        limit = self.frames * FRAME_SAMPLES if samples is None else min(samples, self.frames * FRAME_SAMPLES)
        self._write(rest[: max(0, limit - self.written)])

    def _write(self, pcm: NDArray[np.float32]) -> None:
        self._writer.write(pcm)
        self.written += len(pcm)


def _feed_raw(chunks: Iterator[bytes], play: _AlignedDecoder) -> None:
    rest = b""
    for chunk in chunks:
        data = rest + chunk
        whole = len(data) // FRAME_BYTES * FRAME_BYTES
        for frame in frames_of(data[:whole]):
            play.push(frame)
        rest = data[whole:]
    if rest:
        total = play.frames * FRAME_BYTES + len(rest)
        raise RemoteProtocolError(f"{total} bytes of raw frames: not a multiple of {FRAME_BYTES}")


def _feed_container(chunks: Iterator[bytes], play: _AlignedDecoder, codec: Codec) -> int | None:
    reader = ClkReader()
    checked = False
    for chunk in chunks:
        frames = reader.feed(chunk)
        if not checked and reader.header is not None:
            _check_codec(reader.header.codec_id, reader.header.codec_version, codec)
            checked = True
        for frame in frames:
            play.push(frame)
    return reader.finish()


def _check_codec(codec_id: int, version: int, codec: Codec) -> None:
    if codec_id != CODEC_ID or version > codec.spec.codec_version:
        raise CheckpointError(
            f"made by codec {codec_id} version {version}; "
            f"the loaded weights decode codec {CODEC_ID} up to version {codec.spec.codec_version}"
        )


def _seconds(blocks: Iterator[Pcm], seconds: float) -> Iterator[Pcm]:
    """The next blocks, until they are so long together."""
    left = seconds * SAMPLE_RATE
    while left > 0 and (block := next(blocks, None)) is not None:
        left -= len(block)
        yield block


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    # read1 returns what has arrived instead of waiting for a full buffer: a pipe is decoded as it fills.
    read = getattr(stream, "read1", stream.read)
    while data := read(READ_BYTES):
        yield data


class _binary_input:
    def __init__(self, source: str) -> None:
        self._source = source
        self._file: BinaryIO | None = None

    def __enter__(self) -> BinaryIO:
        if self._source == "-":
            return sys.stdin.buffer
        try:
            self._file = Path(self._source).open("rb")
        except OSError as error:
            raise GatewayError(f"{self._source}: cannot be read: {error.strerror}") from error
        return self._file

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()


class _binary_output:
    """Standard output, or a file that appears under its name only when complete."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._part = Path(target + ".part")
        self._file: BinaryIO | None = None

    def __enter__(self) -> BinaryIO:
        if self._target == "-":
            return sys.stdout.buffer
        try:
            self._file = self._part.open("wb")
        except OSError as error:
            raise GatewayError(f"{self._target}: cannot be written: {error.strerror}") from error
        return self._file

    def __exit__(self, kind: object, *_: object) -> None:
        if self._file is None:
            sys.stdout.buffer.flush()
            return
        self._file.close()
        if kind is None:
            self._part.replace(self._target)
        else:
            self._part.unlink(missing_ok=True)
