"""A configuration file read in spite of its mistakes, so that all of them can be told at once, and which kind it is.

Rule: what is wrong is told and left out, section by section; what is left is read as if the rest had never been there.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum
from pathlib import Path
from typing import Any, Generic

from gateway.channel.impairments import ChannelSpec
from gateway.checkup.findings import Findings, problems_of
from gateway.config import M, StationConfig, model_of
from gateway.errors import ConfigError

ROUNDS = 20
"""Sections that may be left out one after the other; there are not as many."""


class Kind(Enum):
    """What a configuration file describes."""

    STATION = "station"
    MODEM = "modem profile"
    BRIDGE = "bridge"
    NET = "channel process"
    CHANNEL = "channel"
    PROTECTION = "protection"
    TRAINER = "trainer"


DECISIVE = (
    ({"station", "link"}, Kind.STATION),
    ({"driver"}, Kind.MODEM),
    ({"modem"}, Kind.BRIDGE),
    ({"endpoint"}, Kind.NET),
    ({"task"}, Kind.TRAINER),
)
"""Keys of which one is in every file of a kind, in the order in which they decide."""
KNOWN = {
    Kind.STATION: set(StationConfig.model_fields) - {"channel", "protection"},
    Kind.MODEM: {"driver", "port", "air", "settings", "keying"},
    Kind.BRIDGE: {"endpoint", "modem", "keying", "statistics_s", "curve", "log"},
    Kind.NET: {"endpoint", "control", "channel", "path", "node", "matrix", "sound_speed_m_s", "curve"},
    Kind.CHANNEL: {field.name for field in fields(ChannelSpec)} - {"name", "description"} | {"outages_file"},
    Kind.PROTECTION: {"protection"},
}


def read_table(path: Path) -> dict[str, Any]:
    """The file as it is. Raises ConfigError if it cannot be read or is no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot read configuration: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a text file in UTF-8 (byte {error.start})") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    except RecursionError:
        raise ConfigError(f"{path}: not valid TOML: nested too deep") from None


def kind_of(table: Mapping[str, Any]) -> Kind | None:
    """Which kind of file has these keys; None where hardly a key tells."""
    for keys, kind in DECISIVE:
        if keys & table.keys():
            return kind
    if table and all(isinstance(value, dict) and "licence" in value for value in table.values()):
        return Kind.TRAINER
    shared = {kind: len(keys & table.keys()) for kind, keys in KNOWN.items()}
    best = max(shared, key=lambda kind: shared[kind])
    if shared[best]:
        return best
    return Kind.CHANNEL if {"name", "description"} & table.keys() else None


@dataclass(frozen=True, slots=True)
class Readable(Generic[M]):
    """What could be read; `left_out` are the sections that were wrong, in place of which stand-ins or defaults are."""

    config: M | None
    left_out: frozenset[str]


def read_all_that_is_right(
    table: Mapping[str, Any], model: type[M], stand_ins: Mapping[str, Any], findings: Findings
) -> Readable[M]:
    """`table` as a `model` without the sections that are wrong; every mistake becomes a problem in `findings`.

    `stand_ins` take the place of sections that have no default.
    """
    left, path = dict(table), findings.file
    left_out: set[str] = set()
    for _ in range(ROUNDS):
        try:
            config = model_of(left, model, str(path), path.absolute().parent)
        except ConfigError as error:
            wrong = set()
            for key, text in problems_of(error, path):
                findings.problem(key or "(whole file)", text)
                wrong.add(_section(key or text.split(" ")[0], left, stand_ins))
            for section in wrong - {""}:
                left.pop(section, None)
                if section in stand_ins and section not in left_out:
                    left[section] = stand_ins[section]
            if not wrong - {""} - left_out:
                return Readable(None, frozenset(left_out))
            left_out |= wrong - {""}
        else:
            return Readable(config, frozenset(left_out))
    return Readable(None, frozenset(left_out))


def _section(key: str, table: Mapping[str, Any], stand_ins: Mapping[str, Any]) -> str:
    first = key.split(".")[0]
    return first if first in table or first in stand_ins else ""
