"""Sound to a speaker, to its end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gateway.audio.files import read_audio
from gateway.audio.play import play_pcm
from gateway.clock import ManualClock
from gateway.config import AudioSection
from gateway.errors import AudioError


def test_all_blocks_are_heard_in_their_order(tmp_path: Path) -> None:
    blocks = [np.full(size, level, np.float32) for size, level in ((100, 0.1), (20_000, 0.2), (0, 0.0), (3_000, 0.3))]
    told: list[str] = []
    play_pcm(AudioSection(output=f"file:{tmp_path / 'out.wav'}"), blocks, told.append, ManualClock())
    assert np.allclose(read_audio(tmp_path / "out.wav")[:23_100], np.concatenate(blocks), atol=1e-4)
    assert told == []


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"nowhere/out\.wav"):
        play_pcm(AudioSection(output=f"file:{tmp_path}/nowhere/out.wav"), [], print, ManualClock())
