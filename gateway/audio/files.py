"""Sound files to and from mono float at 16 kHz, in blocks, so that the length of a file never matters.

Rule: whatever is wrong with a file becomes an AudioError that names it; what is wrong with its samples is repaired,
counted in the report, and said. `-` stands for standard input and output, which are read and written as they flow.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
import soundfile
import soxr

from gateway.audio.base import SAMPLE_RATE_HZ, FloatArray, to_int16
from gateway.audio.wav import (
    MAX_DATA_BYTES,
    UnsupportedWav,
    WavStart,
    decode_samples,
    parse_wav_start,
    wav_header,
)
from gateway.errors import AudioError, RemoteProtocolError

_MIN_RATE_HZ, _MAX_RATE_HZ = 1_000, 768_000
_BLOCK_VALUES = 1 << 16
_PIPE_BYTES = 1 << 14
_PCM_BITS = {"PCM_U8": 8, "PCM_S8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}


@dataclass(slots=True)
class ReadReport:
    """What a file was and what had to be repaired; counts are of source samples, all channels together."""

    name: str
    rate_hz: int = 0
    channels: int = 0
    samples_out: int = 0
    not_finite: int = 0
    clipped: int = 0
    is_zero_bytes: bool = False

    def warnings(self) -> list[str]:
        """One line for each thing that the user should know."""
        lines = []
        if self.is_zero_bytes:
            lines.append(f"{self.name}: has no bytes at all; taken as no sound")
        elif self.samples_out == 0:
            lines.append(f"{self.name}: holds no samples")
        if self.not_finite:
            lines.append(f"{self.name}: {self.not_finite} samples are not numbers (NaN or infinite); taken as 0")
        if self.clipped:
            lines.append(f"{self.name}: {self.clipped} samples at or above full scale: the recording is clipped")
        return lines


@dataclass(frozen=True, slots=True)
class _Source:
    """An opened file: its raw blocks of shape (frames, channels) and what they are."""

    rate_hz: int
    channels: int
    full_scale: float
    blocks: Iterator[FloatArray]


class SoundReader:
    """Blocks of mono 16 kHz float from a file of any rate and channel count; iterate once, then see `report`.

    Opening raises AudioError if the file is missing, unreadable, or no sound file; so does reading a damaged one.
    """

    def __init__(self, path: Path | str, stdin: BinaryIO | None = None) -> None:
        self.report = ReadReport("standard input" if str(path) == "-" else str(path))
        self._handle: BinaryIO | None = None
        try:
            if str(path) == "-":
                self._source = self._open_pipe(stdin or sys.stdin.buffer)
            else:
                self._handle = Path(path).open("rb")  # noqa: SIM115 (closed by close)
                regular = stat.S_ISREG(os.fstat(self._handle.fileno()).st_mode)
                self._source = self._open_regular(self._handle) if regular else self._open_pipe(self._handle)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                raise AudioError(f"{self.report.name}: cannot read: {error.strerror or error}") from error
            raise
        self.report.rate_hz, self.report.channels = self._source.rate_hz, self._source.channels

    def __enter__(self) -> SoundReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; standard input is left open."""
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    def __iter__(self) -> Iterator[FloatArray]:
        """Blocks of shape (samples,), of any length but empty."""
        source = self._source
        resampler = None
        if source.rate_hz != SAMPLE_RATE_HZ:
            resampler = soxr.ResampleStream(source.rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality="VHQ")
        for raw in source.blocks:
            mono = self._repair(raw)
            yield from self._emit(mono if resampler is None else resampler.resample_chunk(mono))
        if resampler is not None:
            yield from self._emit(resampler.resample_chunk(np.zeros(0, dtype=np.float32), last=True))

    def _emit(self, block: FloatArray) -> Iterator[FloatArray]:
        if len(block):
            self.report.samples_out += len(block)
            # Band limiting may overshoot a full-scale source.
            yield np.clip(block, -1.0, 1.0)

    def _repair(self, raw: FloatArray) -> FloatArray:
        finite = np.isfinite(raw)
        bad = raw.size - int(np.count_nonzero(finite))
        if bad:
            self.report.not_finite += bad
            raw = np.where(finite, raw, np.float32(0))
        # Before mixing and filtering: a float file may hold values that would overflow either.
        self.report.clipped += int(np.count_nonzero(np.abs(raw) >= self._source.full_scale))
        mono: FloatArray = np.clip(raw, -1.0, 1.0).mean(axis=1, dtype=np.float32)
        return mono

    def _open_regular(self, handle: BinaryIO) -> _Source:
        if os.fstat(handle.fileno()).st_size == 0:
            return self._nothing()
        return self._open_soundfile(handle.fileno())

    def _nothing(self) -> _Source:
        self.report.is_zero_bytes = True
        return _Source(SAMPLE_RATE_HZ, 1, 1.0, iter(()))

    def _open_soundfile(self, file: int | BinaryIO) -> _Source:
        try:
            sound = soundfile.SoundFile(file, closefd=False)
        except (soundfile.SoundFileError, TypeError, ValueError) as error:
            raise self._not_sound(str(getattr(error, "error_string", error))) from error
        return _Source(
            self._checked_rate(sound.samplerate),
            sound.channels,
            _full_scale(_PCM_BITS.get(sound.subtype)),
            self._soundfile_blocks(sound),
        )

    def _soundfile_blocks(self, sound: Any) -> Iterator[FloatArray]:
        frames = max(1, _BLOCK_VALUES // sound.channels)
        with sound:
            while True:
                try:
                    block = sound.read(frames, dtype="float32", always_2d=True)
                except (soundfile.SoundFileError, ValueError) as error:
                    raise AudioError(f"{self.report.name}: damaged sound file: {error}") from error
                if len(block) == 0:
                    return
                yield block

    def _open_pipe(self, stream: BinaryIO) -> _Source:
        """WAV is decoded as it flows; any other format has to be complete first, for soundfile seeks."""
        seen = b""
        start: WavStart | None = None
        try:
            while start is None:
                more = _read_some(stream)
                seen += more
                if not more:
                    break
                start = parse_wav_start(seen)
        except UnsupportedWav:
            pass
        except RemoteProtocolError as error:
            if seen[:4] == b"RIFF":
                raise self._not_sound(str(error)) from error
        if not seen:
            return self._nothing()
        if start is None:
            return self._open_soundfile(io.BytesIO(seen + stream.read()))
        form = start.form
        return _Source(
            self._checked_rate(form.rate_hz),
            form.channels,
            _full_scale(None if form.is_float else form.bits),
            self._pipe_blocks(stream, seen, start),
        )

    def _pipe_blocks(self, stream: BinaryIO, seen: bytes, start: WavStart) -> Iterator[FloatArray]:
        frame_bytes = start.form.frame_bytes
        left = start.data_bytes
        pending = seen[start.data_offset :]
        while left is None or left > 0:
            if left is not None:
                pending = pending[:left]
            whole = len(pending) - len(pending) % frame_bytes
            if whole:
                yield decode_samples(pending[:whole], start.form)
                left = None if left is None else left - whole
                pending = pending[whole:]
            try:
                more = _read_some(stream)
            except OSError as error:
                raise AudioError(f"{self.report.name}: cannot read: {error.strerror or error}") from error
            if not more:
                return
            pending += more

    def _checked_rate(self, rate_hz: int) -> int:
        if not _MIN_RATE_HZ <= rate_hz <= _MAX_RATE_HZ:
            raise AudioError(
                f"{self.report.name}: sample rate is {rate_hz} Hz; needs {_MIN_RATE_HZ} to {_MAX_RATE_HZ} Hz"
            )
        return rate_hz

    def _not_sound(self, why: str) -> AudioError:
        return AudioError(f"{self.report.name}: not a sound file (WAV, FLAC, OGG...): {why.rstrip('.')}")


def _full_scale(pcm_bits: int | None) -> float:
    """The level at which a sample counts as clipped; integers cannot reach 1."""
    return 1.0 if pcm_bits is None else 1.0 - 2.0 ** (1 - min(pcm_bits, 24))


def _read_some(stream: BinaryIO) -> bytes:
    """What a pipe has now, waiting only if that is nothing; b"" at its end."""
    read1: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
    return read1(_PIPE_BYTES)


def read_audio(
    path: Path | str, on_warning: Callable[[str], None] | None = None, stdin: BinaryIO | None = None
) -> FloatArray:
    """A whole sound file as float32 of shape (samples,), mono, 16 kHz, -1..1; an empty one gives no samples.

    Raises AudioError if it cannot be read; `on_warning` gets a line for each repair.
    """
    with SoundReader(path, stdin) as reader:
        blocks = list(reader)
        for line in reader.report.warnings() if on_warning else []:
            on_warning(line)  # type: ignore[misc]
    return np.concatenate(blocks) if blocks else np.zeros(0, dtype=np.float32)


class WavWriter:
    """A mono 16-bit WAV file at 16 kHz, written as samples come.

    A regular file appears under its name only when `close` has completed it; an error inside the `with` block leaves
    nothing. `-`, pipes and devices get a header of unknown length and the samples as they come.
    """

    def __init__(self, path: Path | str, stdout: BinaryIO | None = None) -> None:
        self.name = "standard output" if str(path) == "-" else str(path)
        self.samples = 0
        self._target: Path | None = None
        self._part: Path | None = None
        self._closed = False
        self._owned = str(path) != "-"
        try:
            if not self._owned:
                self._stream = stdout or sys.stdout.buffer
            elif Path(path).exists() and not Path(path).is_file():
                # A pipe or a device; a folder is refused here.
                self._stream = Path(path).open("wb")  # noqa: SIM115 (closed by close)
            else:
                self._target = Path(path).resolve()
                self._part = self._target.with_name(f".{self._target.name}.{os.getpid()}.part")
                self._stream = self._part.open("wb")
            self._stream.write(wav_header(None))
        except OSError as error:
            raise self._failed(error) from error

    def __enter__(self) -> WavWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def write(self, pcm: FloatArray) -> None:
        """Append float32 samples of shape (n,); louder than 1 clips. Raises AudioError if they cannot be written."""
        raw = to_int16(pcm).astype("<i2").tobytes()
        if self._target is not None and 2 * self.samples + len(raw) > MAX_DATA_BYTES:
            raise AudioError(f"{self.name}: a WAV file holds at most {MAX_DATA_BYTES} bytes of samples (37 h)")
        try:
            self._stream.write(raw)
            if self._target is None:
                self._stream.flush()
        except OSError as error:
            raise self._failed(error) from error
        self.samples += len(pcm)

    def close(self) -> None:
        """Complete the header and give the file its name; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._part is not None and self._target is not None:
                self._stream.seek(0)
                self._stream.write(wav_header(2 * self.samples))
                self._stream.close()
                self._part.replace(self._target)
            elif self._owned:
                self._stream.close()
            else:
                self._stream.flush()
        except OSError as error:
            self._remove_part()
            raise self._failed(error) from error

    def discard(self) -> None:
        """Give up: a regular file of that name stays as it was."""
        if not self._closed:
            self._closed = True
            self._remove_part()

    def _remove_part(self) -> None:
        if self._owned:
            # What is buffered is given up, and with it the wish to hear that the disk is full.
            with contextlib.suppress(OSError):
                self._stream.close()
        if self._part is not None:
            self._part.unlink(missing_ok=True)

    def _failed(self, error: OSError) -> AudioError:
        return AudioError(f"{self.name}: cannot write: {error.strerror or error}")


def write_wav(path: Path | str, blocks: Iterable[FloatArray], stdout: BinaryIO | None = None) -> int:
    """Write blocks of shape (n,) as a WAV file (see `WavWriter`); returns the number of samples written."""
    with WavWriter(path, stdout) as writer:
        for block in blocks:
            writer.write(block)
    return writer.samples


def decode_audio(stream: BinaryIO, name: str) -> FloatArray:
    """As `read_audio`, from an open seekable stream (a member of an archive, say); `name` is for messages."""
    try:
        pcm, rate_hz = soundfile.read(stream, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{name}: not readable as sound: {error}") from error
    mono = pcm.mean(axis=1)
    if rate_hz != SAMPLE_RATE_HZ:
        mono = soxr.resample(mono, rate_hz, SAMPLE_RATE_HZ, quality="VHQ")
    return np.asarray(mono, dtype=np.float32)
