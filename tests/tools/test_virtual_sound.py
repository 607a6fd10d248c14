"""Virtual devices: what is played to one is recorded from it, at the time when it sounded."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest

from gateway.clock import SystemClock
from gateway.errors import AudioError
from gateway.station.tones import steady_tone
from gateway.tools import virtual_sound
from gateway.tools.virtual_sound import VirtualSound
from tests.integration.peers import require_program


def test_what_is_played_is_recorded_when_it_sounds() -> None:
    require_program("pulseaudio", "pulseaudio libasound2-plugins")
    clock = SystemClock()
    with VirtualSound(["ear", "other"]) as sound:
        with sound.recording("ear") as ear, sound.recording("other") as other:
            began_s = clock.now()
            sound.play("ear", steady_tone(1000, 0.5, 0.25))
            ended_s = clock.now()
            ear.wait(len(ear.pcm) / 16_000 + 0.5)
        loud = np.flatnonzero(np.abs(ear.pcm) > 0.05)
        assert len(loud) / 16_000 > 0.3
        first_s, last_s = (ear.begin_s + at / 16_000 for at in (loud[0], loud[-1]))
        assert began_s - 0.1 < first_s < last_s < ended_s + 2.0
        assert np.abs(other.pcm).max() < 0.01
        sound.pull("other")
        with pytest.raises(AudioError, match="played to the virtual device other"):
            sound.play("other", steady_tone(1000, 0.5, 0.25))
        sound.plug("other")
        sound.play("other", steady_tone(1000, 0.1))
        home = sound.environment()["HOME"]
    assert subprocess.run(["test", "-e", home]).returncode == 1, "nothing is left behind"


def test_without_pulseaudio_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual_sound.shutil, "which", lambda name: None)
    with pytest.raises(AudioError, match="apt install pulseaudio"):
        VirtualSound(["ear"])
