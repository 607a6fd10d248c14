"""The C host build as a virtual modem behind a pseudo-terminal: two of them, two runners, packets across."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from random import Random

import pytest

from firmware_bridge.driver import ModemEvent, ModemStatus, PacketHeard, PacketSent
from firmware_bridge.profile import load_profile
from firmware_bridge.registry import build_driver
from firmware_bridge.runner import ModemRunner
from gateway.metrics import Metrics
from tests.bridge.firmware.c_build import built
from tests.patience import PATIENCE_S


def free_port() -> int:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class CModem:
    """The host build at the end of a pseudo-terminal."""

    def __init__(self, program: Path, link: Path, own: int, other: int, *options: str) -> None:
        self.link = link
        self._command = [str(program), "run", "--pty", str(link), "--air", str(own), str(other), *options]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command)
        deadline = time.monotonic() + PATIENCE_S
        while not self.link.exists():
            assert self.process.poll() is None, "the C modem ended"
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(PATIENCE_S)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[tuple[list[CModem], list[ModemRunner]]]:
    program = built("host", "clk_host")
    at_a, at_b = free_port(), free_port()
    with ExitStack() as stack:
        modems, runners = [], []
        for name, own, other in (("a", at_a, at_b), ("b", at_b, at_a)):
            modem = CModem(program, tmp_path / name, own, other, "--rate", "9600")
            stack.callback(modem.stop)
            driver = build_driver(load_profile("firmware"), Metrics(), Random(own))
            runner = ModemRunner(driver, str(modem.link))
            runner.start()
            stack.callback(runner.stop)
            modems.append(modem)
            runners.append(runner)
        for runner in runners:
            assert runner.wait_for(ModemStatus.READY, PATIENCE_S), runner.status_text
        yield modems, runners


def next_of(runner: ModemRunner, kind: type[ModemEvent]) -> ModemEvent:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        event = runner.next_event(0.2)
        if isinstance(event, kind):
            return event
    raise AssertionError(f"no {kind.__name__}")


def test_packets_cross_between_two_c_modems(desk: tuple[list[CModem], list[ModemRunner]]) -> None:
    _, (a, b) = desk
    assert a.info.rate_bps == 9600.0
    for packet in (b"over", b"", b"\x00\xff\x00", bytes(range(128))):
        for here, there in ((a, b), (b, a)):
            number = here.send(packet)
            assert next_of(here, PacketSent) == PacketSent(number or 0)
            assert next_of(there, PacketHeard) == PacketHeard(packet)


def test_a_modem_that_restarts_is_found_again(desk: tuple[list[CModem], list[ModemRunner]]) -> None:
    (modem, _), (a, b) = desk
    assert modem.stop() == 0
    assert a.wait_for(ModemStatus.NO_PORT, PATIENCE_S)
    number = a.send(b"kept")
    assert number is not None
    modem.start()
    assert next_of(a, PacketSent) == PacketSent(number)
    assert next_of(b, PacketHeard) == PacketHeard(b"kept")


def test_standard_input_and_output_will_do() -> None:
    from firmware_bridge.framing.delimited import CobsFramer
    from firmware_bridge.messages import Hello, Info, decode

    program, framer = built("host", "clk_host"), CobsFramer(300)
    hello = framer.encode(Hello(1, 9, "x").to_bytes())
    with subprocess.Popen([program, "run", "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(hello)
        process.stdin.flush()
        said: list[bytes] = []
        while len(said) < 3:
            said += framer.feed(process.stdout.read1(4096))
        process.stdin.close()
    assert process.returncode == 0
    infos = [message for message in map(decode, said) if isinstance(message, Info)]
    assert [info.session for info in infos] == [0, 9]


@pytest.mark.parametrize("words", [["run"], ["run", "--stdio", "--rate", "0"], ["run", "--nonsense"], []])
def test_wrong_words_are_refused(words: list[str]) -> None:
    answer = subprocess.run([built("host", "clk_host"), *words], capture_output=True, text=True, check=False)
    assert answer.returncode in (1, 2)
    assert "clk_host" in answer.stderr
