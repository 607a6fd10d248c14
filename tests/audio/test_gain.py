"""A fixed gain: louder, never beyond full scale, the rest as the source has it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gateway.audio.base import DeviceState
from gateway.audio.files import write_wav
from gateway.audio.gain import GainInput
from gateway.audio.paced import FileInput
from gateway.audio.select import open_audio
from gateway.clock import ManualClock
from gateway.config import AudioSection
from gateway.metrics import Metrics


def test_louder_and_never_beyond_full_scale(tmp_path: Path) -> None:
    write_wav(tmp_path / "said.wav", [np.array([0.1, -0.2, 0.8] * 1000, np.float32)])
    clock = ManualClock()
    section = AudioSection(input=f"file:{tmp_path / 'said.wav'}", output="null", gain_db=6.0206)
    audio = open_audio(section, clock, Metrics(), lambda event: None)
    assert isinstance(audio.input, GainInput)
    audio.input.read()
    clock.sleep(0.1)
    heard = audio.input.read()
    assert heard[:3] == pytest.approx([0.2, -0.4, 1.0], abs=1e-3)
    assert heard.dtype == np.float32
    audio.input.rewind()
    audio.input.read()
    clock.sleep(0.1)
    assert audio.input.read()[:3] == pytest.approx([0.2, -0.4, 1.0], abs=1e-3)
    audio.close()
    assert audio.input.state is DeviceState.CLOSED


def test_without_a_gain_nothing_is_between(tmp_path: Path) -> None:
    write_wav(tmp_path / "said.wav", [np.zeros(10, np.float32)])
    section = AudioSection(input=f"file:{tmp_path / 'said.wav'}", output="null")
    audio = open_audio(section, ManualClock(), Metrics(), lambda event: None)
    assert isinstance(audio.input, FileInput)
    audio.close()
