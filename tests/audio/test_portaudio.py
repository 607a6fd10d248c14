"""The door to PortAudio: turns, calls that do not come back, and what may not happen meanwhile."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.audio import portaudio
from gateway.audio.portaudio import PortAudio
from gateway.errors import AudioError
from tests.audio.fake_sounddevice import FakeSoundDevice


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSoundDevice]:
    fake = FakeSoundDevice({(16_000, 1)})
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    monkeypatch.setattr(portaudio, "CALL_S", 0.05)
    monkeypatch.setattr(portaudio, "CLOSE_S", 0.05)
    monkeypatch.setattr(portaudio, "EXIT_S", 0.05)
    yield fake
    fake.comes_back.set()


def opened(door: PortAudio) -> Any:
    """A stream that runs."""

    def work(sd: Any) -> Any:
        stream = sd.RawInputStream(samplerate=16_000, channels=1, latency=0.06, callback=print)
        door.start(stream)
        return stream

    return door.call(work, unwanted=door.close)


def until_back(door: PortAudio, fake: FakeSoundDevice) -> None:
    fake.comes_back.set()
    for thread in threading.enumerate():
        if thread.name == "audio-call":
            thread.join(10)
    assert not door.hangs


def test_a_fresh_look_restarts_it_unless_a_stream_is_open(fake: FakeSoundDevice) -> None:
    door = PortAudio()
    door.restart()
    assert fake.did == ["end", "begin"]
    stream = opened(door)
    door.restart()
    assert fake.did == ["end", "begin"]
    door.close(stream)
    door.restart()
    assert fake.did == ["end", "begin", "close", "end", "begin"]


def test_one_that_did_not_start_again_starts_the_next_time(fake: FakeSoundDevice) -> None:
    door = PortAudio()
    fake.refuses_start = True
    with pytest.raises(AudioError, match="does not start again: no host"):
        door.restart()
    fake.refuses_start = False
    door.restart()
    assert fake.did == ["end", "begin"]


def test_while_a_close_hangs_others_open_but_nothing_restarts_or_ends(fake: FakeSoundDevice) -> None:
    door = PortAudio()
    stream = opened(door)
    fake.hanging = "close"
    fake.comes_back.clear()
    with pytest.raises(AudioError, match="hangs"):
        door.close(stream)
    assert door.hangs
    assert opened(door).active
    door.restart()
    door._end(fake)
    assert fake.did == []
    until_back(door, fake)
    door._end(fake)
    assert fake.did == ["close", "end"]


def test_while_a_start_hangs_nothing_else_is_called(fake: FakeSoundDevice) -> None:
    door = PortAudio()
    fake.hanging = "start"
    fake.comes_back.clear()
    with pytest.raises(AudioError, match="hangs"):
        opened(door)
    assert door.hangs
    with pytest.raises(AudioError, match="hangs"):
        door.call(lambda sd: pytest.fail("called into a driver that hangs"))
    with pytest.raises(AudioError, match="hangs"):
        door.restart()
    door._end(fake)
    assert fake.did == []
    until_back(door, fake)
    assert fake.did == ["close"], "what came too late is nobody's"
    door.restart()
    assert fake.did == ["close", "end", "begin"]


def test_calls_take_turns(fake: FakeSoundDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portaudio, "CALL_S", 30.0)
    door = PortAudio()
    inside, done = 0, 0
    lock = threading.Lock()

    def work(sd: Any) -> None:
        nonlocal inside, done
        with lock:
            inside += 1
            assert inside == 1
        threading.Event().wait(0.005)
        with lock:
            inside -= 1
            done += 1

    threads = [threading.Thread(target=lambda: door.call(work)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == 8


def test_the_end_of_the_program_waits_for_nobody(fake: FakeSoundDevice) -> None:
    door = PortAudio()
    door.call(lambda sd: None)
    with door._turn:  # another thread is in it
        door._end(fake)
    assert fake.did == []
    door._end(fake)
    assert fake.did == ["end"]
