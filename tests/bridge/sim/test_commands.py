"""Lines typed at a simulation: each does its thing, a wrong one is answered with what would be right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware_bridge.sim.commands import COMMANDS, help_text, run_command
from firmware_bridge.sim.pair import VirtualStations
from tests.bridge.toy_modem import MODEM, toy_profile


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[VirtualStations]:
    with VirtualStations(toy_profile(), [str(tmp_path / "a"), str(tmp_path / "b")], kind=MODEM) as stations:
        yield stations


def test_every_command_is_in_the_help_and_says_something(pair: VirtualStations) -> None:
    for line in (
        "status",
        "cut a",
        "unplug a",
        "plug a",
        "mute b",
        "mute b off",
        "echo a on",
        "stuck a off",
        "flood a 10",
        "half b 2",
        "nocarrier a",
        "air off",
        "air on",
        "loss 0.25",
        "channel lossy-satellite",
    ):
        said = run_command(pair, line)
        assert said
        assert "usage" not in said, said
        assert line.split()[0] in help_text()
    status = pair.status()
    assert status.channel == "lossy-satellite"
    assert status.stations[0].faults == ("echo",)
    assert not status.is_cut


def test_what_it_says_is_so(pair: VirtualStations) -> None:
    run_command(pair, "unplug b")
    assert not Path(pair.address("b")).is_symlink()
    assert "unplugged" in run_command(pair, "status")
    run_command(pair, "plug b")
    assert Path(pair.address("b")).is_symlink()
    run_command(pair, "loss 0.25")
    assert "loss 25 %" in run_command(pair, "status")
    run_command(pair, "air off")
    assert "air: cut" in run_command(pair, "status")
    assert "NO CARRIER" in run_command(pair, "nocarrier a")
    assert "no call" in run_command(pair, "nocarrier a")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("dance", "no such command; there are: help, status"),
        ("cut", "usage: cut X"),
        ("cut a b", "usage: cut X"),
        ("cut z", "no station 'z'; there are: a, b"),
        ("mute a maybe", "neither on nor off; usage: mute X [on|off]"),
        ("loss 2", "no number from 0 to 1"),
        ("loss nan", "no number from 0 to 1"),
        ("flood a many", "no number from 1 to 1e+06"),
        ("channel moon", "no channel preset 'moon'"),
        ("  ", ""),
    ],
)
def test_a_wrong_line_is_answered(pair: VirtualStations, line: str, told: str) -> None:
    assert told in run_command(pair, line)


def test_no_line_whatever_raises(pair: VirtualStations) -> None:
    words = st.sampled_from([*(one.word for one in COMMANDS), "a", "b", "z", "0.5", "-1", "on", "off", "x" * 50])

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(words, max_size=4))
    def check(line: list[str]) -> None:
        assert isinstance(run_command(pair, " ".join(line)), str)

    check()
    assert pair.failure is None
