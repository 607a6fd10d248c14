"""`python -m firmware_bridge` as its user runs it: two bridges, each with a C modem, two gateways; and wrong files."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from firmware_bridge.bridge_link import BridgeLink
from firmware_bridge.profile import load_profile
from tests.bridge.firmware.c_build import built
from tests.bridge.firmware.test_pty import CModem, free_port
from tests.conformance.test_links import Pair, free_endpoint
from tests.patience import PATIENCE_S


def start(stack: ExitStack, folder: Path, name: str, port: Path) -> tuple[subprocess.Popen[str], str]:
    endpoint, path = free_endpoint(), folder / f"{name}.toml"
    path.write_text(f'endpoint = "{endpoint}"\n[modem]\nprofile = "firmware"\nport = "{port}"\n', encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "firmware_bridge", "-c", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    stack.callback(process.wait, PATIENCE_S)
    stack.callback(process.kill)
    return process, endpoint


def test_two_gateways_talk_through_two_bridges_and_two_c_modems(tmp_path: Path) -> None:
    program, at_a, at_b = built("host", "clk_host"), free_port(), free_port()
    with ExitStack() as stack:
        bridges, links = [], []
        for name, own, other in (("a", at_a, at_b), ("b", at_b, at_a)):
            modem = CModem(program, tmp_path / name, own, other, "--rate", "9600")
            stack.callback(modem.stop)
            process, endpoint = start(stack, tmp_path, name, modem.link)
            bridges.append(process)
            links.append(BridgeLink(endpoint, name, load_profile("firmware")))
            stack.callback(links[-1].close)
        a, b = links
        for link in links:
            link.open()
        deadline = time.monotonic() + PATIENCE_S
        while not (a.ready() and b.ready()):
            assert time.monotonic() < deadline, (a.outage(), b.outage())
            a.receive(0.05)
            b.receive(0.05)
        pair = Pair(a, b, lambda: True)
        assert a.info.rate_bps == 9600.0
        assert pair.exchange(a, b, b"over").data == b"over"
        assert pair.exchange(b, a, b"roger").data == b"roger"
        for process in bridges:
            process.send_signal(signal.SIGTERM)
            said, _ = process.communicate(timeout=PATIENCE_S)
            assert process.returncode == 0
            assert "bridge stopped" in said
            assert "Traceback" not in said


def test_a_wrong_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "bridge.toml"
    path.write_text('endpoint = "tcp://127.0.0.1:5700"\n[modem]\nprofile = "nonsense"\nport = "/dev/null"\n')
    answer = subprocess.run(
        [sys.executable, "-m", "firmware_bridge", "-c", str(path)], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 1
    assert answer.stderr.startswith("firmware_bridge: no modem profile 'nonsense'")
    assert answer.stderr.count("\n") == 1


def test_it_loads_no_codec_and_no_sound() -> None:
    script = "import sys, firmware_bridge.__main__; sys.exit(bool({'torch', 'sounddevice'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
