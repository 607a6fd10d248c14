"""Moonshine: one piece of up to 30 s, and a package without weights is named."""

from __future__ import annotations

from pathlib import Path

import moonshine_voice
import numpy as np
import pytest

from gateway.audio.files import read_audio
from gateway.errors import EvaluationError
from gateway.evaluation.moonshine import Moonshine
from gateway.samples import sample_path


def test_pauses_do_not_part_a_clip() -> None:
    """Text after two seconds of silence is there, and what lies beyond 30 s is not heard."""
    speech = read_audio(sample_path())[: 5 * 16_000]
    moonshine = Moonshine()
    parted = np.concatenate([speech, np.zeros(32_000, np.float32), speech])
    assert moonshine.transcribe(parted).lower().count("harbor control") == 2
    late = np.concatenate([speech, np.zeros(25 * 16_000, np.float32), speech])
    assert moonshine.transcribe(late) == moonshine.transcribe(late[: 30 * 16_000])


def test_a_package_without_weights_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moonshine_voice, "get_model_path", lambda name: tmp_path / name)
    with pytest.raises(EvaluationError, match=r"tiny-en: .*; install moonshine-voice 0\.1\.0"):
        Moonshine()
