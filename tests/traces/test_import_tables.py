"""Tables: columns, cells, dates, headers; rows that are damaged, and told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import TraceError
from gateway.traces.importing import ImportOptions, import_file
from gateway.traces.importing.csv_text import import_csv
from tests.traces.files import log_of, only, read


@pytest.mark.parametrize("sign", [",", ";", "\t", "|", " "])
def test_named_columns_with_any_separator(tmp_path: Path, sign: str) -> None:
    rows = [("seq", "time_s", "delay_ms", "lost"), (1, 0.5, 100, 0), (2, 1.5, "nan", 1), (3, 2.5, 300, 0)]
    found = only(read(tmp_path, "\n".join(sign.join(map(str, row)) for row in rows)))
    assert found.sent_s.tolist() == [0.5, 1.5, 2.5]
    assert found.is_lost.tolist() == [False, True, False]
    assert found.delay_s[[0, 2]].tolist() == [0.1, 0.3]


def test_columns_are_mapped_by_hand(tmp_path: Path) -> None:
    text = "Zeit;Laufzeit\n1;250\n2;260\n"
    columns = {"at": ("Zeit", "s"), "delay": ("Laufzeit", "ms")}
    assert only(read(tmp_path, text, columns=columns)).delay_s.tolist() == [0.25, 0.26]
    by_number = {"at": ("1", "s"), "delay": ("2", "ms")}
    assert only(read(tmp_path, text, columns=by_number)).delay_s.tolist() == [0.25, 0.26]
    with pytest.raises(TraceError, match=r"no column 'Zet'; there are: Zeit, Laufzeit"):
        read(tmp_path, text, columns={"at": ("Zet", "")})
    with pytest.raises(TraceError, match=r"--map lateness: unknown field"):
        read(tmp_path, text, columns={"lateness": ("Zeit", "")})


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("t,delay_ms\n0,5\n1,-1\n2,7\n", [False, True, False]),
        ("t,delay_ms\n0,5\n1,\n2,7\n", [False, True, False]),
        ("t,outcome\n0,delivered\n1,lost\n2,ok\n", [False, True, False]),
        ("t,received\n0,1\n1,0\n2,True\n", [False, True, False]),
        ("t,status\n0,ok\n1,timeout\n2,ok\n", [False, True, False]),
        ("seq,t,delay_ms\n1,0,5\n3,2,7\n", [False, True, False]),
        ("tx_time,rx_time\n0,0.25\n1,\n2,2.25\n", [False, True, False]),
    ],
)
def test_a_loss_is_told_in_many_ways(tmp_path: Path, text: str, lost: list[bool]) -> None:
    found = only(read(tmp_path, text))
    assert found.is_lost.tolist() == lost
    assert found.sent_s.tolist() == [0, 1, 2]


def test_bad_rows_are_skipped_counted_and_told_with_their_lines(tmp_path: Path) -> None:
    text = "# by hand\nseq,t,delay_ms,snr\n1,0,5,n/a\nwhat?\n2,1,six,3\n\n# note\n3,never,5,3\n4,3,5,3,9,9\n5,4,5,2\n"
    imported = read(tmp_path, text)
    assert sorted(imported.report.problems) == [
        (4, "1 fields; the header has 4"),
        (5, "delay_ms is 'six'"),
        (8, "t is 'never'"),
        (9, "6 fields; the header has 4"),
    ]
    assert imported.report.skipped == 4
    found = only(imported)
    assert found.sequence.tolist() == [1, 4, 5]  # rows 2 and 3 could not be read: they are no packets lost
    assert found.is_lost.tolist() == [False, True, False]  # of a row with too many fields nobody knows the number
    many = read(tmp_path, "t,delay_ms\n" + "bad\n" * 50 + "1,5\n")
    assert many.report.skipped == 50
    assert "  ... and 45 more" in many.report.lines()


def test_dates_commas_and_byte_order_marks(tmp_path: Path) -> None:
    imported = read(tmp_path, "\ufefftime;rtt (ms)\n2024-05-01T12:00:00Z;12,5\n2024-05-01T12:00:01.5+00:00;13,5\n")
    assert only(imported).sent_s.tolist() == [0, 1.5]
    assert only(imported).delay_s.tolist() == [0.0125, 0.0135]
    assert imported.header.wall_s == 1_714_564_800


def test_a_quote_that_nobody_closes_costs_no_other_row(tmp_path: Path) -> None:
    rows = [[n, n, 5, "ok"] for n in range(40)]
    rows[7][3] = '"ok'
    rows[20] = ['"20', 20, 5, "ok"]
    rows[30][3] = '"said, ""ok"""'
    imported = read(tmp_path, log_of("seq,t,delay_ms,status", rows))
    assert only(imported).sequence.tolist() == list(range(40))
    assert imported.report.skipped == 0
    assert next(row for row in imported.table.records() if row.sequence == 30).status == 'said, "ok"'


def test_a_quoted_cell_may_go_over_lines(tmp_path: Path) -> None:
    imported = read(tmp_path, 'seq,t,delay_ms,status\n1,0,5,"all\nwell"\n2,1,5,\n')
    assert [record.status for record in imported.table.records()] == ["all\nwell", ""]
    assert imported.report.skipped == 0


