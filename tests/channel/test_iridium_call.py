"""Iridium calls: how long they hold, how long a redial takes, beams."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from gateway.channel.iridium_call import IridiumCallModel
from gateway.channel.spec_file import load_channel


def test_calls_and_gaps_have_their_means() -> None:
    model = IridiumCallModel(mean_call_s=600.0, dial_s=20.0, dial_success=0.5, beam_gap_s=0.0)
    path = model.start(np.random.default_rng(4), 10.0)
    down = [path.conditions(22, 10 + at_s, 10 + at_s).loss == 1.0 for at_s in np.arange(0, 1_500_000.0, 2.0).tolist()]
    spells = [(word, 2.0 * len(list(run))) for word, run in itertools.groupby(down)][1:-1]
    calls = np.array([length for word, length in spells if not word])
    gaps = np.array([length for word, length in spells if word])
    assert calls.mean() == pytest.approx(600, rel=0.07)
    assert gaps.mean() == pytest.approx(model.mean_redial_s, rel=0.07)
    assert model.mean_redial_s == 40
    assert gaps.min() == 20
    assert np.all(gaps % 20 == 0)


def test_the_preset_is_what_was_measured() -> None:
    """2400 bit/s, 1.8 s round trip, 100 minutes between drops."""
    spec = load_channel("iridium-call")
    assert isinstance(spec.model, IridiumCallModel)
    assert (spec.rate_bps, 2 * spec.delay_ms, spec.model.mean_call_s) == (2400, 1800, 100 * 60)
    lost_s = 0
    path = spec.model.start(np.random.default_rng(1), 0.0)
    for at_s in np.arange(0, 2_000_000.0, 4.0).tolist():
        lost_s += 4 * (path.conditions(22, at_s, at_s).cause == "call dropped")
    model = spec.model
    assert lost_s / 2_000_000 == pytest.approx(model.mean_redial_s / (model.mean_call_s + model.mean_redial_s), rel=0.2)


def test_beams_change_once_a_minute() -> None:
    path = IridiumCallModel(mean_call_s=1e7).start(np.random.default_rng(1), 0.0)
    words = [path.conditions(22, at_s, at_s).cause for at_s in np.arange(0, 3600, 0.1).tolist()]
    begins = [i / 10 for i in range(1, len(words)) if words[i] == "beam change" != words[i - 1]]
    assert np.diff(begins) == pytest.approx(np.full(len(begins) - 1, 60.4), abs=0.11)


def test_a_packet_that_begins_before_a_gap_is_lost_with_it() -> None:
    model = IridiumCallModel(mean_call_s=1e7, beam_s=60, beam_gap_s=1.0)
    path, scout = (model.start(np.random.default_rng(1), 0.0) for _ in range(2))
    gap_s = next(at_s for at_s in np.arange(0, 70, 0.01).tolist() if scout.conditions(1, at_s, at_s).loss)
    assert path.conditions(22, gap_s - 0.2, gap_s - 0.1).loss == 0
    assert path.conditions(22, gap_s - 0.05, gap_s + 0.02).cause == "beam change"
    assert path.conditions(22, gap_s + 1.1, gap_s + 1.2).loss == 0


def test_figures_out_of_range() -> None:
    with pytest.raises(ValueError, match="dial_success: got 0"):
        IridiumCallModel(dial_success=0)
