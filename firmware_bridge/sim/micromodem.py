"""A virtual WHOI Micromodem: sentences as `drivers/micromodem.py` cites them.

What it does like the modem: settings in NVRAM survive a power cut, the rest does not; one packet at a time; a command
with a wrong checksum, of an unknown name or with wrong fields gets $CAERR; frames of a cycle have their full length on
the air, zeros behind the data; at rate 0 a cycle-init packet goes before, and who missed it does not hear the data.

Air time: flexible packets by the profile's figures. Cycles: `fixed_ms` and the frames' full length at `rate_bps`; at
rate 0 `CYCLE_INIT_S` of `fixed_ms` are the cycle-init packet. WHOI's table of packets (acomms.whoi.edu/micro-modem)
gives 0.30 s of probe and silence before the data of a PSK packet and 80 bit/s for rate 0; the length of a cycle-init
packet is an estimate.
"""

from __future__ import annotations

from random import Random
from typing import ClassVar

from firmware_bridge.framing.nmea import NmeaReader, Sentence, hex_bytes
from firmware_bridge.profile import ModemProfile
from firmware_bridge.sim.base import AirFrame, AirQuality
from firmware_bridge.sim.timed import TimedModem

CYCLE_INIT_S = 1.0
DECODE_S = 0.1
_FRAMES = {0: (1, 32), 1: (3, 64), 2: (3, 64), 3: (2, 256), 4: (2, 256), 5: (8, 256), 6: (6, 32)}
_CLOCK = "120000"
_FLEXIBLE, _INIT, _CYCLE = b"F", b"I", b"C"
_DATA_TIMEOUT_S = 2.0


