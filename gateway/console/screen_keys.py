"""Keys of the screen that ask the station for something. Pure: key names and times in, requests out.

Rule: the same letter asks for the same thing in every view; only tests of devices belong to theirs.
"""

from __future__ import annotations

from gateway.console.latch import Latch
from gateway.console.views import View
from gateway.control.requests import (
    PlayMessage,
    ReplayOver,
    Request,
    SetMute,
    SetParrot,
    SetVolume,
    StopPlaying,
    TestMicrophone,
    TestTone,
    ToggleKey,
    ToggleRecording,
)
from gateway.control.snapshot import Snapshot

HOLDER = "keyboard"
VOLUME_STEP_DB = 3.0
VOLUME_LEAST_DB, VOLUME_MOST_DB = -40.0, 20.0
VOLUME_ANSWER_S = 1.0
"""After which a snapshot says what volume is."""


class ConsoleKeys:
    """Remembers presses: which are repeats of a held key, and the volume that was last asked for."""

    def __init__(self) -> None:
        self._latches = {" ": Latch(), "b": Latch()}
        self._volume_db, self._volume_s = 0.0, float("-inf")

    def requests(self, key: str, view: View, shot: Snapshot | None, now_s: float) -> list[Request] | None:
        """What `key` (a character, lower case, or the name of a key) asks for; None: it is not such a key."""
        match key:
            case " " | "b":
                # A repeat asks for nothing, and means nothing else.
                return [ToggleKey(HOLDER, break_in=key == "b")] if self._latches[key].press(now_s) else []
            case "m":
                return [ToggleRecording()]
            case "l":
                return [PlayMessage()]
            case "r":
                return [ReplayOver()]
            case "escape" if view is View.MAIN:
                return [StopPlaying()]
            case "s" if view is View.DEVICES:
                return [TestTone()]
            case "i" if view is View.DEVICES:
                return [TestMicrophone()]
        return None if shot is None else self._switched(key, shot, now_s)

    def _switched(self, key: str, shot: Snapshot, now_s: float) -> list[Request] | None:
        """What depends on how things are."""
        match key:
            case "p":
                return [SetParrot(not shot.ptt.is_parrot)]
            case "x":
                return [SetMute(not shot.audio.is_muted)]
            case "+" | "=" | "-" | "_":
                # Presses come faster than snapshots: go on from what was last asked for.
                base_db = self._volume_db if now_s - self._volume_s < VOLUME_ANSWER_S else shot.audio.volume_db
                step_db = VOLUME_STEP_DB if key in "+=" else -VOLUME_STEP_DB
                self._volume_db = min(VOLUME_MOST_DB, max(VOLUME_LEAST_DB, base_db + step_db))
                self._volume_s = now_s
                return [SetVolume(self._volume_db)]
        return None
