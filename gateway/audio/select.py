"""From the names in a configuration to a microphone and a speaker.

Rule: a file that cannot be opened is a mistake and raises; a sound card that is not there is a fact of life and
becomes silence, an event, and another try.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gateway.audio.base import AudioInput, AudioOutput, Direction, OnDeviceEvent
from gateway.audio.device import PortAudioOpener
from gateway.audio.gain import GainInput
from gateway.audio.keeper import DeviceInput, DeviceKeeper, DeviceOutput, Opener
from gateway.audio.paced import FileInput, FileOutput, NullInput, NullOutput
from gateway.clock import Clock
from gateway.config import AudioSection
from gateway.errors import AudioError
from gateway.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Audio:
    """The sound of a station; `close` stops everything."""

    input: AudioInput
    output: AudioOutput
    keeper: DeviceKeeper | None

    def close(self) -> None:
        """Stop devices and complete files; a second call does nothing."""
        self.input.close()
        self.output.close()
        if self.keeper is not None:
            self.keeper.close()


def open_audio(
    section: AudioSection, clock: Clock, metrics: Metrics, on_event: OnDeviceEvent, opener: Opener | None = None
) -> Audio:
    """Open what `section` names. Raises AudioError for a sound file that cannot be read or written.

    `on_event` may be called from another thread. `opener` stands in for PortAudio in tests.
    """
    keeper = DeviceKeeper(opener or PortAudioOpener(section.block_ms, section.latency_ms), clock, metrics, on_event)
    real = False
    microphone: AudioInput
    speaker: AudioOutput
    if (path := _file(section.input)) is not None:
        microphone = FileInput(path, clock, on_event)
    elif section.input == "null":
        microphone = NullInput(clock)
    else:
        real = True
        microphone = DeviceInput(keeper.add(Direction.INPUT, section.input), clock)
    if (path := _file(section.output)) is not None:
        try:
            speaker = FileOutput(path, clock, metrics, on_event)
        except AudioError:
            microphone.close()
            raise
    elif section.output == "null":
        speaker = NullOutput(clock, metrics)
    else:
        real = True
        speaker = DeviceOutput(keeper.add(Direction.OUTPUT, section.output), clock, metrics)
    if real:
        keeper.start()
    if section.gain_db:
        microphone = GainInput(microphone, section.gain_db)
    return Audio(microphone, speaker, keeper if real else None)


def _file(device: str) -> Path | None:
    kind, colon, path = device.partition(":")
    return Path(path) if kind == "file" and colon else None
