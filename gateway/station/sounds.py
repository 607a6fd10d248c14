"""Everything that is played here and does not come from the air: replays, messages, tests, the parrot.

Rule: one thing at a time, and never over live speech: what plays when somebody is heard or the key goes down ends, and
the operator is told. Knows nothing of the station: it is told what happens and asked for sound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

import numpy as np

from gateway.audio.base import SAMPLE_RATE_HZ, FloatArray
from gateway.audio.microphone import judge
from gateway.clock import Clock
from gateway.control.requests import (
    ReplayOver,
    Request,
    SetMute,
    SetParrot,
    SetVolume,
    StopPlaying,
    TestMicrophone,
    TestTone,
)
from gateway.session.events import PttPressed, PttReleased, PttToggled
from gateway.station.over_ring import OverRing
from gateway.station.parrot import LASTS_S, Parrot
from gateway.station.speaker import Speaker
from gateway.station.tones import steady_tone
from gateway.telling import Level, Say

TONE_S = 1.0
TONE_HZ = 1000.0
MICROPHONE_S = 3.0
MICROPHONE_GRACE_S = 1.0
"""After which a microphone that gives too little has given what it will."""
SETTLE_S = 0.25
"""Of the test's begin, in which the permit tone is still heard."""


class LocalSounds:
    """One station's; for its media thread."""

    def __init__(
        self,
        speaker: Speaker,
        parrot: Parrot,
        clock: Clock,
        say: Say,
        fresh_microphone: Callable[[], None],
    ) -> None:
        """`fresh_microphone` readies it for something that begins now, and lets the operator know that he may speak."""
        self.speaker, self.parrot = speaker, parrot
        self.ring = OverRing()
        self._clock, self._say, self._fresh_microphone = clock, say, fresh_microphone
        self._busy: str | None = None
        self._title = ""
        self._playing: Iterator[FloatArray] | None = None
        self._test: list[FloatArray] | None = None
        self._test_began_s = 0.0

    # What the operator asks.

    def request(self, request: Request) -> bool:
        """Carry out what is asked of it; False for what is not its business."""
        match request:
            case ReplayOver(index):
                self._replay(index)
            case StopPlaying():
                self._interrupt("")
            case SetParrot(is_on):
                self._turn_parrot(on=is_on)
            case SetVolume(volume_db):
                self.speaker.volume_db = volume_db
                self._say(f"volume {self.speaker.volume_db:+.0f} dB")
            case SetMute(is_on):
                self.speaker.is_muted = is_on
                self._say("speaker muted" if is_on else "speaker on")
            case TestTone():
                self.play("test tone", iter([steady_tone(TONE_HZ, TONE_S)]))
            case TestMicrophone():
                self._test_microphone()
            case _:
                return False
        return True

    def key(self, event: PttPressed | PttReleased | PttToggled) -> bool:
        """The key moves: what plays ends. True if the over that it begins or ends is the parrot's, not the air's."""
        if isinstance(event, PttReleased):
            was_down = self.parrot.is_key_down
            self.parrot.release()
            return was_down
        self._interrupt("the key is down", even_parrot=False)
        if not self.parrot.is_on:
            return False
        if event.break_in:
            self.parrot.turn(on=False)
            self._say("parrot off: breaking in")
            return False
        if self._busy is not None:
            self._say(f"parrot: not now: {self._busy}", Level.REFUSED)
            return True
        if not self.parrot.is_speaking:
            self._fresh_microphone()
            self._say("parrot listens: nothing goes on the air")
        self.parrot.press()
        return True

    # What happens.

    def tick(self, busy: str | None) -> None:
        """Time passes; `busy` is why nothing local may be heard now (somebody talks), None if it may."""
        self._busy = busy
        if busy is not None:
            self._interrupt(busy)
        if self.parrot.is_overdue:
            self.parrot.turn(on=False)
            self._say(f"parrot off after {LASTS_S / 60:.0f} minutes: overs go on the air")
        came_back = self.parrot.ended()
        if came_back is not None:
            self.play("parrot", came_back)
        if self._test is not None:
            self._tend_test(self._test)

    def hear(self, pcm: FloatArray) -> bool:
        """Sound (samples,) from the microphone; True if it was for a test or the parrot, and for nobody else."""
        if self._test is not None:
            self._test.append(pcm)
            return True
        self.parrot.hear(pcm)
        return self.parrot.is_speaking

    # What is to be heard.

    def play(self, title: str, sound: Iterator[FloatArray]) -> None:
        """Let blocks of sound (samples,) be heard in place of what plays now; refused, and told, while busy."""
        if (why := self._why_not) is not None:
            self._say(f"{title}: not now: {why}", Level.REFUSED)
            return
        self._test = None
        self._title, self._playing = title, sound

    def next_pcm(self) -> FloatArray | None:
        """The next block for the speaker, None if there is none."""
        if self._playing is None:
            return None
        pcm = next(self._playing, None)
        if pcm is None:
            self._playing = None
        return pcm

    @property
    def is_occupied(self) -> bool:
        """Whether something plays or the microphone is tested: no voice is meant as a key now."""
        return self._playing is not None or self._test is not None

    @property
    def playing(self) -> str | None:
        """What plays, in words."""
        return self._title if self._playing is not None else None

    @property
    def _why_not(self) -> str | None:
        """Why nothing may begin to play now, in words."""
        return "the parrot listens" if self.parrot.is_speaking else self._busy

    def _interrupt(self, why: str, *, even_parrot: bool = True) -> None:
        """End what is going on; without `why` somebody asked for it and need not be told."""
        ended = self.playing
        if self._test is not None:
            ended = "microphone test"
        elif even_parrot and self.parrot.is_speaking:
            self.parrot.abandon()
            ended = "parrot"
        if self._playing is not None:
            self.speaker.clear()
        self._playing = self._test = None
        if ended is not None:
            self._say(f"{ended} stopped" + (f": {why}" if why else ""))

    def _replay(self, index: int) -> None:
        over = self.ring.over(index)
        if over is None:
            which = "no over" if index == 1 else f"no over number {index}"
            self._say(f"nothing to replay: {which} heard in the last minutes is kept", Level.REFUSED)
            return
        at = datetime.fromtimestamp(over.wall_s).strftime("%H:%M:%S")
        title = f"replay of {over.name} at {at}"
        if self._why_not is None:
            self._say(f"{title}, {over.duration_s:.1f} s")
        self.play(title, over.sound())

    def _turn_parrot(self, *, on: bool) -> None:
        if on == self.parrot.is_on:
            return
        self.parrot.turn(on=on)
        if on:
            self._say(f"parrot on for {LASTS_S / 60:.0f} minutes: overs come back here and do not go on the air")
        else:
            self._say("parrot off: overs go on the air")

    def _test_microphone(self) -> None:
        if (why := self._why_not) is not None:
            self._say(f"microphone test: not now: {why}", Level.REFUSED)
            return
        self._playing = None
        self._fresh_microphone()
        self._say(f"microphone test: speak for {MICROPHONE_S:.0f} seconds")
        self._test, self._test_began_s = [], self._clock.now()

    def _tend_test(self, blocks: list[FloatArray]) -> None:
        samples = sum(map(len, blocks))
        late = self._clock.now() - self._test_began_s >= MICROPHONE_S + MICROPHONE_GRACE_S
        if samples < MICROPHONE_S * SAMPLE_RATE_HZ and not late:
            return
        self._test = None
        pcm = np.concatenate(blocks)[: round(MICROPHONE_S * SAMPLE_RATE_HZ)] if blocks else np.zeros(0, np.float32)
        self._say(f"microphone {judge(pcm[round(SETTLE_S * SAMPLE_RATE_HZ) :]).words}")
        if len(pcm):
            self.play("microphone test", (pcm[at : at + 1280] for at in range(0, len(pcm), 1280)))
