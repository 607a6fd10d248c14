"""Sound to a speaker, to its end: for commands that play something and are done."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gateway.audio.base import SAMPLE_RATE_HZ, DeviceEvent, DeviceState, FloatArray
from gateway.audio.select import open_audio
from gateway.clock import Clock, SystemClock
from gateway.config import AudioSection
from gateway.metrics import Metrics

BLOCK_SAMPLES = SAMPLE_RATE_HZ // 10
QUEUED_SAMPLES = 3 * BLOCK_SAMPLES
DRAIN_S = 1.0


def play_pcm(
    section: AudioSection, blocks: Iterable[FloatArray], tell: Callable[[str], None], clock: Clock | None = None
) -> None:
    """Play blocks of any length (samples,) on the output of `section`; `tell` gets a line when there is none.
    Raises AudioError for a sound file that cannot be written."""
    clock = SystemClock() if clock is None else clock

    def on_event(event: DeviceEvent) -> None:
        if event.state is DeviceState.MISSING:
            tell(f"{event.device}: {event.text}")

    audio = open_audio(section.model_copy(update={"input": "null"}), clock, Metrics(), on_event)
    try:
        for pcm in blocks:
            for at in range(0, len(pcm), BLOCK_SAMPLES):
                while audio.output.queued_samples > QUEUED_SAMPLES:
                    clock.sleep(0.02)
                audio.output.write(pcm[at : at + BLOCK_SAMPLES])
        give_up_s = clock.now() + DRAIN_S
        while audio.output.queued_samples and clock.now() < give_up_s:
            clock.sleep(0.02)
    finally:
        audio.close()
