"""The loudspeaker as an operator sets it: how loud, or silent. Whatever is to be heard goes through here.

Rule: mute holds for everything, tones, refusals and emergencies too: who mutes a radio on deck does so because its
sound would give him away or wake somebody. What he does not hear he sees: consoles show the mute, and who talks.
"""

from __future__ import annotations

import numpy as np

from gateway.audio.base import AudioOutput, DeviceState, FloatArray

NO_SOUND_DB = -100.0
LEAST_DB, MOST_DB = -40.0, 20.0


class Speaker(AudioOutput):
    """`output` with a volume; samples keep their time, also while muted."""

    def __init__(self, output: AudioOutput, volume_db: float = 0.0, *, is_muted: bool = False) -> None:
        self._output = output
        self.name = output.name
        self.is_muted = is_muted
        self._volume_db, self._gain = 0.0, np.float32(1.0)
        self._level_db = NO_SOUND_DB
        self.volume_db = volume_db

    @property
    def volume_db(self) -> float:
        """0 is as received."""
        return self._volume_db

    @volume_db.setter
    def volume_db(self, volume_db: float) -> None:
        self._volume_db = min(MOST_DB, max(LEAST_DB, volume_db))
        self._gain = np.float32(10 ** (self._volume_db / 20))

    @property
    def level_db(self) -> float:
        """Of what is being played, dB of full scale; silence is -100."""
        return self._level_db if self._output.queued_samples else NO_SOUND_DB

    @property
    def state(self) -> DeviceState:
        return self._output.state

    @property
    def text(self) -> str:
        return self._output.text

    @property
    def latency_s(self) -> float:
        return self._output.latency_s

    @property
    def queued_samples(self) -> int:
        return self._output.queued_samples

    def write(self, pcm: FloatArray) -> None:
        if self.is_muted:
            pcm = np.zeros(len(pcm), np.float32)
        elif self._volume_db:
            pcm = np.clip(pcm * self._gain, np.float32(-1), np.float32(1))
        if len(pcm):
            power = float(np.mean(np.square(pcm, dtype=np.float64)))
            self._level_db = max(NO_SOUND_DB, float(10 * np.log10(power + 1e-10)))
        self._output.write(pcm)

    def clear(self) -> None:
        self._output.clear()

    def close(self) -> None:
        self._output.close()
