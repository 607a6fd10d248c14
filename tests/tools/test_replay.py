"""Overs recorded by whole stations and decoded anew: the same sound with the same figures, whatever guarded them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gateway.audio.files import read_audio
from gateway.channel.impairments import ChannelSpec
from gateway.codec import Codec, CodecSpec
from gateway.errors import AudioError
from gateway.protocol.security import SecurityMode, Suite
from gateway.recording.packets import read_over
from gateway.recording.reader import read_recording
from gateway.tools.replay import (
    Waits,
    compare,
    decode_anew,
    find_over,
    list_overs,
    packets_of,
    sound_as_recorded,
    words,
)
from tests.conftest import random_model
from tests.station.talk import Talk

LOSSY = ChannelSpec("lossy", loss=0.2, delay_ms=200, jitter_ms=60)
BITS = ChannelSpec("bits", bit_error_rate=0.02)
SEALED = Suite(SecurityMode.AUTHENTICATE_ENCRYPT)


def recorded(codec: Codec, folder: Path, pcm: np.ndarray, **options: object) -> Path:
    """Bravo's folder after two overs of alpha and one of its own."""
    talk = Talk(codec, folder, pcm, **options)
    talk.over(talk.alpha, 3.0)
    talk.over(talk.bravo, 1.5)
    talk.over(talk.alpha, 2.0, 6.0)
    talk.close()
    return talk.bravo.folder


@pytest.mark.parametrize(
    ("channel", "protection", "suite"),
    [
        (ChannelSpec("clean"), "none", None),
        (LOSSY, "none", None),
        (LOSSY, "none", SEALED),
        (LOSSY, "payload-repeat:distance=2", SEALED),
        (LOSSY, "reed-solomon:n=6,k=4", None),
        (BITS, "bit", None),
    ],
)
def test_what_was_heard_is_heard_again(
    small_codec: Codec,
    tmp_path: Path,
    speechlike: np.ndarray,
    channel: ChannelSpec,
    protection: str,
    suite: Suite | None,
) -> None:
    folder = recorded(
        small_codec, tmp_path, np.tile(speechlike, 2), channel=channel, protection=protection, suite=suite
    )
    heard = [find_over(folder, number) for number in ("1", "3")]
    for found in heard:
        over = packets_of(found)
        done = decode_anew(over, small_codec)
        assert compare(found, over, done, read_recording(found.sound)) == ["  sound: the same, sample for sample"]
        assert found.entry is not None
        assert done.reception is not None
        assert (done.reception.expected, done.reception.lost, done.reception.late) == (
            found.entry.expected,
            found.entry.lost,
            found.entry.late,
        )


def test_another_cushion_and_other_weights_are_compared_with_what_was_heard(
    small_codec: Codec, small_spec: CodecSpec, tmp_path: Path, speechlike: np.ndarray
) -> None:
    folder = recorded(small_codec, tmp_path, np.tile(speechlike, 2), channel=LOSSY)
    found = find_over(folder, "1")
    over, sound = packets_of(found), read_recording(found.sound)
    longer = decode_anew(over, small_codec, Waits(cushion_ms=400))
    assert found.entry is not None
    assert longer.first_frame == found.entry.first_frame
    assert len(longer.concealed) <= sum(end - begin for begin, end in found.entry.concealed)
    model = random_model(small_spec)
    for parameter in model.parameters():
        parameter.mul_(0.9)
    other = decode_anew(over, Codec(model))
    (line,) = compare(found, over, other, sound)
    assert line.startswith("  sound: differs in ")
    assert f"first in frame {found.entry.first_frame};" in line
    assert len(other.pcm) == len(sound)


