"""Protection by name: the shipped ones load, and every mistake is named with its file and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import StationConfig, parse_toml
from gateway.errors import ConfigError
from gateway.protocol.protection import Protection, ProtectionKind
from gateway.protocol.protection_file import build_protection, load_protection, preset_folders, preset_names

CONFIGS = Path(__file__).parents[2] / "configs"
STATION = '[station]\nname = "x"\nid = 7\n[link]\nkind = "memory"\n[protection]\n'


def test_the_presets_are_those_of_the_checkout() -> None:
    assert preset_folders()[0] == CONFIGS / "protection"
    assert set(preset_names()) >= {"robust-packet", "robust-transparent", "quick-packet"}
    assert load_protection("robust-packet").kind is ProtectionKind.REED_SOLOMON
    assert load_protection("robust-transparent").is_bit


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_may_be_named_in_a_station_file_or_copied_into_it(name: str) -> None:
    named = parse_toml(f'{STATION}kind = "preset"\nname = "{name}"\n', StationConfig, Path("x.toml"))
    table = (CONFIGS / "protection" / f"{name}.toml").read_text(encoding="utf-8").partition("[protection]\n")[2]
    copied = parse_toml(STATION + table, StationConfig, Path("x.toml"))
    assert build_protection(named.protection) == build_protection(copied.protection) == load_protection(name)


def test_words_of_the_command_line() -> None:
    assert load_protection("none") == Protection()
    assert load_protection("stage-one-repeat") == Protection(ProtectionKind.STAGE_ONE_REPEAT)
    blocks = Protection(ProtectionKind.REED_SOLOMON, n=9, k=6, depth=3)
    assert load_protection("reed-solomon:n=9, k=6,depth=3") == blocks
    assert load_protection("bit:code=golay,strong_bits=24") == Protection(ProtectionKind.BIT, strong_bits=24)


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[protection]\nkind = "payload-repeat"\ndistance = 7\n')
    expected = Protection(ProtectionKind.PAYLOAD_REPEAT, distance=7)
    assert load_protection(path) == load_protection(str(path)) == expected


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("robust-pakket", "no protection 'robust-pakket'; did you mean robust-packet?"),
        ("zzz", "known: none, stage-one-repeat"),
        ("stage-one-repeat:distance=16", "protection.distance: got 16"),
        ("stage-one-repeat:distanc=1", "protection.distanc: unknown key; did you mean distance?"),
        ("payload-repeat:distance", "protection figure 'distance': needed: NAME=VALUE"),
        ("reed-solomon:n=4,k=4", "n 4 needs to be 5 to 20 with k 4"),
        ("reed-solomon:n=9,k=8,depth=5", "k 8 times depth 5 is 40; at most 32 packets"),
        ("bit:code=turbo", "protection.code: got 'turbo'"),
        ("nowhere/x.toml", "nowhere/x.toml: cannot read configuration"),
    ],
)
def test_mistakes_are_named(source: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_protection(source)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_mistakes_in_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[protection]\nkind = "preset"\nname = "robust-packet"\n')
    with pytest.raises(ConfigError, match=r"mine.toml: protection.kind: got 'preset'"):
        load_protection(path)
    station = parse_toml(f'{STATION}kind = "preset"\nname = "robbust-packet"\n', StationConfig, Path("x.toml"))
    with pytest.raises(ConfigError, match="did you mean robust-packet"):
        build_protection(station.protection)
    with pytest.raises(ConfigError, match=r'"on", but protection[.]kind "bit" has checks'):
        parse_toml(f'{STATION}kind = "bit"\n[packets]\ncrc = "on"\n', StationConfig, Path("x.toml"))
