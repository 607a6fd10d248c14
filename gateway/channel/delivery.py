"""Packets lost by range as somebody measured it, where no physics would say why.

Rule: straight lines between the measured points; nearer than the first its share holds, farther than the last too.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from gateway.channel.conditions import Conditions, Path, PathModel
from gateway.channel.measured import DELIVERY
from gateway.channel.motion import check_motion, range_and_rate


@dataclass(frozen=True, slots=True)
class DeliveryByRangeModel(PathModel):
    """`table` names one of `measured.DELIVERY`, or `points` are one's own: (metres, share delivered), nearest first.

    With `until_m` a vessel sails between both ranges at `speed_m_s`. Losses are independent: the tables say no more.
    """

    table: str | None = None
    points: tuple[tuple[float, float], ...] = ()
    range_m: float = 100.0
    until_m: float | None = None
    speed_m_s: float = 0.0
    sound_speed_m_s: float = 1500.0

    def __post_init__(self) -> None:
        check_motion(self.range_m, self.until_m, self.speed_m_s)
        if not 1000 <= self.sound_speed_m_s <= 2000:
            raise ValueError(f"sound_speed_m_s: got {self.sound_speed_m_s:g}; needed: 1000 to 2000")
        if (self.table is None) == (not self.points):
            raise ValueError("table: give the name of one, or points of your own")
        if self.table is not None and self.table not in DELIVERY:
            raise ValueError(f"table: got {self.table!r}; there are: {', '.join(DELIVERY)}")
        if any(not 0 <= share <= 1 for _, share in self.points) or any(m < 0 for m, _ in self.points):
            raise ValueError("points: needed: pairs of metres and a share from 0 to 1")
        if any(far <= near for (near, _), (far, _) in pairwise(self.points)):
            raise ValueError("points: needed: each farther than the one before")

    @property
    def usual_delay_s(self) -> float:
        """How long sound takes over `range_m`."""
        return self.range_m / self.sound_speed_m_s

    def delivery(self, range_m: float) -> float:
        """Share of packets that arrive over `range_m`."""
        ranges, shares = zip(*(self.points or DELIVERY[self.table or ""]), strict=True)
        return float(np.interp(range_m, ranges, shares))

    def start(self, rng: np.random.Generator, start_s: float) -> Path:
        return _DeliveryPath(self, start_s)


class _DeliveryPath(Path):
    def __init__(self, model: DeliveryByRangeModel, start_s: float) -> None:
        self._model = model
        self._start_s = start_s

    def conditions(self, n_bytes: int, begin_s: float, end_s: float) -> Conditions:
        model = self._model
        range_m, _ = range_and_rate(model.range_m, model.until_m, model.speed_m_s, begin_s - self._start_s)
        lost = 1 - model.delivery(range_m)
        return Conditions(range_m / model.sound_speed_m_s, lost, cause="out_of_range" if lost == 1 else "faded")
