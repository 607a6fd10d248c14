"""What the water does to a signal: echoes that change while it passes, Doppler, noise.

Rule: pure; a time and a generator are handed in. The method is that of Watermark: y(t) = sum over delays of h(t, delay)
x(t - delay) at the set's own rate, h between two snapshots on the straight line between them; then the mean Doppler, by
resampling; then noise. A set of one record is played forth and back, so that it never jumps; of several, one after
another.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gateway.errors import ConfigError
from gateway.waveform.figures import BANDWIDTH_HZ, CENTRE_HZ, SAMPLE_RATE_HZ
from gateway.waveform.resample import ComplexArray, Resampler
from gateway.waveform.responses import Rates, Responses, load_responses, response_files

SOUND_M_S = 1500.0
"""Speed of sound, as the design page has it."""


class Water:
    """Sets of impulse responses as one stretch of time without an end; none: still water without echoes.

    `speed_m_s`, at which the ends draw near, is added to what the set says. Raises ConfigError for a set whose taps lie
    too far apart for the waveform's band.
    """

    def __init__(self, records: Sequence[Path] = (), rates: Rates | None = None, speed_m_s: float = 0.0) -> None:
        self._records = tuple(records)
        self._rates = rates
        self._speed_m_s = speed_m_s
        first = self._record(0)
        self.centre_hz = CENTRE_HZ if first is None else first.centre_hz
        if first is not None and first.tap_rate_hz < 1.1 * BANDWIDTH_HZ:
            raise ConfigError(
                f"{self._records[0]}: {first.tap_rate_hz:g} taps a second; "
                f"needed: {1.1 * BANDWIDTH_HZ:g} or more for a band of {BANDWIDTH_HZ:g} Hz"
            )

    @classmethod
    def of(cls, path: Path | None, rates: Rates | None = None, speed_m_s: float = 0.0) -> Water:
        """By the path of a set. Raises ConfigError."""
        return cls(() if path is None else response_files(path), rates, speed_m_s)

    @property
    def duration_s(self) -> float:
        """Length of the set, before it repeats; a single record comes forth and back."""
        first = self._record(0)
        if first is None:
            return 0.0
        return first.duration_s * (2 if len(self._records) == 1 else len(self._records))

    def carry(self, signal: ComplexArray, begin_s: float) -> ComplexArray:
        """`signal` (samples,), sent at `begin_s`, as it arrives, from the first echo on; a little longer for the
        rest."""
        record, at_s = self._at(begin_s)
        speed_m_s = self._speed_m_s + (0.0 if record is None else record.speed_m_s)
        heard, rate_hz = signal, float(SAMPLE_RATE_HZ)
        if record is not None:
            rate_hz = record.tap_rate_hz
            count = int(np.ceil(len(signal) / SAMPLE_RATE_HZ * rate_hz))
            sent = Resampler(signal, SAMPLE_RATE_HZ).at(np.arange(count) / rate_hz)
            heard = _through(sent, record, at_s)
        squeeze = speed_m_s / SOUND_M_S
        if record is None and not squeeze:
            return heard
        t = np.arange(int(len(heard) / rate_hz / (1 + squeeze) * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
        turned = np.exp(2j * np.pi * self.centre_hz * squeeze * t)
        return np.asarray(Resampler(heard, rate_hz).at(t * (1 + squeeze)) * turned)

    def _record(self, index: int) -> Responses | None:
        return load_responses(self._records[index], self._rates) if self._records else None

    def _at(self, time_s: float) -> tuple[Responses | None, float]:
        """The record heard at `time_s`, and where in it (beyond its end: on the way back)."""
        first = self._record(0)
        if first is None or first.duration_s == 0:
            return first, 0.0
        if len(self._records) == 1:
            return first, time_s % (2 * first.duration_s)
        # Records of one measurement are equally long; where one is not, its last snapshot stays.
        index = int(time_s // first.duration_s)
        return self._record(index % len(self._records)), time_s - index * first.duration_s


def _through(sent: ComplexArray, record: Responses, begin_s: float) -> ComplexArray:
    taps, rate_hz = record.taps, record.tap_rate_hz
    total = len(sent) + taps.shape[1] - 1
    size = 1 << (total - 1).bit_length()
    spectrum = np.fft.fft(sent, size)
    place = _fold((begin_s + np.arange(total) / rate_hz) * record.snapshot_rate_hz, len(taps))
    heard = np.zeros(total, np.complex128)
    for snapshot in range(int(place.min()), min(int(place.max()) + 2, len(taps))):
        share = np.maximum(0.0, 1 - np.abs(place - snapshot))
        if share.any():
            heard += share * np.fft.ifft(spectrum * np.fft.fft(taps[snapshot], size))[:total]
    return heard


def _fold(place: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Places on a record that is played forth and back, as places among its `count` snapshots."""
    last = count - 1
    return np.zeros_like(place) if last == 0 else last - np.abs(last - place % (2 * last))


def noise(samples: int, snr_db: float, rng: np.random.Generator) -> ComplexArray:
    """White noise over all of SAMPLE_RATE_HZ; `snr_db` compares a signal of power 1 with the noise within its band."""
    power = SAMPLE_RATE_HZ / BANDWIDTH_HZ / 10 ** (snr_db / 10)
    return np.asarray((rng.normal(size=samples) + 1j * rng.normal(size=samples)) * np.sqrt(power / 2))
