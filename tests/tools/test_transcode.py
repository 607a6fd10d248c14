"""Files to frames and back: exact sizes, nothing half-written, damage told after what was whole is kept."""

from __future__ import annotations

import io
import os
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from gateway.audio.denoise import denoise
from gateway.audio.files import read_audio, write_wav
from gateway.codec import Codec, SearchSettings
from gateway.codec.level import active_level_db
from gateway.codec.spec import FRAME_SAMPLES
from gateway.errors import CheckpointError, GatewayError, RemoteProtocolError
from gateway.protocol.container import ClkWriter
from gateway.tools.transcode import decode_file, encode_file


@pytest.fixture
def wav(tmp_path: Path, speechlike: np.ndarray) -> Path:
    path = tmp_path / "in.wav"
    write_wav(path, [speechlike])
    return path


@pytest.mark.parametrize("raw", [False, True])
def test_round_trip(small_codec: Codec, wav: Path, tmp_path: Path, speechlike: np.ndarray, raw: bool) -> None:
    coded, heard = tmp_path / "x.clk", tmp_path / "out.wav"
    done = encode_file(small_codec, str(wav), str(coded), raw=raw)
    assert (done.frames, done.samples) == (39, len(speechlike))
    pcm = read_audio(wav)
    frames = small_codec.encode(pcm, level_db=active_level_db(pcm))  # which a file's talker is known by
    assert frames in coded.read_bytes() or not raw
    assert coded.stat().st_size == 3 * 39 if raw else coded.stat().st_size < 3 * 39 + 64
    back = decode_file(small_codec, str(coded), str(heard), raw=raw)
    # The container knows how many samples there were; raw frames are whole frames.
    expected = 39 * FRAME_SAMPLES if raw else len(speechlike)
    assert back.samples == expected
    assert np.abs(read_audio(heard) - small_codec.decode(frames)[:expected]).max() < 1 / 32000


def test_stage_one_alone_sounds_different(small_codec: Codec, wav: Path, tmp_path: Path) -> None:
    encode_file(small_codec, str(wav), str(tmp_path / "x.raw"), raw=True)
    for stages in (1, 2):
        decode_file(small_codec, str(tmp_path / "x.raw"), str(tmp_path / f"{stages}.wav"), raw=True, stages=stages)
    one, two = (read_audio(tmp_path / f"{stages}.wav") for stages in (1, 2))
    assert len(one) == len(two)
    assert not np.array_equal(one, two)


