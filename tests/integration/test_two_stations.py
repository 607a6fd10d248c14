"""Whole programs on real sockets: two stations, the channel between them, signals, strangers. Nothing is replaced.

A sound file is the microphone and another one the loudspeaker; commands come through standard input.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
import zmq

from gateway.audio.files import read_audio
from gateway.messages.files import read_file
from tests.integration.programs import SAID_S, Start, free_port, peers, talk
from tests.patience import PATIENCE_S


class PulseServer(Protocol):
    """tests/conftest.py has it."""

    def kill(self) -> None: ...


def test_two_stations_talk_and_write_to_each_other(start: Start, station: Callable[..., str], tmp_path: Path) -> None:
    ports = free_port(), free_port()
    a = start("run", "-c", station("alpha", 1, peers(*ports)))
    b = start("run", "-c", station("bravo", 2, peers(*reversed(ports))))
    for program in (a, b):
        program.wait_for("station ready")
    talk(a, b)
    b.wait_for("alpha to group 4")
    a.type("t Moved to channel two.")
    b.wait_for("message from alpha: Moved to channel two.")
    talk(b, a)
    a.wait_for("bravo to group 4")
    for program in (a, b):
        program.type("q")
    assert (a.end(), b.end()) == (0, 0)
    for name in ("alpha", "bravo"):
        sound = read_audio(tmp_path / f"{name}-heard.wav")
        assert len(sound) / 16_000 == pytest.approx(SAID_S + 1, abs=1)  # a second of the silence after it is kept
        assert np.sqrt(np.mean(sound[8000:40_000] ** 2)) > 1e-3
    assert b.counts()["rx.overs"] == 1
    # Nothing of the over is missing; on a busy machine a frame may come too late for its tick and be waited for.
    heard = b.counts()
    assert heard["rx.frames_played"] - heard.get("rx.frames_concealed", 0) == a.counts()["tx.frames"]


def test_through_a_lossy_channel_process(start: Start, station: Callable[..., str], tmp_path: Path) -> None:
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    (tmp_path / "net.toml").write_text(
        f'endpoint = "{endpoint}"\nseed = 16\n[channel]\nname = "test"\ndelay_ms = 120\nloss = 0.3\n'
    )
    between = start("channel", "-c", str(tmp_path / "net.toml"))
    link = f'kind = "zeromq-channel"\nendpoint = "{endpoint}"'
    a, b = (start("run", "-c", station(name, n, link)) for n, name in ((1, "alpha"), (2, "bravo")))
    for program in (a, b):
        program.wait_for("station ready")
    talk(a, b)
    for program in (a, b):
        program.type("q")
    assert (a.end(), b.end()) == (0, 0)
    between.process.send_signal(signal.SIGTERM)
    assert between.end() == 0
    assert 0 < b.counts()["rx.packets"] < a.counts()["tx.packets"]
    assert b.counts()["rx.frames_concealed"] > 0
    assert np.abs(read_audio(tmp_path / "bravo-heard.wav")).max() > 1e-3


def test_a_station_told_to_stop_while_talking_ends_its_over(
    start: Start, station: Callable[..., str], tmp_path: Path
) -> None:
    ports = free_port(), free_port()
    a = start("run", "-c", station("alpha", 1, peers(*ports)))
    b = start("run", "-c", station("bravo", 2, peers(*reversed(ports))))
    for program in (a, b):
        program.wait_for("station ready")
    a.type("p")
    b.wait_for("heard")
    a.process.send_signal(signal.SIGTERM)
    assert a.end() == 0
    assert a.counts()["ptt.key_down"] == a.counts()["ptt.key_up"] == 1
    b.wait_for("over ended")
    assert b.process.stdin is not None
    b.process.stdin.close()  # the end of the input quits, too
    assert b.end() == 0
    assert "rx.overs_without_end" not in b.counts(), "told by the end packet, not found out by silence"
    assert len(read_audio(tmp_path / "bravo-heard.wav")) > 0


def test_strangers_and_noise_do_no_harm(start: Start, station: Callable[..., str]) -> None:
    ports = free_port(), free_port()
    rng = np.random.default_rng(1)
    context = zmq.Context()
    stranger = context.socket(zmq.XPUB)
    address = f"tcp://127.0.0.1:{stranger.bind_to_random_port('tcp://127.0.0.1')}"
    try:
        a = start("run", "-c", station("alpha", 1, peers(*ports)))
        both = peers(*reversed(ports)).replace('"]', f'", "{address}"]')
        b = start("run", "-c", station("bravo", 2, both))
        for program in (a, b):
            program.wait_for("station ready")
        with socket.create_connection(("127.0.0.1", ports[1])) as raw:
            raw.sendall(rng.bytes(4000))  # no ZeroMQ at all
        assert stranger.poll(int(1000 * PATIENCE_S))
        stranger.recv()  # bravo listens to the stranger
        for _ in range(300):
            stranger.send_multipart([rng.bytes(int(n)) for n in rng.integers(0, 80, rng.integers(1, 3))])
        stranger.send(rng.bytes(60_000))
        # What looks like voice among it is an over of its own: it ends by itself before alpha is heard.
        time.sleep(6)
        a.type("t still here")
        b.wait_for("message from alpha: still here")
        a.type("p")
        b.wait_for("alpha to group 4")
        for program in (a, b):
            program.type("q")
        assert (a.end(), b.end()) == (0, 0)
    finally:
        stranger.close(0)
        context.term()
    counts = b.counts()
    assert counts["link.rx_drop_malformed"] > 50
    assert counts["link.rx_drop_oversize"] == 1
    assert sum(v for k, v in counts.items() if k.startswith(("rx.dropped.", "rx.ignored."))) > 50
    assert not any("Traceback" in line for line in b.lines)


def test_a_station_on_a_sound_card_that_vanishes_while_talking(
    start: Start, station: Callable[..., str], tmp_path: Path, pulse: PulseServer, speechlike: np.ndarray
) -> None:
    """PortAudio on PulseAudio: the microphone is what plays on the (silent) speaker; a parrot answers."""
    path = Path(station("alpha", 1, 'kind = "memory"\nmode = "parrot"'))
    text = path.read_text().replace('"file:said.wav"', '"default"').replace('"file:alpha-heard.wav"', '"default"')
    path.write_text(text)
    (tmp_path / "said.raw").write_bytes((np.tile(speechlike, 3)[: 3 * 16_000] * 32767).astype("<i2").tobytes())
    form = ["--format=s16le", "--rate=16000", "--channels=1", "--raw"]
    a = start("run", "-c", str(path))
    a.wait_for("station ready")
    a.wait_for('"state": "running"', 2)
    a.type("p")
    a.wait_for("talking")
    subprocess.run(["pacat", "--playback", *form, str(tmp_path / "said.raw")], check=True, timeout=PATIENCE_S)
    a.type("p")
    a.wait_for("over sent")
    with (tmp_path / "heard.raw").open("wb") as heard:
        recorder = subprocess.Popen(["parec", *form, "--device=speaker.monitor"], stdout=heard)
        a.wait_for("over ended")
        recorder.send_signal(signal.SIGTERM)
        recorder.wait(10)
    parrot = np.fromfile(tmp_path / "heard.raw", "<i2") / 32768
    assert len(parrot) > 16_000
    assert np.sqrt(np.mean(parrot**2)) > 1e-3
    a.type("p")
    a.wait_for("talking", 2)
    pulse.kill()
    a.wait_for('"state": "missing"', 2)
    a.type("p")
    a.wait_for("over sent", 2)
    a.type("q")
    assert a.end() == 0
    assert not any("Traceback" in line for line in a.lines)
    assert a.counts()["audio.input.device_lost"] == 1


def test_a_port_in_use_is_one_clear_line(start: Start, station: Callable[..., str]) -> None:
    port = free_port()
    a = start("run", "-c", station("alpha", 1, peers(port, free_port())))
    a.wait_for("station ready")
    second = start("run", "-c", station("bravo", 2, peers(port, free_port())))
    assert second.end() == 1
    assert "Traceback" not in "\n".join(second.lines)
    assert f"127.0.0.1:{port}" in second.wait_for("clarilink: ")
    a.type("q")
    assert a.end() == 0


def test_messages_go_from_one_spool_to_the_other_through_a_restart(
    start: Start, station: Callable[..., str], tmp_path: Path
) -> None:
    """What the command line puts into a spool arrives in the other one, though its station is killed meanwhile."""
    ports = free_port(), free_port()

    def messages(name: str) -> str:
        return f'[messages]\nspool = "spool-{name}"\nrate_bps = 4000\nround_trip_s = 0.3\npacket_bytes = 20\n'

    a_file = station("alpha", 1, peers(*ports), messages("alpha"))
    b_file = station("bravo", 2, peers(*reversed(ports)), messages("bravo"))
    for arguments in (["--text", "Ten minutes late."], [str(tmp_path / "said.wav")]):
        sent = start("message", "send", "-c", a_file, "--to", "bravo", *arguments)
        assert sent.end() == 0
    a = start("run", "-c", a_file)
    b = start("run", "-c", b_file)
    b.wait_for("25 % received")
    b.process.kill()
    b.end()
    b = start("run", "-c", b_file)
    b.wait_for("voice message ")
    for count in (1, 2):
        a.wait_for("delivered to bravo", count)
    for program in (a, b):
        program.type("q")
    assert (a.end(), b.end()) == (0, 0)
    sent_files = sorted((tmp_path / "spool-alpha" / "sent").iterdir())
    received_files = sorted((tmp_path / "spool-bravo" / "inbox").iterdir())
    assert [path.name for path in received_files] == [path.name for path in sent_files]
    contents = [
        [getattr(read_file(path.read_bytes()), "content", None) for path in paths]
        for paths in (sent_files, received_files)
    ]
    assert contents[0] == contents[1]
    assert b"Ten minutes late." in contents[1]
    assert all(contents[1])
