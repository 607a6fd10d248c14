"""The program as its user starts it: results, and one clear line for everything that cannot be done."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from firmware_bridge.framing.delimited import CobsFramer
from gateway.cli import main
from gateway.cli.root import SECTIONS
from tests.cli.calls import good, refused


def test_help_of_every_command() -> None:
    assert "300 bit/s" in good("--help").output
    for name in main.commands:
        assert "Usage" in good(name, "--help").output
    assert "version" in good("--version").output


def commands(group: click.Group) -> Iterator[click.Command]:
    for command in group.commands.values():
        yield command
        if isinstance(command, click.Group):
            yield from commands(command)


def test_every_option_says_what_it_is_for() -> None:
    silent = [
        f"{command.name} {option.opts[0]}"
        for command in commands(main)
        for option in command.params
        if isinstance(option, click.Option) and not option.help
    ]
    assert silent == []


def test_every_command_stands_under_one_heading() -> None:
    assert sorted(name for names in SECTIONS.values() for name in names) == sorted(main.commands)


def test_a_file_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    for name, command in {"bad.toml": "run", "mars.toml": "channel"}.items():
        assert name in refused(command, "-c", tmp_path / name)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "[station]\nname = 'a'\nid = 1\n[link]\nkind = 'memory'\n[audio]\ninptu = 'null'\n",
            "audio.inptu: unknown key",
        ),
        ("[station]\nname = 'a'\nid = 'one'\n[link]\nkind = 'memory'\n", "station.id: got 'one'"),
        ("[station]\nname = 'a'\nid = 1\n", "link: missing"),
        ("[station\n", "not valid TOML"),
    ],
)
def test_mistakes_in_a_configuration_are_named(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "s.toml").write_text(text)
    line = refused("run", "-c", tmp_path / "s.toml")
    assert "s.toml" in line
    assert told in line


def test_devices_can_be_asked_for_anywhere() -> None:
    assert good("devices").output.strip()


def test_airtime_prints_a_table_and_names_what_is_wrong(tmp_path: Path) -> None:
    channel = Path(__file__).parents[2] / "configs" / "channel" / "acoustic-1km.toml"
    out = good("airtime", "-c", channel, "--json", tmp_path / "rows.json").output
    assert "5 to 19" in out
    assert len(json.loads((tmp_path / "rows.json").read_text())[0]["rows"]) == 8 * 24
    assert "no.toml: cannot read" in refused("airtime", "-c", tmp_path / "no.toml")
    assert "no protection 'rain'" in refused("airtime", "-c", channel, "--protection", "rain")


def test_ports_lists_ports_and_prints_and_replays_raw_logs(tmp_path: Path) -> None:
    assert "ports" in good("ports").output or "/dev/" in good("ports").output
    log = tmp_path / "raw.log"
    frame = CobsFramer(270).encode(b"over")
    log.write_text(f"1.5 2026-11-26T09:30:00.000000Z < {frame.hex(' ')}\n")
    assert "6f 76 65 72" in good("ports", "--log", log).output
    replayed = good("ports", "--log", log, "-c", "transparent-9600").output
    assert "PacketHeard(data=b'over'" in replayed
    assert "no such raw log" in refused("ports", "--log", tmp_path / "none.log")


def test_run_refuses_a_link_that_cannot_carry_live_voice(tmp_path: Path) -> None:
    station = tmp_path / "slow.toml"
    station.write_text(
        '[station]\nname = "x"\nid = 1\n[audio]\ninput = "null"\noutput = "null"\n[link]\nkind = "memory"\n'
        '[channel]\npreset = "acoustic-1km"\n[packets]\nframes_per_packet = 2\n'
    )
    line = refused("run", "-c", station)
    assert "slow.toml: packets.frames_per_packet: link parrot+acoustic-1km is too slow for live voice" in line
    assert line.endswith("frames_per_packet 5 to 19 would fit")


def test_keygen_makes_adds_uses_and_drops(tmp_path: Path) -> None:
    path = tmp_path / "net.key"
    made = good("keygen", path).stdout
    assert made.startswith("key ")
    assert path.stat().st_mode & 0o777 == 0o600
    old = made.split()[1].rstrip(",")
    assert "exists already" in refused("keygen", path)
    added = good("keygen", path, "--add").stdout
    assert added.count(": accepted") == added.count(": sends") == 1
    new = added.split(" added;")[0].rsplit(" ", 1)[1]
    assert f"key {new}, check" in good("keygen", path, "--use", new).stdout
    assert "the one that sends" in refused("keygen", path, "--drop", new)
    assert good("keygen", path, "--drop", old).stdout.count("key ") == 1
    assert good("keygen", path, "--force").stdout != made
    path.chmod(0o644)
    assert "chmod 600" in refused("keygen", path, "--add")


def test_keygen_makes_a_curve_pair(tmp_path: Path) -> None:
    path = tmp_path / "alpha.curve"
    told = good("keygen", "--curve", path).stdout
    assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "alpha.curve.public").is_file()
    secret = path.read_text().split('secret = "')[1].split('"')[0]
    assert secret not in told
    assert "exists already" in refused("keygen", "--curve", path)


def test_a_station_without_its_key_says_so(tmp_path: Path, weights: Path) -> None:
    station = tmp_path / "s.toml"
    station.write_text(
        f'[station]\nname = "a"\nid = 1\n[link]\nkind = "memory"\n[codec]\nweights = "{weights}"\n'
        '[audio]\ninput = "null"\noutput = "null"\n[security]\nmode = "authenticate"\nkey_file = "net.key"\n'
    )
    assert f"{tmp_path}/net.key: no such key file" in refused("run", "-c", station)
