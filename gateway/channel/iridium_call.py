"""An Iridium data call: it drops now and then, and the modem dials again; short breaks where beams change.

Rule: a packet that is on the air in a gap is lost, as it is with a modem whose call is gone.

Figures: Mohammad, "Multi-Link Iridium Satellite Data Communication System", University of Kansas, 2004 (measured in
Greenland): 2400 bit/s, round trip 1.8 s, calls drop every 100 minutes on average. Rate and delay are figures of the
channel. Dialling takes 15 to 20 s (docs/modems-iridium-evologics.md); that one try in ten fails and that a change of
beams, about once a minute, costs 0.4 s are assumptions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from gateway.channel.conditions import Conditions, Path, PathModel
from gateway.channel.figures import check_range
from gateway.channel.spells import Spells


class _Call(StrEnum):
    UP = "up"
    BEAM_CHANGE = "beam change"
    DOWN = "call dropped"


@dataclass(frozen=True, slots=True)
class IridiumCallModel(PathModel):
    """Calls last `mean_call_s` on average (exponentially); a try to dial takes `dial_s`, a share `dial_success` works.

    Every `beam_s` of a call, `beam_gap_s` are lost to a hand-over between beams; 0 for none.
    """

    mean_call_s: float = 6000.0
    dial_s: float = 20.0
    dial_success: float = 0.9
    beam_s: float = 60.0
    beam_gap_s: float = 0.4

    def __post_init__(self) -> None:
        check_range("mean_call_s", self.mean_call_s, 1, 1e7)
        check_range("dial_s", self.dial_s, 0.1, 3600)
        check_range("dial_success", self.dial_success, 0.01, 1)
        check_range("beam_s", self.beam_s, 1, 1e7)
        check_range("beam_gap_s", self.beam_gap_s, 0, 60)

    @property
    def mean_redial_s(self) -> float:
        """Mean time from a drop to the next call."""
        return self.dial_s / self.dial_success

    def start(self, rng: np.random.Generator, start_s: float) -> Path:
        return _CallPath(Spells(_calls(self, rng), start_s))


class _CallPath(Path):
    def __init__(self, spells: Spells[_Call]) -> None:
        self._spells = spells

    def conditions(self, n_bytes: int, begin_s: float, end_s: float) -> Conditions:
        met = self._spells.during(begin_s, end_s)
        for gap in (_Call.DOWN, _Call.BEAM_CHANGE):
            if gap in met:
                return Conditions(loss=1.0, cause=gap.value)
        return Conditions()


def _calls(model: IridiumCallModel, rng: np.random.Generator) -> Iterator[tuple[_Call, float]]:
    """Begins in a call at any place between two beams: an exponential length has no age."""
    to_beam_s = model.beam_s * rng.random()
    while True:
        left_s = rng.exponential(model.mean_call_s)
        while model.beam_gap_s and left_s > to_beam_s:
            yield _Call.UP, to_beam_s
            yield _Call.BEAM_CHANGE, model.beam_gap_s
            left_s, to_beam_s = left_s - to_beam_s, model.beam_s
        yield _Call.UP, left_s
        to_beam_s = model.beam_s * rng.random()
        yield _Call.DOWN, model.dial_s * rng.geometric(model.dial_success)
