"""The raw log: what goes in comes out byte for byte, whole after a crash, bounded, and read again by a driver."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.driver import PacketHeard
from firmware_bridge.drivers.transparent import TransparentDriver
from firmware_bridge.framing.delimited import CobsFramer
from firmware_bridge.profile import load_profile
from firmware_bridge.raw_log import Mark, RawLog, Record, old_path, parse_record, printable, read_log
from firmware_bridge.replay import replay, replay_lines
from gateway.errors import ConfigError


def written(path: Path, max_bytes: int = 1_000_000) -> RawLog:
    return RawLog(path, max_bytes)


def test_both_directions_come_back_with_their_times(tmp_path: Path) -> None:
    log = written(tmp_path / "new folder" / "modem.log")
    log.note(1.5, "open /dev/x\nwith words")
    log.bytes_passed(2.25, Mark.FROM_MODEM, b"OK\r\n\x00\xff")
    log.bytes_passed(3.125, Mark.TO_MODEM, bytes(9000))
    log.close()
    first, second, *rest = read_log(tmp_path / "new folder" / "modem.log")
    assert (first.at_s, first.mark, first.text) == (1.5, Mark.NOTE, "open /dev/x with words")
    assert (second.at_s, second.mark, second.data) == (2.25, Mark.FROM_MODEM, b"OK\r\n\x00\xff")
    assert b"".join(record.data for record in rest) == bytes(9000)
    assert {record.at_s for record in rest} == {3.125}
    assert second.wall.endswith("Z")
    assert (tmp_path / "new folder" / "modem.log").stat().st_mode & 0o077 == 0


def test_a_line_cut_by_a_crash_costs_itself_only(tmp_path: Path) -> None:
    path = tmp_path / "modem.log"
    log = written(path)
    log.bytes_passed(1.0, Mark.FROM_MODEM, b"first")
    log.bytes_passed(2.0, Mark.FROM_MODEM, b"second")
    log.close()
    path.write_bytes(path.read_bytes()[:-5])
    log = written(path)
    log.bytes_passed(3.0, Mark.FROM_MODEM, b"third")
    log.close()
    kept = [record.data for record in read_log(path)]
    assert kept[0] == b"first"
    assert kept[-1] == b"third"
    assert b"second" not in kept


def test_it_is_bounded_and_keeps_the_newest(tmp_path: Path) -> None:
    path = tmp_path / "modem.log"
    log = written(path, max_bytes=20_000)
    for number in range(1000):
        log.bytes_passed(float(number), Mark.TO_MODEM, number.to_bytes(2, "big") * 20)
    log.close()
    assert path.stat().st_size + old_path(path).stat().st_size <= 20_000
    numbers = [int.from_bytes(record.data[:2], "big") for record in read_log(path)]
    assert numbers == list(range(numbers[0], 1000))
    assert len(numbers) > 50


def test_what_cannot_begin_or_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"file.*raw log"):
        RawLog(tmp_path / "file" / "modem.log")
    with pytest.raises(ConfigError, match=r"none\.log: no such raw log"):
        list(read_log(tmp_path / "none.log"))


@given(st.binary(max_size=200).map(lambda data: data.decode("latin-1")) | st.text(max_size=60))
def test_any_line_is_a_record_or_none(line: str) -> None:
    record = parse_record(line)
    assert record is None or isinstance(record, Record)
    assert parse_record(line.rstrip("\n")) is None, "a line without its end was cut"


def test_it_is_printed_for_people() -> None:
    records = [
        Record(1.0, "W", Mark.NOTE, text="open x"),
        Record(2.0, "W", Mark.FROM_MODEM, data=b"0123456789abcdefGH\x00"),
    ]
    shown = list(printable(records))
    assert shown[0].endswith("= open x")
    assert "30 31 32" in shown[1]
    assert shown[1].endswith("0123456789abcdef")
    assert shown[2].split() == ["47", "48", "00", "GH."]


def test_a_driver_reads_it_again(tmp_path: Path) -> None:
    path, framer = tmp_path / "modem.log", CobsFramer(270)
    log = written(path)
    log.note(1.0, "open /dev/x")
    frame = framer.encode(b"over")
    log.bytes_passed(2.0, Mark.FROM_MODEM, frame[:3])
    log.bytes_passed(2.1, Mark.TO_MODEM, framer.encode(b"ours"))
    log.bytes_passed(2.2, Mark.FROM_MODEM, frame[3:] + b"garbage\x00")
    log.close()
    driver = TransparentDriver(load_profile("transparent-9600"), rng=Random(1))
    said = list(replay(read_log(path), driver))
    assert [(record.at_s, event) for record, event in said][-1] == (2.2, PacketHeard(b"over"))
    lines = list(replay_lines(Path("transparent-9600"), path))
    assert any("PacketHeard" in line and "over" in line for line in lines)
    assert "modem.rx_bad_frames 1" in lines


def test_a_log_that_begins_in_the_middle_is_read_all_the_same() -> None:
    records = [Record(5.0, "W", Mark.FROM_MODEM, data=CobsFramer(270).encode(b"over"))]
    driver = TransparentDriver(load_profile("transparent-9600"))
    assert PacketHeard(b"over") in [event for _, event in replay(records, driver)]
