"""A receiver on a clock of its own, and overs for it."""

from __future__ import annotations

import random

import numpy as np

from gateway.codec import Codec
from gateway.heard_over import Played
from gateway.metrics import Metrics
from gateway.notices import (
    Notice,
)
from gateway.receive import Receiver
from gateway.transmit import Transmitter

FRAME_S = 0.08
PACKET_S = 0.48


class Listener:
    """A receiver and its speaker on a clock of its own."""

    def __init__(self, codec: Codec, crc: bool = False, cap_s: float = 1.5) -> None:
        self.metrics = Metrics()
        self.receiver = Receiver(codec, frames_per_packet=6, crc=crc, cushion_s=0.06, cap_s=cap_s, metrics=self.metrics)
        self.now = 0.0
        self.next_play = 0.0
        self.heard: list[Played] = []
        self.notices: list[Notice] = []
        self.heard_last_s = 0.0

    def listen(self, packets: list[tuple[float, bytes]], until: float) -> None:
        """Take (time, packet) pairs and play until a time, in ticks of 10 ms."""
        waiting = sorted(packets, key=lambda item: item[0])
        while self.now < until:
            while waiting and waiting[0][0] <= self.now:
                self.notices += self.receiver.on_packet(waiting.pop(0)[1], self.now)
            if self.now >= self.next_play - 1e-9:
                played, notices = self.receiver.play(self.now)
                self.notices += notices
                if played is not None:
                    self.heard.append(played)
                    self.heard_last_s = self.now
                    self.next_play = max(self.next_play, self.now - 0.01) + FRAME_S
                else:
                    self.next_play = self.now
            self.now += 0.01

    @property
    def pcm(self) -> np.ndarray:
        return np.concatenate([played.pcm for played in self.heard])

    def names(self) -> list[str]:
        return [type(notice).__name__ for notice in self.notices]


def over(codec: Codec, pcm: np.ndarray, *, source: int = 5, seed: int = 1, crc: bool = False) -> list[bytes]:
    sender = Transmitter(
        codec, source=source, group=1, frames_per_packet=6, crc=crc, rng=random.Random(seed), metrics=Metrics()
    )
    sender.start()
    return sender.push(pcm) + sender.finish()


def timed(packets: list[bytes], start: float = 0.0) -> list[tuple[float, bytes]]:
    return [(start + i * PACKET_S, packet) for i, packet in enumerate(packets)]
