"""The benchmark of the serial shell: it uses the line, and rests when idle (generous: machines are shared)."""

from __future__ import annotations

import io
import os
import time

import pytest

from gateway.tools.bench import table
from gateway.tools.bench_serial import Cable, direct_profile, measure_idle, measure_throughput, serial_figures


def end(path: str) -> io.FileIO:
    """An end of a cable, never as this process's own terminal: that going away would end a leader of a session."""
    return io.FileIO(os.open(path, os.O_RDWR | os.O_NOCTTY), "r+")


@pytest.mark.parametrize("baud", [9600, 115_200, 921_600])
def test_packets_fill_the_line(baud: int) -> None:
    figures = measure_throughput(baud, 1.0)
    assert 0.7 < figures.line_share < 1.05
    assert figures.payload_bps < figures.line_share * baud * 0.8


def test_an_idle_link_rests() -> None:
    assert 0 <= measure_idle(1.0) < 0.2


def test_figures_have_stable_names() -> None:
    figures = serial_figures((57_600,), 0.3, repeats=1)
    assert list(figures) == ["serial_line_share_57600", "serial_idle_cpu_share"]
    assert "serial line share 57600" in table(figures)


def test_a_cable_carries_bytes_at_its_rate() -> None:
    with Cable(9600) as cable, end(cable.ends[0]) as here, end(cable.ends[1]) as there:
        begun = time.monotonic()
        here.write(bytes(480))
        got = b""
        while len(got) < 480:
            got += there.read(480)
        assert time.monotonic() - begun > 0.4


def test_a_cable_that_is_not_read_holds_everything() -> None:
    with Cable() as cable, end(cable.ends[0]) as here:
        cable.is_read = False
        here.write(b"x")  # the thread may be in the middle of its wait for this one
        time.sleep(0.1)
        before = cable.passed_bytes
        here.write(b"held")
        time.sleep(0.2)
        assert cable.passed_bytes == before
        cable.is_read = True
        deadline = time.monotonic() + 10.0
        while cable.passed_bytes < 5:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_the_profile_is_a_cable() -> None:
    assert direct_profile(1200).port.baud == 1200
    assert not direct_profile(1200).air.half_duplex
