"""A fixed gain for a microphone that is too quiet or too loud, where the sound card has no knob for it.

Rule: no automatic level control here, for the codec has one (gateway.codec.level), on which no library before it
improves. Words lost (dWER by Whisper base, 24 dev clips, each figure +-4 points) at speech levels of -40, -30, -20 and
-10 dB: 41, 37, 41 and 53 % without; 40, 40, 43 and 51 % with WebRTC's AGC (webrtc-noise-gain); 37, 43 and 50 % at the
first three with that of pywebrtc-audio, which drives loud speech into clipping. Behind the AGC RNNoise gave 45, 45, 41
and 48 %, alone 40, 45, 47 and 47.
"""

from __future__ import annotations

import numpy as np

from gateway.audio.base import AudioInput, DeviceState, FloatArray


class GainInput(AudioInput):
    """`source` made louder by `gain_db`; what would exceed full scale clips, as the meters show."""

    def __init__(self, source: AudioInput, gain_db: float) -> None:
        self.name = source.name
        self._source = source
        self._gain = np.float32(10 ** (gain_db / 20))

    @property
    def state(self) -> DeviceState:
        return self._source.state

    @property
    def latency_s(self) -> float:
        return self._source.latency_s

    @property
    def text(self) -> str:
        return self._source.text

    def read(self) -> FloatArray:
        louder: FloatArray = np.clip(self._source.read() * self._gain, np.float32(-1.0), np.float32(1.0))
        return louder

    def rewind(self) -> None:
        self._source.rewind()

    def close(self) -> None:
        self._source.close()
