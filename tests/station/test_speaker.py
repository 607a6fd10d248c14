"""Volume and mute, for whatever is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gateway.audio.files import read_audio
from gateway.audio.paced import FileOutput, NullOutput
from gateway.clock import ManualClock
from gateway.metrics import Metrics
from gateway.station.speaker import NO_SOUND_DB, Speaker

LOUD = np.full(1600, 0.5, np.float32)


def test_volume_mute_and_time(tmp_path: Path) -> None:
    clock = ManualClock()
    speaker = Speaker(FileOutput(tmp_path / "out.wav", clock, Metrics()))
    speaker.write(LOUD)
    speaker.volume_db = -20
    speaker.write(LOUD)
    speaker.is_muted = True
    speaker.write(LOUD)
    speaker.is_muted = False
    speaker.volume_db = 20
    speaker.write(LOUD)
    assert speaker.queued_samples == 6400
    clock.sleep(0.5)
    assert speaker.queued_samples == 0
    speaker.close()
    quarters = read_audio(tmp_path / "out.wav")[:6400].reshape(4, 1600)
    assert quarters.max(axis=1) == pytest.approx([0.5, 0.05, 0.0, 1.0], abs=1e-3)


def test_the_level_is_of_what_is_heard() -> None:
    clock = ManualClock()
    speaker = Speaker(NullOutput(clock, Metrics()), -6.0)
    assert speaker.level_db == NO_SOUND_DB
    speaker.write(LOUD)
    assert speaker.level_db == pytest.approx(-12.0, abs=0.1)
    clock.sleep(1.0)
    assert speaker.level_db == NO_SOUND_DB
    speaker.is_muted = True
    speaker.write(LOUD)
    assert speaker.level_db == NO_SOUND_DB


def test_volume_stays_within_bounds() -> None:
    speaker = Speaker(NullOutput(ManualClock(), Metrics()), 99.0)
    assert speaker.volume_db == 20
    speaker.volume_db = -99
    assert speaker.volume_db == -40
