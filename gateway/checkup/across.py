"""Station files of one net side by side: what its stations must have different, and what alike.

Rule: compares configurations only; files that have mistakes of their own are left out. What most files say is taken
for meant, so that one wrong file among fifty gets one line, not forty-nine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from gateway.checkup.findings import Findings
from gateway.config import StationConfig
from gateway.errors import GatewayError
from gateway.keys import load_keys
from gateway.protocol.protection_file import build_protection
from gateway.protocol.security import check_value

Stations = Sequence[tuple[Findings, StationConfig]]
DEAF = "they do not hear each other"


def check_across(stations: Stations) -> None:
    """Each disagreement becomes a problem of the file that is alone with it, or a warning where only names differ."""
    _alike(stations, "security.mode", lambda one: one.security.mode, DEAF)
    secured = [(findings, one) for findings, one in stations if one.security.mode != "none"]
    _alike(secured, "security.tag_bytes", lambda one: one.security.tag_bytes, DEAF)
    _alike(secured, "security.key_file", _sending_key, "who lacks the key of the others hears nothing of them")
    plain = [(findings, one) for findings, one in stations if one.security.mode == "none"]
    _alike(plain, "protection", _is_bit, DEAF)
    _alike(plain, "packets.crc", lambda one: one.packets.crc, "one takes the others' packets for damaged")
    _different(stations, "station.id", lambda one: one.station.id, "give every station of a net an id of its own")
    _different(stations, "station.name", lambda one: one.station.name, "give every station a name of its own")
    _same_names(stations)
    _groups(stations)


def _alike(stations: Stations, key: str, what: Callable[[StationConfig], object], harm: str) -> None:
    values = [what(config) for _, config in stations]
    if len(set(values)) < 2:
        return
    usual = Counter(values).most_common(1)[0][0]
    where = stations[values.index(usual)][0].file
    for (findings, _), value in zip(stations, values, strict=True):
        if value != usual:
            findings.problem(key, f"{value} here, {usual} in {where}: {harm}", "say the same in all files of the net")


def _different(stations: Stations, key: str, what: Callable[[StationConfig], object], todo: str) -> None:
    first: dict[object, Findings] = {}
    for findings, config in stations:
        earlier = first.setdefault(what(config), findings)
        if earlier is not findings:
            findings.problem(key, f"{what(config)!r} is that of the station in {earlier.file}, too", todo)


def _same_names(stations: Stations) -> None:
    first: dict[int, tuple[str, Findings]] = {}
    for findings, config in stations:
        for number, name in config.net.names.items():
            earlier, there = first.setdefault(number, (name, findings))
            if earlier != name:
                text = f"station {number} is {name!r} here and {earlier!r} in {there.file}"
                findings.warn("net.names", text, "call it the same in all files")


def _groups(stations: Stations) -> None:
    values = [config.station.group for _, config in stations]
    if len(set(values)) > 1:
        usual = Counter(values).most_common(1)[0][0]
        for (findings, _), value in zip(stations, values, strict=True):
            if value != usual:
                findings.warn("station.group", f"{value} here, {usual} in most files", "is it meant?")


def _is_bit(config: StationConfig) -> str:
    try:
        return "bit protection" if build_protection(config.protection).is_bit else "no bit protection"
    except GatewayError:
        return config.protection.kind


def _sending_key(config: StationConfig) -> str:
    assert config.security.key_file is not None
    try:
        key = load_keys(config.security.key_file).sends
    except GatewayError:
        return "no key"
    return f"key {key.key_id} (check {check_value(key)})"
