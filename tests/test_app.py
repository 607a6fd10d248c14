"""What a station's program is built of besides its link, and what it says of that."""

from __future__ import annotations

from typing import Any

import pytest

from firmware_bridge.ptt.contact import Move
from gateway.app import MOVES, describe_search
from gateway.codec import Codec, SearchPace
from gateway.config import StationConfig

MEMORY = {"kind": "memory", "mode": "parrot"}


def config(link: dict[str, Any], **sections: Any) -> StationConfig:
    return StationConfig.model_validate({"station": {"name": "x", "id": 3}, "link": link, **sections})


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
