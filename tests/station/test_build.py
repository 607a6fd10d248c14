"""A station is built of what its configuration says, and works."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from gateway.audio.paced import NullInput, NullOutput
from gateway.clock import ManualClock
from gateway.codec import Codec
from gateway.config import StationConfig
from gateway.control.hub import ControlHub
from gateway.control.kept import Kept
from gateway.control.requests import ToggleKey
from gateway.control.snapshot import HeardView
from gateway.links.memory import MemoryHub
from gateway.metrics import Metrics
from gateway.station.build import StationParts, build_cushion, build_station

MEMORY = {"kind": "memory", "mode": "parrot"}


def config(link: dict[str, Any], **sections: Any) -> StationConfig:
    return StationConfig.model_validate({"station": {"name": "x", "id": 3}, "link": link, **sections})


def test_the_cushion_is_learnt_between_the_configured_and_what_the_cap_leaves() -> None:
    cushion = build_cushion(config(MEMORY, jitter={"cushion_ms": 100, "cap_ms": 1500}))
    assert cushion is not None
    assert cushion.cushion_s == 0.1
    for n in range(100):
        cushion.arrived(6 * n, 6, 0.48 * n + 5.0 * (n % 2))
    cushion.over_ended()
    assert cushion.cushion_s == pytest.approx(1.5 - 0.48)
    assert build_cushion(config(MEMORY, jitter={"adapt": "off"})) is None


def test_a_station_of_a_configuration_talks_and_remembers(small_codec: Codec, tmp_path: Path) -> None:
    clock, metrics = ManualClock(10.0), Metrics()
    hub, net = ControlHub(clock), MemoryHub(clock)
    made = config(MEMORY, messages={"spool": tmp_path / "spool"}, codec={"search": "off"})
    station = build_station(
        StationParts(
            made,
            small_codec,
            net.station("x"),
            (NullInput(clock), NullOutput(clock, metrics)),
            clock,
            metrics,
            print,
            crc=False,
            hub=hub,
            kept=Kept(last_heard=(HeardView(9, "station 9", 5.0),), talker_db=-47.5),
            rng=random.Random(1),
        )
    )
    hub.post(ToggleKey("keyboard"))
    for _ in range(100):
        station.step()
    station.close()
    shown = hub.snapshot
    assert shown is not None
    assert shown.station.name == "x"
    assert [view.source for view in shown.last_heard] == [9]
    assert shown.audio.talker_db == -47.5  # of before the restart: an over of silence tells nothing new
    assert "anybody can hear" in shown.security.text
    assert metrics.counter("tx.overs") == 1
    assert (tmp_path / "spool").is_dir()
