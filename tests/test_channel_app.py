"""The channel process as its user runs it, and the command that controls it."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.channel_app import ControlClient
from gateway.cli import main
from gateway.errors import GatewayError
from gateway.keys import CurvePair, save_curve
from gateway.links.sockets import curve_keypair
from gateway.links.zeromq import ZeromqChannelLink
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[1]


def free_endpoint() -> str:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


@contextmanager
def running(folder: Path, more: str = "") -> Iterator[tuple[str, str, subprocess.Popen[str]]]:
    stations, control = free_endpoint(), free_endpoint()
    text = f'endpoint = "{stations}"\ncontrol = "{control}"\nstatistics_s = 0.2\n[channel]\npreset = "geo"\n{more}'
    (folder / "net.toml").write_text(text)
    command = [sys.executable, "-m", "gateway", "channel", "-c", str(folder / "net.toml")]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    try:
        yield stations, control, process
    finally:
        process.kill()
        process.communicate()


def wait_for_status(*arguments: object) -> str:
    give_up = time.monotonic() + PATIENCE_S
    while True:
        result = call("channel-control", *arguments, "status")
        if result.exit_code == 0:
            return result.output
        assert time.monotonic() < give_up, result.output


def test_a_channel_is_controlled_from_the_command_line(tmp_path: Path) -> None:
    with running(tmp_path) as (stations, control, process):
        assert "with no station" in wait_for_status(control)
        with ZeromqChannelLink(stations, "alpha") as a, ZeromqChannelLink(stations, "bravo") as b:
            give_up = time.monotonic() + PATIENCE_S
            while not (a.ready() and b.ready()):
                assert time.monotonic() < give_up
                time.sleep(0.01)
            a.send(b"hello")
            out = call("channel-control", control, "set", "*", "loss=0.5", "mean_burst=none", "ordered=false").output
            assert out == "set: 1 path in use, and any to come\n"
            assert call("channel-control", control, "set", "alpha>bravo", "preset=clean").exit_code == 0
            assert (
                "alpha>bravo (cut)"
                in [
                    call("channel-control", control, "cut", "alpha").output,
                    call("channel-control", control, "status").output,
                ][1]
            )
            assert "restored: 1 path" in call("channel-control", control, "restore", "*").output
            assert "counting anew: 1 path" in call("channel-control", control, "reset").output
            both = call("channel-control", "--json", control, "status", "alpha>bravo").output.splitlines()
            assert [json.loads(line)["ok"] for line in both] == [True, True]
            for arguments, error in (
                (("set", "*", "los=1"), "figures: los: unknown key; did you mean loss?"),
                (("set", "*", "loss"), "'loss': needs KEY=VALUE"),
                (("cut", "a>b>c"), "path 'a>b>c'"),
                (("set", "*", "model={kind = 'rain'}"), "model.kind: got 'rain'"),
            ):
                result = call("channel-control", control, *arguments)
                assert result.exit_code == 1
                assert error in result.output
        process.send_signal(signal.SIGTERM)
        _, logged = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0
        assert "channel listens" in logged
        assert "path=alpha>bravo" in logged
        assert "channel stopped" in logged


def test_control_with_curve(tmp_path: Path) -> None:
    server, client = (CurvePair(*curve_keypair()) for _ in range(2))
    public = save_curve(tmp_path / "server.curve", server)
    save_curve(tmp_path / "client.curve", client)
    section = f'[curve]\nsecret_key = "server.curve"\nallow = ["{client.public}"]\n'
    with running(tmp_path, section) as (_, control, _process):
        for key in (public, server.public):
            assert "geo" in wait_for_status("--key", tmp_path / "client.curve", "--server-key", key, control)
        assert "no answer" in call("channel-control", "--timeout", "0.3", control, "status").output


def test_half_of_the_keys_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GatewayError, match="each needs the other"):
        ControlClient("tcp://127.0.0.1:1", tmp_path / "own.curve", None, 1.0)
    with pytest.raises(GatewayError, match="--server-key: needs 40 characters"):
        ControlClient("tcp://127.0.0.1:1", tmp_path / "own.curve", "short", 1.0)


def test_on_a_terminal_there_is_a_table(tmp_path: Path) -> None:
    endpoint = free_endpoint()
    (tmp_path / "net.toml").write_text(f'endpoint = "{endpoint}"\n[channel]\npreset = "clean"\n')
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "gateway", "channel", "-c", str(tmp_path / "net.toml")]
    process = subprocess.Popen(command, cwd=ROOT, stderr=theirs, env=dict(os.environ))
    os.close(theirs)
    shown, give_up = "", time.monotonic() + PATIENCE_S
    try:
        with ZeromqChannelLink(endpoint, "alpha") as link:
            while "1 stations" not in shown:
                assert time.monotonic() < give_up, shown
                link.receive(0.01)
                if select.select([ours], [], [], 0.05)[0]:
                    shown += os.read(ours, 4096).decode()
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert f"stations at {endpoint}; ^C ends" in shown
    assert "joined" not in shown  # it would stand between the table's lines