@pytest.mark.parametrize("above", [["sep=;"], ["Modem log; version 2", "Fjord", "", "taken; by; hand"]])
def test_a_header_need_not_be_the_first_line(tmp_path: Path, above: list[str]) -> None:
    text = "\n".join([*above, log_of("seq;t;delay_ms", [(n, n, 5) for n in range(5)], ";"), "x;7;5"])
    imported = read(tmp_path, text)
    assert only(imported).sequence.tolist() == [0, 1, 2, 3, 4]
    assert imported.report.notes[0].startswith(f"the header is line {len(above) + 1}; ")
    assert imported.report.problems == [(len(above) + 7, "seq is 'x'")]


def test_a_table_without_header_by_number(tmp_path: Path) -> None:
    text = "1700000000,1,250\n1700000001,2,260\n"
    columns = {"at": ("1", ""), "delay": ("3", "ms")}
    assert only(read(tmp_path, text, columns=columns, has_header=False)).delay_s.tolist() == [0.25, 0.26]
    with pytest.raises(TraceError, match="--no-header --map at=1"):
        read(tmp_path, text)
    with pytest.raises(TraceError, match="told by number"):
        read(tmp_path, text, has_header=False)


@pytest.mark.parametrize(
    ("header", "first", "second"),
    [
        ("Date;Time", "2026-05-04;12:00:00", "2026-05-04;12:00:01,5"),
        ("time", "04.05.2026 12:00:00", "04.05.2026 12:00:01,5"),
        ("time", "2026/05/04 12:00:00", "2026/05/04 12:00:01.5"),
        ("time", "5/4/2026 12:00:00 PM", "5/4/2026 12:00:01.5 PM"),
        ("time", "2026-05-04T14:00:00+02:00", "2026-05-04T12:00:01.5Z"),
    ],
)
def test_dates_as_other_programs_write_them(tmp_path: Path, header: str, first: str, second: str) -> None:
    imported = read(tmp_path, f"{header};delay_ms\n{first};5\n{second};5\n", delimiter=";")
    assert imported.header.wall_s == 1_777_896_000
    assert only(imported).sent_s.tolist() == [0, 1.5]
    assert any("month/day" in note for note in imported.report.notes) == ("/4/" in first)


def test_times_of_day_go_on_past_midnight(tmp_path: Path) -> None:
    imported = read(tmp_path, "time,delay_ms\n23:59:59,5\n00:00:01,5\n00:00:02.5,5\n")
    assert np.diff(only(imported).sent_s).tolist() == [2, 1.5]
    assert imported.header.wall_s is None
    assert imported.report.notes == ["time is a time of day without a date; midnight passed 1 times"]


def test_units_may_stand_in_the_cells(tmp_path: Path) -> None:
    imported = read(tmp_path, "t;delay;rssi\n0 s;250 ms;-80 dBm\n1 s;1,5 s;-81 dBm\n2 s;3 furlongs;\n")
    assert only(imported).delay_s.tolist() == [0.25, 1.5]
    assert imported.table.numbers["rssi_dbm"].tolist() == [-80, -81]
    assert imported.report.problems == [(4, "delay is '3 furlongs'")]


def test_letters_beyond_ascii_keep_units(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    for encoding in ("utf-8", "cp1252", "utf-16", "utf-16-le"):
        path.write_bytes("t,delay (µs)\n0,250\n1,260\n".encode(encoding))
        assert only(import_file(path)).delay_s == pytest.approx([250e-6, 260e-6]), encoding


def test_a_block_of_zeros_costs_the_row_it_cut(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    rows = [f"{n},{n},5\n" for n in range(100)]
    rows[40] = "40," + "\0" * 512 + "\n"
    path.write_text("seq,t,delay_ms\n" + "".join(rows))
    imported = import_file(path)
    assert only(imported).n_lost == 1
    assert imported.report.problems == [(42, "2 fields; the header has 3")]
    assert any(note.startswith("512 bytes are zero") for note in imported.report.notes)


def test_times_that_can_be_none_are_told(tmp_path: Path) -> None:
    imported = read(tmp_path, "t,delay_ms\n1700000000,5\n8000000000000,5\n1700000002,99999999999\n1700000003,5\n")
    assert only(imported).sent_s.tolist() == [0, 3]
    assert [line for line, _ in imported.report.problems] == [3, 4]


def test_numbers_beyond_counting_are_not_known(tmp_path: Path) -> None:
    imported = read(tmp_path, "t,delay_ms,size,seq\n0,5,1e300,1\n1,5,20,2\n")
    assert [record.size for record in imported.table.records()] == [None, 20]


def test_dates_that_are_nearly_right_are_told(tmp_path: Path) -> None:
    imported = read(tmp_path, "t,delay_ms\n2026-05-04 12:00:00,5\n2026-05-04 12:00:01-,5\n2026-05-04 12:00:02,5\n")
    assert imported.report.problems == [(3, "t is '2026-05-04 12:00:01-'")]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 39), st.integers(0, 25), st.sampled_from('",;x#\n.')), max_size=6))
def test_no_row_is_lost_without_a_word(damage: list[tuple[int, int, str]]) -> None:
    """Whatever signs are damaged: each line with something on it comes out, or is counted."""
    rows = [f"{n},{n},5,all well" for n in range(40)]
    for row, place, sign in damage:
        rows[row] = rows[row][:place] + sign + rows[row][place + 1 :]
    lines = "\n".join(rows).split("\n")
    told = sum(any(map(str.isalnum, line)) and not line.startswith("#") for line in lines)
    imported = import_csv("seq,t,delay_ms,status\n" + "\n".join(rows), ImportOptions())
    came = [record for record in imported.table.records() if record.delay_s is not None or record.status]
    joined = sum(record.status.count("\n") for record in came)
    assert len(came) + joined + imported.report.skipped >= told
