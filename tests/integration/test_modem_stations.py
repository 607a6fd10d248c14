"""Whole stations on serial ports: they talk, survive a modem torn out in the middle of an over, and wait for one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.raw_log import Mark, read_log
from gateway.audio.files import read_audio, write_wav
from gateway.codec import Codec, CodecSpec
from gateway.codec.checkpoint import save_weights
from tests.bridge.wires import Joined
from tests.integration.programs import Start, talk


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Joined]:
    with closing(Joined(tmp_path)) as made:
        yield made


@pytest.fixture
def station(tmp_path: Path, small_codec: Codec, small_spec: CodecSpec, speechlike: np.ndarray) -> Callable[..., str]:
    save_weights(tmp_path / "small.safetensors", small_spec, small_codec.model.state_dict())
    write_wav(tmp_path / "said.wav", [np.tile(speechlike, 3)])

    def write(name: str, number: int, port: str, more: str = "") -> str:
        path = tmp_path / f"{name}.toml"
        path.write_text(
            f'[station]\nname = "{name}"\nid = {number}\ngroup = 4\n[net.names]\n1 = "alpha"\n2 = "bravo"\n'
            f'[audio]\ninput = "file:said.wav"\noutput = "file:{name}-heard.wav"\n'
            '[codec]\nweights = "small.safetensors"\n[ptt]\ntones = false\n[log]\nformat = "json"\n'
            f'[link]\nkind = "modem"\nprofile = "transparent-9600"\nport = "{port}"\n{more}'
        )
        return str(path)

    return write


def test_two_stations_talk_through_a_modem_that_is_torn_out_and_plugged_in_again(
    start: Start, station: Callable[..., str], wire: Joined, tmp_path: Path
) -> None:
    a = start("run", "-c", station("alpha", 1, "modem-a", 'raw_log = "a.log"\n'))
    b = start("run", "-c", station("bravo", 2, "modem-b"))
    for program in (a, b):
        program.wait_for("station ready")
    talk(a, b)
    b.wait_for("alpha to group 4")
    talk(b, a)
    a.wait_for("bravo to group 4")
    a.type("p")
    a.wait_for("talking", 2)
    time.sleep(1.0)
    wire.unplug(0)
    a.wait_for("link lost")
    a.wait_for("modem no port")
    a.type("p")  # let go
    a.type("p")
    a.wait_for("refused: no link")
    wire.plug(0)
    a.wait_for("link restored")
    b.wait_for("over ended", 2)
    talk(a, b)
    for program in (a, b):
        program.type("q")
    assert (a.end(), b.end()) == (0, 0)
    assert not any("Traceback" in line for line in a.lines + b.lines)
    assert a.counts()["modem.port_opened"] == 2
    assert a.counts()["modem.port_lost"] == 1
    assert b.counts()["rx.overs"] == 3
    assert np.abs(read_audio(tmp_path / "bravo-heard.wav")).max() > 1e-3
    passed = [record for record in read_log(tmp_path / "a.log") if record.mark is Mark.TO_MODEM]
    assert sum(len(record.data) for record in passed) == a.counts()["modem.bytes_written"]


def test_a_station_waits_for_a_modem_that_is_not_there_yet(
    start: Start, station: Callable[..., str], wire: Joined
) -> None:
    wire.unplug(0)
    a = start("run", "-c", station("alpha", 1, "modem-a"))
    a.wait_for("not there (not plugged in?)")
    a.wait_for("link lost")
    wire.plug(0)
    a.wait_for("link restored")
    a.type("q")
    assert a.end() == 0
    assert not any("Traceback" in line for line in a.lines)
