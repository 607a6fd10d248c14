"""Files of one net: ids and names differ, keys and checks agree; one wrong file among many gets one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.checkup.across import check_across
from gateway.checkup.findings import Findings
from gateway.config import StationConfig, parse_toml
from gateway.keys import make_keys


def station(number: int, more: str = "", name: str | None = None) -> tuple[Findings, StationConfig]:
    path = Path(f"{name or number}.toml").absolute()
    text = f'[station]\nname = "s{number}"\nid = {number}\n[link]\nkind = "memory"\n{more}'
    return Findings(path), parse_toml(text, StationConfig, path)


def told(*stations: tuple[Findings, StationConfig]) -> list[str]:
    check_across(stations)
    return [f"{findings.file.stem} {one.level} {one.key}" for findings, _ in stations for one in findings.all]


def test_a_net_that_agrees() -> None:
    assert told(*(station(number) for number in range(1, 51))) == []


def test_one_that_is_alone_with_it() -> None:
    many = [station(number) for number in range(1, 10)]
    odd = station(10, '[packets]\ncrc = "on"\n[protection]\nkind = "reed-solomon"\n')
    assert told(odd, *many) == ["10 problem packets.crc"]


def test_bit_protection_is_for_all_or_none() -> None:
    assert told(station(1), station(2), station(3, '[protection]\nkind = "preset"\nname = "robust-transparent"\n')) == [
        "3 problem protection"
    ]


def test_ids_and_names() -> None:
    twin = station(1, name="twin")
    assert told(station(1), twin) == ["twin problem station.id", "twin problem station.name"]
    assert told(station(1, '[net.names]\n1 = "a"\n'), station(2, '[net.names]\n1 = "b"\n')) == ["2 warning net.names"]


def test_groups_are_a_matter_of_taste() -> None:
    other = station(3)
    moved = other[0], other[1].model_copy(update={"station": other[1].station.model_copy(update={"group": 7})})
    assert told(station(1), station(2), moved) == ["3 warning station.group"]


def test_keys(tmp_path: Path) -> None:
    for name in "ab":
        make_keys(tmp_path / f"{name}.key")
    secure = '[security]\nmode = "authenticate"\nkey_file = "{}"\n'
    ours, lost = secure.format(tmp_path / "a.key"), secure.format(tmp_path / "b.key")
    assert told(station(1, ours), station(2, ours), station(3, lost)) == ["3 problem security.key_file"]
    assert told(station(1, ours), station(2, ours), station(3)) == ["3 problem security.mode"]
    assert told(station(1, ours), station(2, ours), station(3, ours + "tag_bytes = 3\n")) == [
        "3 problem security.tag_bytes"
    ]


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_to_compare(count: int) -> None:
    assert told(*(station(number) for number in range(1, count + 1))) == []
