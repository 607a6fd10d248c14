"""Breaks: share and lengths, and the figures of Starlink in a car."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from gateway.channel.breaks import BreaksModel
from gateway.channel.impairments import Channel
from gateway.channel.spec_file import load_channel


def lengths(model: BreaksModel, seed: int, seconds: float, step_s: float) -> tuple[float, np.ndarray]:
    path = model.start(np.random.default_rng(seed), 0.0)
    gone = np.array([path.conditions(1, at_s, at_s).loss for at_s in np.arange(0, seconds, step_s).tolist()])
    runs = [len(list(run)) * step_s for word, run in itertools.groupby(gone) if word]
    return float(gone.mean()), np.array(runs)


@pytest.mark.parametrize("longest_s", [None, 4.0])
def test_share_mean_and_longest(longest_s: float | None) -> None:
    share, breaks = lengths(BreaksModel(0.1, 1.5, longest_s), 3, 30_000, 0.05)
    assert share == pytest.approx(0.1, rel=0.1)
    assert breaks.mean() == pytest.approx(1.5, rel=0.1)
    assert np.mean(breaks > 4.06) == pytest.approx(0.07 if longest_s is None else 0.0, abs=0.02)


def test_the_share_does_not_depend_on_the_pace() -> None:
    model = BreaksModel(0.1, 1.0)
    fast, slow = (lengths(model, 1, 40_000, step_s)[0] for step_s in (0.1, 5.0))
    assert slow == pytest.approx(fast, rel=0.15)


def test_starlink_in_a_car_as_published() -> None:
    """Round trip 44 ms median and 116 ms at 99 %, 1.8 % lost, no burst longer than 5.6 s."""
    spec = load_channel("starlink-car")
    there, back = (Channel(spec, np.random.default_rng(seed)) for seed in (1, 2))
    trips, sent_s = [], np.arange(0, 30_000, 0.2)
    lost = []
    for at_s in sent_s.tolist():
        out, home = there.send(bytes(22), at_s), back.send(bytes(22), at_s)
        lost.append(not out)
        if out and home:
            trips.append(1000 * (out[0].at_s + home[0].at_s - 2 * at_s))
    assert np.median(trips) == pytest.approx(44, rel=0.05)
    assert np.percentile(trips, 99) == pytest.approx(116, rel=0.05)
    assert np.mean(lost) == pytest.approx(0.018, rel=0.15)
    longest_s = max(0.2 * len(list(run)) for word, run in itertools.groupby(lost) if word)
    assert 2.5 < longest_s <= 5.8


def test_figures_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="longest_s: got 1; needed: twice mean_s"):
        BreaksModel(0.1, 1.0, 1.0)
    with pytest.raises(ValueError, match="share: got 0"):
        BreaksModel(0)
