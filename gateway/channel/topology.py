"""Where stations are, and what each direction between two of them loses.

Rule: pure. Positions make distances, and distances a channel's delay or its model's range; a matrix of measured losses
takes the place of a channel's own, for both directions apart.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from gateway.channel.impairments import ChannelSpec

Pair = tuple[str, str]
MAX_STATIONS = 64


@dataclass(frozen=True, slots=True)
class Node:
    """A station: metres east, north, and below the surface.

    `noise_db` is what it hears more than others (its own ship), `source_level_db` how loud it talks, None for the
    model's figure: with them a pair differs by direction. Both are for models that have such figures.
    """

    x_m: float
    y_m: float
    depth_m: float = 0.0
    noise_db: float = 0.0
    source_level_db: float | None = None


def distance_m(a: Node, b: Node) -> float:
    """In a straight line."""
    return math.hypot(a.x_m - b.x_m, a.y_m - b.y_m, a.depth_m - b.depth_m)


def placed(spec: ChannelSpec, source: Node, destination: Node, sound_speed_m_s: float = 1500.0) -> ChannelSpec:
    """`spec` over the way from `source` to `destination`.

    A model with a range gets it, with both depths where it has them (the horizontal range then, in water of a depth);
    a spec without such a model gets `delay_ms`. Raises ValueError where a figure does not fit.
    """
    model: Any = spec.model
    names = {field.name for field in fields(model)} if model is not None else set()
    if "range_m" not in names:
        return replace(spec, delay_ms=1000 * distance_m(source, destination) / sound_speed_m_s)
    straight_m = distance_m(source, destination)
    figures: dict[str, Any] = {"range_m": straight_m}
    if "water_depth_m" in names:
        if model.water_depth_m is not None:
            figures["range_m"] = math.hypot(source.x_m - destination.x_m, source.y_m - destination.y_m)
        figures |= {"source_depth_m": source.depth_m, "receiver_depth_m": destination.depth_m}
    if "until_m" in names:
        figures |= {"until_m": None, "speed_m_s": 0.0}  # where the stations are is said by their places
    if "noise_db" in names:
        figures["noise_db"] = model.noise_db + destination.noise_db
    if "source_level_db" in names and source.source_level_db is not None:
        figures["source_level_db"] = source.source_level_db
    return replace(spec, model=replace(model, **figures))


def pairs(nodes: Mapping[str, Node]) -> Iterator[Pair]:
    """Every direction between two of them."""
    return ((a, b) for a in nodes for b in nodes if a != b)


def parse_losses(text: str) -> dict[Pair, float]:
    """A matrix in CSV: the head names the receivers (as NAME or toNAME) after its first cell, a row its sender and the
    loss to each of them; its own and empty cells say nothing. Raises ValueError naming row and column.
    """
    lines = [row for row in csv.reader(text.splitlines()) if any(cell.strip() for cell in row)]
    if len(lines) < 2 or len(lines[0]) < 3:
        raise ValueError("needed: a head with the receivers, and a row for each sender")
    senders = [row[0].strip() for row in lines[1:]]
    receivers = [_receiver(cell.strip(), senders) for cell in lines[0][1:]]
    if max(len(senders), len(receivers)) > MAX_STATIONS:
        raise ValueError(f"{max(len(senders), len(receivers))} stations; needed: {MAX_STATIONS} at most")
    for names in (senders, receivers):
        double = next((name for name in names if not name or names.count(name) > 1), None)
        if double is not None:
            raise ValueError(f"station {double!r}: needed: a name, once")
    found: dict[Pair, float] = {}
    for sender, row in zip(senders, lines[1:], strict=True):
        if len(row) != len(receivers) + 1:
            raise ValueError(f"row {sender}: {len(row) - 1} losses; needed: {len(receivers)}")
        for receiver, cell in zip(receivers, row[1:], strict=True):
            if receiver != sender and cell.strip():
                found[sender, receiver] = _loss(cell, sender, receiver)
    return found


def _receiver(cell: str, senders: list[str]) -> str:
    bare = cell.removeprefix("to")
    return bare if cell not in senders and bare in senders else cell


def _loss(cell: str, sender: str, receiver: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise ValueError(f"row {sender}, column {receiver}: got {cell.strip()[:20]!r}; needed: a share from 0 to 1")
    return value