def test_what_was_said_is_decoded_as_over_a_link_without_loss(
    small_codec: Codec, tmp_path: Path, speechlike: np.ndarray
) -> None:
    found = find_over(recorded(small_codec, tmp_path, speechlike), "2")
    over = packets_of(found)
    done = decode_anew(over, small_codec)
    assert done.concealed == []
    assert done.duration_s == pytest.approx(1.7, abs=0.3)
    assert len(sound_as_recorded(found)) / 16_000 == pytest.approx(1.7, abs=0.1)
    assert compare(found, over, done, read_recording(found.sound)) == [
        "  the recording is of the microphone, not of a decoder: listen to both (--as-recorded)"
    ]


def test_the_list_tells_who_when_how_long_and_how_it_arrived(
    small_codec: Codec, tmp_path: Path, speechlike: np.ndarray
) -> None:
    folder = recorded(small_codec, tmp_path, speechlike, channel=LOSSY)
    lines, problems = list_overs(folder)
    assert problems == []
    assert lines[0].split() == ["OVER", "BEGAN", "SIDE", "TALKER", "SECONDS", "PACKETS", "LOST", "LATE", "SNR"]
    rows = [line.split() for line in lines[1:]]
    assert [(row[0], row[3], row[4]) for row in rows] == [
        ("1", "heard", "alpha"),
        ("2", "said", "bravo"),
        ("3", "heard", "alpha"),
    ]
    entry = find_over(folder, "1").entry
    assert entry is not None
    assert rows[0][7:9] == [f"{100 * (entry.lost or 0) / (entry.expected or 1):.0f}", "%"]


def test_an_over_in_another_codec_is_kept_and_the_error_names_both(
    small_codec: Codec, tmp_path: Path, speechlike: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = Talk(small_codec, tmp_path, speechlike)
    session = talk.alpha.station._outgoing._transmitter._session
    object.__setattr__(session, "codec_version", 9)
    talk.over(talk.alpha, 1.0)
    talk.close()
    lines, _ = list_overs(talk.bravo.folder)
    assert lines[1].endswith("not played")
    found = find_over(talk.bravo.folder, "last")
    with pytest.raises(AudioError, match=r"made by codec 1 version 9; these weights are of codec 1 version"):
        decode_anew(packets_of(found), small_codec)
    with pytest.raises(AudioError, match="nobody could hear this over"):
        sound_as_recorded(found)


def test_a_cut_file_gives_what_is_there_and_says_so(small_codec: Codec, tmp_path: Path, speechlike: np.ndarray) -> None:
    found = find_over(recorded(small_codec, tmp_path, np.tile(speechlike, 2)), "1")
    whole = found.packets.read_bytes()
    all_packets = len(read_over(found.packets).packets)
    found.packets.write_bytes(whole[: len(whole) // 2])
    over = packets_of(found)
    assert 0 < len(over.packets) < all_packets
    told = words(over, decode_anew(over, small_codec))
    assert any("damaged bytes" in line for line in told)
    assert told[-1] == "  its end was not written: the station was stopped or its disk was full"
    found.packets.write_bytes(whole[:150])
    with pytest.raises(AudioError, match="holds no packet"):
        packets_of(found)
    found.packets.unlink()
    with pytest.raises(AudioError, match="recorded without packets; --as-recorded"):
        packets_of(found)
    lines, _ = list_overs(found.sound.parent)
    assert lines[1].endswith("no packets")


def test_what_is_not_there_is_told(small_codec: Codec, tmp_path: Path, speechlike: np.ndarray) -> None:
    folder = recorded(small_codec, tmp_path, speechlike)
    with pytest.raises(AudioError, match=r"no over 7; needed: a number .* \(1 to 3\), or last"):
        find_over(folder, "7")
    with pytest.raises(AudioError, match="no such file"):
        find_over(tmp_path / "nowhere", None)
    with pytest.raises(AudioError, match="no recording; needed"):
        find_over(folder / "index.jsonl", None)
    with pytest.raises(AudioError, match="is one over"):
        find_over(find_over(folder, "1").sound, "1")
    by_file = find_over(find_over(folder, "1").packets, None)
    assert by_file.entry is not None
    assert by_file.entry.number == 1
    assert len(read_audio(by_file.sound))
