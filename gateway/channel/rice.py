"""Rice and Rayleigh fading with a Doppler spread, mapped to loss or bit errors by a modem curve.

Rule: the mean SNR is what the link budget says; fading swings about it.

Rice (1944) and Clarke (1968) by way of `fading`; a Rice factor of 5 to 15 dB is a view past some obstacles, none
(Rayleigh) is no view of the other station.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gateway.channel.conditions import Conditions, Path, PathModel
from gateway.channel.fading import RiceFader, part_times, rice_power_cdf
from gateway.channel.figures import check_range, decibels, ratio_of
from gateway.channel.modem_curve import Gives, ModemCurve


@dataclass(frozen=True, slots=True)
class RiceModel(PathModel):
    """`snr_db` is the mean; `rice_db` the direct path over all others, None for no direct path (Rayleigh).

    `doppler_hz` is the greatest shift of a path: speed over wavelength, 0 for a gain that stays as it was drawn.
    """

    snr_db: float = 15.0
    rice_db: float | None = None
    doppler_hz: float = 1.0
    modem: ModemCurve = field(default_factory=ModemCurve)

    def __post_init__(self) -> None:
        check_range("snr_db", self.snr_db, -60, 100)
        check_range("doppler_hz", self.doppler_hz, 0, 100_000)
        if self.rice_db is not None:
            check_range("rice_db", self.rice_db, -30, 60)

    @property
    def k(self) -> float:
        """The Rice factor as a ratio; 0 is Rayleigh."""
        return 0.0 if self.rice_db is None else ratio_of(self.rice_db)

    @property
    def damages_bits(self) -> bool:
        return self.modem.gives is Gives.BITS

    def start(self, rng: np.random.Generator, start_s: float) -> Path:
        return _RicePath(self, rng, start_s)

    def snr_cdf(self, snr_db: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share of time at or below each `snr_db`, by theory."""
        return rice_power_cdf(10.0 ** ((snr_db - self.snr_db) / 10), self.k)


class _RicePath(Path):
    def __init__(self, model: RiceModel, rng: np.random.Generator, start_s: float) -> None:
        self._model = model
        self._start_s = start_s
        self._fader = RiceFader(rng, model.doppler_hz, model.k)

    def conditions(self, n_bytes: int, begin_s: float, end_s: float) -> Conditions:
        model = self._model
        times = part_times(begin_s - self._start_s, end_s - self._start_s, model.doppler_hz)
        return faded(self._fader.power(times), model.snr_db, model.modem, n_bytes)


def faded(power: NDArray[np.float64], snr_db: float, modem: ModemCurve, n_bytes: int) -> Conditions:
    """What a packet meets whose parts arrive with `power` over the one that means `snr_db`."""
    power = np.maximum(power, 1e-12)
    loss, wrong = modem.outcome(snr_db + 10 * np.log10(power), n_bytes)
    return Conditions(loss=loss, bit_error_rate=wrong, snr_db=snr_db + decibels(float(power.mean())))
