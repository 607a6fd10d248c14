"""A trace is read as it was written, and up to its damage."""

from __future__ import annotations

import errno
import gzip
import os
from pathlib import Path

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import TraceError
from gateway.traces import Direction, Outcome, TraceHeader, TraceReader, TraceRecord, TraceWriter, WhenFull
from gateway.traces.framing import Unpacker, pack
from gateway.traces.record import record_from_list, record_to_list

HEADER = TraceHeader("alpha", 100.0, 1_790_000_000.5, {"link": "modem", "place": "Fjord, 63 N"})
numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)
whole = st.none() | st.integers(-(2**63) + 1, 2**63 - 1)
texts = st.text(max_size=20)
records = st.builds(
    TraceRecord,
    at_s=st.floats(allow_nan=False, allow_infinity=False),
    direction=st.sampled_from(Direction),
    outcome=st.sampled_from(Outcome),
    wall_s=numbers,
    source=texts,
    destination=texts,
    sequence=whole,
    over=whole,
    size=whole,
    kind=texts,
    digest=whole,
    delay_s=numbers,
    rssi_dbm=numbers,
    snr_db=numbers,
    doppler_hz=numbers,
    status=texts,
)


def some(n: int) -> list[TraceRecord]:
    return [
        TraceRecord(
            100 + i, Direction.TX, Outcome.SENT, 1_790_000_000.5 + i, "alpha", sequence=i, size=20, kind="voice"
        )
        for i in range(n)
    ]


def write(path: Path, rows: list[TraceRecord]) -> Path:
    with TraceWriter(path, HEADER) as writer:
        for row in rows:
            assert writer.write(row)
    return writer.path


@given(records)
def test_a_record_is_the_same_after_writing_and_reading(record: TraceRecord) -> None:
    assert record_from_list(record_to_list(record)) == record
    [body] = Unpacker().feed(pack(record_to_list(record)))
    assert record_from_list(body) == record


def test_header_and_records_come_back(tmp_path: Path) -> None:
    path = write(tmp_path / "day" / "alpha.trace", some(3))
    reader = TraceReader(path)
    assert reader.header == HEADER
    assert list(reader) == some(3) == list(reader)
    assert reader.damage_line is None


def test_any_msgpack_library_can_read_it(tmp_path: Path) -> None:
    with write(tmp_path / "a.trace", some(2)).open("rb") as file:
        items = list(msgpack.Unpacker(file))
    assert [len(item) for item in items] == [2, 2, 2]
    assert msgpack.unpackb(items[0][1])["format"] == "clarilink trace"


@given(st.lists(records, max_size=5), st.lists(st.integers(0, 500), max_size=5))
def test_cut_into_any_pieces_the_items_are_the_same(rows: list[TraceRecord], cuts: list[int]) -> None:
    data = b"".join(pack(record_to_list(row)) for row in rows)
    unpacker, bodies, at = Unpacker(), [], 0
    for cut in [*sorted(cuts), len(data)]:
        bodies += unpacker.feed(data[at:cut])
        at = max(at, min(cut, len(data)))
    bodies += unpacker.finish()
    assert [record_from_list(body) for body in bodies] == rows
    assert unpacker.damages == 0


def test_a_cut_end_costs_the_last_record_only(tmp_path: Path) -> None:
    path = write(tmp_path / "a.trace", some(10))
    whole = path.read_bytes()
    last = len(pack(record_to_list(some(10)[-1])))
    for cut in range(1, last):
        path.write_bytes(whole[:-cut])
        reader = TraceReader(path)
        assert list(reader) == some(9)
        assert (reader.damages, reader.skipped_bytes) == (1, last - cut)


def test_damage_in_the_middle_costs_what_it_touches(tmp_path: Path) -> None:
    path = write(tmp_path / "a.trace", some(10))
    data = bytearray(path.read_bytes())
    size = len(pack(record_to_list(some(10)[5])))
    data[-4 * size - 5] ^= 1  # in record 5
    path.write_bytes(data)
    reader = TraceReader(path)
    assert [row.sequence for row in reader] == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    assert (reader.damages, reader.skipped_bytes) == (1, size)
    assert reader.damage_line == f"{size} damaged bytes in 1 places skipped"


