"""Teledyne Benthos ATM-9xx acoustic modems: set up in command mode, then online.

Rule: once set up the modem stays in online mode, where every write followed by a short silence (`@FwdDelay`) is one
acoustic packet. It is `PacketSent` when its time on the air is over, counted from the modem's "Forwarding Delay Up"; a
modem known to have restarted before gets it again. (A modem whose power fails in mid-packet is silent until it has
booted: if that takes longer than the packet, the packet is lost on the air as any other.)

- To command mode: a second of silence, then `+++`. In command mode the same is an unknown command, answered too, so
  that one question serves both. It also wakes a sleeping modem, which loses the characters that woke it; the next try
  is answered.
- Back online: `ATO`, answered by `CONNECT 00800 bits/sec`. A prompt `user:N>` while online means that the modem has
  restarted or left online mode: it is set up again. `Lowpower` means asleep: the next packet wakes it.
- Received: `DATA(0016):` and hexadecimal digits over as many lines as it takes, `Source:001  Destination:002`,
  `CRC:Pass MPD:03.2 SNR:31.3 AGC:91 SPD:+00.0 CCERR:013`, `<EOP>`.
- A length goes in front of each packet (`framing.sized`): a write that the operating system cut in two would arrive as
  two packets, two writes that had to wait in the modem may arrive as one, and no packet can begin with `+++`.

Sources: ATM-900 Series User's Manual (Teledyne Benthos P/N M-270-26, Rev. D) by way of two open drivers, its text
could not be had: Goby 3 `benthos_atm900_driver_fsm` (set-up, replies, received lines, 4091 bytes), AcousticModem by
H. Kibbe (rates 2 to 13, power 1 to 8, guard time 1 s). Not verified: the unit of `@FwdDelay` (Goby writes 0.05), and
how a modem refuses data while it sends; the driver hands it none.
"""

from __future__ import annotations

import re
from random import Random

from pydantic import Field, model_validator

from firmware_bridge.driver import ModemStatus, Outgoing
from firmware_bridge.drivers.scripted import ScriptedDriver, Step
from firmware_bridge.framing.lines import LineReader
from firmware_bridge.framing.nmea import finite, hex_bytes
from firmware_bridge.framing.sized import PREFIX_BYTES, unwrap_all, wrap
from firmware_bridge.profile import ModemProfile
from firmware_bridge.registry import ModemKind, settings_of
from firmware_bridge.sim.benthos import VirtualBenthos
from gateway.config import StrictModel
from gateway.errors import ConfigError
from gateway.metrics import Metrics

MAX_WRITE_BYTES = 4091
PROMPT = re.compile(rb"user:[0-9]{1,4}>")
_GUARD_S = 1.3
_MOST_GAP_S = 0.2
_NOISY = re.compile(r"DATA\((\d{1,5})\):?(.*)")
_FIGURE = re.compile(r"([A-Z]{2,6}):\s*([A-Za-z]+|[-+]?[0-9.]+)")
_NAMES = {"SNR": "snr_db", "MPD": "multipath_ms", "AGC": "agc_percent", "SPD": "relative_speed_kn"}
_MAX_DATA_LINES = 600


class BenthosSettings(StrictModel):
    """`rate_code` is `@TxRate` (2: 140 bit/s ... 8: 2400, 9: 2560 ... 13: 15360), `power` is `@TxPower` (1: -21 dB ...
    8: 0 dB); `destination` 255 reaches all. `wake_tones`: send tones before each packet, for remote modems that sleep.
    """

    address: int = Field(default=1, ge=0, le=249)
    destination: int = Field(default=255, ge=0, le=255)
    rate_code: int = Field(default=5, ge=2, le=13)
    power: int = Field(default=8, ge=1, le=8)
    wake_tones: bool = False
    forward_delay_s: float = Field(default=0.05, ge=0.05, le=5.0)
    extra: tuple[str, ...] = ()
    """Further parameters, as `@Name=value`, set at each start."""

    @model_validator(mode="after")
    def _fits(self) -> BenthosSettings:
        if 250 <= self.destination < 255:
            raise ValueError(f"destination: {self.destination} is neither 0 to 249 nor 255 (all)")
        for line in self.extra:
            if not re.fullmatch(r"@[A-Za-z0-9]{1,20}=[A-Za-z0-9.+-]{1,30}", line):
                raise ValueError(f"extra: {line!r} is not of the form @Name=value")
        return self


