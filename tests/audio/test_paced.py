"""Null and file devices: they run by the clock, lose nothing of a file, and fail into silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audio.base import DeviceEvent, DeviceState, Direction
from gateway.audio.files import read_audio, write_wav
from gateway.audio.paced import FileInput, FileOutput, NullInput, NullOutput, Pace
from gateway.clock import ManualClock
from gateway.errors import AudioError
from gateway.metrics import Metrics


@given(st.lists(st.floats(0, 0.5), max_size=30))
def test_pace_gives_every_sample_once(steps_s: list[float]) -> None:
    clock = ManualClock(100.0)
    pace = Pace(clock)
    total = 0
    for step_s in steps_s:
        clock.sleep(step_s)
        total += pace.due()
    assert abs(total - sum(steps_s) * 16_000) <= 1.5


def test_a_stall_is_not_caught_up_with() -> None:
    clock = ManualClock()
    microphone = NullInput(clock)
    clock.sleep(3600)
    assert len(microphone.read()) == 16_000
    clock.sleep(0.5)
    assert len(microphone.read()) == 8000
    microphone.close()
    clock.sleep(0.5)
    assert len(microphone.read()) == 0
    assert microphone.state is DeviceState.CLOSED


def test_a_file_plays_whole_then_silence_then_again(tmp_path: Path) -> None:
    path = tmp_path / "in.wav"
    sound = (np.arange(1, 20_001) / 32768).astype(np.float32)
    write_wav(path, [sound])
    clock = ManualClock()
    events: list[DeviceEvent] = []
    microphone = FileInput(path, clock, events.append)
    clock.sleep(5)  # before the first read nothing plays
    assert len(microphone.read()) == 0
    heard = []
    for _ in range(15):
        clock.sleep(0.1)
        heard.append(microphone.read())
    played = np.concatenate(heard)
    assert abs(len(played) - 24_000) <= 1
    np.testing.assert_array_equal(played[:20_000], sound)
    assert not played[20_000:].any()
    assert microphone.state is DeviceState.ENDED
    assert events == [DeviceEvent(Direction.INPUT, f"file:{path}", DeviceState.ENDED, "played to its end")]
    microphone.rewind()
    microphone.read()
    clock.sleep(0.5)
    np.testing.assert_array_equal(microphone.read(), sound[:8000])
    microphone.close()
    microphone.rewind()
    clock.sleep(0.5)
    assert len(microphone.read()) == 0


def test_a_file_that_goes_away_is_silence_and_an_event(tmp_path: Path) -> None:
    path = tmp_path / "in.wav"
    write_wav(path, [np.ones(100, np.float32)])
    clock = ManualClock()
    events: list[DeviceEvent] = []
    microphone = FileInput(path, clock, events.append)
    path.unlink()
    microphone.rewind()
    assert microphone.state is DeviceState.MISSING
    assert "No such file" in events[0].text
    microphone.read()
    clock.sleep(0.1)
    assert not microphone.read().any()
    microphone.close()


def test_a_missing_file_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="No such file"):
        FileInput(tmp_path / "no.wav", ManualClock())
    with pytest.raises(AudioError, match="No such file"):
        FileOutput(tmp_path / "no" / "out.wav", ManualClock(), Metrics())


def test_output_queue_empties_with_time_and_is_bounded() -> None:
    clock, metrics = ManualClock(), Metrics()
    speaker = NullOutput(clock, metrics)
    speaker.write(np.zeros(16_000, np.float32))
    assert speaker.queued_samples == 16_000
    clock.sleep(0.25)
    assert speaker.queued_samples == 12_000
    speaker.clear()
    assert speaker.queued_samples == 0
    for _ in range(3):
        speaker.write(np.zeros(16_000, np.float32))
    assert speaker.queued_samples == 32_000
    assert metrics.counter("audio.output.dropped_samples") == 16_000
    clock.sleep(60)
    speaker.close()
    speaker.write(np.zeros(5, np.float32))
    assert speaker.state is DeviceState.CLOSED


def test_file_output_is_what_was_heard(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    clock, metrics = ManualClock(), Metrics()
    speaker = FileOutput(path, clock, metrics)
    ones = np.full(1600, 0.5, np.float32)
    clock.sleep(30)  # no silence before the first sound
    assert speaker.queued_samples == 0
    speaker.write(ones)
    clock.sleep(0.2)  # 0.1 s of sound, then it ran dry for 0.1 s
    speaker.write(ones)
    clock.sleep(0.1)
    for _ in range(100):  # a long pause is cut to 1 s
        assert speaker.queued_samples == 0
        clock.sleep(0.5)
    speaker.write(ones)
    clock.sleep(0.05)  # closed half way through
    assert not path.exists()
    speaker.close()
    speaker.close()
    heard = read_audio(path)
    quiet = np.zeros
    expected = np.concatenate([ones, quiet(1600), ones, quiet(16_000), ones[:800]])
    assert len(heard) == len(expected)
    np.testing.assert_array_equal(heard, expected)


def test_a_full_disk_loses_the_recording_and_says_so() -> None:
    clock = ManualClock()
    events: list[DeviceEvent] = []
    speaker = FileOutput(Path("/dev/full"), clock, Metrics(), events.append)
    for _ in range(3):
        speaker.write(np.ones(1600, np.float32))
        clock.sleep(0.1)
    assert speaker.queued_samples == 0
    assert speaker.state is DeviceState.MISSING
    assert [event.text for event in events] == ["/dev/full: cannot write: No space left on device"]
    speaker.close()
    assert len(events) == 1
