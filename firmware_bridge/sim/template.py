"""The imaginary modem of `drivers/template.py`, from its own side of the cable: a virtual modem to copy.

What it does like the modem: say it here, as well as what it does not. Air time: the profile's figures.
"""

from __future__ import annotations

from firmware_bridge.framing.lines import LineReader
from firmware_bridge.framing.nmea import hex_bytes
from firmware_bridge.sim.base import AirFrame, AirQuality
from firmware_bridge.sim.timed import TimedModem


class VirtualTemplate(TimedModem):
    """`TimedModem` has the delayed replies, the boot, and one frame on the air at a time."""

    boot_s = 1.0

    def _reset(self) -> None:
        # After power-on: what the modem does not keep is gone.
        self._reader = LineReader()
        self.address = 0

    def _booted(self, now: float) -> None:
        self._say(b"EXAMPLE UP\r\n", now)

    # ---- host

    def _hear(self, data: bytes, now: float) -> None:
        for line in self._reader.receive(data):
            word, _, rest = line.decode("ascii", "replace").strip().partition(" ")
            self._say(self._answer(word, rest) + b"\r\n", now)

    def _answer(self, word: str, rest: str) -> bytes:
        match word:
            case "HELLO":
                return b"OK EXAMPLE 1.0"
            case "ADDRESS" if rest.isdecimal() and len(rest) < 4 and int(rest) < 256:
                self.address = int(rest)
                return b"OK %d" % self.address
            case "SEND":
                return self._send(hex_bytes(rest))
            case _:
                return b"ERROR"

    def _send(self, data: bytes | None) -> bytes:
        if self._is_sending:
            return b"BUSY"
        if not data or len(data) > self.profile.air.mtu_bytes:
            return b"ERROR"
        self._send_frame(data, self._air_s(len(data)))
        return b"TAKEN"

    # ---- air

    def _sent_frame(self, now: float) -> None:
        self._say(b"DONE\r\n", now)

    def on_air(self, frame: AirFrame, quality: AirQuality, now: float) -> None:
        if self._is_up:
            snr = "" if quality.snr_db is None else f" {quality.snr_db:.1f}"
            self._say(f"HEARD {frame.data.hex()}{snr}\r\n".encode(), now)
