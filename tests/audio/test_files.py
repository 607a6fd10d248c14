"""Sound files in and out: every kind reads as mono 16 kHz, every fault is an AudioError that names the file."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from gateway.audio.base import FloatArray
from gateway.audio.files import SoundReader, WavWriter, read_audio, write_wav
from gateway.errors import AudioError


def tone(rate_hz: int, seconds: float = 0.5, hz: float = 440.0) -> FloatArray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(int(rate_hz * seconds)) / rate_hz)).astype(np.float32)


def assert_is_the_tone(pcm: FloatArray, tolerance: float) -> None:
    assert pcm.dtype == np.float32
    assert len(pcm) == 8000
    middle = slice(800, -800)  # the ends ring after resampling
    np.testing.assert_allclose(pcm[middle], tone(16_000)[middle], atol=tolerance)


@pytest.mark.parametrize(
    ("extension", "subtype", "tolerance"),
    [
        ("wav", "PCM_U8", 0.02),
        ("wav", "PCM_16", 1e-3),
        ("wav", "PCM_24", 1e-3),
        ("wav", "FLOAT", 1e-3),
        ("wav", "ALAW", 0.03),
        ("flac", "PCM_16", 1e-3),
        ("ogg", "VORBIS", 0.06),
    ],
)
@pytest.mark.parametrize("rate_hz", [8000, 16_000, 22_050, 44_100, 48_000])
def test_every_kind_reads_as_mono_16_khz(
    tmp_path: Path, extension: str, subtype: str, tolerance: float, rate_hz: int
) -> None:
    path = tmp_path / f"x.{extension}"
    soundfile.write(path, tone(rate_hz), rate_hz, subtype)
    assert_is_the_tone(read_audio(path), tolerance)
    # The same bytes through a pipe, WAV as it flows and the others as a whole.
    assert_is_the_tone(read_audio("-", stdin=io.BytesIO(path.read_bytes())), tolerance)


def test_channels_are_averaged(tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.stack([np.full(100, 0.5), np.full(100, -0.25)], axis=1), 16_000, "FLOAT")
    np.testing.assert_allclose(read_audio(path), 0.125)


def test_blocks_are_small_and_join_to_the_whole(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (500_000, 2)).astype(np.float32)
    soundfile.write(path, noise, 44_100, "FLOAT")
    with SoundReader(path) as reader:
        blocks = list(reader)
    assert max(map(len, blocks)) <= 1 << 16
    assert len(blocks) > 5
    np.testing.assert_array_equal(np.concatenate(blocks), read_audio(path))
    assert reader.report.samples_out == round(500_000 * 16_000 / 44_100)
    assert (reader.report.rate_hz, reader.report.channels) == (44_100, 2)


@pytest.mark.parametrize("through_pipe", [False, True])
def test_bad_samples_are_repaired_counted_and_said(tmp_path: Path, through_pipe: bool) -> None:
    path = tmp_path / "bad.wav"
    samples = np.zeros(1000, dtype=np.float32)
    samples[:6] = [np.nan, np.inf, -np.inf, 3.0, -1.0, 3e38]
    soundfile.write(path, samples, 8000, "FLOAT")
    warnings: list[str] = []
    stdin = io.BytesIO(path.read_bytes())
    pcm = read_audio("-" if through_pipe else path, warnings.append, stdin)
    assert np.isfinite(pcm).all()
    assert np.abs(pcm).max() <= 1.0
    name = "standard input" if through_pipe else str(path)
    assert warnings == [
        f"{name}: 3 samples are not numbers (NaN or infinite); taken as 0",
        f"{name}: 3 samples at or above full scale: the recording is clipped",
    ]


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24"])
def test_clipped_integers_are_counted(tmp_path: Path, subtype: str) -> None:
    path = tmp_path / "clip.wav"
    soundfile.write(path, np.array([0.0, 1.0, -1.0, 0.5]), 16_000, subtype)
    with SoundReader(path) as reader:
        list(reader)
    assert reader.report.clipped == 2


@pytest.mark.parametrize("extension", ["wav", "aiff"])
def test_a_file_without_samples_gives_none_and_says_so(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"empty.{extension}"
    soundfile.write(path, np.zeros(0), 44_100)
    warnings: list[str] = []
    assert read_audio(path, warnings.append).shape == (0,)
    assert warnings == [f"{path}: holds no samples"]


def test_no_bytes_at_all(tmp_path: Path) -> None:
    path = tmp_path / "zero.wav"
    path.touch()
    warnings: list[str] = []
    assert len(read_audio(path, warnings.append)) == 0
    assert len(read_audio("-", warnings.append, io.BytesIO(b""))) == 0
    assert warnings == [
        f"{path}: has no bytes at all; taken as no sound",
        "standard input: has no bytes at all; taken as no sound",
    ]


@pytest.mark.parametrize("content", [b"this is text, not sound\n" * 9, b"RIFFxxxxWAVEtext" * 9, b"R", b"\0" * 999])
def test_text_posing_as_wav(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "text.wav"
    path.write_bytes(content)
    with pytest.raises(AudioError, match=r"text\.wav: not a sound file"):
        read_audio(path)
    with pytest.raises(AudioError, match="standard input: not a sound file"):
        read_audio("-", stdin=io.BytesIO(content))


def test_headerless_sound_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "x.raw"
    path.write_bytes(b"\0\1" * 500)
    with pytest.raises(AudioError, match=r"x\.raw: not a sound file"):
        read_audio(path)


def test_missing_folder_and_unreadable(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"no\.wav: cannot read: No such file"):
        read_audio(tmp_path / "no.wav")
    with pytest.raises(AudioError, match="Is a directory"):
        read_audio(tmp_path)
    locked = tmp_path / "locked.wav"
    locked.touch(mode=0)
    if not os.access(locked, os.R_OK):  # the administrator may read anything
        with pytest.raises(AudioError, match="Permission denied"):
            read_audio(locked)


def test_truncated_file_gives_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "cut.wav"
    write_wav(path, [tone(16_000)])
    whole = path.read_bytes()
    path.write_bytes(whole[:1045])
    np.testing.assert_array_equal(read_audio(path)[:500], read_audio("-", stdin=io.BytesIO(whole))[:500])
    assert len(read_audio("-", stdin=io.BytesIO(whole[:1045]))) == 500


def test_absurd_rates_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "slow.wav"
    soundfile.write(path, np.zeros(10), 10)
    with pytest.raises(AudioError, match=r"slow\.wav: sample rate is 10 Hz; needs 1000 to 768000"):
        read_audio(path)


def test_a_pipe_is_read_while_it_is_written() -> None:
    read_fd, write_fd = os.pipe()
    with os.fdopen(read_fd, "rb") as out_end, os.fdopen(write_fd, "wb", buffering=0) as in_end:
        writer = WavWriter("-", in_end)
        writer.write(tone(16_000))
        blocks = iter(SoundReader("-", out_end))
        first = next(blocks)  # would hang here if the end were needed
        assert 0 < len(first) <= 8000
        rest: list[FloatArray] = []
        thread = threading.Thread(target=lambda: rest.extend(blocks))
        thread.start()
        writer.write(tone(16_000))
        writer.close()
        in_end.close()
        thread.join(5)
    assert len(first) + sum(map(len, rest)) == 16_000


def test_named_pipe_reads_like_standard_input(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    thread = threading.Thread(target=lambda: write_wav(fifo, [tone(16_000)]))
    thread.start()
    pcm = read_audio(fifo)
    thread.join(5)
    assert len(pcm) == 8000
    assert fifo.is_fifo()


def test_trailing_chunks_of_a_piped_wav_are_not_sound() -> None:
    buffer = io.BytesIO()
    write_wav("-", [], buffer)
    data = buffer.getvalue()[:-4] + b"\x04\0\0\0" + b"\x01\0\x02\0" + b"LIST\x04\0\0\0abcd"
    assert len(read_audio("-", stdin=io.BytesIO(data))) == 2


def test_real_standard_streams() -> None:
    code = (
        "from gateway.audio.files import SoundReader, write_wav\n"
        "with SoundReader('-') as reader: write_wav('-', iter(reader))\n"
    )
    buffer = io.BytesIO()
    write_wav("-", [tone(16_000)], buffer)
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], input=buffer.getvalue(), capture_output=True, cwd=root, check=True
    )
    assert done.stdout == buffer.getvalue()


def test_write_then_read_is_exact_to_16_bits(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    pcm = (np.random.default_rng(2).integers(-32768, 32768, 5000) / 32768).astype(np.float32)
    assert write_wav(path, [pcm[:1000], pcm[1000:]]) == 5000
    np.testing.assert_array_equal(read_audio(path), pcm)
    info = soundfile.info(path)
    assert (info.samplerate, info.channels, info.subtype, info.frames) == (16_000, 1, "PCM_16", 5000)


def test_nothing_is_visible_before_close_and_nothing_stays_after_an_error(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    path.write_bytes(b"precious")

    def interrupted() -> Iterator[FloatArray]:
        yield tone(16_000)
        assert path.read_bytes() == b"precious"
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        write_wav(path, interrupted())
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.wav"]
    assert path.read_bytes() == b"precious"
    with WavWriter(path) as writer:
        writer.write(tone(16_000))
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.wav"]
    writer.close()
    assert len(read_audio(path)) == 8000


def test_unwritable_targets(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"out\.wav: cannot write: No such file or directory"):
        WavWriter(tmp_path / "nowhere" / "out.wav")
    with pytest.raises(AudioError, match="cannot write: Is a directory"):
        WavWriter(tmp_path)
    with pytest.raises(AudioError, match="/dev/full: cannot write: No space left"), WavWriter("/dev/full") as writer:
        writer.write(tone(16_000))


def test_writing_to_a_device_leaves_it_a_device() -> None:
    write_wav("/dev/null", [tone(16_000)])
    assert Path("/dev/null").is_char_device()


def test_a_wav_file_that_would_grow_too_long_is_refused(tmp_path: Path) -> None:
    with WavWriter(tmp_path / "long.wav") as writer:
        writer.samples = 2_147_483_600
        with pytest.raises(AudioError, match="at most 4294967251 bytes"):
            writer.write(tone(16_000))
        writer.samples = 0
