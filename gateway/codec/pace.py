"""How many steps a live search may take on this machine, so that a packet leaves in time.

Rule: pure but for the clock handed in; learns from what each search took, on a busy machine as on a slow one.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.codec.spec import FRAME_SAMPLES, SAMPLE_RATE

FRAME_S = FRAME_SAMPLES / SAMPLE_RATE
SHARE = 0.45
"""Of a packet's duration, for its search: the rest is for the codec, the other direction and everything else."""
FEWEST_STEPS = 2
"""Below this a search is not worth its first decoding."""
_NEWEST = 0.3
_HOPE = 0.97
"""Per packet without a search: a machine that was busy is tried again after some ten seconds."""


class SearchPace:
    """The steps that fit, 0 to `most`; shared by all overs of a station."""

    def __init__(self, now: Callable[[], float], most: int, share: float = SHARE) -> None:
        """`now` gives seconds on a clock that never goes back."""
        self.now, self._most, self._share = now, most, share
        self._cost_s: float | None = None

    @property
    def cost_s(self) -> float | None:
        """Seconds for one step over one frame, as learnt; None before the first search."""
        return self._cost_s

    def real_time_factor(self, steps: int, segment_frames: int, window_frames: int) -> float | None:
        """Share of real time that `steps` a segment take; None before the first search."""
        if self._cost_s is None:
            return None
        return self._cost_s * (steps + 1) * window_frames / (segment_frames * FRAME_S)

    def steps(self, segment_frames: int, window_frames: int) -> int:
        """For a segment of so many frames, with those before and after it that are decoded along."""
        if self._cost_s is None:
            return self._most
        budget_s = self._share * segment_frames * FRAME_S
        # One more decoding than steps: the last looks at what the last step found.
        fitting = int(budget_s / (self._cost_s * max(1, window_frames))) - 1
        return min(fitting, self._most) if fitting >= FEWEST_STEPS else 0

    def skipped(self) -> None:
        """There was no time for a search."""
        if self._cost_s is not None:
            self._cost_s *= _HOPE

    def took(self, steps: int, window_frames: int, seconds: float) -> None:
        """A search of `steps` over `window_frames` took `seconds`."""
        cost = seconds / ((steps + 1) * max(1, window_frames))
        self._cost_s = cost if self._cost_s is None else self._cost_s + _NEWEST * (cost - self._cost_s)
