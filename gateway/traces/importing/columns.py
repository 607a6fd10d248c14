"""Which column of a table is what: names in use elsewhere, units in names.

Rule: a guess that could be wrong (a unit that nobody wrote) is told; `--map` overrides all of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.traces.record import COLUMNS

UNITS: Mapping[str, float] = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}

ALIASES: Mapping[str, tuple[str, ...]] = {
    "at": ("at", "time", "timestamp", "ts", "t", "epoch", "unixtime", "datetime", "sent", "sent_at",
           "send_time", "tx_time", "time_sent", "txtime", "sendtime"),
    "arrived": ("received_at", "recv_time", "rx_time", "arrival", "arrived", "time_received", "rxtime", "recvtime"),
    "wall": ("wall",),
    "date": ("date", "day"),
    "sequence": ("sequence", "seq", "seqno", "seqnum", "sequence_number", "icmp_seq", "id", "packet", "packet_id",
                 "pkt", "number", "no", "n", "index"),
    "delay": ("delay", "owd", "one_way_delay", "latency", "lat"),
    "rtt": ("rtt", "round_trip", "round_trip_time", "ping"),
    "uplink": ("uplink", "up", "upstream", "send_delay", "owd_up"),
    "downlink": ("downlink", "down", "downstream", "receive_delay", "owd_down"),
    "size": ("size", "bytes", "length", "len", "size_bytes", "payload"),
    "over": ("over",),
    "digest": ("digest",),
    "snr_db": ("snr_db", "snr"),
    "rssi_dbm": ("rssi_dbm", "rssi", "rsrp", "power_dbm"),
    "doppler_hz": ("doppler_hz", "doppler"),
    "direction": ("direction", "dir", "way"),
    "outcome": ("outcome", "result", "fate"),
    "lost": ("lost", "loss", "dropped", "is_lost", "timeout"),
    "delivered": ("delivered", "received", "success", "ok", "acked", "crc_ok"),
    "source": ("source", "src", "from", "sender", "tx", "tx_id"),
    "destination": ("destination", "dst", "dest", "to", "receiver", "rx", "rx_id"),
    "kind": ("kind", "type"),
    "status": ("status", "state", "comment"),
}  # fmt: skip
"""Our word -> names of columns that mean it, after units are taken off; the first of the file's columns counts."""
TIMES = frozenset(("at", "arrived", "wall", "delay", "rtt", "uplink", "downlink"))
"""Fields with a unit."""
MOMENTS = frozenset(("at", "arrived", "wall"))
_FATES = frozenset(
    ("delay", "rtt", "arrived", "outcome", "lost", "delivered", "status", "sequence", "uplink", "downlink")
)
FIELDS = frozenset((*ALIASES, *COLUMNS))


@dataclass(frozen=True, slots=True)
class Column:
    """Where a field stands and in what unit ("" where nobody said)."""

    field: str
    place: int
    name: str
    unit: str = ""


def tells_packets(found: Mapping[str, Column]) -> bool:
    """Whether such columns tell when packets were sent and what became of them."""
    return bool(_FATES & set(found)) and bool({"at", "sequence"} & set(found))


def find_columns(header: Sequence[str], given: Mapping[str, tuple[str, str]]) -> dict[str, Column]:
    """Fields by our word; "date" only where the time of day stands in a column of its own. Raises ValueError for a
    column asked for that is not there."""
    found: dict[str, Column] = {}
    names = [plain(name) for name in header]
    for place, (name, unit) in enumerate(names):
        for field, aliases in ALIASES.items():
            if field not in found and (name in aliases or (field in TIMES and f"{name}_{unit}" in aliases)):
                found[field] = Column(field, place, header[place], unit if field in TIMES else "")
                break
    for field, (wanted, unit) in given.items():
        field = {"at_s": "at", "delay_s": "delay", "wall_s": "wall"}.get(field, field)
        if field not in ALIASES:
            raise ValueError(f"--map {field}: unknown field; there are: {', '.join(sorted(ALIASES))}")
        if unit and unit not in UNITS:
            raise ValueError(f"--map {field}: unknown unit {unit!r}; there are: {', '.join(UNITS)}")
        found[field] = Column(field, _place(header, names, wanted), wanted, unit)
    if "date" in found and "at" not in found:
        found["at"] = replace(found.pop("date"), field="at")
    return found


def _place(header: Sequence[str], names: Sequence[tuple[str, str]], wanted: str) -> int:
    for place, name in enumerate(header):
        if name.strip() == wanted:
            return place
    for place, (name, _) in enumerate(names):
        if name == plain(wanted)[0]:
            return place
    if wanted.isdigit() and 1 <= int(wanted) <= len(header):
        return int(wanted) - 1
    raise ValueError(f"no column {wanted!r}; there are: {', '.join(name.strip() for name in header)}")


def plain(name: str) -> tuple[str, str]:
    """A column's name in lower case without its unit, and the unit: `Delay (ms)` -> delay, ms."""
    words = [word for word in re.split(r"[^0-9a-zµ]+", name.strip().lower().replace("\u03bc", "µ")) if word]
    if len(words) > 1 and words[-1] in UNITS:
        return "_".join(words[:-1]), words[-1]
    return "_".join(words), ""