class VirtualMicromodem(TimedModem):
    """Answers the sentences that the driver uses; settings: `nvram`."""

    boot_s = 1.5
    gap_s = 0.11
    defaults: ClassVar[dict[str, int]] = {"SRC": 0, "CST": 1, "TXF": 1, "ASD": 0, "REV": 0, "BND": 1, "CTO": 10}

    def __init__(self, profile: ModemProfile, name: str, rng: Random) -> None:
        self.nvram = dict(self.defaults)
        super().__init__(profile, name, rng)

    def _reset(self) -> None:
        self._reader = NmeaReader()
        self._cycle: tuple[int, int, int, int] | None = None
        self._frames: list[bytes] = []
        self._after_init: bytes | None = None
        self._expects_cycle_from: int | None = None
        self._request = 0

    def _booted(self, now: float) -> None:
        self._tell(now, "CAREV", _CLOCK, "INIT", "2.0.35490")
        self._tell(now, "CAREV", _CLOCK, "AUV", "2.0.35490")

    def _tell(self, now: float, name: str, *fields: object, delay_s: float | None = None) -> None:
        self._say(Sentence(name, tuple(str(field) for field in fields)).to_bytes(), now, delay_s)

    # ---- host

    def _hear(self, data: bytes, now: float) -> None:
        bad = self._reader.bad_sentences
        for sentence in self._reader.receive(data):
            self._obey(sentence, now)
        if self._reader.bad_sentences > bad:
            self._tell(now, "CAERR", _CLOCK, "NMEA", 3, "Bad sentence")

    def _obey(self, told: Sentence, now: float) -> None:
        match told.name, len(told.fields):
            case "CCCFQ", 1 if told.field(0) in self.nvram:
                self._tell(now, "CACFG", told.field(0), self.nvram[told.field(0)])
            case "CCCFG", 2 if told.field(0) in self.nvram and told.integer(1) is not None:
                self.nvram[told.field(0)] = told.integer(1) or 0
                self._tell(now, "CACFG", *told.fields)
            case "CCTDP", 5:
                self._flexible(told, now)
            case "CCCYC", 6:
                self._begin_cycle(told, now)
            case "CCTXD", 4 if self._cycle is not None:
                self._frame(told, now)
            case _:
                self._tell(now, "CAERR", _CLOCK, "NMEA", 1, f"Cannot do {told.name}")

    @property
    def _is_busy(self) -> bool:
        return self._is_sending or self._cycle is not None

    def _flexible(self, told: Sentence, now: float) -> None:
        to, rate, data = told.integer(0), told.integer(1), hex_bytes(told.field(4))
        wrong = to is None or rate not in (1, 3, 5) or not data or len(data) > 100
        flag = 1 if wrong or self._is_busy else 0
        self._tell(now, "CATDP", flag, 0, told.field(0), told.field(1), 0, 0, len(data or b""))
        if flag or data is None or to is None or rate is None:
            return
        self._tell(now, "CATXP", len(data))
        head = bytes((self.nvram["SRC"], to, rate))
        self._send_frame(_FLEXIBLE + head + data, self._air_s(max(0, len(data) - 2)))

    def _begin_cycle(self, told: Sentence, now: float) -> None:
        source, to, rate, frames = (told.integer(place) for place in (1, 2, 3, 5))
        if source != self.nvram["SRC"] or to is None or rate not in _FRAMES or frames is None:
            self._tell(now, "CAERR", _CLOCK, "CYCLE", 2, "Bad cycle")
            return
        if self._is_busy or not 1 <= frames <= _FRAMES[rate][0]:
            self._tell(now, "CAERR", _CLOCK, "CYCLE", 4, "Busy")
            return
        self._cycle, self._frames = (source, to, rate, frames), []
        self._tell(now, "CACYC", *told.fields)
        self._ask_frame(now)

    def _ask_frame(self, now: float) -> None:
        assert self._cycle is not None
        source, to, rate, _ = self._cycle
        self._request += 1
        asked = self._request
        self._tell(now, "CADRQ", _CLOCK, source, to, 0, _FRAMES[rate][1], len(self._frames) + 1)
        self._later(now, _DATA_TIMEOUT_S, lambda then: self._no_data(asked, then))

    def _no_data(self, asked: int, now: float) -> None:
        if self._cycle is not None and asked == self._request and not self._is_sending:
            self._cycle = None
            self._tell(now, "CAERR", _CLOCK, "DATA_TIMEOUT", len(self._frames) + 1)

    def _frame(self, told: Sentence, now: float) -> None:
        assert self._cycle is not None
        source, to, rate, frames = self._cycle
        data, size = hex_bytes(told.field(3)), _FRAMES[rate][1]
        if not data or len(data) > size or self._is_sending:
            self._tell(now, "CAERR", _CLOCK, "CYCLE", 5, "Bad data")
            return
        self._frames.append(data.ljust(size, b"\0"))
        self._tell(now, "CATXD", source, to, 0, len(data))
        if len(self._frames) < frames:
            self._ask_frame(now)
            return
        self._request += 1
        head = bytes((source, to, rate, frames))
        air = self.profile.link_info()
        length_s = air.fixed_s - self.gap_s + frames * size * 8 / (air.rate_bps or 80)
        self._tell(now, "CATXP", frames * size)
        if rate == 0:
            init_s = min(CYCLE_INIT_S, length_s / 2)
            self._after_init = _CYCLE + head + b"".join(self._frames)
            self._send_frame(_INIT + head, init_s)
            self._data_s = length_s - init_s
        else:
            self._send_frame(_CYCLE + head + b"".join(self._frames), length_s)

    # ---- air

    def _sent_frame(self, now: float) -> None:
        if self._after_init is not None:
            self._send_frame(self._after_init, self._data_s)
            self._after_init = None
            return
        self._cycle = None
        if self.nvram["TXF"]:
            self._tell(now, "CATXF", 0, delay_s=0.01)

    def on_air(self, frame: AirFrame, quality: AirQuality, now: float) -> None:
        if not self._is_up:
            return
        kind, head, rest = frame.data[:1], frame.data[1:5], frame.data[5:]
        source, to, rate = head[0], head[1], head[2]
        snr = 20.0 if quality.snr_db is None else quality.snr_db
        if kind == _INIT:
            self._expects_cycle_from = source
            self._tell(now, "CACYC", 0, source, to, rate, 0, head[3], delay_s=DECODE_S)
            return
        self._tell(now, "CARXP", 0, delay_s=0.0)
        if kind == _FLEXIBLE:
            data, frames = frame.data[4:], 1
            self._tell(now, "CARDP", source, to, rate, 0, 0, "", f"1;{len(data)};{data.hex()}", delay_s=DECODE_S)
        else:
            if rate == 0 and self._expects_cycle_from != source:
                return
            self._expects_cycle_from, frames, size = None, head[3], _FRAMES[rate][1]
            if rate:
                self._tell(now, "CACYC", 0, source, to, rate, 0, frames, delay_s=DECODE_S)
            for number in range(frames):
                data = rest[number * size : (number + 1) * size]
                self._tell(now, "CARXD", source, to, 0, number + 1, data.hex(), delay_s=DECODE_S)
        if self.nvram["CST"]:
            self._statistics(now, rate, source, to, frames, snr, quality.doppler_hz)

    def _statistics(
        self, now: float, rate: int, source: int, to: int, frames: int, snr_db: float, doppler_hz: float | None
    ) -> None:
        # Version 6: mode, time and its mode, matched filter (4), gain and shifts (5), rate, addresses, errors, type,
        # frames, bad ones, SNR (received, in, out, symbols), MSE, quality, speed, noise, carrier, bandwidth.
        speed = round((doppler_hz or 0.0) * 1500 / 25000, 2)
        fields = [6, 0, "20260101120000.000000", 0, 7000, 60, 200, 150, 250, 0, 0, 0, 0, rate, source, to, 0, 5, frames]
        fields += [
            0,
            120,
            f"{snr_db:.1f}",
            f"{snr_db - 3:.1f}",
            f"{snr_db - 1:.1f}",
            "-12.0",
            200,
            speed,
            50,
            25000,
            5000,
        ]
        self._tell(now, "CACST", *fields, delay_s=DECODE_S + 0.02)
