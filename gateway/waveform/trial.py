"""Many packets through the water at each of several noise levels: what arrives, counted.

Rule: pure and seeded; packets are told apart by number, so that a run with more of them begins with the same ones, and
every noise level has the same packets at the same times.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from gateway.waveform import figures, theory
from gateway.waveform.figures import SAMPLE_RATE_HZ, Coding
from gateway.waveform.receive import Missed, receive
from gateway.waveform.resample import ComplexArray
from gateway.waveform.transmit import modulate
from gateway.waveform.water import Water, noise

QUIET_S = 0.05
Z = 1.96
"""Of intervals that hold the true figure 19 times in 20."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is sent: `packets` of `n_bytes`, one every `every_s` of the set's time (None: one after another)."""

    n_bytes: int = 34
    coding: Coding = Coding.CONVOLUTIONAL
    packets: int = 200
    every_s: float | None = None
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Passage:
    """One packet: `bit_errors` None where nothing was read or another length; `missed` says why."""

    number: int
    sent_s: float
    sent: bytes
    received: bytes | None
    bit_errors: int | None
    missed: str = ""
    snr_db: float | None = None
    doppler_hz: float | None = None
    heard: ComplexArray | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Row:
    """Figures of one noise level. Bits are those of packets that were read; intervals are of 95 %."""

    snr_db: float
    packets: int
    missed: int
    damaged: int
    per: float
    per_low: float
    per_high: float
    bits: int
    bit_errors: int
    ber: float
    ber_low: float
    ber_high: float
    theory_ber: float
    theory_per: float
    measured_snr_db: float | None
    measured_doppler_hz: float | None

    @property
    def delivery(self) -> float:
        """Share of packets that arrive whole."""
        return 1 - self.per


def passages(water: Water, plan: Plan, snr_db: float) -> Iterator[Passage]:
    """The packets of `plan`, one after another."""
    every_s = figures.airtime_s(plan.n_bytes, plan.coding) if plan.every_s is None else plan.every_s
    quiet = int(QUIET_S * SAMPLE_RATE_HZ)
    for number in range(plan.packets):
        rng = np.random.default_rng([plan.seed, number])
        data = rng.bytes(plan.n_bytes)
        sent_s = number * every_s
        before = int(rng.integers(quiet // 2, quiet))
        signal = np.concatenate([np.zeros(before), water.carry(modulate(data, plan.coding), sent_s), np.zeros(quiet)])
        signal = signal + noise(len(signal), snr_db, rng)
        got = receive(signal, plan.coding, water.centre_hz)
        if isinstance(got, Missed):
            yield Passage(number, sent_s, data, None, None, got.value, heard=signal)
        elif len(got.data) != len(data):
            yield Passage(number, sent_s, data, got.data, None, "wrong_length", got.snr_db, got.doppler_hz, signal)
        else:
            wrong = (int.from_bytes(data) ^ int.from_bytes(got.data)).bit_count()
            yield Passage(number, sent_s, data, got.data, wrong, "", got.snr_db, got.doppler_hz, signal)


class Tally:
    """Counts passages of one noise level."""

    def __init__(self, plan: Plan, snr_db: float) -> None:
        self._plan, self._snr_db = plan, snr_db
        self._wrong: list[int] = []
        self._missed = 0
        self._snr: list[float] = []
        self._doppler: list[float] = []

    def add(self, passage: Passage) -> None:
        """One more."""
        if passage.bit_errors is None:
            self._missed += 1
        else:
            self._wrong.append(passage.bit_errors)
        if passage.snr_db is not None and passage.doppler_hz is not None:
            self._snr.append(passage.snr_db)
            self._doppler.append(passage.doppler_hz)

    def row(self) -> Row:
        """The figures so far."""
        plan, read = self._plan, len(self._wrong)
        damaged = sum(1 for wrong in self._wrong if wrong)
        packets = read + self._missed
        lost = damaged + self._missed
        per_low, per_high = share_interval(lost, packets)
        size = 8 * plan.n_bytes
        ber = sum(self._wrong) / (size * read) if read else math.nan
        low, high = _mean_interval(self._wrong, size)
        return Row(
            self._snr_db,
            packets,
            self._missed,
            damaged,
            lost / packets if packets else math.nan,
            per_low,
            per_high,
            size * read,
            sum(self._wrong),
            ber,
            low,
            high,
            theory.bit_error_rate(self._snr_db, plan.coding),
            theory.packet_error_rate(self._snr_db, plan.n_bytes, plan.coding),
            float(np.mean(self._snr)) if self._snr else None,
            float(np.mean(self._doppler)) if self._doppler else None,
        )


def share_interval(count: int, of: int) -> tuple[float, float]:
    """Wilson's interval of a share (JASA 22, 1927)."""
    if not of:
        return 0.0, 1.0
    p = count / of
    middle = p + Z * Z / (2 * of)
    half = Z * math.sqrt(p * (1 - p) / of + Z * Z / (4 * of * of))
    scale = 1 + Z * Z / of
    low = 0.0 if count == 0 else (middle - half) / scale
    return low, 1.0 if count == of else (middle + half) / scale


def _mean_interval(wrong: list[int], size: int) -> tuple[float, float]:
    """Of the bit error rate, by packets: bits of one packet go wrong together."""
    if not wrong:
        return 0.0, 1.0
    if not any(wrong):
        return 0.0, min(1.0, 3.0 / (size * len(wrong)))  # the rule of three, as if bits were independent
    if len(wrong) == 1:
        return 0.0, 1.0
    rates = np.array(wrong) / size
    half = Z * float(rates.std(ddof=1)) / math.sqrt(len(wrong))
    return max(0.0, float(rates.mean()) - half), min(1.0, float(rates.mean()) + half)
