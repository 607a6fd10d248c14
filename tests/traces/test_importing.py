"""Other people's files: what is read, what is skipped and told, what is refused."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import TraceError
from gateway.traces import TraceHeader, TraceWriter
from gateway.traces.export import export_csv
from gateway.traces.flights import Flights, flights_of
from gateway.traces.importing import Imported, ImportOptions, import_file
from gateway.traces.importing.any_file import READERS, guess
from gateway.traces.importing.csv_text import import_csv
from gateway.traces.load import load_trace
from gateway.traces.record import COLUMNS


def read(folder: Path, text: str, name: str = "log.csv", **options: object) -> Imported:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return import_file(path, ImportOptions(**options))  # type: ignore[arg-type]


def ways(imported: Imported) -> dict[str, Flights]:
    return dict(flights_of(imported.table, imported.header.station))


def only(imported: Imported) -> Flights:
    [flights] = ways(imported).values()
    return flights


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


def test_clock_steps_are_taken_out_and_told(tmp_path: Path) -> None:
    base = 1_700_000_000
    times = [base + n + (-3600 if 100 <= n < 200 else 0) + (86_400 if n >= 300 else 0) for n in range(400)]
    text = "seq,timestamp,delay_ms\n" + "".join(f"{n},{at},5\n" for n, at in enumerate(times))
    imported = read(tmp_path, text)
    assert np.diff(only(imported).sent_s).tolist() == [1.0] * 399
    assert imported.table.numbers["wall_s"].tolist() == times
    assert any(
        "stepped back 1 times (first at row 101, at most by 3599.000 s)" in note for note in imported.report.notes
    )
    assert any("stepped forward" in note for note in imported.report.notes)
    assert imported.header.wall_s == base


def test_a_pause_is_no_clock_step(tmp_path: Path) -> None:
    imported = read(tmp_path, "t,delay_ms\n0,5\n1,5\n2,5\n5000,5\n5001,5\n")
    assert only(imported).sent_s[-1] == 5001
    assert not any("clock" in note for note in imported.report.notes)


def test_restarted_numbers_are_no_gap(tmp_path: Path) -> None:
    imported = read(tmp_path, "seq,t,delay_ms\n7,0,5\n9,2,5\n1,3,5\n2,4,5\n50000,5,5\n")
    assert only(imported).sequence.tolist() == [7, 8, 9, 1, 2, 50000]
    assert "numbers fell 1 times" in "".join(imported.report.notes)
    assert "numbers jumped by more than" in "".join(imported.report.notes)


@pytest.mark.parametrize(("scale", "unit"), [(1, "s"), (10**3, "ms"), (10**6, "us"), (10**9, "ns")])
def test_times_since_1970_are_told_by_their_size(tmp_path: Path, scale: int, unit: str) -> None:
    text = "timestamp,delay_ms\n" + "".join(f"{(1_700_000_000 + n) * scale},5\n" for n in range(5))
    assert only(read(tmp_path, text)).sent_s.tolist() == pytest.approx([0, 1, 2, 3, 4], abs=1e-6), unit


def test_dates_commas_and_byte_order_marks(tmp_path: Path) -> None:
    imported = read(tmp_path, "\ufefftime;rtt (ms)\n2024-05-01T12:00:00Z;12,5\n2024-05-01T12:00:01.5+00:00;13,5\n")
    assert only(imported).sent_s.tolist() == [0, 1.5]
    assert only(imported).delay_s.tolist() == [0.0125, 0.0135]
    assert imported.header.wall_s == 1_714_564_800


def test_lens_both_ways_with_clocks_that_differ(tmp_path: Path) -> None:
    # Columns and meanings: clarkzjw/LENS, scripts/convert_csv.py and util.py (times in ns, delays in ms).
    rows = ["timestamp,rtt,uplink,downlink"]
    rows += [f"{1_707_277_440_000_000_000 + n * 20_000_000},50.0,{10_480 + 30.0},{-10_480 + 20.0}" for n in range(6)]
    rows[2] = "1707277440020000000,0,-1,0"
    rows[3] = "1707277440040000000,0,0,-1"
    rows[4] = "1707277440060000000,-1,0,0"
    imported = read(tmp_path, "\n".join(rows), station="dish", peer="pop")
    up, down = ways(imported)["dish > pop"], ways(imported)["pop > dish"]
    assert up.is_lost.tolist() == [False, True, False, True, False, False]
    assert down.is_lost.tolist() == [False, True, False, False]
    assert up.known_delays_s == pytest.approx(np.full(3, 0.025), abs=1e-9)
    assert down.known_delays_s == pytest.approx(np.full(3, 0.025), abs=1e-9)
    assert any("clocks differ by about 10.48" in note for note in imported.report.notes)


def test_irtt_json(tmp_path: Path) -> None:
    def trip(n: int, lost: str, **delay: int) -> dict[str, object]:
        sent = {"wall": 1_707_277_440_000_000_000 + n * 10**9, "monotonic": n * 10**9}
        return {"seqno": n, "lost": lost, "timestamps": {"client": {"send": sent}}, "delay": delay}

    good = {"rtt": 50_000_000, "send": 30_000_000, "receive": 20_000_000}
    trips = [trip(0, "false", **good), trip(1, "true_up"), trip(2, "true_down"), trip(3, "true"), {"seqno": 4}]
    imported = read(tmp_path, json.dumps({"round_trips": trips}), "irtt.json")
    up, down = ways(imported)["here > there"], ways(imported)["there > here"]
    assert up.is_lost.tolist() == [False, True, False, True]
    assert down.is_lost.tolist() == [False, True]
    assert (up.delay_s[0], down.delay_s[0]) == pytest.approx((0.03, 0.02))
    assert imported.report.problems == [(5, "no timestamps.client.send.wall")]


def test_linkem_loss_strings(tmp_path: Path) -> None:
    imported = read(tmp_path, "1101\n0 1\n", "loss")
    assert only(imported).is_lost.tolist() == [False, False, True, False, True, False]
    assert imported.header.notes["times"] is False


def test_mahimahi_opportunities(tmp_path: Path) -> None:
    imported = read(tmp_path, "5\n5\nx\n9\n3\n12\n", "12mbps")
    assert only(imported).opportunity_s.tolist() == [0.005, 0.005, 0.009, 0.012]
    assert set(only(imported).opportunity_bytes) == {1500}
    assert imported.report.problems == [
        (3, "'x' is no number of milliseconds"),
        (5, "3 ms after 9 ms: time goes back"),
    ]


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


def test_ping_logs(tmp_path: Path) -> None:
    imported = read(tmp_path, PING, "ping.txt")
    found = only(imported)
    assert found.sequence.tolist() == [1, 2, 3, 4, 5]
    assert found.is_lost.tolist() == [False, True, False, True, False]
    assert found.delay_s[[0, 2, 4]] == pytest.approx([0.1, 0.12, 0.0805])
    assert found.sent_s == pytest.approx([0, 1, 2, 3, 4], abs=0.001)
    assert found.copy_of.tolist() == [2]
    assert imported.report.skipped == 1
    assert only(read(tmp_path, PING, halve_round_trips=True)).delay_s[0] == pytest.approx(0.05)


def test_ping_of_a_mac_without_stamps(tmp_path: Path) -> None:
    text = (
        "PING x (192.0.2.7): 56 data bytes\n64 bytes from 192.0.2.7: icmp_seq=0 ttl=52 time=20.1 ms\n"
        "Request timeout for icmp_seq 1\n64 bytes from 192.0.2.7: icmp_seq=2 ttl=52 time=22.5 ms\n"
    )
    found = only(read(tmp_path, text, interval_s=0.5))
    assert found.is_lost.tolist() == [False, True, False]
    assert found.sent_s.tolist() == [0, 0.5, 1.0]


def unet_event(ms: int, agent: str, thread: str, response: str, **fields: object) -> dict[str, object]:
    return {
        "time": 1_617_877_446_000 + ms,
        "component": f"phy::org.arl.unet.sim.HalfDuplexModem/{agent}",
        "threadID": thread,
        "stimulus": {"clazz": "org.arl.unet.sim.HalfDuplexModem$TX", "messageID": "m"},
        "response": {"clazz": f"org.arl.unet.phy.{response}", **fields},
    }


def test_unetstack_traces(tmp_path: Path) -> None:
    # The form is that of the trace in UnetStack's notes on version 3.3 (groups, events, stimulus, response, threadID).
    events = [
        unet_event(0, "A", "t1", "TxFrameNtf"),
        unet_event(700, "B", "t1", "RxFrameNtf", rssi=-60.5),
        {**unet_event(700, "B", "t1", "AGREE"), "stimulus": {"clazz": "org.arl.unet.phy.RxFrameNtf"}},
        unet_event(5000, "A", "t2", "TxFrameNtf"),
        unet_event(5700, "B", "t2", "BadFrameNtf"),
        unet_event(9000, "B", "t1", "TxFrameNtf"),
        unet_event(9700, "A", "t1", "RxFrameNtf"),
        unet_event(12000, "A", "t3", "TxFrameNtf"),
        {"time": "soon"},
    ]
    text = json.dumps(
        {"version": "1.0", "group": "EventTrace", "events": [{"group": "SIMULATION 1", "events": events}]}
    )
    imported = read(tmp_path, text, "trace.json")
    there, back = ways(imported)["A > B"], ways(imported)["B > A"]
    assert there.is_lost.tolist() == [False, True, True]
    assert there.delay_s[0] == pytest.approx(0.7)
    assert back.is_lost.tolist() == [False]
    assert imported.table.numbers["rssi_dbm"][0] == -60.5
    assert imported.report.skipped == 1


def test_gzipped_and_cut(tmp_path: Path) -> None:
    text = "seq,t,delay_ms\n" + "".join(f"{n},{n},{n % 7}.{n % 1000:03}\n" for n in range(20_000))
    path = tmp_path / "log.csv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    assert len(import_file(path).table) == 20_000
    path.write_bytes(gzip.compress(text.encode())[:-5000])
    imported = import_file(path)
    assert 1000 < len(imported.table) < 20_000
    assert "the gzipped file is cut or damaged: what could be unpacked was read" in imported.report.notes


def test_our_own_export_comes_back_the_same(tmp_path: Path) -> None:
    imported = read(tmp_path, PING, "ping.txt", station="alpha", peer="bravo")
    with TraceWriter(tmp_path / "a.trace", TraceHeader("alpha")) as writer:
        writer.write_rows(imported.table.rows())
    export_csv(load_trace(writer.path).table, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text().startswith(",".join(COLUMNS))
    again = import_file(tmp_path / "a.csv")
    assert list(again.table.rows()) == list(imported.table.rows())
    assert list(import_file(writer.path).table.rows()) == list(imported.table.rows())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\x7fELF\x00\x00", "binary"),
        (b"root:x:0:0\nbin:x:1:1\n", "no columns that tell"),
        (b'{"a": 1}', "neither an IRTT result"),
        (b'{"a": ', "not valid JSON"),
        (b"t,delay_ms\nx,y\n", "no row of it can be used: line 2"),
        (b"# only\n# comments\n", "no header"),
    ],
)
def test_a_wrong_file_is_refused_in_one_sentence(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "wrong"
    path.write_bytes(content)
    with pytest.raises(TraceError, match=message) as caught:
        import_file(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_guesses() -> None:
    assert guess("0110\n") == "linkem"
    assert guess("0\n12\n24\n") == "mahimahi"
    assert guess("1, 0, 1, 1\n") == "linkem"
    assert guess(PING) == "ping"
    assert guess("a,b\n1,2\n") == "csv"
    assert guess("  {}") == "json"


@pytest.mark.parametrize("kind", READERS)
def test_whatever_the_text_nothing_breaks(kind: str) -> None:
    cells = st.text("0123456789.,;-=\t \n\"'{}[]:eat", max_size=200)
    starts = st.sampled_from(
        ["", "seq,t,delay_ms\n", "t;lost\n", '{"round_trips": [', '{"events": [', "timestamp,rtt,uplink,downlink\n"]
    )

    @settings(max_examples=150, deadline=None)
    @given(starts, cells)
    def check(start: str, rest: str) -> None:
        try:
            imported = READERS[kind](start + rest, ImportOptions())
        except ValueError:
            return
        assert len(imported.table) == imported.report.rows > 0
        flights_of(imported.table)

    check()


BIG = 100_000


def plain_rows() -> str:
    rows = (f"{n},{1.7e9 + 0.02 * n:.6f},{40 + n % 100 / 7:.3f},60,{n % 50 == 0:d}\n" for n in range(BIG))
    return "seq,timestamp,delay_ms,size,lost\n" + "".join(rows)


def untidy_rows() -> str:
    """Dates, decimal commas, delays left empty, a thousandth of the rows not what they should be."""
    rows = (
        f"2026-05-04 {n // 36000:02}:{n // 600 % 60:02}:{n // 10 % 60:02}.{n % 10}00;{n};"
        f"{'' if n % 33 == 0 else f'{40 + n % 100},{n % 10}'};-80;x\n"
        if n % 1000
        else "what?\n"
        for n in range(BIG)
    )
    return "time;seq;delay_ms;rssi;comment\n" + "".join(rows)


def ping_rows() -> str:
    return "PING x (192.0.2.7) 56(84) bytes of data.\n" + "".join(
        f"[{1.7e9 + n:.6f}] 64 bytes from 192.0.2.7: icmp_seq={n % 65536} ttl=52 time={50 + n % 9}.5 ms\n"
        for n in range(BIG)
    )


@pytest.mark.parametrize(("make", "rows"), [(plain_rows, BIG), (untidy_rows, BIG - BIG // 1000), (ping_rows, BIG)])
def test_a_million_rows_take_seconds(tmp_path: Path, make: Callable[[], str], rows: int) -> None:
    """A tenth of them, in computing time and with three times the patience: 10 s for a million is the aim."""
    (tmp_path / "big.csv").write_text(make())
    begin = time.process_time()
    imported = import_file(tmp_path / "big.csv")
    with TraceWriter(tmp_path / "big.trace", imported.header) as writer:
        writer.write_rows(imported.table.rows())
    assert time.process_time() - begin < 3
    assert len(load_trace(writer.path).table) == rows


def log_of(header: str, rows: Iterable[Sequence[object]], sign: str = ",") -> str:
    return "\n".join([header, *(sign.join(map(str, row)) for row in rows)])


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


@pytest.mark.parametrize("times", ["sent", "arrived"])
def test_packets_that_overtake_each_other_are_no_losses(tmp_path: Path, times: str) -> None:
    rng = np.random.default_rng(5)
    arrivals = np.arange(300) + rng.uniform(0, 6, 300)
    order = np.argsort(arrivals)
    at = order if times == "sent" else np.sort(arrivals).round(3)
    rows = [(at[place], number) for place, number in enumerate(order) if number % 50 != 7]
    imported = read(tmp_path, log_of("timestamp,seq", rows))
    found = only(imported)
    assert found.sequence[found.is_lost].tolist() == list(range(7, 300, 50))
    assert [note for note in imported.report.notes if "clock" in note or "fell" in note] == []


def test_a_packet_told_twice_is_a_copy(tmp_path: Path) -> None:
    numbers = sorted([*range(1, 30), *range(5, 30, 6)])
    imported = read(tmp_path, log_of("t,seq,delay_ms", [(n, n, 5) for n in numbers]))
    assert len(only(imported)) == 29
    assert [int(only(imported).sequence[place]) for place in only(imported).copy_of] == [5, 11, 17, 23, 29]
    assert "5 rows tell a packet once more: taken as copies" in imported.report.notes
    again = read(tmp_path, "t,seq,result\n0,1,lost\n1,1,ok\n2,2,ok\n")  # sent anew until it came: no copy
    assert only(again).is_lost.tolist() == [True, False, False]
    same = read(tmp_path, log_of("t,id,delay_ms", [(n, 21, 5) for n in range(9)]))  # a number of something else
    assert len(only(same)) == 9


def test_senders_count_for_themselves(tmp_path: Path) -> None:
    rows = [(n, source, n // 2, 5) for n, source in enumerate(["a", "b"] * 10) if n not in (6, 13)]
    imported = read(tmp_path, log_of("t,src,seq,delay_ms", rows))
    lost = {name: way.sequence[way.is_lost].tolist() for name, way in ways(imported).items()}
    assert lost == {"a > there": [3.0], "b > there": [6.0]}


def test_the_newest_row_may_stand_first(tmp_path: Path) -> None:
    imported = read(tmp_path, log_of("t,seq,delay_ms", [(2 * n, n, n) for n in range(9, 0, -1)]))
    assert only(imported).sent_s.tolist() == list(range(2, 20, 2))
    assert only(imported).delay_s == pytest.approx(np.arange(1, 10) / 1000)
    assert imported.report.notes == ["the newest row stands first: read from the end"]


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


@pytest.mark.parametrize(
    ("answer", "lost", "head", "tail"),
    [
        (
            "Reply from 192.0.2.7: bytes=32 time{}ms TTL=52",
            "Request timed out.",
            "Pinging x with 32 bytes of data:",
            "Ping",
        ),
        (
            "Antwort von 192.0.2.7: Bytes=32 Zeit{}ms TTL=52",
            "Zeitüberschreitung der Anforderung.",
            "Ping für x:",
            "Ca.",
        ),
        (
            "Réponse de 192.0.2.7 : octets=32 temps{} ms TTL=52",
            "Délai d’attente dépassé.",
            "Envoi de requêtes :",
            "Stat",
        ),
    ],
)
def test_ping_of_windows_in_any_language(tmp_path: Path, answer: str, lost: str, head: str, tail: str) -> None:
    pings = [answer.format("=20"), lost, answer.format("<1"), lost, answer.format("=21")]
    text = "\r\n".join(["", head, *pings, "", f"{tail} 192.0.2.7:", "    5, 3, 2 (40%),", "^C", ""])
    found = only(read(tmp_path, text, "ping.txt"))
    assert found.is_lost.tolist() == [False, True, False, True, False]
    assert found.delay_s[[0, 2, 4]].tolist() == [0.02, 0.001, 0.021]


def test_ping_counts_past_its_bits_and_on_where_it_was_started_anew(tmp_path: Path) -> None:
    def log(numbers: Iterable[int]) -> str:
        return "\n".join(f"64 bytes from 192.0.2.7: icmp_seq={n} ttl=52 time=20 ms" for n in numbers)

    found = only(read(tmp_path, log([*range(65_530, 65_536), *range(5)]), "ping.txt"))
    assert (len(found), found.n_lost) == (11, 0)
    imported = read(tmp_path, log([*range(1, 101), *range(1, 51)]), "ping.txt")
    assert (len(only(imported)), only(imported).n_lost) == (150, 0)
    assert "ping was started anew 1 times: counted on" in imported.report.notes
    damaged = read(tmp_path, log([1, 2, 99_999_999_999, 3]), "ping.txt")
    assert damaged.report.problems == [(3, "99999999999 is no number of a ping")]
    assert len(only(damaged)) == 3


def test_numbers_beyond_counting_are_not_known(tmp_path: Path) -> None:
    imported = read(tmp_path, "t,delay_ms,size,seq\n0,5,1e300,1\n1,5,20,2\n")
    assert [record.size for record in imported.table.records()] == [None, 20]


def test_dates_that_are_nearly_right_are_told(tmp_path: Path) -> None:
    imported = read(tmp_path, "t,delay_ms\n2026-05-04 12:00:00,5\n2026-05-04 12:00:01-,5\n2026-05-04 12:00:02,5\n")
    assert imported.report.problems == [(3, "t is '2026-05-04 12:00:01-'")]


def test_ping_of_busybox(tmp_path: Path) -> None:
    lines = [f"64 bytes from 192.0.2.7: seq={n} ttl=52 time=20.{n} ms" for n in (0, 1, 3)]
    assert only(read(tmp_path, "\n".join(lines), "ping.txt")).is_lost.tolist() == [False, False, True, False]


def test_an_irtt_result_that_breaks_off(tmp_path: Path) -> None:
    sent = {"wall": 1_707_277_440_000_000_000}
    trip = {"seqno": 1, "lost": "false", "timestamps": {"client": {"send": sent}}, "delay": {"rtt": 5, "send": 3}}
    text = json.dumps({"version": {}, "round_trips": [trip, trip, trip]})
    imported = read(tmp_path, text[:-40], "irtt.json")
    assert len(ways(imported)["here > there"]) == 2
    assert any("breaks off" in note for note in imported.report.notes)


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
