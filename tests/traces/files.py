"""Files as other programs write them, and what import makes of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from gateway.traces.flights import Flights, flights_of
from gateway.traces.importing import Imported, ImportOptions, import_file

PING = """PING example.org (192.0.2.7) 56(84) bytes of data.
[1700000000.100000] 64 bytes from 192.0.2.7: icmp_seq=1 ttl=52 time=100 ms
[1700000002.000000] no answer yet for icmp_seq=2
[1700000002.120000] 64 bytes from 192.0.2.7: icmp_seq=3 ttl=52 time=120 ms
[1700000002.130000] 64 bytes from 192.0.2.7: icmp_seq=3 ttl=52 time=130 ms (DUP!)
[1700000004.080000] 64 bytes from 192.0.2.7: icmp_seq=5 ttl=52 time=80.5 ms
[1700000004.090000] something else

--- example.org ping statistics ---
5 packets transmitted, 3 received, +1 duplicates, 40% packet loss, time 4004ms
rtt min/avg/max/mdev = 80.500/100.166/120.000/16.131 ms
"""


def read(folder: Path, text: str, name: str = "log.csv", **options: object) -> Imported:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return import_file(path, ImportOptions(**options))  # type: ignore[arg-type]


def ways(imported: Imported) -> dict[str, Flights]:
    return dict(flights_of(imported.table, imported.header.station))


def only(imported: Imported) -> Flights:
    [flights] = ways(imported).values()
    return flights


def log_of(header: str, rows: Iterable[Sequence[object]], sign: str = ",") -> str:
    return "\n".join([header, *(sign.join(map(str, row)) for row in rows)])
