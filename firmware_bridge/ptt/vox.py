"""The operator's voice as his key: on when it is loud enough, off when it has not been for a while.

Rule: pure; the level and the time are passed in. What was heard just before is kept, because the first syllable is
what tells that somebody talks.
"""

from __future__ import annotations

import numpy as np

from firmware_bridge.ptt.contact import Move
from gateway.ptt_config import VoxInput

HYSTERESIS_DB = 6.0
HOLD_OFF_S = 0.5
"""After something was played the room still rings, and the operator's ear with it."""


class Vox:
    """One microphone's; `before` holds up to `before_ms` of what came before the sound that was heard last."""

    def __init__(self, section: VoxInput, sample_rate_hz: int) -> None:
        self._on_db, self._off_db = section.threshold_db, section.threshold_db - HYSTERESIS_DB
        self._hang_s = section.hang_ms / 1000
        self._keep = section.before_ms * sample_rate_hz // 1000
        self._past = np.zeros(0, np.float32)
        self._newest = 0
        self._is_on = False
        self._loud_s = 0.0
        self._played_s = float("-inf")

    @property
    def before(self) -> np.ndarray:
        """Float32 samples from before the ones of the last `hear`."""
        return self._past[: len(self._past) - self._newest][-self._keep :] if self._keep else self._past[:0]

    def hear(self, pcm: np.ndarray, level_db: float, now: float, *, is_played_to: bool) -> Move | None:
        """`pcm` of `level_db` came; `is_played_to`: the microphone may hear the speaker, which begins nothing."""
        self._past = np.concatenate([self._past[-self._keep :] if self._keep else self._past[:0], pcm])
        self._newest = len(pcm)
        if is_played_to:
            self._played_s = now
        if level_db >= (self._off_db if self._is_on else self._on_db):
            self._loud_s = now
            if not self._is_on and now >= self._played_s + HOLD_OFF_S:
                self._is_on = True
                return Move.PRESSED
        elif self._is_on and now >= self._loud_s + self._hang_s:
            self._is_on = False
            return Move.RELEASED
        return None
