"""Whole programs that record: two stations talk, the listener is killed in the middle of an over, a report is made."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.audio.wav import HEADER_BYTES
from gateway.field_report.make import make_report
from gateway.recording import Side, read_recordings
from gateway.recording.reader import read_recording
from tests.integration.programs import SAID_S, Start, free_port, peers, talk
from tests.patience import PATIENCE_S


def wait_for_sound(folder: Path) -> None:
    """Until the second over heard has a second of sound on disk."""
    give_up = time.monotonic() + PATIENCE_S
    while not any(path.stat().st_size > HEADER_BYTES + 2 * 16_000 for path in folder.glob("*-0002-heard.wav")):
        assert time.monotonic() < give_up, "nothing was recorded"
        time.sleep(0.05)


def test_recordings_of_a_talk_and_of_a_killed_listener_make_a_report(
    start: Start, station: Callable[..., str], tmp_path: Path
) -> None:
    ports = free_port(), free_port()

    def kept(name: str) -> str:
        return f'[record]\nfolder = "{name}"\nleast_free_bytes = 0\n[trace]\nrecord = "{name}"\n'

    a = start("run", "-c", station("alpha", 1, peers(*ports), kept("exercise/alpha")))
    b = start("run", "-c", station("bravo", 2, peers(*reversed(ports)), kept("exercise/bravo")))
    for program in (a, b):
        program.wait_for("station ready")
    talk(a, b)
    a.type("p")
    b.wait_for("heard", 2)
    wait_for_sound(tmp_path / "exercise" / "bravo")
    os.kill(b.process.pid, signal.SIGKILL)
    a.type("p")
    a.wait_for("over sent", 2)
    a.type("q")
    assert a.end() == 0

    heard = read_recordings(tmp_path / "exercise" / "bravo").overs
    assert [(over.side, over.source, over.is_complete) for over in heard] == [
        (Side.HEARD, 1, True),
        (Side.HEARD, 1, False),
    ]
    assert len(read_recording(heard[0].path)) / 16_000 == pytest.approx(SAID_S, abs=1.5)
    assert len(read_recording(heard[1].path)) / 16_000 > 0.5
    made = make_report(tmp_path / "exercise", asr="none")
    assert [(over.talker, over.listener, over.is_pair) for over in made.results.overs] == [("alpha", "bravo", True)] * 2
    first = made.results.overs[0]
    assert first.first_sound_s is not None
    assert 0.48 < first.first_sound_s < 3.0
    assert first.packets_lost == 0
    # Nothing was lost, but a busy machine may be late with a frame or two.
    assert sum(end - begin for begin, end in first.concealed_s) < 0.5
    assert {way.name for way in made.results.ways} == {"alpha > bravo"}
