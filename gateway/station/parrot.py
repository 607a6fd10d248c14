"""Parrot: overs that come back to the speaker, through codec and packets, in place of going on the air.

Rule: nothing here knows a link or a transmitter's key; what is said goes no further than this object.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.audio.base import FloatArray
from gateway.clock import Clock
from gateway.protocol.packets import ParityPacket, VoicePacket
from gateway.protocol.parse import Dropped, parse
from gateway.receive import Receiver
from gateway.recording.packets import OverPacket
from gateway.station.again import hear_again
from gateway.transmit import Transmitter

LASTS_S = 300.0
"""It ends by itself: somebody who forgot it would think that he is heard."""


class Parrot:
    """Off until `turn` is called."""

    def __init__(
        self,
        transmitter: Transmitter,
        receiver: Receiver,
        clock: Clock,
        *,
        release_s: float,
        time_out_s: float,
    ) -> None:
        """For overs as `transmitter` makes them, heard as `receiver` hears; both are left alone."""
        self._transmitter = transmitter.twin(self._take)
        self._receiver, self._clock = receiver, clock
        self._release_s, self._time_out_s = release_s, time_out_s
        self._packets: list[OverPacket] = []
        self._until_s: float | None = None  # of the mode
        self._began_s = 0.0
        self._ends_s: float | None = None  # of the over, once its key was let go

    @property
    def is_on(self) -> bool:
        """Whether the next over is for the parrot."""
        return self._until_s is not None

    @property
    def is_speaking(self) -> bool:
        """Whether one is being said."""
        return self._transmitter.active

    @property
    def is_key_down(self) -> bool:
        """Whether one is being said and its key was not let go."""
        return self.is_speaking and self._ends_s is None

    @property
    def is_overdue(self) -> bool:
        """Whether it has been on for so long that it ends."""
        return self._until_s is not None and not self.is_speaking and self._clock.now() >= self._until_s

    def turn(self, *, on: bool) -> None:
        """On for five minutes, or off."""
        self._until_s = self._clock.now() + LASTS_S if on else None
        if not on:
            self.abandon()

    def press(self) -> None:
        """Begin an over, or go on with one whose key was let go just now."""
        if not self.is_speaking:
            self._packets = []
            self._began_s = self._clock.now()
            self._transmitter.start()
        self._ends_s = None

    def release(self) -> None:
        """The key was let go: the last word may still be on its way."""
        if self.is_key_down:
            self._ends_s = self._clock.now() + self._release_s

    def abandon(self) -> None:
        """Forget what was said."""
        if self.is_speaking:
            self._transmitter.finish()
        self._packets = []

    def hear(self, pcm: FloatArray) -> None:
        """Sound (samples,) from the microphone."""
        if self.is_speaking:
            self._transmitter.push(pcm)

    def ended(self) -> Iterator[FloatArray] | None:
        """The over as it comes back (blocks of samples), once: when its last word is in, or it is as long as may be."""
        now = self._clock.now()
        if not self.is_speaking or (
            now < self._began_s + self._time_out_s and (self._ends_s is None or now < self._ends_s)
        ):
            return None
        self._transmitter.finish()
        packets, self._packets = self._packets, []
        return (heard.played.pcm for heard in hear_again(self._receiver.twin(), packets))

    def _take(self, packet: VoicePacket | ParityPacket, _air_bytes: int) -> None:
        arrived = parse(packet.to_bytes(True), crc=True)
        assert not isinstance(arrived, Dropped)
        if isinstance(arrived, VoicePacket | ParityPacket):
            self._packets.append(OverPacket(self._clock.now(), arrived))
