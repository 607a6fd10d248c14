"""Sound cards whose clocks are not ours: a long over does not come later and later, nor is it torn apart."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.audio.paced import NullInput, NullOutput
from gateway.clock import ManualClock
from gateway.codec import Codec
from gateway.control.requests import ToggleKey
from gateway.links.memory import MemoryHub
from gateway.metrics import Metrics
from gateway.protocol.packets import FRAME_S
from tests.station.bench import Bench

HOUR_DRIFT_S = 0.36
"""Of an hour at 100 ppm; here in two minutes at thirty times the error. The whole hour was tried by hand: with a fast
speaker the delay stays between 610 and 690 ms (5 of 44873 frames concealed), with a slow one it settles between 710
and 790 ms (none concealed)."""
PPM = 3000.0


class OtherClock:
    """A sound card's crystal."""

    def __init__(self, true: ManualClock, ppm: float) -> None:
        self._true, self._rate = true, 1 + ppm * 1e-6

    def now(self) -> float:
        return self._true.now() * self._rate

    def sleep(self, seconds: float) -> None:
        self._true.sleep(seconds)


@pytest.mark.parametrize(("microphone_ppm", "speaker_ppm"), [(-PPM / 2, PPM / 2), (PPM / 2, -PPM / 2)])
def test_an_hours_drift_does_not_add_up(
    tiny_codec: Codec, monkeypatch: pytest.MonkeyPatch, microphone_ppm: float, speaker_ppm: float
) -> None:
    clock = ManualClock()
    hub = MemoryHub(clock)
    microphone, speaker = (
        NullInput(OtherClock(clock, microphone_ppm)),
        NullOutput(OtherClock(clock, speaker_ppm), Metrics()),
    )
    talker = Bench(
        tiny_codec,
        clock,
        hub.station("a"),
        1,
        audio=(microphone, NullOutput(clock, Metrics())),
        ptt={"time_out_s": 3600.0},
    )
    listener = Bench(tiny_codec, clock, hub.station("b"), 2, audio=(NullInput(clock), speaker))
    delays: list[float] = []
    play = listener.station._receiver.play

    def watched(now_s: float):  # type: ignore[no-untyped-def]
        played, notices = play(now_s)
        if played is not None:
            said_s = played.frame_index * FRAME_S / (1 + microphone_ppm * 1e-6)
            delays.append(now_s + speaker.queued_samples / 16_000 - said_s)
        return played, notices

    monkeypatch.setattr(listener.station._receiver, "play", watched)
    talker.station.post(ToggleKey("key"))
    while clock.now() < HOUR_DRIFT_S / (PPM * 1e-6):
        talker.station.step()
        listener.station.step()
    spread = max(delays) - min(delays)
    assert spread < HOUR_DRIFT_S / 1.5, f"{min(delays):.3f} to {max(delays):.3f} s"
    assert max(delays[-200:]) < np.max(delays[:500]) + 2 * FRAME_S
    concealed = listener.metrics.counter("rx.frames_concealed")
    assert concealed <= HOUR_DRIFT_S / FRAME_S + 2, "each frame bridged makes up for 80 ms"
    assert len(delays) > 0.99 * HOUR_DRIFT_S / (PPM * 1e-6) / FRAME_S - 10
