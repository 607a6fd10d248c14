"""The bridge between a pseudo-terminal and minimodem, with a stand-in for it that carries bytes through a FIFO."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from firmware_bridge.sim.minimodem import Minimodem, main, minimodem_pair
from gateway.errors import ConfigError

STAND_IN = """#!/bin/sh
echo "$PULSE_LATENCY_MSEC $*" >> "$AIR.log"
case "$1" in
--tx) exec cat > "$AIR/$PULSE_SINK" ;;
--rx) exec cat "$AIR/$PULSE_SOURCE" ;;
esac
"""


@pytest.fixture
def air(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment in which `minimodem` is the stand-in, and a FIFO called `loop`."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "minimodem").write_text(STAND_IN)
    (tmp_path / "bin" / "minimodem").chmod(0o755)
    (tmp_path / "air").mkdir()
    os.mkfifo(tmp_path / "air" / "loop")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return {**os.environ, "AIR": str(tmp_path / "air")}


def read(descriptor: int, count: int) -> bytes:
    data, give_up = b"", time.monotonic() + 20
    while len(data) < count and time.monotonic() < give_up:
        if select.select([descriptor], [], [], 0.2)[0]:
            data += os.read(descriptor, 4096)
    return data


def test_every_byte_goes_through_as_it_is(air: dict[str, str]) -> None:
    modem = Minimodem(1200, "loop", "loop", env=air)
    try:
        port = os.open(modem.address, os.O_RDWR | os.O_NOCTTY)
        for data in (bytes(range(256)), b"\r\n\x03\x04\x11\x13", bytes(3000)):
            os.write(port, data)
            assert read(port, len(data)) == data
        os.close(port)
        assert modem.failure() is None
        again = os.open(modem.address, os.O_RDWR | os.O_NOCTTY)  # the host may come back
        os.write(again, b"here again")
        assert read(again, 10) == b"here again"
        os.close(again)
    finally:
        modem.close()
    calls = (Path(air["AIR"]).parent / "air.log").read_text().splitlines()
    assert sorted(calls) == ["150 --rx --ascii --quiet 1200", "150 --tx --ascii --tx-carrier 1200"]


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_the_program_prints_its_port_and_ends_what_it_started(air: dict[str, str], ending: signal.Signals) -> None:
    command = [sys.executable, "-m", "firmware_bridge.sim.minimodem", "--tx-sink", "loop", "--rx-source", "loop"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=air, text=True) as program:
        assert program.stdout is not None
        address = program.stdout.readline().strip()
        port = os.open(address, os.O_RDWR | os.O_NOCTTY)
        os.write(port, b"hello")
        assert read(port, 5) == b"hello"
        os.close(port)
        children = Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split()
        assert len(children) == 2
        program.send_signal(ending)
        assert program.wait(20) == 0
    assert not any(Path(f"/proc/{child}").exists() for child in children)


def test_the_end_of_minimodem_is_told_in_its_words(air: dict[str, str], tmp_path: Path) -> None:
    script = tmp_path / "bin" / "minimodem"
    script.write_text("#!/bin/sh\necho 'E: Cannot create default pulseaudio stream' >&2\nexit 1\n")
    modem = Minimodem(1200, "loop", "loop", env=air, has_carrier=False)
    give_up = time.monotonic() + 20
    while modem.failure() is None and time.monotonic() < give_up:
        time.sleep(0.01)
    assert "Cannot create default pulseaudio stream" in str(modem.failure())
    modem.close()


def test_programs_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"minimodem is not installed \(apt install minimodem\)"):
        Minimodem(1200, "x", "y", env={})
    with pytest.raises(ConfigError, match="pulseaudio is not installed"), minimodem_pair(1200, tmp_path):
        pass


def test_the_program_says_what_is_missing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["--tx-sink", "a", "--rx-source", "b"]) == 2
    assert "minimodem is not installed" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--pair", "--tx-sink", "x"],
        ["--tx-sink", "x"],
        ["--pair", "--baud", "9600"],
        ["--pair", "--latency-ms", "1"],
    ],
)
def test_wrong_arguments(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert "error:" in capsys.readouterr().err
