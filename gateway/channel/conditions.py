"""What a path through space or water does to a packet at a given time: the seam between physics and packets.

Rule: pure. A `PathModel` is a frozen description; `start` gives one direction of one link its state and randomness.
Fading, passes, noise and recorded traces are all models; rate, queue, turn-around and what plain figures describe
stay with `ChannelSpec`, on top of which a model acts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Conditions:
    """For one packet: more delay, chance to be lost whole, chance of each bit to be wrong, and what a modem would
    measure. `cause` is the word under which a loss by these conditions is counted."""

    delay_s: float = 0.0
    loss: float = 0.0
    bit_error_rate: float = 0.0
    snr_db: float | None = None
    doppler_hz: float | None = None
    cause: str = "faded"
    received: bytes | None = None
    """What arrives in place of what was sent, from models that work on the packet itself; None: what was sent, with
    bits wrong by `bit_error_rate`."""
    one_probability: tuple[float, ...] | None = None
    """How probably each bit of `received` is 1, from a model with a modem of soft bits."""
    copies_delay_s: tuple[float, ...] = ()
    """Further copies of the packet (a recorded trace has them), each later than the first by so much."""


class Path(ABC):
    """One direction of one link in the making; asked for packets in the order in which they are sent."""

    @abstractmethod
    def conditions(self, n_bytes: int, begin_s: float, end_s: float) -> Conditions:
        """For a packet on the air from `begin_s` to `end_s`, on the clock of `start`; times never go back."""

    def carry(self, data: bytes, begin_s: float, end_s: float) -> Conditions:
        """As `conditions`, for models to which it matters what is in the packet: a modem and its waveform."""
        return self.conditions(len(data), begin_s, end_s)


class PathModel(ABC):
    """A frozen dataclass of figures; its fields are the keys of a `[model]` table (`gateway.channel.models`)."""

    @property
    def usual_delay_s(self) -> float:
        """About what the model adds to the delay one way, for plans."""
        return 0.0

    @property
    def damages_bits(self) -> bool:
        """Whether packets may arrive with wrong bits."""
        return False

    def check_files(self) -> None:
        """Raises ConfigError where a file that the model reads when it starts is missing or wrong."""

    @abstractmethod
    def start(self, rng: np.random.Generator, start_s: float) -> Path:
        """A path of its own; `start_s` is the model's time zero."""
