"""Measured delivery by range, reproduced."""

from __future__ import annotations

import csv
import math
import os
from pathlib import Path

import numpy as np
import pytest

from gateway.channel.delivery import DeliveryByRangeModel
from gateway.channel.impairments import Channel, ChannelSpec
from gateway.channel.measured import DELIVERY
from gateway.channel.models import build_model

SHARED = Path(__file__).parents[3] / "shared" / "traces" / "measured"
PACKETS = 4000


@pytest.mark.parametrize("table", DELIVERY)
def test_the_measured_shares_come_out_within_sampling_error(table: str) -> None:
    """Three standard errors at each point."""
    for seed, (range_m, share) in enumerate(DELIVERY[table]):
        spec = ChannelSpec("x", model=DeliveryByRangeModel(table, range_m=range_m))
        channel = Channel(spec, np.random.default_rng(seed))
        for index in range(PACKETS):
            channel.send(b"x", float(index))
        error = 3 * math.sqrt(share * (1 - share) / PACKETS)
        assert channel.stats.delivered / PACKETS == pytest.approx(share, abs=error + 1e-9)


@pytest.mark.skipif(not SHARED.is_dir() and not os.environ.get("CI"), reason="the shared folder of tables is not here")
def test_the_tables_shipped_are_those_measured() -> None:
    if not SHARED.is_dir():
        pytest.skip("CI has no shared folder: the shipped tables stand for themselves")
    with (SHARED / "ahoi_delivery_by_range.csv").open() as file:
        assert tuple((float(r["range_m"]), float(r["delivery"])) for r in csv.DictReader(file)) == DELIVERY["ahoi"]
    with (SHARED / "hermes_delivery_by_range.csv").open() as file:
        rows = list(csv.DictReader(file))
    for mode in "01":
        found = tuple((float(r["range_m"]), float(r["delivery"])) for r in rows if r["mode"] == mode)
        assert found == DELIVERY[f"hermes-{mode}"]


def test_lines_between_and_the_ends_hold() -> None:
    model = DeliveryByRangeModel(points=((100, 0.8), (200, 0.4)))
    assert [model.delivery(r) for r in (10, 100, 150, 200, 900)] == pytest.approx([0.8, 0.8, 0.6, 0.4, 0.4])


def test_out_of_range_has_a_word_of_its_own() -> None:
    channel = Channel(ChannelSpec("x", model=DeliveryByRangeModel("ahoi", range_m=250)), np.random.default_rng(0))
    channel.send(b"x", 0.0)
    assert channel.causes == {"out_of_range": 1}


def test_a_vessel_sails_through_the_table() -> None:
    model = DeliveryByRangeModel("ahoi", range_m=12, until_m=152, speed_m_s=1.0)
    path = model.start(np.random.default_rng(0), 50.0)
    found = [path.conditions(1, 50.0 + at_s, 50.0 + at_s) for at_s in (0, 12, 87, 140)]
    assert [c.loss for c in found] == pytest.approx([0.05, 0.3, 0.01, 0.485])
    assert found[2].delay_s == pytest.approx(99 / 1500)
    assert model.usual_delay_s == pytest.approx(12 / 1500)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "table: give the name of one"),
        ({"table": "ahoy"}, "table: got 'ahoy'; there are: ahoi, hermes-0, hermes-1"),
        ({"table": "ahoi", "points": [[1, 1]]}, "table: give the name of one, or points"),
        ({"points": [[1, 1.5]]}, "points: needed: pairs"),
        ({"points": [[5, 1], [5, 0]]}, "points: needed: each farther"),
        ({"table": "ahoi", "until_m": 100}, "speed_m_s: needs until_m"),
        ({"table": "ahoi", "sound_speed_m_s": 340}, "sound_speed_m_s: got 340"),
    ],
)
def test_mistakes_are_named(table: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_model({"kind": "delivery-by-range", **table})
