"""A program that has a station's sound and nothing else of a station: it plays a tone and tells what it hears.

    python -m tests.integration.sounding MICROPHONE SPEAKER

A line of JSON ten times a second, until a line comes from standard input.
"""

from __future__ import annotations

import json
import sys
import threading

import numpy as np

from gateway.audio.base import DeviceEvent
from gateway.audio.select import open_audio
from gateway.clock import SystemClock
from gateway.config import AudioSection
from gateway.metrics import Metrics

STEP_S = 0.02
STEPS_A_LINE = 5
HEARD_SAMPLES = 8000
AHEAD_SAMPLES = 3200


def main(microphone: str, speaker: str) -> None:
    events: list[DeviceEvent] = []
    clock, metrics = SystemClock(), Metrics()
    section = AudioSection(input=microphone, output=speaker, latency_ms=100)
    audio = open_audio(section, clock, metrics, events.append)
    assert audio.keeper is not None
    audio.keeper.is_busy = lambda: False
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), ended.set()), daemon=True).start()
    played = steps = 0
    heard = np.zeros(0, np.float32)
    try:
        while not ended.is_set():
            while audio.output.queued_samples < AHEAD_SAMPLES:
                time = np.arange(played, played + 1280) / 16_000
                audio.output.write((0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32))
                played += 1280
            heard = np.concatenate([heard, audio.input.read()])[-HEARD_SAMPLES:]
            steps += 1
            if steps % STEPS_A_LINE == 0:
                told = {
                    "input": audio.input.state.value,
                    "output": audio.output.state.value,
                    "output_text": audio.output.text,
                    "level": float(np.sqrt(np.mean(heard**2))) if len(heard) == HEARD_SAMPLES else None,
                    "events": [f"{event.direction.value} {event.state.value}: {event.text}" for event in events],
                    "wants_restart": audio.keeper.wants_restart,
                    "counters": metrics.snapshot(),
                }
                print(json.dumps(told), flush=True)
            clock.sleep(STEP_S)
    finally:
        audio.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
