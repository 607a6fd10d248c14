"""Causal level control in front of the encoder: every talker arrives at one level, whatever the microphone.

Rule: the gain is decided frame by frame from what has been heard so far and is never transmitted; the decoder plays
at the common level. Before any speech the gain is that of the level expected: what stands before the first word, a
room or an engine, is not raised, for once it is loud it costs the words after it. A station expects the level of the
over before, a file that of the whole file.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TARGET_LEVEL_DB = -26.0
"""Active speech level after control, dBFS (the level ITU-T P.56 measurements are customarily set to)."""
MAX_GAIN_DB = 30.0
MIN_GAIN_DB = -20.0
SILENCE_DB = -65.0
GATE_DB = 20.0
"""Frames this far under the running level are pauses and leave the level alone."""
JUMP_DB = 9.0
"""A frame this far above the running level is a talker after noise: start again from it. So far below a level that is
only guessed, speech is of another talker."""
MEMORY_FRAMES = 40
"""Frames of 80 ms the running level averages over: 3.2 s."""
GUESSED_FRAMES, KNOWN_FRAMES = 2, 5
"""Frames that the level expected counts for: few, as the next to speak may be another, or nearer."""
SPEECH_DB = 8.0
"""A frame this far above the quietest 10 ms lately is speech, or something else that begins and ends."""
FLOOR_RISE_DB = 0.25
"""A frame, so that the quietest 10 ms are forgotten where the room grows louder: 3 dB a second."""
NOTHING_DB = -80.0
"""10 ms below this are a sound card that has not begun, or the edge of a file: they tell nothing of the room."""
FRAMES_TO_BEGIN, FRAMES_TO_DROP = 2, 8
"""Frames of speech below the gate after which it is believed to be that quiet: before any that was not, and after."""
CEILING = 0.98
_ACTIVE = 10**-2.5
"""Of the loudest 10 ms: those below are no part of a frame's level."""


@dataclass(frozen=True, slots=True)
class LevelState:
    """Mean power of active frames, how many were averaged, and the gain the last frame ended on (linear); the quietest
    power lately, how many frames of quiet speech came in a row and their power in sum, and whether there was speech."""

    power: float = 10 ** (TARGET_LEVEL_DB / 10)
    frames: int = GUESSED_FRAMES
    gain: float = 1.0
    floor: float = float("inf")
    quiet: int = 0
    quiet_power: float = 0.0
    heard: bool = False

    @classmethod
    def expecting(cls, level_db: float | None) -> LevelState:
        """A start, where the active level of the talker is known, dBFS; None, or one of silence: it is not."""
        if level_db is None or level_db < SILENCE_DB:
            return cls()
        power = 10 ** (level_db / 10)
        return cls(power=power, frames=KNOWN_FRAMES, gain=_gain(power), heard=True)

    @property
    def level_db(self) -> float | None:
        """Active level of the talker heard, dBFS; None where there was no speech."""
        return 10 * float(np.log10(self.power)) if self.heard else None


@dataclass(slots=True)
class TalkerLevel:
    """What a microphone remembers from over to over: the active level of who spoke last, dBFS; None before anybody."""

    level_db: float | None = None

    def learn(self, level_db: float | None) -> None:
        """Take what an over or a recording ended on (`LevelState.level_db`); None, for one without speech, changes
        nothing."""
        if level_db is not None:
            self.level_db = level_db


def active_level_db(pcm: NDArray[np.float32]) -> float:
    """Level of the active part of speech (samples,), dBFS: its 10 ms within 25 dB of the 95th percentile.

    A simple relative of ITU-T P.56: pauses do not count, so the figure does not depend on how much silence there is.
    -100 for nothing.
    """
    powers = _powers(pcm) + 1e-12
    if len(powers) == 0:
        return -100.0
    loud = np.quantile(powers, 0.95)
    return float(10 * np.log10(np.mean(powers[powers >= loud * _ACTIVE])))


def control_level(frame: NDArray[np.float32], state: LevelState) -> tuple[NDArray[np.float32], LevelState]:
    """Scale one frame (samples,) in -1..1 to the common level; the gain ramps over the frame."""
    powers = _powers(frame)
    loudest = float(powers.max(initial=0.0))
    power = float(powers[powers >= loudest * _ACTIVE].mean()) if loudest > 0 else 0.0
    sounding = powers[powers > 10 ** (NOTHING_DB / 10)]
    floor = min(state.floor * 10 ** (FLOOR_RISE_DB / 10), float(sounding.min(initial=np.inf)))
    mean, count, heard = state.power, state.frames, state.heard
    quiet, quiet_power = state.quiet, state.quiet_power
    is_speech = power > max(floor * 10 ** (SPEECH_DB / 10), 10 ** (SILENCE_DB / 10))
    if power > mean * 10 ** (JUMP_DB / 10):
        mean, count, quiet, quiet_power = power, 1, 0, 0.0
        heard = heard or is_speech
    elif power > mean * 10 ** (-(GATE_DB if heard else JUMP_DB) / 10):
        quiet, quiet_power = 0, 0.0
        if is_speech:
            heard, count = True, min(count + 1, MEMORY_FRAMES)
            mean += (power - mean) / count
    elif is_speech:
        quiet, quiet_power = quiet + 1, quiet_power + power
        if quiet >= (FRAMES_TO_DROP if heard else FRAMES_TO_BEGIN):
            mean, count, heard = quiet_power / quiet, quiet, True
            quiet, quiet_power = 0, 0.0
    elif not heard:
        quiet, quiet_power = 0, 0.0
    gain, start = _gain(mean), state.gain
    peak = float(np.abs(frame).max(initial=0.0))
    if peak > 0:
        gain, start = min(gain, CEILING / peak), min(start, CEILING / peak)
    ramp = np.linspace(start, gain, len(frame), dtype=np.float32)
    return frame * ramp, LevelState(mean, count, gain, floor, quiet, quiet_power, heard)


def _powers(pcm: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean power of every 10 ms."""
    blocks = pcm[: len(pcm) // 160 * 160].reshape(-1, 160).astype(np.float64)
    return np.asarray(np.mean(blocks**2, axis=1))


def _gain(power: float) -> float:
    """Linear, for a mean power."""
    return 10 ** (float(np.clip(TARGET_LEVEL_DB - 10 * np.log10(power), MIN_GAIN_DB, MAX_GAIN_DB)) / 20)