class BenthosDriver(ScriptedDriver):
    """One ATM-9xx."""

    _reply_s = 3.0

    def __init__(self, profile: ModemProfile, metrics: Metrics | None = None, rng: Random | None = None) -> None:
        super().__init__(profile, metrics)
        self.settings = settings_of(profile, BenthosSettings)
        if profile.air.mtu_bytes > MAX_WRITE_BYTES - PREFIX_BYTES:
            raise ConfigError(
                f"modem profile {profile.name}: air.mtu_bytes: at most {MAX_WRITE_BYTES - PREFIX_BYTES}, "
                f"not {profile.air.mtu_bytes}"
            )
        self._reader = LineReader(prompt=PROMPT)
        self._is_on_air = False
        self._is_asleep = False
        self._block: bytearray | None = None
        self._block_size = self._block_lines = 0
        self._is_bad = False
        self._snr_db: float | None = None
        self._connected = ""

    # ---- set-up

    def _script(self) -> list[Step]:
        chosen = self.settings
        values = {
            "P1EchoChar": "Dis",
            "OpMode": "0",
            "Prompt": "7",
            "Verbose": "3",
            "DataRetry": "0",
            "FwdDelay": f"{chosen.forward_delay_s:g}",
            "PrintHex": "Ena",
            "RcvAll": "Ena",
            "ShowBadData": "Ena",
            "WakeTones": "Ena" if chosen.wake_tones else "Dis",
            "LocalAddr": str(chosen.address),
            "RemoteAddr": str(chosen.destination),
            "TxRate": str(chosen.rate_code),
            "TxPower": str(chosen.power),
        }
        values |= dict(line[1:].split("=", 1) for line in chosen.extra)
        return [
            Step("+++", b"+++\r", _GUARD_S, "user:"),
            Step("AT", b"AT\r", expect="ok"),
            *(Step(f"@{name}", f"@{name}={value}\r".encode(), expect=name.lower()) for name, value in values.items()),
            Step("ATO", b"ATO\r", expect="connect"),
        ]

    def _ready_text(self) -> str:
        return f"online at {self._connected} bit/s" if self._connected else "online"

    def _forget_line(self) -> None:
        self._reader = LineReader(prompt=PROMPT)

    def _forget_modem(self) -> None:
        self._is_on_air = self._is_asleep = False
        self._block = None

    # ---- sending

    def _transmit(self, packet: Outgoing, now: float) -> None:
        if self._is_asleep:
            self._try_again()
            self._set_status(ModemStatus.STARTING, "waking the modem")
            self._start(now)
            return
        self._is_on_air = False
        block = wrap(packet.data)
        self._write(block)
        port = self.profile.port
        line_s = len(block) * port.bits_per_byte / port.baud
        self._wait_until = now + line_s + self.settings.forward_delay_s + self._reply_s

    def _waited_in_vain(self, now: float) -> None:
        if self._is_on_air:
            self._is_on_air = False
            self._done()
        else:
            super()._waited_in_vain(now)

    # ---- what the modem says

    def _parse(self, now: float) -> None:
        before = self._reader.overlong_lines
        lines = self._reader.receive(bytes(self._inbox))
        self._inbox.clear()
        self._count("modem.rx_overlong_lines", self._reader.overlong_lines - before)
        for line in lines:
            text = line.decode("ascii", "replace").strip()
            if text:
                self._take(text, now)

    def _take(self, text: str, now: float) -> None:
        self._heard_at = now
        if self._take_received(text):
            return
        step = self._step
        if "lowpower" in text.lower():
            self._fell_asleep()
        elif text.startswith("Forwarding Delay Up"):
            self._begun(now)
        elif text.startswith("CONNECT"):
            self._connected = text.removeprefix("CONNECT").strip().split(" ")[0].lstrip("0")[:8]
            if step is not None and step.expect == "connect":
                self._answered(now)
        elif PROMPT.fullmatch(text.encode("ascii", "replace")):
            if step is not None and step.expect == "user:":
                self._answered(now)
            elif self._status is ModemStatus.READY and not self._is_asleep:
                self._modem_restarted(now, "the modem has left online mode")
        elif step is not None:
            self._take_reply(step, text, now)
        else:
            self.metrics.count("modem.rx_other_lines")

    def _take_reply(self, step: Step, text: str, now: float) -> None:
        name, bar, _ = text.partition("|")
        if step.expect == "user:":
            if "'+++'" in text:
                self._answered(now)
        elif step.expect == "ok":
            if text == "OK":
                self._answered(now)
        elif bar and name.strip().lower() == step.expect:
            self._answered(now)
        elif step.command.startswith(b"@") and ("not found" in text or "nvalid" in text):
            self._refused(now)

    def _fell_asleep(self) -> None:
        self.metrics.count("modem.low_power")
        if self._status is ModemStatus.READY:
            self._is_asleep = True
            self._set_status(ModemStatus.READY, "asleep; the next packet wakes the modem")

    def _begun(self, now: float) -> None:
        packet = self._under_way
        if packet is not None and not self._is_on_air:
            self._is_on_air = True
            # The profile's time begins with our write, and has a short one in it.
            passed_s = min(_MOST_GAP_S, now - (packet.begun_s or now))
            self._wait_until = now + max(0.05, self.info.airtime_s(len(packet.data)) - passed_s)

    # ---- received packets

    def _take_received(self, text: str) -> bool:
        """Whether the line belongs to a received packet."""
        begin = _NOISY.match(text)
        if begin is not None:
            if self._block is not None:
                self.metrics.count("modem.rx_incomplete")
            self._block, self._block_size = bytearray(), int(begin[1])
            self._block_lines, self._is_bad, self._snr_db = 0, False, None
            self._add_digits(begin[2])
            return True
        if self._block is None:
            return False
        if text.startswith("<EOP>"):
            self._deliver()
            return True
        if text.startswith("Source:"):
            return True
        if text.startswith("CRC:"):
            self._take_figures(text)
            return True
        if len(self._block) < self._block_size and re.fullmatch(r"[0-9A-Fa-f ]+", text):
            self._add_digits(text)
            return True
        return False

    def _add_digits(self, digits: str) -> None:
        data = hex_bytes(digits.replace(" ", ""))
        self._block_lines += 1
        if data is None or self._block is None or self._block_lines > _MAX_DATA_LINES:
            self._is_bad = True
        else:
            self._block += data

    def _take_figures(self, text: str) -> None:
        for name, value in _FIGURE.findall(text):
            if name == "CRC":
                self._is_bad = self._is_bad or value != "Pass"
            elif name in _NAMES:
                number = finite(value)
                if number is not None:
                    self._measured(_NAMES[name], number)
                    self._snr_db = number if name == "SNR" else self._snr_db
            elif name == "CCERR" and value.isdecimal():
                self._measured("corrected_errors", float(value[:9]))

    def _deliver(self) -> None:
        block, self._block = bytes(self._block or b""), None
        packets = unwrap_all(block)
        if self._is_bad or len(block) != self._block_size:
            self.metrics.count("modem.rx_bad_crc")
        elif packets is None:
            self.metrics.count("modem.rx_foreign")
        else:
            for packet in packets:
                self._heard(packet, self._snr_db)


MODEM = ModemKind("benthos", BenthosSettings, BenthosDriver, VirtualBenthos)
