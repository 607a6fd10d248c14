"""A station that is killed without warning: its transmitter goes off, and the next start goes on where it was."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

from gateway.control.kept import Kept, kept_of
from gateway.tools.program import Program
from tests.integration.peers import free_port, require_program, running
from tests.integration.programs import Start, peers, talk
from tests.patience import PATIENCE_S


def is_keyed(port: int) -> bool | None:
    """What Hamlib's daemon says of its radio (rigctld(1): `t`, get_ptt); None when it does not answer, as it may not
    while another's connection ends."""
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.sendall(b"t\n")
            return {b"0": False, b"1": True}.get(connection.recv(100).strip())
    except OSError:
        return None


def wait_until(condition: Callable[[], bool], what: str) -> float:
    """Seconds it took."""
    began_s = time.monotonic()
    while not condition():
        assert time.monotonic() - began_s < PATIENCE_S, what
        time.sleep(0.02)
    return time.monotonic() - began_s


def press_until_heard(program: Program) -> None:
    """A press in the first moments is refused: the radio is still being asked whether it can be keyed."""
    refused, give_up = 0, time.monotonic() + PATIENCE_S
    while not any('"talking"' in line for line in program.lines):
        if refused == sum("refused" in line for line in program.lines):
            refused += 1
            program.type("p")
        time.sleep(0.6)  # oftener would be a flood, which the log holds back
        assert time.monotonic() < give_up, program.lines


def test_the_transmitter_goes_off_when_its_station_is_killed(
    start: Start, station: Callable[..., str], tmp_path: Path
) -> None:
    require_program("rigctld", "libhamlib-utils")
    port = free_port()
    radio = ["rigctld", "-m", "1", "-P", "RIG", "-T", "127.0.0.1", "-t", str(port)]
    keying = f'[keying]\ndelay_ms = 20\n[keying.device]\nkind = "rigctld"\naddress = "127.0.0.1:{port}"'
    path = station("alpha", 1, 'kind = "memory"', keying)
    with running(radio, tmp_path / "rigctld.log"):
        wait_until(lambda: is_keyed(port) is False, "rigctld answers")
        for _ in range(2):  # and the next start keys it again
            program = start("run", "-c", path)
            program.wait_for("station ready")
            press_until_heard(program)
            wait_until(lambda: is_keyed(port) is True, "keyed")
            os.kill(program.process.pid, signal.SIGKILL)
            wait_until(lambda: is_keyed(port) is False, "unkeyed by the watchdog")
            program.end()


def test_a_killed_station_knows_at_its_next_start_whom_it_heard(
    start: Start, station: Callable[..., str], tmp_path: Path
) -> None:
    ports = free_port(), free_port()
    a_file = station("alpha", 1, peers(*ports))
    b_file = station("bravo", 2, peers(*reversed(ports)), '[state]\nfile = "bravo.state"\nevery_s = 0.5')

    def kept() -> Kept:
        try:
            return kept_of((tmp_path / "bravo.state").read_text()) or Kept()
        except FileNotFoundError:
            return Kept()

    a, b = start("run", "-c", a_file), start("run", "-c", b_file)
    for program in (a, b):
        program.wait_for("station ready")
    talk(a, b)  # from then on they are connected for certain
    a.type("t Standing by.")
    b.wait_for("message from alpha: Standing by.")
    wait_until(lambda: len(kept().texts) == 1, "written while it runs")
    os.kill(b.process.pid, signal.SIGKILL)
    b.end()
    b = start("run", "-c", b_file)
    b.wait_for("station ready")
    talk(a, b)
    for program in (a, b):
        program.type("q")
    assert (a.end(), b.end()) == (0, 0)
    found = kept()
    assert [(view.name, view.overs) for view in found.last_heard] == [("alpha", 2)]
    assert [view.text for view in found.texts] == ["Standing by."]
    assert [view.side for view in found.overs] == ["heard", "heard"]
