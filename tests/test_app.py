"""What a station's program is built of besides its link, and what it says of that."""

from __future__ import annotations

from typing import Any

import pytest

from firmware_bridge.ptt.contact import Move
from gateway.app import MOVES, build_cushion, describe_search
from gateway.codec import Codec, SearchPace
from gateway.config import StationConfig

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


@pytest.mark.parametrize(
    ("search", "took_s", "told"),
    [
        ("off", None, "off"),
        ("on", None, "on"),
        ("auto", 0.2, "6 steps, 0.42 of real time"),
        ("auto", 2.0, "off: 2 steps would take 1.79 of real time here"),
    ],
)
def test_the_operator_is_told_how_speech_is_searched(
    small_codec: Codec, search: str, took_s: float | None, told: str
) -> None:
    pace = None
    if took_s is not None:
        pace = SearchPace(lambda: 0.0, 6)
        pace.took(6, 8, took_s)
    assert describe_search(config(MEMORY, codec={"search": search, "lookahead": 2}), small_codec, pace) == told


def test_every_move_of_a_switch_means_something() -> None:
    assert set(MOVES) == set(Move)
