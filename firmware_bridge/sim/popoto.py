"""A virtual Popoto modem: JSON over TCP, or the pShell over serial, as `drivers/popoto.py` cites them.

What it does like the modem: the shell echoes, prompts, colours its output until `setTerminalMode raw`, and prints the
command it hands on; a value out of range, an unknown name and ill-formed JSON are answered by `{"Error":...}`; one
packet at a time, an error while one is on the air; a boot takes long, forgets all values, and ends in the shell's
greeting. Which interface it shows follows `interface` of the profile's settings.

Air time: the profile's figures.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any, ClassVar

from firmware_bridge.framing.lines import LineReader, json_object
from firmware_bridge.profile import ModemProfile
from firmware_bridge.sim.base import AirFrame, AirQuality
from firmware_bridge.sim.timed import TimedModem

_MAX_BYTES = 1023
_LIMITS = {
    "LocalID": (0, 255),
    "RemoteID": (0, 255),
    "PayloadMode": (0, 5),
    "TxPowerWatts": (0, 1000),
    "StreamingTxLen": (0, 1e9),
    "LedEnable": (0, 1),
    "UPCONVERT_Carrier": (1000, 100_000),
    "DOWNCONVERT_Carrier": (1000, 100_000),
}


class VirtualPopoto(TimedModem):
    """Answers the commands that the driver uses; settings: `values`."""

    boot_s = 20.0
    gap_s = 0.05
    reply_s = 0.02
    defaults: ClassVar[dict[str, float]] = {
        "LocalID": 0,
        "RemoteID": 255,
        "PayloadMode": 0,
        "TxPowerWatts": 1.0,
        "StreamingTxLen": 0,
        "LedEnable": 1,
        "UPCONVERT_Carrier": 25_000,
        "DOWNCONVERT_Carrier": 25_000,
        "BatteryVoltage": 18.2,
        "Temp_Ambient": 21.5,
    }

    def __init__(self, profile: ModemProfile, name: str, rng: Random) -> None:
        self._is_shell = profile.settings.get("interface", "pshell") == "pshell"
        super().__init__(profile, name, rng)

    def _reset(self) -> None:
        self.values = dict(self.defaults)
        self._reader = LineReader()
        self._is_raw = False

    def _booted(self, now: float) -> None:
        if self._is_shell:
            self._say(b"\r\n   Welcome to the Popoto modem Shell!\r\n\r\n Communicating Naturally\r\n", now)
            self._prompt(now)

    def _prompt(self, now: float) -> None:
        if self._is_shell:
            self._say(b"Popoto->", now)

    def _tell(self, said: dict[str, Any], now: float, delay_s: float | None = None) -> None:
        text = json.dumps(said, separators=(",", ":")).encode()
        if self._is_shell and not self._is_raw:
            text = b"\x1b[1m" + text + b"\x1b[0m"
        self._say(text + (b"\r\n" if self._is_shell else b"\r"), now, delay_s)

    # ---- host

    def _hear(self, data: bytes, now: float) -> None:
        if self._is_shell:
            self._say(data.replace(b"\n", b"\r\n"), now, 0.0)
        for line in self._reader.receive(data):
            if self._is_shell:
                self._shell(line.decode("utf-8", "replace").strip(), now)
                self._prompt(now)
            else:
                self._obey(json_object(line), now)

    def _shell(self, line: str, now: float) -> None:
        word, _, rest = line.partition(" ")
        match word:
            case "setTerminalMode":
                self._is_raw = rest == "raw"
            case "version":
                self._pass_on("getVersion", "Unused Arguments", now)
            case "setvaluei" | "setvaluef":
                self._pass_on("SetValue", f"{rest} 0", now)
            case "getvaluei" | "getvaluef":
                self._pass_on("GetValue", f"{rest}   0", now)
            case "transmitJSON":
                given = json_object(rest.encode())
                if given is None:
                    self._say(f"Invalid JSON message:  {rest}\r\n".encode(), now)
                else:
                    self._pass_on("TransmitJSON", given, now)
            case _ if word:
                self._say(f"*** Unknown syntax: {line}\r\n".encode(), now)

    def _pass_on(self, command: str, arguments: object, now: float) -> None:
        message = {"Command": command, "Arguments": arguments}
        self._say(json.dumps(message).encode() + b"\r\n", now)
        self._obey(message, now)

    def _obey(self, message: dict[str, Any] | None, now: float) -> None:
        arguments = None if message is None else message.get("Arguments")
        match None if message is None else message.get("Command"):
            case "getVersion":
                self._tell({"Info ": "Popoto Modem Version 2.7.0 847"}, now)
                self._tell({"Info ": "SerialNumber 0000000000001"}, now)
            case "SetValue" if isinstance(arguments, str):
                self._set(arguments.split(), now)
            case "GetValue" if isinstance(arguments, str) and arguments.split()[:1]:
                name = arguments.split()[0]
                self._tell({name: self.values[name]} if name in self.values else {"Error": f"Unknown {name}"}, now)
            case "TransmitJSON" if isinstance(arguments, dict):
                self._transmit(arguments, now)
            case _:
                self._tell({"Error": "Invalid command"}, now)

    def _set(self, words: list[str], now: float) -> None:
        try:
            name, value = words[0], float(words[1])
            low, high = _LIMITS[name]
        except (IndexError, KeyError, ValueError):
            self._tell({"Error": "Invalid SetValue"}, now)
            return
        if not low <= value <= high:
            self._tell({"Error": f"{name} out of range"}, now)
            return
        self.values[name] = value if name == "TxPowerWatts" else int(value)
        self._tell({name: self.values[name]}, now)

    def _transmit(self, arguments: dict[str, Any], now: float) -> None:
        payload = arguments.get("Payload")
        data = payload.get("Data") if isinstance(payload, dict) else None
        if not isinstance(data, list) or not all(type(byte) is int and 0 <= byte <= 255 for byte in data):
            self._tell({"Error": "Invalid payload"}, now)
        elif len(data) > _MAX_BYTES or self._is_sending:
            self._tell({"Error": "Transmitter busy" if self._is_sending else "Payload too long"}, now)
        else:
            info = len(data) | int(self.values["PayloadMode"]) << 11
            power = min(255, int(self.values["TxPowerWatts"]))
            head = bytes((0, int(self.values["LocalID"]), int(self.values["RemoteID"]), power, info & 0xFF, info >> 8))
            self._send_frame(head + bytes(data), self._air_s(len(data)))

    # ---- air

    def _sent_frame(self, now: float) -> None:
        self._tell({"Alert": "TxComplete"}, now)

    def on_air(self, frame: AirFrame, quality: AirQuality, now: float) -> None:
        header, data = frame.data[:6], frame.data[6:]
        if not self._is_up or header[2] not in (255, int(self.values["LocalID"])):
            return
        snr = 18.0 if quality.snr_db is None else quality.snr_db
        knots = (quality.doppler_hz or 0.0) * 1500 / self.values["DOWNCONVERT_Carrier"] / 0.514444
        self._tell({"Header": list(header)}, now, 0.05)
        self._tell({"SNRdB": round(snr, 2), "DopplerVelocity": round(knots, 3)}, now, 0.05)
        self._tell({"Data": list(data)}, now, 0.05)
