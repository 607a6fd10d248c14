"""The wait before an over plays, learnt from how unevenly the packets of earlier overs came (SPEC.md, 8.9).

The rule: it changes between overs only, goes up as soon as it must and down slowly, and stays between its bounds.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from gateway.errors import LocalProtocolError
from gateway.protocol.packets import FRAME_S

_BASE_PACKETS = 32  # over which the fastest packet is looked for; short enough that clock drift does not count
_STEP_S = 0.02
_RAISE_SHARE, _LOWER_SHARE = 0.1, 0.25  # of the cushion: a quantile of few packets is no more exact than that


def expected_cushion_s(mean_jitter_s: float, least_s: float, quantile: float = 0.97) -> float:
    """What is learnt on a link whose packets come late by an exponentially distributed time with this mean."""
    return max(least_s, -math.log(1 - quantile) * mean_jitter_s)


@dataclass(frozen=True, slots=True)
class CushionRules:
    """Times in seconds. The cushion starts at and never falls below `least_s`, and never exceeds `most_s`.

    It covers the lateness that a share `quantile` of the last `memory_packets` packets did not exceed. It is lowered
    after `calm_overs` overs in a row that needed at least `slack_s` and a quarter less, by half of what could be saved.
    """

    least_s: float
    most_s: float
    quantile: float = 0.97
    memory_packets: int = 400
    calm_overs: int = 3
    slack_s: float = 0.06

    def __post_init__(self) -> None:
        if not 0 <= self.least_s <= self.most_s or not 0 < self.quantile <= 1:
            raise LocalProtocolError(f"cushion: needs 0 <= least_s <= most_s and 0 < quantile <= 1: {self}")
        if self.memory_packets < 1 or self.calm_overs < 1 or self.slack_s < 0:
            raise LocalProtocolError(f"cushion: needs memory, calm overs and a slack: {self}")


class AdaptiveCushion:
    """`arrived` for every packet, `over_ended` after the last one; `cushion_s` is for the next over."""

    def __init__(self, rules: CushionRules) -> None:
        self._rules = rules
        self._cushion_s = rules.least_s
        self._recent: deque[float] = deque(maxlen=_BASE_PACKETS)  # arrival less time of speaking, this over
        self._frames = 0  # of the longest packet of this over
        self._late_s: deque[float] = deque(maxlen=rules.memory_packets)
        self._calm = 0

    @property
    def cushion_s(self) -> float:
        """For the next over."""
        return self._cushion_s

    def arrived(self, first_frame_index: int, frames: int, now_s: float) -> None:
        """A packet of this over. Shorter ones are left out: they take less time on the air than the others."""
        if frames < self._frames:
            return
        self._frames = frames
        after_s = now_s - first_frame_index * FRAME_S
        self._recent.append(after_s)
        self._late_s.append(after_s - min(self._recent))

    def over_ended(self) -> bool:
        """Draw the conclusion for the next over; whether the cushion changed."""
        measured = len(self._recent)
        self._recent.clear()
        self._frames = 0
        if measured < 2:  # one packet is never later than itself
            return False
        rules = self._rules
        ordered = sorted(self._late_s)
        late_s = ordered[min(len(ordered) - 1, math.ceil(rules.quantile * len(ordered)) - 1)]
        needed_s = min(rules.most_s, max(rules.least_s, math.ceil(late_s / _STEP_S - 1e-9) * _STEP_S))
        if needed_s > (1 + _RAISE_SHARE) * self._cushion_s + _STEP_S / 2:
            self._cushion_s, self._calm = needed_s, 0
            return True
        if needed_s > self._cushion_s - max(rules.slack_s, _LOWER_SHARE * self._cushion_s):
            self._calm = 0
            return False
        self._calm += 1
        if self._calm < rules.calm_overs:
            return False
        saved_s = math.ceil((self._cushion_s - needed_s) / 2 / _STEP_S - 1e-9) * _STEP_S
        self._cushion_s, self._calm = max(rules.least_s, self._cushion_s - saved_s), 0
        return True
