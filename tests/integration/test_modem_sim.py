"""Whole programs: two stations talk through `clarilink modem-sim --pair`, its modems pulled, cut and mistreated."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.profile import load_profile
from gateway.audio.files import read_audio, write_wav
from gateway.codec import Codec, CodecSpec
from gateway.codec.checkpoint import save_weights
from tests.integration.programs import Start, talk
from tests.patience import PATIENCE_S


class Simulation:
    """A running `clarilink modem-sim`: a line typed, and what it answers."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.ports = [str(folder / "port-a"), str(folder / "port-b")]
        links = ["--link-a", self.ports[0], "--link-b", self.ports[1]]
        self.output = folder / "sim.log"
        with self.output.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-u", "-m", "gateway", "modem-sim", *arguments, *links],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                text=True,
            )
        self.wait_for("Ctrl-C ends")

    def text(self) -> str:
        return self.output.read_text()

    def wait_for(self, told: str) -> None:
        give_up = time.monotonic() + PATIENCE_S
        while told not in self.text():
            assert time.monotonic() < give_up, f"never told {told!r}:\n{self.text()}"
            time.sleep(0.05)

    def type(self, line: str, told: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        self.wait_for(told)

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE_S)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()


@pytest.fixture
def simulate(tmp_path: Path) -> Iterator[Callable[..., Simulation]]:
    running: list[Simulation] = []

    def begin(*arguments: str) -> Simulation:
        running.append(Simulation(tmp_path, *arguments))
        return running[-1]

    yield begin
    for one in running:
        one.close()


@pytest.fixture
def station(tmp_path: Path, small_codec: Codec, small_spec: CodecSpec, speechlike: np.ndarray) -> Callable[..., str]:
    save_weights(tmp_path / "small.safetensors", small_spec, small_codec.model.state_dict())
    write_wav(tmp_path / "said.wav", [np.tile(speechlike, 3)])

    def write(name: str, number: int, port: str) -> str:
        path = tmp_path / f"{name}.toml"
        path.write_text(
            f'[station]\nname = "{name}"\nid = {number}\ngroup = 4\n[net.names]\n1 = "alpha"\n2 = "bravo"\n'
            f'[audio]\ninput = "file:said.wav"\noutput = "file:{name}-heard.wav"\n'
            '[codec]\nweights = "small.safetensors"\n[ptt]\ntones = false\n[log]\nformat = "json"\n'
            f'[link]\nkind = "modem"\nprofile = "transparent-9600"\nport = "{port}"\n'
        )
        return str(path)

    return write


def test_two_stations_over_virtual_modems_with_the_cable_pulled_in_mid_over(
    start: Start, simulate: Callable[..., Simulation], station: Callable[..., str], tmp_path: Path
) -> None:
    sim = simulate("transparent-9600", "--pair", "--seed", "3")
    a, b = (start("run", "-c", station(name, n, sim.ports[n - 1])) for n, name in ((1, "alpha"), (2, "bravo")))
    for program in (a, b):
        program.wait_for("station ready")
    talk(a, b)
    b.wait_for("alpha to group 4")
    talk(b, a)
    a.wait_for("bravo to group 4")
    a.type("p")
    b.wait_for("heard", 2)
    sim.type("unplug a", "a: unplugged")
    a.wait_for("link lost")
    a.type("p")
    b.wait_for("over ended", 2)
    sim.type("flood b 3000", "3000 bytes of garbage")
    sim.type("plug a", "a: plugged")
    a.wait_for("link restored")
    sim.type("cut b", "power was cut")
    talk(a, b)
    for program in (a, b):
        program.type("q")
    assert (a.end(), b.end()) == (0, 0)
    sim.type("status", "frames:")
    assert sim.end() == 0
    assert not any("Traceback" in line for line in [*a.lines, *b.lines, sim.text()])
    assert a.counts()["modem.port_opened"] == 2
    assert b.counts()["rx.overs"] >= 3
    assert b.counts()["modem.rx_bad_frames"] > 0  # the flood
    assert np.abs(read_audio(tmp_path / "bravo-heard.wav")).max() > 1e-3
    last = sim.text().rpartition("frames: ")[2]
    found = re.match(r"(\d+) sent, (\d+) delivered", last)
    assert found is not None
    packets = a.counts()["link.tx_packets"] + b.counts()["link.tx_packets"]
    assert packets / 2 <= int(found[1])  # two packets without a pause between them are one frame on this air
    assert packets / 3 <= int(found[2]) <= int(found[1])
    assert not (tmp_path / "port-a").is_symlink()


def modem_test(sim: Simulation, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateway", "modem-test", sim.ports[0], "-c", "transparent-9600", *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=3 * PATIENCE_S, check=False)


def test_a_pair_is_measured_by_the_program(simulate: Callable[..., Simulation], tmp_path: Path) -> None:
    sim = simulate("transparent-9600", "--stations", "2")
    report, profile = tmp_path / "report.json", tmp_path / "found.toml"
    files = ["--report", str(report), "--write-profile", str(profile)]
    done = modem_test(sim, "--peer", sim.ports[1], "--seconds", "5", *files)
    assert done.returncode == 0, done.stderr
    assert "Live voice fits" in done.stdout
    assert json.loads(report.read_text())["live"]["fits"]
    assert load_profile(profile).driver == "transparent"
    sim.type("air off", "nothing gets through")
    failed = modem_test(sim, "--wait", "2")
    assert failed.returncode == 1
    assert "nobody answers" in failed.stderr
    assert "Traceback" not in failed.stderr
    sim.type("quit", "frames:")
    assert sim.process.wait(PATIENCE_S) == 0
