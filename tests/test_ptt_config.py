"""[ptt] in a station file: what it holds, and how its mistakes are named."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from gateway.config import StationConfig, parse_toml
from gateway.errors import ConfigError
from gateway.ptt_config import PttSection, ToneName
from gateway.session.events import Tone


def parse(lines: str) -> PttSection:
    text = f'[station]\nname = "x"\nid = 7\n[link]\nkind = "memory"\n[ptt]\n{lines}\n'
    return parse_toml(text, StationConfig, Path("x.toml")).ptt


def test_tones_are_all_none_or_those_listed() -> None:
    assert all(parse("").plays(tone.value) for tone in Tone)
    assert not any(parse("tones = false").plays(tone.value) for tone in Tone)
    some = parse('tones = ["permit", "timed_out"]')
    assert {tone for tone in Tone if some.plays(tone.value)} == {Tone.PERMIT, Tone.TIMED_OUT}
    assert set(get_args(ToneName)) == {tone.value for tone in Tone}


def test_floor_control_as_it_is_written() -> None:
    ptt = parse('floor = "queue"\nfloor_order = [31, 1]\nfloor_slot_ms = 1200\nfloor_wait_s = 20')
    assert (ptt.floor, ptt.floor_order, ptt.floor_slot_ms, ptt.floor_wait_s) == ("queue", (31, 1), 1200, 20)
    assert (parse("").floor, parse("").duplex) == ("off", "auto")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ('tones = ["beep"]', "x.toml: ptt.tones.0: got 'beep'; Input should be 'permit'"),
        ('tones = "yes"', "x.toml: ptt.tones: got 'yes'; Input should be a valid boolean"),
        ('floor = "on"', "x.toml: ptt.floor: got 'on'; Input should be 'off' or 'queue'"),
        ("floor_order = [0]", "x.toml: ptt.floor_order.0: got 0"),
        ("floor_slots = 0", "x.toml: ptt.floor_slots: got 0"),
        ('duplex = "both"', "x.toml: ptt.duplex: got 'both'"),
        ('duplex = "full"\nfloor = "queue"', 'x.toml: ptt: floor = "queue" is for nets where one talks at a time'),
    ],
)
def test_a_mistake_is_one_line_that_names_its_key(lines: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(lines)
    assert str(caught.value).startswith(expected)
    assert "\n" not in str(caught.value)
