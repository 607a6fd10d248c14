"""Other people's files: what is read, what is skipped and told, what is refused."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import TraceError
from gateway.traces import TraceHeader, TraceWriter
from gateway.traces.export import export_csv
from gateway.traces.flights import flights_of
from gateway.traces.importing import ImportOptions, import_file
from gateway.traces.importing.any_file import READERS, guess
from gateway.traces.load import load_trace
from gateway.traces.record import COLUMNS
from tests.traces.files import PING, log_of, only, read, ways


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
    """A tenth of them, in computing time and with ten times the patience, for a busy machine: 10 s for a million is the
    aim, and what grows with the square of the rows takes minutes."""
    (tmp_path / "big.csv").write_text(make())
    begin = time.process_time()
    imported = import_file(tmp_path / "big.csv")
    with TraceWriter(tmp_path / "big.trace", imported.header) as writer:
        writer.write_rows(imported.table.rows())
    assert time.process_time() - begin < 10
    assert len(load_trace(writer.path).table) == rows


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


def test_an_irtt_result_that_breaks_off(tmp_path: Path) -> None:
    sent = {"wall": 1_707_277_440_000_000_000}
    trip = {"seqno": 1, "lost": "false", "timestamps": {"client": {"send": sent}}, "delay": {"rtt": 5, "send": 3}}
    text = json.dumps({"version": {}, "round_trips": [trip, trip, trip]})
    imported = read(tmp_path, text[:-40], "irtt.json")
    assert len(ways(imported)["here > there"]) == 2
    assert any("breaks off" in note for note in imported.report.notes)
