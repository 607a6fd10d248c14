"""Popoto acoustic modems (S1000, M1000 and kin): commands as JSON lines over TCP, or through the pShell over serial.

Rule: a packet is `PacketSent` at the modem's `{"Alert":"TxComplete"}`; without it the modem is taken for silent and the
packet sent again. What the modem says is JSON on both ways in, one object a line; prompts, colours and echoes around
them are passed over.

`interface` in the settings:
- "pshell": the serial port at 115200 baud, where a shell takes words: `setvaluei LocalID 1`, `transmitJSON {...}`.
- "json": TCP port 17000, where the modem takes objects: `{ "Command": "TransmitJSON", "Arguments": {...} }`.

Sources: PopotoAPI by delResearch, the maker (python3/popoto/popoto.py, default_shell.py: commands, payload modes
0 to 5 = 80, 5120, 2560, 1280, 640, 10240 bit/s, replies `{"Name":value}`, `Alert`, `SNRdB`, `DopplerVelocity` in
knots); Goby 3 `popoto_driver.cpp` (the header's bytes, a length of 10 bits). Not verified: what a set value is
answered with (each is asked back), what a busy modem says (any `Error`, or `Alert` of `Timeout`, counts as "not now").
"""

from __future__ import annotations

import json
import re
from random import Random
from typing import Any, Literal, TypeGuard

from pydantic import Field, model_validator

from firmware_bridge.driver import ModemStatus, Outgoing
from firmware_bridge.drivers.scripted import ScriptedDriver, Step
from firmware_bridge.framing.lines import LineReader, json_object
from firmware_bridge.profile import ModemProfile
from firmware_bridge.registry import ModemKind, settings_of
from firmware_bridge.sim.popoto import VirtualPopoto
from gateway.config import StrictModel
from gateway.errors import ConfigError
from gateway.metrics import Metrics

MAX_DATA_BYTES = 1023
"""The header's length field has 10 bits."""
_KNOT_M_S = 0.514444
_TX_SLACK_S = 8.0
_RETRY_S = 1.0
_DATA_MESSAGE = 0
_FIGURES = {"BatteryVoltage": "battery_v", "Temp_Ambient": "temperature_c"}


