"""An over on its way to the speaker: its decoder and jitter buffer, from its first frame to the rest of its sound."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gateway.codec import DecoderStream
from gateway.codec.spec import FRAME_SAMPLES
from gateway.metrics import Metrics
from gateway.notices import Notice
from gateway.protocol.frames import COARSE_BITS, PartialFrame, ReceivedFrame, SoftFrame
from gateway.protocol.jitter import JitterBuffer
from gateway.protocol.loss import LossStatistics

Pcm = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Played:
    """80 ms of an over: its frame index, the sound (1280,), and whether the decoder had to guess."""

    frame_index: int
    pcm: Pcm
    concealed: bool
    over_id: int | None = None


@dataclass(slots=True)
class HeardOver:
    """An over on its way to the speaker; `notices` wait until it is its turn."""

    number: int
    over_id: int
    jitter: JitterBuffer
    decoder: DecoderStream
    loss: LossStatistics
    notices: list[Notice] = field(default_factory=list)
    muted: bool = False
    ended: bool = False
    frame_index: int = 0
    source: int | None = None
    collided: bool = False
    repair_packets: int = 0

    @property
    def played(self) -> bool:
        """Nothing of it is left to hear. A muted over has no frames, its jitter buffer never drains."""
        return self.ended if self.muted else self.jitter.finished

    def decode(self, frame: ReceivedFrame, metrics: Metrics) -> Pcm:
        """The next 80 ms, (1280,); what is known of the frame in part or in doubt only is counted."""
        if isinstance(frame, PartialFrame):
            metrics.count("rx.frames_coarse")
            if frame.known_bits == COARSE_BITS:
                return self.decoder.decode(frame.data, stages=1)
            return self.decoder.decode_soft(np.array(frame.probabilities()))
        if isinstance(frame, SoftFrame):
            metrics.count("rx.frames_doubtful")
            return self.decoder.decode_soft(np.array(frame.one_probability))
        return self.decoder.decode(frame)

    def rest(self) -> Played | None:
        """The samples still in the synthesis window once all has been played, padded to 80 ms."""
        if self.frame_index == 0:
            return None
        tail = np.zeros(FRAME_SAMPLES, np.float32)
        rest = self.decoder.flush()
        tail[: len(rest)] = rest
        return Played(self.frame_index, tail, concealed=False, over_id=self.over_id)
