"""A virtual Teledyne Benthos ATM-9xx: replies as `drivers/benthos.py` cites them.

What it does like the modem: echoes characters until told not to; command and online mode with `+++` after a second of
silence; sends what it was given online when the line has been silent for `@FwdDelay`; holds what comes while it sends
and sends it next, all of it as one packet; loses its settings and its mode in a power cut and boots to a prompt.

Air time: the profile's figures, less `gap_s`, for the packet without the two bytes of length that the driver puts in
front (they are in `overhead_bytes`).
"""

from __future__ import annotations

import re
from random import Random
from typing import ClassVar

from firmware_bridge.framing.sized import PREFIX_BYTES
from firmware_bridge.profile import ModemProfile
from firmware_bridge.sim.base import AirFrame, AirQuality
from firmware_bridge.sim.timed import TimedModem

RATES_BPS = {
    2: 140,
    3: 300,
    4: 600,
    5: 800,
    6: 1066,
    7: 1200,
    8: 2400,
    9: 2560,
    10: 5120,
    11: 7680,
    12: 10240,
    13: 15360,
}
"""`@TxRate`: bit/s."""
_GUARD_S = 1.0
_LINE_BYTES = 16
_BUFFER_BYTES = 4096
_MAX_ADDRESS = 255


class VirtualBenthos(TimedModem):
    """Answers the commands that the driver uses."""

    boot_s = 2.0
    gap_s = 0.22
    defaults: ClassVar[dict[str, str]] = {
        "P1EchoChar": "Ena",
        "OpMode": "0",
        "Prompt": "7",
        "Verbose": "3",
        "DataRetry": "2",
        "FwdDelay": "1",
        "PrintHex": "Dis",
        "RcvAll": "Dis",
        "ShowBadData": "Dis",
        "WakeTones": "Ena",
        "LocalAddr": "0",
        "RemoteAddr": "0",
        "TxRate": "5",
        "TxPower": "8",
    }

    def __init__(self, profile: ModemProfile, name: str, rng: Random) -> None:
        self._prompts = 0
        super().__init__(profile, name, rng)

    def _reset(self) -> None:
        self.values = dict(self.defaults)
        self.is_online = False
        self._line = bytearray()
        self._data = bytearray()
        self._silent_since = -10.0
        self._data_number = 0
        self._escape_at: float | None = None

    def _booted(self, now: float) -> None:
        self._say(b"\r\nTeledyne Benthos\r\nStandard version 8.9.3\r\n", now)
        self._prompt(now)

    def _prompt(self, now: float) -> None:
        self._prompts += 1
        self._say(b"\r\nuser:%d>" % (self._prompts % 10_000), now)

    # ---- host

    def _hear(self, data: bytes, now: float) -> None:
        silence_s, self._silent_since = now - self._silent_since, now
        if self.is_online:
            self._hear_online(data, now, silence_s)
            return
        for byte in data:
            if self.values["P1EchoChar"] == "Ena":
                self._say(bytes((byte,)), now, 0.0)
            if byte == 0x0D:
                line = self._line.decode("ascii", "replace").strip()
                self._line.clear()
                self._obey(line, now)
                if self.is_online:
                    return
            elif len(self._line) < 200 and byte != 0x0A:
                self._line.append(byte)

    def _hear_online(self, data: bytes, now: float, silence_s: float) -> None:
        if silence_s >= _GUARD_S and not self._data and data[:3] == b"+++":
            self.is_online = False
            self._line.clear()
            self._prompt(now)
            # The CR behind it is an empty command.
            return
        self._data += data[: _BUFFER_BYTES - len(self._data)]
        self._data_number += 1
        number = self._data_number
        self._later(now, float(self.values["FwdDelay"]), lambda then: self._forward(number, then))

    def _forward(self, number: int, now: float) -> None:
        if number == self._data_number and self._data and not self._is_sending:
            block = bytes(self._data)
            self._data.clear()
            self._say(b"\r\nForwarding Delay Up\r\n", now)
            head = bytes((int(self.values["LocalAddr"]), int(self.values["RemoteAddr"])))
            self._send_frame(head + block, self._air_s(max(0, len(block) - PREFIX_BYTES)))

    def _obey(self, line: str, now: float) -> None:
        if line.startswith("@"):
            self._parameter(line[1:], now)
        elif line.upper() == "AT":
            self._say(b"\r\nOK\r\n", now)
        elif line.upper() == "ATO":
            self.is_online = True
            self._say(b"\r\nCONNECT %05d bits/sec\r\n" % RATES_BPS[int(self.values["TxRate"])], now)
            return
        elif line:
            self._say(f"\r\nCommand '{line}' not found\r\n".encode(), now)
        self._prompt(now)

    def _parameter(self, line: str, now: float) -> None:
        asked, equals, value = line.partition("=")
        name = next((known for known in self.values if known.lower() == asked.lower()), None)
        if name is None:
            self._say(f"\r\nCommand '@{asked}' not found\r\n".encode(), now)
        elif equals and not self._may_be(name, value):
            self._say(b"\r\nInvalid value\r\n", now)
        else:
            if equals:
                self.values[name] = value
            self._say(f"\r\n{name:<16}| {self.values[name]}\r\n".encode(), now)

    def _may_be(self, name: str, value: str) -> bool:
        if self.defaults[name] in ("Ena", "Dis"):
            return value in ("Ena", "Dis")
        if name == "FwdDelay":
            return re.fullmatch(r"\d{1,2}(\.\d{1,3})?", value, re.ASCII) is not None
        if re.fullmatch(r"\d{1,3}", value, re.ASCII) is None or int(value) > _MAX_ADDRESS:
            return False
        return name != "TxRate" or int(value) in RATES_BPS

    # ---- air

    def _sent_frame(self, now: float) -> None:
        self._forward(self._data_number, now)

    def on_air(self, frame: AirFrame, quality: AirQuality, now: float) -> None:
        source, to = frame.data[0], frame.data[1]
        if not self._is_up or (self.values["RcvAll"] != "Ena" and to not in (255, int(self.values["LocalAddr"]))):
            return
        block = frame.data[2:]
        snr = 25.0 if quality.snr_db is None else quality.snr_db
        # At a carrier of 12 kHz, a knot shifts by 4.1 Hz.
        knots = (quality.doppler_hz or 0.0) / 4.1
        if self.values["PrintHex"] == "Ena":
            rows = [block[at : at + _LINE_BYTES].hex() for at in range(0, len(block), _LINE_BYTES)] or [""]
            data = f"\r\nDATA({len(block):04d}):" + "\r\n".join(rows) + "\r\n"
        else:
            data = f"\r\nDATA({len(block):04d}):" + block.decode("latin-1") + "\r\n"
        data += f"Source:{source:03d}  Destination:{to:03d}\r\n"
        data += f"CRC:Pass MPD:03.2 SNR:{snr:04.1f} AGC:91 SPD:{knots:+05.1f} CCERR:013\r\n<EOP>\r\n"
        self._say(data.encode("latin-1"), now, 0.1)
        if not self.is_online:
            self._prompt(now)