class PopotoSettings(StrictModel):
    """`destination` 255 reaches all; `values` are further parameters set at each start, as the modem names them."""

    address: int = Field(default=1, ge=0, le=254)
    destination: int = Field(default=255, ge=0, le=255)
    payload_mode: int = Field(default=1, ge=0, le=5)
    power_w: float = Field(default=1.0, gt=0, le=1000)
    interface: Literal["pshell", "json"] = "pshell"
    values: dict[str, int | float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fits(self) -> PopotoSettings:
        for name in self.values:
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{1,40}", name):
                raise ValueError(f"values: {name!r} is not a parameter's name")
        return self


class PopotoDriver(ScriptedDriver):
    """One Popoto modem."""

    def __init__(self, profile: ModemProfile, metrics: Metrics | None = None, rng: Random | None = None) -> None:
        super().__init__(profile, metrics)
        self.settings = settings_of(profile, PopotoSettings)
        if profile.air.mtu_bytes > MAX_DATA_BYTES:
            raise ConfigError(
                f"modem profile {profile.name}: air.mtu_bytes: at most {MAX_DATA_BYTES}, not {profile.air.mtu_bytes}"
            )
        self._reader = LineReader()
        self._version = ""
        self._header_bytes: int | None = None
        self._snr_db: float | None = None

    # ---- set-up

    def _script(self) -> list[Step]:
        chosen = self.settings
        values: dict[str, int | float] = {
            "LocalID": chosen.address,
            "RemoteID": chosen.destination,
            "PayloadMode": chosen.payload_mode,
            "TxPowerWatts": chosen.power_w,
            "StreamingTxLen": 0,
            **chosen.values,
        }
        if chosen.interface == "pshell":
            # An empty line ends whatever stands half typed in the shell.
            hello = b"\nsetTerminalMode raw\nversion\n"
        else:
            hello = b"\n" + self._command("getVersion", "Unused Arguments")
        return [Step("version", hello, expect="version")] + [
            Step(name, self._set_and_ask(name, value), expect=name) for name, value in values.items()
        ]

    def _set_and_ask(self, name: str, value: int | float) -> bytes:
        if self.settings.interface == "json":
            return self._command("SetValue", f"{name} {value} 0") + self._ask_value(name)
        kind = "i" if isinstance(value, int) else "f"
        return f"setvalue{kind} {name} {value}\n".encode() + self._ask_value(name, kind)

    def _ask_value(self, name: str, kind: str = "i") -> bytes:
        if self.settings.interface == "json":
            return self._command("GetValue", f"{name}   0")
        return f"getvalue{kind} {name}\n".encode()

    def _command(self, command: str, arguments: Any) -> bytes:
        return json.dumps({"Command": command, "Arguments": arguments}).encode() + b"\n"

    def _probe(self) -> Step | None:
        asked = [self._ask_value(name, "f") for name in _FIGURES] + [self._ask_value("PayloadMode")]
        return Step("PayloadMode", b"".join(asked), expect="PayloadMode")

    def _ready_text(self) -> str:
        return f"ready, {self._version}" if self._version else "ready"

    def _forget_line(self) -> None:
        self._reader = LineReader()

    def _forget_modem(self) -> None:
        self._header_bytes = self._snr_db = None

    # ---- sending

    def _transmit(self, packet: Outgoing, now: float) -> None:
        payload = {"Payload": {"Data": list(packet.data)}}
        if self.settings.interface == "json":
            line = self._command("TransmitJSON", payload)
        else:
            line = b"transmitJSON " + json.dumps(payload, separators=(",", ":")).encode() + b"\n"
        self._write(line)
        port = self.profile.port
        line_s = len(line) * port.bits_per_byte / port.baud
        self._wait_until = now + line_s + self.info.airtime_s(len(packet.data)) + _TX_SLACK_S

    # ---- what the modem says

    def _parse(self, now: float) -> None:
        before = self._reader.overlong_lines
        lines = self._reader.receive(bytes(self._inbox))
        self._inbox.clear()
        self._count("modem.rx_overlong_lines", self._reader.overlong_lines - before)
        for line in lines:
            if b"Welcome to the Popoto" in line:
                self._heard_at = now
                if self._status is not ModemStatus.STARTING:
                    self._modem_restarted(now, "the modem has booted")
                continue
            said = json_object(line)
            if said is None:
                self.metrics.count("modem.rx_other_lines")
            elif "Command" not in said and "Payload" not in said:  # those are ours, echoed
                self._heard_at = now
                self._take({key.strip(): value for key, value in said.items()}, now)

    def _take(self, said: dict[str, Any], now: float) -> None:
        for key in ("SNRdB", "DopplerVelocity", *_FIGURES):
            self._take_figure(key, said.get(key))
        if "Header" in said:
            self._take_header(said["Header"])
        if "Data" in said:
            self._take_data(said["Data"])
        if "Alert" in said:
            self._take_alert(str(said["Alert"]), now)
        if "Error" in said:
            self._take_error(now)
        if "Info" in said and "Version" in str(said["Info"]):
            self._version = str(said["Info"])[:60]
            if self._step is not None and self._step.expect == "version":
                self._answered(now)
        self._take_value(said, now)

    def _take_value(self, said: dict[str, Any], now: float) -> None:
        step = self._step
        if step is None or step.expect not in said:
            return
        is_ours = said[step.expect] == self.settings.payload_mode
        if self._status is ModemStatus.READY and step.expect == "PayloadMode" and not is_ours:
            self._modem_restarted(now, "the modem has lost its settings")
        else:
            self._answered(now)

    def _take_figure(self, key: str, value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not -1e6 < value < 1e6:
            return
        if key == "SNRdB":
            self._snr_db = float(value)
            self._measured("snr_db", float(value))
        elif key == "DopplerVelocity":
            self._measured("doppler_m_s", float(value) * _KNOT_M_S)
        else:
            self._measured(_FIGURES[key], float(value))

    def _take_header(self, header: object) -> None:
        # type, sender, receiver, power, then 16 bits little-endian: length (10), streaming (1), payload mode (5).
        self._snr_db = self._header_bytes = None
        if _is_bytes(header) and len(header) >= 6 and header[0] == _DATA_MESSAGE:
            self._header_bytes = (header[4] | header[5] << 8) & MAX_DATA_BYTES

    def _take_data(self, data: object) -> None:
        expected, self._header_bytes = self._header_bytes, None
        if not _is_bytes(data):
            self.metrics.count("modem.rx_malformed")
        elif expected is not None and expected != len(data):
            self.metrics.count("modem.rx_incomplete")
        else:
            self._heard(bytes(data), self._snr_db)

    def _take_alert(self, alert: str, now: float) -> None:
        if alert == "TxComplete":
            if self._under_way is not None and self._wait_until is not None:
                self._done()
        elif alert == "CRCError":
            self.metrics.count("modem.rx_bad_crc")
            self._header_bytes = None
        elif alert == "Timeout":
            self._take_error(now)
        else:
            self.metrics.count("modem.alerts")

    def _take_error(self, now: float) -> None:
        self.metrics.count("modem.errors")
        if self._step is not None:
            self._refused(now)
        elif self._under_way is not None:
            self._busy(now, _RETRY_S)


def _is_bytes(value: object) -> TypeGuard[list[int]]:
    return (
        isinstance(value, list)
        and len(value) <= MAX_DATA_BYTES
        and all(type(byte) is int and 0 <= byte <= 255 for byte in value)
    )


MODEM = ModemKind("popoto", PopotoSettings, PopotoDriver, VirtualPopoto)
