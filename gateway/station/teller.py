"""What is told goes to three places: the log, the consoles, and the recording of the day.

Rule: any thread may tell; nobody waits.
"""

from __future__ import annotations

import structlog

from gateway.audio.base import DeviceEvent, DeviceState
from gateway.control.hub import ControlHub
from gateway.recording.recorder import Recorder
from gateway.telling import Level


class Teller:
    """One station's."""

    def __init__(self, log: structlog.stdlib.BoundLogger, hub: ControlHub) -> None:
        self._log, self._hub = log, hub
        self.recorder: Recorder | None = None
        """Where one records: it notes what the operator is told."""

    def say(self, line: str, level: Level = Level.INFO) -> None:
        """For the operator."""
        self.tell(line, level)
        if self.recorder is not None:
            self.recorder.note(line)

    def tell(self, line: str, level: Level = Level.INFO) -> None:
        """News of the program itself."""
        (self._log.info if level is Level.INFO else self._log.warning)(line)
        self._hub.tell(line, level)

    def warn(self, line: str) -> None:
        """Something is missing or went wrong, and the station goes on."""
        self.tell(line, Level.WARNING)

    def on_device(self, event: DeviceEvent) -> None:
        """A sound device came or went."""
        direction, state = event.direction.value, event.state.value
        self._log.warning("sound", direction=direction, device=event.device, state=state, why=event.text)
        level = Level.INFO if event.state is DeviceState.RUNNING else Level.WARNING
        self._hub.tell(f"sound {direction} {event.device} is {state}: {event.text}".rstrip(": "), level)