def test_a_damaged_header_costs_the_header_only(tmp_path: Path) -> None:
    path = write(tmp_path / "a.trace", some(3))
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)
    assert list(TraceReader(path)) == some(3)
    assert TraceReader(path).header.station == ""


def test_gzipped_and_cut_gzip(tmp_path: Path) -> None:
    data = write(tmp_path / "a.trace", some(2000)).read_bytes()
    packed = tmp_path / "a.trace.gz"
    packed.write_bytes(gzip.compress(data))
    assert list(TraceReader(packed)) == some(2000)
    packed.write_bytes(gzip.compress(data)[:-2000])
    reader = TraceReader(packed)
    assert 100 < len(list(reader)) < 2000
    assert reader.damages == 1


@pytest.mark.parametrize("content", [b"", b"seq,delay\n1,2\n", b"\x00" * 100, pack([1, 2]), pack({"format": "x"})])
def test_another_file_is_refused_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.trace"
    path.write_bytes(content)
    with pytest.raises(TraceError, match=r"not a clarilink trace") as caught:
        TraceReader(path)
    assert "\n" not in str(caught.value)


def test_a_later_version_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.trace"
    TraceWriter(path, TraceHeader(version=2)).close()
    with pytest.raises(TraceError, match="version 2"):
        TraceReader(path)
    with pytest.raises(TraceError, match="No such file"):
        TraceReader(tmp_path / "none.trace")


def test_fields_of_later_versions_are_ignored_and_unknown_items_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.trace", some(1))
    with path.open("ab") as file:
        full = record_to_list(TraceRecord(1.0, Direction.RX, Outcome.DELIVERED, status="x"))
        file.write(pack([*full, "more"]) + pack(["sideways", "sent", 1.0]) + pack("text") + pack([]))
    reader = TraceReader(path)
    assert [row.status for row in reader] == ["", "x"]
    assert reader.unknown == 3


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    paths = [write(tmp_path / "a.trace", some(n)) for n in (1, 2, 3)]
    assert [path.name for path in paths] == ["a.trace", "a-2.trace", "a-3.trace"]
    assert [len(list(TraceReader(path))) for path in paths] == [1, 2, 3]


def test_at_its_limit_it_stops_and_says_so_once(tmp_path: Path) -> None:
    told: list[str] = []
    writer = TraceWriter(tmp_path / "a.trace", HEADER, max_bytes=1000, on_stop=told.append)
    kept = [row for row in some(100) if writer.write(row)]
    assert 3 < len(kept) < 100
    assert writer.dropped == 100 - len(kept)
    assert told == [f"{writer.path}: no more is recorded: it has reached its limit of 1000 bytes"]
    assert list(TraceReader(writer.path)) == kept
    assert writer.path.stat().st_size <= 1000


def test_rotation_keeps_the_latest_within_the_limit(tmp_path: Path) -> None:
    with TraceWriter(tmp_path / "a.trace", HEADER, max_bytes=2000, when_full=WhenFull.ROTATE) as writer:
        for row in some(300):
            assert writer.write(row)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.old.trace", "a.trace"]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2000
    rows = [row for name in ("a.old.trace", "a.trace") for row in TraceReader(tmp_path / name)]
    assert rows == some(300)[-len(rows) :]
    assert len(rows) > 10


def full(*_: object) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_told_once_and_what_was_there_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    writer = TraceWriter(tmp_path / "a.trace", HEADER, on_stop=told.append)
    writer.write(some(1)[0])
    monkeypatch.setattr(os, "write", full)
    for row in some(5):
        assert not writer.write(row)
    assert not writer.is_recording
    assert told == [f"{writer.path}: no more is recorded: No space left on device"]
    assert writer.dropped == 5
    assert list(TraceReader(writer.path)) == some(1)


def test_without_anybody_to_tell_a_full_disk_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = TraceWriter(tmp_path / "a.trace", HEADER)
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(TraceError, match="No space left on device"):
        writer.write(some(1)[0])
    with pytest.raises(TraceError, match="cannot write a trace: No space left"):
        TraceWriter(tmp_path / "b.trace", HEADER)


def test_many_at_once(tmp_path: Path) -> None:
    with TraceWriter(tmp_path / "a.trace", HEADER) as writer:
        assert writer.write_all(some(5000))
    assert list(TraceReader(writer.path)) == some(5000)