def test_noise_is_suppressed_if_asked(small_codec: Codec, wav: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyrnnoise", reason="pyrnnoise is not installed (extra denoise)")
    done = encode_file(small_codec, str(wav), str(tmp_path / "x.raw"), raw=True, denoise=True)
    pcm = read_audio(wav)
    expected = denoise(pcm)
    assert done.samples == len(expected)
    assert (tmp_path / "x.raw").read_bytes() == small_codec.encode(expected, level_db=active_level_db(pcm))


@pytest.mark.parametrize("samples", [0, 1, 1280, 1281])
def test_short_files(small_codec: Codec, tmp_path: Path, samples: int) -> None:
    write_wav(tmp_path / "in.wav", [np.full(samples, 0.1, np.float32)])
    encode_file(small_codec, str(tmp_path / "in.wav"), str(tmp_path / "x.clk"), raw=False)
    assert decode_file(small_codec, str(tmp_path / "x.clk"), str(tmp_path / "o.wav"), raw=False).samples == samples
    assert len(read_audio(tmp_path / "o.wav")) == samples


def test_a_truncated_file_is_an_error_after_what_was_whole(small_codec: Codec, wav: Path, tmp_path: Path) -> None:
    write_wav(tmp_path / "long.wav", [np.tile(read_audio(wav), 4)])
    encode_file(small_codec, str(tmp_path / "long.wav"), str(tmp_path / "x.clk"), raw=False)
    data = (tmp_path / "x.clk").read_bytes()
    (tmp_path / "cut.clk").write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(RemoteProtocolError, match=r"cut\.clk: .*frames before it are in .*o\.wav"):
        decode_file(small_codec, str(tmp_path / "cut.clk"), str(tmp_path / "o.wav"), raw=False)
    kept = read_audio(tmp_path / "o.wav")
    decode_file(small_codec, str(tmp_path / "x.clk"), str(tmp_path / "whole.wav"), raw=False)
    assert 0 < len(kept) < 4 * 49_777
    lag = FRAME_SAMPLES
    assert np.array_equal(kept[:-lag], read_audio(tmp_path / "whole.wav")[: len(kept) - lag])


def test_a_damaged_byte_is_an_error(small_codec: Codec, wav: Path, tmp_path: Path) -> None:
    encode_file(small_codec, str(wav), str(tmp_path / "x.clk"), raw=False)
    data = bytearray((tmp_path / "x.clk").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "x.clk").write_bytes(data)
    with pytest.raises(RemoteProtocolError, match=r"x\.clk: "):
        decode_file(small_codec, str(tmp_path / "x.clk"), str(tmp_path / "o.wav"), raw=False)


@pytest.mark.parametrize(("codec_id", "version"), [(1, 9), (4, 1)])
def test_another_codec_is_refused(small_codec: Codec, tmp_path: Path, codec_id: int, version: int) -> None:
    with (tmp_path / "x.clk").open("wb") as out:
        writer = ClkWriter(out, codec_id, version)
        writer.write(b"\x01\x02\x03" * 4)
        writer.close(4 * FRAME_SAMPLES)
    with pytest.raises(CheckpointError, match=rf"made by codec {codec_id} version {version}"):
        decode_file(small_codec, str(tmp_path / "x.clk"), str(tmp_path / "o.wav"), raw=False)
    assert not (tmp_path / "o.wav").exists()


@pytest.mark.parametrize("content", [b"", b"RIFF", b"This is no coded speech at all, but a text of some length."])
def test_what_is_no_container_leaves_no_output(small_codec: Codec, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.clk").write_bytes(content)
    with pytest.raises(RemoteProtocolError, match=r"x\.clk: "):
        decode_file(small_codec, str(tmp_path / "x.clk"), str(tmp_path / "o.wav"), raw=False)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.clk"]


def test_raw_frames_of_odd_length_are_told_after_the_whole_ones(small_codec: Codec, tmp_path: Path) -> None:
    (tmp_path / "x.raw").write_bytes(b"\x01\x02\x03" * 5 + b"\x01")
    with pytest.raises(RemoteProtocolError, match="16 bytes of raw frames: not a multiple of 3; the 5 frames before"):
        decode_file(small_codec, str(tmp_path / "x.raw"), str(tmp_path / "o.wav"), raw=True)
    assert len(read_audio(tmp_path / "o.wav")) == 5 * FRAME_SAMPLES


def test_failed_encoding_leaves_what_was_there(small_codec: Codec, tmp_path: Path) -> None:
    (tmp_path / "in.wav").write_text("no sound")
    (tmp_path / "x.clk").write_bytes(b"precious")
    with pytest.raises(GatewayError, match=r"in\.wav"):
        encode_file(small_codec, str(tmp_path / "in.wav"), str(tmp_path / "x.clk"), raw=False)
    assert (tmp_path / "x.clk").read_bytes() == b"precious"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.wav", "x.clk"]
    with pytest.raises(GatewayError, match=r"none\.wav"):
        encode_file(small_codec, str(tmp_path / "none.wav"), str(tmp_path / "y.clk"), raw=False)
    write_wav(tmp_path / "in.wav", [np.zeros(100, np.float32)])
    with pytest.raises(GatewayError, match=r"no/folder/x\.clk: cannot be written"):
        encode_file(small_codec, str(tmp_path / "in.wav"), str(tmp_path / "no/folder/x.clk"), raw=False)


def test_speech_comes_out_while_frames_still_come_in(
    small_codec: Codec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real pipe on standard input: half of the frames are written, and heard, before the other half exists."""
    reading, writing = os.pipe()
    out_reading, out_writing = os.pipe()
    with os.fdopen(reading, "rb") as source, os.fdopen(out_reading, "rb") as heard:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(source))
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(os.fdopen(out_writing, "wb", buffering=0)))
        worker = threading.Thread(target=decode_file, args=(small_codec, "-", "-"), kwargs={"raw": True})
        worker.start()
        os.write(writing, b"\x01\x02\x03" * 10)
        early = heard.read(44 + 2 * 8 * FRAME_SAMPLES)  # blocks for ever if decoding waited for the end
        os.write(writing, b"\x01\x02\x03" * 10)
        os.close(writing)
        worker.join(30)
        assert not worker.is_alive()
        sys.stdout.close()
        late = heard.read()
    assert early[:4] == b"RIFF"
    assert len(early) + len(late) == 44 + 2 * 20 * FRAME_SAMPLES


def test_a_search_changes_the_bits_and_not_their_number(small_codec: Codec, wav: Path, tmp_path: Path) -> None:
    plain, searched = tmp_path / "plain.raw", tmp_path / "searched.raw"
    encode_file(small_codec, str(wav), str(plain), raw=True)
    encode_file(small_codec, str(wav), str(searched), raw=True, search=SearchSettings())
    assert searched.stat().st_size == plain.stat().st_size
    assert searched.read_bytes() != plain.read_bytes()
