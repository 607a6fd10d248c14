"""A station's local sounds in whole stations: replays, parrot and tests beside real overs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gateway.audio.files import read_audio
from gateway.codec import Codec
from gateway.control.kept import Kept
from gateway.control.requests import (
    PressKey,
    ReleaseKey,
    ReplayOver,
    SetMute,
    SetParrot,
    SetVolume,
    StopPlaying,
    TestMicrophone,
    TestTone,
)
from tests.station.talk import Talk


@pytest.fixture
def talk(small_codec: Codec, tmp_path: Path, speechlike: np.ndarray) -> Iterator[Talk]:
    made = Talk(small_codec, tmp_path, speechlike)
    yield made
    made.close()


def test_the_last_over_can_be_heard_again_and_has_a_number(talk: Talk) -> None:
    talk.over(talk.alpha, 2.0)
    talk.over(talk.bravo, 1.0)
    shown = talk.bravo.shown.overs
    assert [(over.side, over.name, over.index) for over in shown] == [("said", "bravo", 0), ("heard", "alpha", 1)]
    talk.bravo.station.post(ReplayOver())
    talk.run(0.5)
    assert talk.bravo.shown.audio.output_level_db > -100
    talk.run(3.5)
    assert talk.bravo.shown.audio.output_level_db == -100
    talk.close()
    sound = read_audio(talk.bravo.ear_path)
    first = next(iter(sorted(talk.bravo.folder.glob("*heard.wav"))))
    heard = read_audio(first)
    live, again = (at for at in _places(sound, heard))
    assert np.allclose(sound[again : again + len(heard)], sound[live : live + len(heard)], atol=2 / 32768)


def _places(sound: np.ndarray, part: np.ndarray) -> list[int]:
    """Where `part` begins in `sound`."""
    key = part[8000:8400]
    scores = [
        at
        for at in np.flatnonzero(np.abs(sound[: len(sound) - 400] - key[0]) < 2 / 32768)
        if np.abs(sound[at : at + 400] - key).max() < 2 / 32768
    ]
    return [int(at) - 8000 for at in scores]


def test_an_over_that_begins_ends_a_replay_and_nothing_is_played_over_it(talk: Talk) -> None:
    talk.over(talk.alpha, 3.0)
    talk.bravo.station.post(ReplayOver())
    talk.run(0.5)
    talk.alpha.station.post(PressKey("key"))
    talk.run(1.5)
    assert talk.bravo.told("stopped: alpha talks") or talk.bravo.told("stopped: unknown talker talks")
    talk.bravo.station.post(TestTone())
    talk.bravo.station.post(ReplayOver())
    talk.run(0.2)
    assert talk.bravo.told("test tone: not now: alpha talks")
    assert talk.bravo.told("not now: alpha talks")


def test_the_key_ends_a_replay_and_reaches_the_air(talk: Talk) -> None:
    talk.over(talk.alpha, 2.0)
    talk.bravo.station.post(ReplayOver())
    talk.run(0.3)
    talk.over(talk.bravo, 1.0)
    assert talk.bravo.told("stopped: the key is down")
    assert talk.bravo.metrics.counter("tx.overs") == 1


def test_with_the_parrot_on_nothing_goes_on_the_air_and_the_over_comes_back(talk: Talk) -> None:
    bravo = talk.bravo
    bravo.station.post(SetParrot(True))
    bravo.station.post(PressKey("key"))
    talk.run(2.0)
    assert bravo.shown.ptt.is_parrot
    assert bravo.shown.ptt.held_by == ("key",)
    assert bravo.shown.ptt.mode == "idle"
    bravo.station.post(ReleaseKey("key"))
    talk.run(0.5)
    assert bravo.shown.audio.output_level_db > -100
    talk.run(3.0)
    assert bravo.metrics.counter("ptt.key_up") == 0
    assert bravo.metrics.counter("tx.packets") == 0
    assert talk.alpha.metrics.counter("rx.packets") == 0
    bravo.station.post(SetParrot(False))
    talk.over(bravo, 1.0)
    assert bravo.metrics.counter("tx.overs") == 1
    assert [over.side for over in bravo.shown.overs] == ["said"]
    talk.close()
    assert np.count_nonzero(read_audio(bravo.ear_path)) / 16_000 == pytest.approx(2.2, abs=0.3)


def test_an_over_for_the_parrot_is_no_longer_than_others_and_its_key_is_let_go(talk: Talk) -> None:
    talk.bravo.station.post(SetParrot(True))
    talk.bravo.station.post(PressKey("key"))
    talk.run(19.9)
    assert talk.bravo.shown.ptt.held_by == ("key",)
    talk.run(0.3)
    assert talk.bravo.shown.ptt.held_by == ()


def test_breaking_in_goes_on_the_air_whatever_the_parrot(talk: Talk) -> None:
    talk.bravo.station.post(SetParrot(True))
    talk.bravo.station.post(PressKey("key", break_in=True))
    talk.run(0.5)
    assert talk.bravo.shown.ptt.mode == "talking"
    assert not talk.bravo.shown.ptt.is_parrot


def test_a_microphone_test_begins_with_the_file_and_is_heard(talk: Talk, speechlike: np.ndarray) -> None:
    talk.run(1.0)
    talk.bravo.station.post(TestMicrophone())
    talk.run(7.0)
    assert talk.bravo.told("microphone test: speak for 3 seconds")
    assert any(line.startswith("microphone ") and "speech -" in line for line in talk.bravo.said)
    assert talk.bravo.metrics.counter("tx.packets") == 0
    talk.close()
    heard = read_audio(talk.bravo.ear_path)
    heard = heard[np.flatnonzero(heard)[0] : np.flatnonzero(heard)[-1] + 1]  # the file has silence around it
    begin = int(np.flatnonzero(np.abs(speechlike) > 1 / 32768)[0])
    assert len(heard) == pytest.approx(48_000, abs=400)
    assert np.allclose(heard[:40_000], speechlike[begin : begin + 40_000], atol=1e-3)


def test_volume_and_mute_are_shown_and_hold_for_overs(talk: Talk) -> None:
    talk.bravo.station.post(SetVolume(-20))
    talk.over(talk.alpha, 1.5)
    talk.bravo.station.post(SetMute(True))
    talk.over(talk.alpha, 1.5)
    audio = talk.bravo.shown.audio
    assert (audio.volume_db, audio.is_muted) == (-20, True)
    talk.close()
    sound = read_audio(talk.bravo.ear_path)
    recorded = [read_audio(path) for path in sorted(talk.bravo.folder.glob("*heard.wav"))]
    assert np.abs(sound).max() == pytest.approx(0.1 * np.abs(recorded[0]).max(), rel=0.05)
    assert not np.any(sound[-len(recorded[1]) :])
    assert np.any(recorded[1])


def test_a_restart_keeps_volume_and_mute(small_codec: Codec, tmp_path: Path, speechlike: np.ndarray) -> None:
    talk = Talk(small_codec, tmp_path, speechlike, kept=Kept(volume_db=-7.5, is_muted=True))
    try:
        audio = talk.alpha.shown.audio
        assert (audio.volume_db, audio.is_muted) == (-7.5, True)
    finally:
        talk.close()


def test_stop_is_silence(talk: Talk) -> None:
    talk.bravo.station.post(TestTone())
    talk.run(0.3)
    talk.bravo.station.post(StopPlaying())
    talk.run(0.1)
    assert talk.bravo.shown.audio.output_level_db == -100
    assert talk.bravo.told("test tone stopped")


def test_recording_is_shown_with_what_is_wrong(talk: Talk) -> None:
    assert talk.alpha.shown.record is not None
    assert (talk.alpha.shown.record.folder, talk.alpha.shown.record.problem) == (str(talk.alpha.folder), None)
    talk.alpha.recorder.note_problem("No space left on device")
    record = talk.alpha.shown.record
    assert record is not None
    assert record.problem == "No space left on device"
