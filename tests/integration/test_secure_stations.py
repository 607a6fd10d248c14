"""Whole programs with security and CURVE on real sockets: who has the key is heard, who has another hears nothing."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gateway.audio.files import read_audio, write_wav
from gateway.codec import Codec, CodecSpec
from gateway.codec.checkpoint import save_weights
from gateway.tools.program import Program
from tests.patience import PATIENCE_S

SAID_S = 2.5


def clarilink(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "gateway", *arguments]


def write_until_heard(sender: Program, listener: Program, text: str) -> None:
    """Write until ZeroMQ has found the way, and past message ids that a station in its second life uses again."""
    for turn in range(int(PATIENCE_S)):
        sender.type(f"t {text} {turn}")
        time.sleep(0.5)
        if listener.telling(f": {text}"):
            return
    raise AssertionError(f"never heard {text!r}:\n" + "\n".join(listener.lines))


@pytest.fixture
def folder(tmp_path: Path, small_codec: Codec, small_spec: CodecSpec, speechlike: np.ndarray) -> Path:
    """Weights, something to say, and the keys: one net key for a and b, one for the stranger, CURVE for all."""
    save_weights(tmp_path / "small.safetensors", small_spec, small_codec.model.state_dict())
    write_wav(tmp_path / "said.wav", [np.tile(speechlike, 2)])
    for arguments in (["net.key"], ["other.key"], *(["--curve", f"{name}.curve"] for name in "abc")):
        subprocess.run(clarilink("keygen", *arguments), cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    return tmp_path


def write(folder: Path, name: str, number: int, ports: dict[str, int], key: str) -> Path:
    others = [other for other in ports if other != name]
    keys = [(folder / f"{other}.curve.public").read_text().split('public = "')[1].split('"')[0] for other in others]
    path = folder / f"{name}.toml"
    path.write_text(
        f"""
[station]
name = "{name}"
id = {number}
[audio]
input = "file:said.wav"
output = "file:{name}-heard.wav"
[codec]
weights = "small.safetensors"
search = "off"
[ptt]
tones = false
[log]
format = "json"
[security]
mode = "authenticate-encrypt"
key_file = "{key}"
[link]
kind = "zeromq-peers"
bind = "tcp://127.0.0.1:{ports[name]}"
connect = {json.dumps([f"tcp://127.0.0.1:{ports[other]}" for other in others])}
[link.curve]
secret_key = "{name}.curve"
peer_keys = {json.dumps(keys)}
"""
    )
    return path


@contextlib.contextmanager
def running(*configs: Path) -> Iterator[list[Program]]:
    started = [Program("run", "-c", str(config)) for config in configs]
    try:
        for station in started:
            station.wait_for("station ready")
        yield started
    finally:
        for station in started:
            station.close()


def free_ports(names: str) -> dict[str, int]:
    with contextlib.ExitStack() as stack:
        probes = {name: stack.enter_context(socket.create_server(("127.0.0.1", 0))) for name in names}
        return {name: int(probe.getsockname()[1]) for name, probe in probes.items()}


def test_those_with_the_key_talk_and_one_with_another_hears_nothing(folder: Path) -> None:
    ports = free_ports("abc")
    configs = [write(folder, "a", 1, ports, "net.key"), write(folder, "b", 2, ports, "net.key")]
    with running(*configs, write(folder, "c", 3, ports, "other.key")) as (a, b, c):
        for station in (a, b, c):
            station.wait_for("security authenticate-encrypt: sending with key")
        write_until_heard(a, b, "Moved to channel two.")
        write_until_heard(b, a, "Heard.")
        a.type("p")
        b.wait_for("station 1 to group 0")
        time.sleep(SAID_S)  # speech takes its time: this is no waiting for something to happen
        a.type("p")
        b.wait_for("over ended")
        c.wait_for("packets refused: ")
        c.type("t Let me in.")
        a.wait_for("packets refused: ")
        counts = [station.quit() for station in (a, b, c)]
    sent, heard, strange = counts
    assert heard["rx.overs"] == 1
    # Nothing of the over is missing; on a busy machine a frame may come too late for its tick and be waited for.
    assert heard["rx.frames_played"] - heard.get("rx.frames_concealed", 0) == sent["tx.frames"]
    of_the_stranger = {"rx.dropped.unknown_key", "rx.dropped.bad_tag"}
    assert {name for name in heard if name.startswith("rx.dropped")} <= of_the_stranger
    assert np.sqrt(np.mean(read_audio(folder / "b-heard.wav")[8000:24_000] ** 2)) > 1e-3
    assert strange["rx.packets"] >= sent["tx.packets"]
    assert not any(name.startswith(("rx.overs", "rx.frames")) for name in strange)
    assert strange["rx.dropped.no_session"] > 0
    assert strange.get("rx.dropped.unknown_key", 0) + strange.get("rx.dropped.bad_tag", 0) > 0
    assert not (folder / "c-heard.wav").exists() or not np.any(read_audio(folder / "c-heard.wav"))
    assert not any(name.startswith("link.curve") for counters in counts for name in counters)


def test_a_station_that_starts_again_is_heard_and_goes_on_counting(folder: Path) -> None:
    ports = free_ports("ab")
    configs = [write(folder, name, number, ports, "net.key") for number, name in enumerate("ab", 1)]
    with running(configs[1]) as (b,):
        for life in (1, 2):
            with running(configs[0]) as (a,):
                write_until_heard(a, b, f"life {life}")
                a.quit()
        counts = b.quit()
    assert counts["rx.packets"] >= 2
    assert not any(name.startswith("rx.dropped") for name in counts)
