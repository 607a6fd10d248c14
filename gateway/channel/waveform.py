"""Bit and packet errors from physics: each packet goes as sound through a software modem and changing echoes.

Rule: pure but for the set of impulse responses, which is read when a path starts. What arrives depends on what was sent
and when, and on nothing else: the noise of a packet is drawn afresh from the path's seed and the packet's time.
"""

from __future__ import annotations

from binascii import crc_hqx
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import Literal

import numpy as np

from gateway.channel.conditions import Conditions, Path, PathModel
from gateway.waveform import figures
from gateway.waveform.figures import Coding
from gateway.waveform.receive import Heard, Missed, receive
from gateway.waveform.responses import Rates
from gateway.waveform.transmit import modulate
from gateway.waveform.water import Water, noise

_QUIET_S = 0.05
"""Water before and after a packet that the receiver hears as well."""
_CHECK_BYTES = 2


@dataclass(frozen=True, slots=True)
class WaveformModel(PathModel):
    """The modem of docs/waveform.md through the impulse responses of `file`.

    `file` is a set as `gateway.waveform.responses` reads it, none is still water without echoes; `tap_rate_hz` and
    `snapshot_rate_hz` where the file does not tell its rates, or in place of them. `offset_s` is where in the set time
    zero lies, drawn where it is None, so that two directions differ. `speed_m_s`: the ends draw near. `snr_db` within
    the band, for the set's mean energy. `checksum` "crc": the modem sends a CRC-16 of two bytes and keeps damaged
    packets to itself; "none": they are delivered as they are, with soft bits.
    """

    snr_db: float
    file: str | None = None
    coding: Literal["none", "convolutional"] = "convolutional"
    checksum: Literal["none", "crc"] = "none"
    tap_rate_hz: float | None = None
    snapshot_rate_hz: float | None = None
    offset_s: float | None = None
    speed_m_s: float = 0.0

    def __post_init__(self) -> None:
        limits = {
            "snr_db": (-20, 60),
            "tap_rate_hz": (1, 1e7),
            "snapshot_rate_hz": (1e-6, 1e6),
            "offset_s": (0, 1e7),
            "speed_m_s": (-9, 9),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ValueError(f"{name}: got {value:g}; needed: {low:g} to {high:g}")

    @property
    def damages_bits(self) -> bool:
        return self.checksum == "none"

    def check_files(self) -> None:
        self.water()

    def start(self, rng: np.random.Generator, start_s: float) -> WaveformPath:
        """Raises ConfigError if the set cannot be read."""
        return WaveformPath(self, rng, start_s)

    def water(self) -> Water:
        """What lies between the modems. Raises ConfigError if the set cannot be read."""
        file = None if self.file is None else FilePath(self.file)
        return Water.of(file, Rates(self.tap_rate_hz, self.snapshot_rate_hz), self.speed_m_s)


class WaveformPath(Path):
    """One direction between two modems. Packets longer than the modem takes are lost ("oversize")."""

    def __init__(self, model: WaveformModel, rng: np.random.Generator, start_s: float) -> None:
        self._model = model
        self._water = model.water()
        self._coding = Coding(model.coding)
        drawn_s = float(rng.random()) * self._water.duration_s
        self._offset_s = drawn_s if model.offset_s is None else model.offset_s
        self._seed = int(rng.integers(1 << 62))
        self._start_s = start_s

    def conditions(self, n_bytes: int, begin_s: float, end_s: float) -> Conditions:
        """For a packet of zeros: as good as any."""
        return self.carry(bytes(n_bytes), begin_s, end_s)

    def carry(self, data: bytes, begin_s: float, end_s: float) -> Conditions:
        checked = self._model.checksum == "crc"
        sent = data + crc_hqx(data, 0xFFFF).to_bytes(_CHECK_BYTES, "big") if checked else data
        if not 1 <= len(sent) <= figures.MAX_BYTES:
            return Conditions(loss=1.0, cause="oversize")
        heard = self._heard(sent, begin_s)
        if isinstance(heard, Missed):
            return Conditions(loss=1.0, cause=heard.value)
        measured = Conditions(snr_db=heard.snr_db, doppler_hz=heard.doppler_hz)
        if not checked:
            return replace(measured, received=heard.data, one_probability=heard.one_probability())
        body, tail = heard.data[:-_CHECK_BYTES], heard.data[-_CHECK_BYTES:]
        if crc_hqx(body, 0xFFFF).to_bytes(_CHECK_BYTES, "big") != tail:
            return replace(measured, loss=1.0, cause="bad_checksum")
        return replace(measured, received=body)

    def _heard(self, sent: bytes, begin_s: float) -> Heard | Missed:
        # Whole microseconds, so that the same time since the start is the same time whatever the clock shows.
        micros = max(0, round((begin_s - self._start_s) * 1e6))
        rng = np.random.default_rng([self._seed, micros])
        signal = self._water.carry(modulate(sent, self._coding), micros / 1e6 + self._offset_s)
        quiet = int(_QUIET_S * figures.SAMPLE_RATE_HZ)
        before = int(rng.integers(quiet // 2, quiet))
        window = np.concatenate([np.zeros(before), signal, np.zeros(quiet)])
        window = window + noise(len(window), self._model.snr_db, rng)
        return receive(window, self._coding, self._water.centre_hz)
