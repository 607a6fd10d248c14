"""Two logs, two clocks, one truth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gateway.channel.impairments import Channel, ChannelSpec
from gateway.errors import TraceError
from gateway.traces import Direction, Outcome, TraceHeader, TraceRecord, TraceWriter
from gateway.traces.align import align
from gateway.traces.flights import flights_of
from gateway.traces.join import ClockSource, Joined, join
from gateway.traces.load import Trace, load_trace
from gateway.traces.table import table_of

LINK = ChannelSpec("x", delay_ms=670, jitter_ms=60, loss=0.15, mean_burst=2, duplicate=0.03)
OFFSET_S, DRIFT = -31_234.567, 47e-6


def second_clock(at_s: float) -> float:
    return (1 + DRIFT) * (at_s - 1000.0) + 1000.0 + OFFSET_S


class Scene:
    """Stations alpha and bravo talk in turns for `minutes`; what they recorded, and what truly became of packets."""

    def __init__(
        self, folder: Path, minutes: float = 30, seed: int = 1, *, digests: bool = True, back: bool = True
    ) -> None:
        rng = np.random.default_rng(seed)
        channels = [Channel(LINK, np.random.default_rng([seed, way])) for way in (0, 1)]
        logs: list[list[TraceRecord]] = [[], []]
        self.truth: dict[tuple[str, int], float | None] = {}
        now, number, overs = 1000.0, [0, 0], 0
        while now < 1000 + 60 * minutes:
            talker = int(rng.integers(2)) if back else 0
            over, overs = overs % 32, overs + 1
            for sequence in range(int(rng.integers(5, 40))):
                digest = int(rng.integers(2**32)) if digests else None
                row = TraceRecord(0, Direction.TX, Outcome.SENT, None, "", "", sequence, over, 20, "voice", digest)
                logs[talker].append(replace(row, at_s=now if talker == 0 else second_clock(now)))
                arrived = sorted(one.at_s for one in channels[talker].send(b"", now))
                self.truth["ab"[talker], number[talker]] = arrived[0] - now if arrived else None
                number[talker] += 1
                for at_s in arrived:
                    heard = replace(row, direction=Direction.RX, outcome=Outcome.DELIVERED)
                    logs[1 - talker].append(replace(heard, at_s=at_s if talker == 1 else second_clock(at_s)))
                now += 0.48
            now += float(rng.uniform(1, 10))
        self.traces = [
            self._write(folder / f"{name}.trace", name, rows, now)
            for name, rows in zip(("alpha", "bravo"), logs, strict=True)
        ]

    def _write(self, path: Path, name: str, rows: list[TraceRecord], end_s: float) -> Trace:
        for at_s in (999.0, end_s + 5):
            rows.append(
                TraceRecord(
                    at_s if name == "alpha" else second_clock(at_s), Direction.LINK, Outcome.EVENT, kind="alive"
                )
            )
        with TraceWriter(path, TraceHeader(name)) as writer:
            writer.write_all(sorted(rows, key=lambda row: row.at_s))
        return load_trace(writer.path)

    def check(self, joined: Joined, delay_error_s: float) -> None:
        flights = flights_of(table_of(joined.records), joined.header.station)
        for way, name in (("a", "alpha > bravo"), ("b", "bravo > alpha")):
            truth = [delay for (talker, _), delay in sorted(self.truth.items()) if talker == way]
            if not truth:
                continue
            found = flights[name]
            assert found.is_lost.tolist() == [delay is None for delay in truth]
            errors = found.delay_s[~found.is_lost] - [delay for delay in truth if delay is not None]
            assert np.max(np.abs(errors)) < delay_error_s


def test_fates_delays_offset_and_drift_are_recovered(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    joined = join(*scene.traces)
    assert joined.clocks.is_two_way
    assert joined.clocks.offset_s == pytest.approx(
        second_clock(joined.clocks.origin_s) - joined.clocks.origin_s, abs=0.005
    )
    assert joined.clocks.drift == pytest.approx(DRIFT, abs=3e-6)
    assert joined.clocks.min_delay_s == pytest.approx(0.67, abs=0.005)
    scene.check(joined, 0.01)


def test_without_digests_numbers_serve(tmp_path: Path) -> None:
    scene = Scene(tmp_path, minutes=3, seed=2, digests=False)
    scene.check(join(*scene.traces), 0.05)


def test_one_way_needs_the_shortest_delay(tmp_path: Path) -> None:
    scene = Scene(tmp_path, seed=3, back=False)
    joined = join(*scene.traces, min_delay_s=0.67)
    assert not joined.clocks.is_two_way
    assert "one way" in joined.notes[0]
    scene.check(joined, 0.01)


def test_calendars_can_be_trusted_instead(tmp_path: Path) -> None:
    scene = Scene(tmp_path, minutes=1, seed=8, back=False)
    with pytest.raises(TraceError, match="tells no calendar time"):
        join(*scene.traces, source=ClockSource.CALENDAR)
    headers = (TraceHeader("alpha", 1000.0, 5000.0), TraceHeader("bravo", second_clock(1000.0), 5000.0))
    traces = [replace(trace, header=header) for trace, header in zip(scene.traces, headers, strict=True)]
    joined = join(traces[0], traces[1], source=ClockSource.CALENDAR)
    assert joined.clocks.min_delay_s == pytest.approx(0.67, abs=0.01)
    scene.check(joined, 0.01)  # a minute's drift is 3 ms


def test_what_was_sent_while_the_other_slept_is_not_lost(tmp_path: Path) -> None:
    scene = Scene(tmp_path, minutes=10, seed=4)
    rows = [row for row in scene.traces[1].table.records() if row.at_s > second_clock(1300.0)]
    with TraceWriter(tmp_path / "late.trace", TraceHeader("bravo")) as writer:
        writer.write_all(rows)
    joined = join(scene.traces[0], load_trace(writer.path))
    mine = [row for row in joined.records if row.source == "alpha" and row.outcome is not Outcome.EVENT]
    early = [row for row in mine if row.sent_s < 1295]
    assert early
    assert {row.outcome for row in early} == {Outcome.SENT}
    late = [row.outcome for row in mine if row.sent_s > 1310]
    assert late.count(Outcome.LOST) == pytest.approx(0.15 * len(late), rel=0.5)
    assert "sent while the other did not record" in joined.notes[1]


def test_damaged_packets_are_told_by_their_place(tmp_path: Path) -> None:
    scene = Scene(tmp_path, minutes=5, seed=5)
    heard = list(scene.traces[1].table.records())
    digests = [row.digest for row in heard if row.direction is Direction.RX]
    broken = [place for place, row in enumerate(heard) if row.digest in digests and digests.count(row.digest) == 1]
    broken = [place for place in broken if heard[place].direction is Direction.RX][10::20]
    for place in broken:
        heard[place] = replace(heard[place], digest=7)
    with TraceWriter(tmp_path / "broken.trace", TraceHeader("bravo")) as writer:
        writer.write_all(heard)
    joined = join(scene.traces[0], load_trace(writer.path))
    assert sum(row.status == "damaged" for row in joined.records) == len(broken)
    scene.check(joined, 0.05)


def test_logs_of_different_links_are_refused(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    one, other = Scene(tmp_path / "1", 1, 6), Scene(tmp_path / "2", 1, 7)
    with pytest.raises(TraceError, match="no packet of one log is in the other"):
        join(one.traces[0], other.traces[1])


def test_drift_is_not_told_from_a_few_seconds() -> None:
    sent = np.arange(10.0)
    clocks = align((sent, sent + 5 + 0.01 * sent))
    assert clocks.drift == 0
    assert clocks.offset_s == 5
    with pytest.raises(ValueError, match="no packet"):
        align((np.empty(0), np.empty(0)))
