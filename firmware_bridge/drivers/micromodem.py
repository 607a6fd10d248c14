"""WHOI Micromodem and Micromodem-2: acoustic packets by NMEA sentences.

Rule: a packet is `PacketSent` when the modem says that its transmission has ended ($CATXF), and is sent again if the
modem restarts before.

Two ways to send, `packets` in the settings:
- "flexible": one $CCTDP sentence, answered by $CATDP, heard as $CARDP. Micromodem-2; rates 1, 3 and 5; the packet
  takes as long as its bytes need.
- "cycle": $CCCYC, then $CADRQ asks for each frame, answered by $CCTXD; heard as $CARXD, frame by frame. Both modems,
  all rates; frames of a fixed length, so that a length goes in front of each packet (`framing.sized`).

Sources: the documents are the Micro-Modem Software Interface Guide (WHOI 401040, v3.24) and the Micromodem-2 User's
Guide; their text could not be had, so sentences and fields are as two open drivers read them: Goby 3 `mm_driver.cpp`
(CYC, DRQ, TXD, RXD, TDP, RDP, CFG, REV; frames by rate; reply time-out 5 s; 2 s after a boot) and pyacomms
`cyclestats.py`, `messageparams.py` (CACST, rates of flexible packets). Not verified: what a busy modem says (any $CAERR
or error flag counts as "not now"), and which address reaches everybody.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Literal

from pydantic import Field, model_validator

from firmware_bridge.driver import Outgoing
from firmware_bridge.drivers.scripted import ScriptedDriver, Step
from firmware_bridge.framing.nmea import NmeaReader, Sentence, hex_bytes
from firmware_bridge.framing.sized import PREFIX_BYTES, missing_bytes, unwrap, wrap
from firmware_bridge.profile import ModemProfile
from firmware_bridge.registry import ModemKind, settings_of
from firmware_bridge.sim.micromodem import VirtualMicromodem
from gateway.config import StrictModel
from gateway.errors import ConfigError
from gateway.metrics import Metrics

CYCLE_FRAMES = {0: (1, 32), 1: (3, 64), 2: (3, 64), 3: (2, 256), 4: (2, 256), 5: (8, 256), 6: (6, 32)}
"""Rate: (frames in a packet, bytes in a frame)."""
FLEXIBLE_RATES = (1, 3, 5)
MAX_FLEXIBLE_BYTES = 100
"""What Goby sends at most in one flexible packet."""
_BOOT_S = 2.0
_AIR_SLACK_S = 5.0
_RETRY_S = 0.5


class MicromodemSettings(StrictModel):
    """`address` is this modem's, `destination` the others' (or the one for all); `nvram` are further parameters that
    are set at each start, by their three characters: `nvram = { BND = 1 }`."""

    address: int = Field(default=1, ge=0, le=127)
    destination: int = Field(default=15, ge=0, le=127)
    rate: int = Field(default=1, ge=0, le=6)
    packets: Literal["flexible", "cycle"] = "flexible"
    nvram: dict[str, int] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fits(self) -> MicromodemSettings:
        if self.packets == "flexible" and self.rate not in FLEXIBLE_RATES:
            raise ValueError(f"flexible packets have rates 1, 3 and 5, not {self.rate}")
        for name in self.nvram:
            if not (len(name) == 3 and name.isalnum() and name.isascii() and name.isupper()):
                raise ValueError(f"nvram: {name!r} is not three capital letters or digits")
        return self

    def mtu_bytes(self) -> int:
        """The longest packet."""
        frames, size = CYCLE_FRAMES[self.rate]
        return (MAX_FLEXIBLE_BYTES if self.packets == "flexible" else frames * size) - PREFIX_BYTES


class _Stage(Enum):
    """How far the packet under way is."""

    IDLE = "idle"
    ASKED = "asked"
    """The command is written."""
    CYCLING = "cycling"
    """The modem asks for frames."""
    TAKEN = "taken"
    """The modem has all of it."""


@dataclass(slots=True)
class _Assembly:
    """Frames of one packet heard so far."""

    source: int
    next_frame: int
    data: bytearray


class MicromodemDriver(ScriptedDriver):
    """One Micromodem."""

    def __init__(self, profile: ModemProfile, metrics: Metrics | None = None, rng: Random | None = None) -> None:
        super().__init__(profile, metrics)
        self.settings = settings_of(profile, MicromodemSettings)
        if profile.air.mtu_bytes > self.settings.mtu_bytes():
            raise ConfigError(
                f"modem profile {profile.name}: air.mtu_bytes: {profile.air.mtu_bytes} is more than the "
                f"{self.settings.mtu_bytes()} bytes of a {self.settings.packets} packet at rate {self.settings.rate}"
            )
        self._reader = NmeaReader()
        self._stage = _Stage.IDLE
        self._frames: list[bytes] = []
        self._frames_taken = 0
        self._assembly: _Assembly | None = None
        self._firmware = ""
        self._is_booting = False

    # ---- set-up

    def _script(self) -> list[Step]:
        wanted = {"SRC": self.settings.address, "CST": 1, "TXF": 1, "ASD": 0, **self.settings.nvram}
        quiet_s, self._is_booting = (_BOOT_S if self._is_booting else 0.0), False
        ask = Step("$CCCFQ,SRC", Sentence("CCCFQ", ("SRC",)).to_bytes(), quiet_s, "SRC")
        return [ask] + [
            Step(f"$CCCFG,{key}", Sentence("CCCFG", (key, str(value))).to_bytes(), expect=f"{key},{value}")
            for key, value in wanted.items()
        ]

    def _probe(self) -> Step | None:
        return Step("$CCCFQ,SRC", Sentence("CCCFQ", ("SRC",)).to_bytes(), expect="SRC")

    def _ready_text(self) -> str:
        return f"ready, firmware {self._firmware}" if self._firmware else "ready"

    def _forget_line(self) -> None:
        self._reader = NmeaReader()

    def _forget_modem(self) -> None:
        # A Micromodem-2 garbles its line while RTS is on and flow control off (Goby).
        self._set_line("rts", False)
        self._stage, self._assembly = _Stage.IDLE, None

    # ---- sending

    def _transmit(self, packet: Outgoing, now: float) -> None:
        block, settings = wrap(packet.data), self.settings
        self._stage, self._frames_taken = _Stage.ASKED, 0
        if settings.packets == "flexible":
            self._frames = [block]
            fields = (str(settings.destination), str(settings.rate), "0", "0", block.hex())
            self._write(Sentence("CCTDP", fields).to_bytes())
        else:
            size = CYCLE_FRAMES[settings.rate][1]
            self._frames = [block[at : at + size] for at in range(0, len(block), size)]
            numbers = (0, settings.address, settings.destination, settings.rate, 0, len(self._frames))
            self._write(Sentence("CCCYC", tuple(str(number) for number in numbers)).to_bytes())
        self._wait_until = now + self._reply_s

    def _taken(self, now: float) -> None:
        self._stage = _Stage.TAKEN
        self._wait_until = now + self.info.airtime_s(self.profile.air.mtu_bytes) + _AIR_SLACK_S

    def _not_taken(self, now: float) -> None:
        self._stage = _Stage.IDLE
        self._busy(now, _RETRY_S)

    def _waited_in_vain(self, now: float) -> None:
        if self._stage is _Stage.TAKEN:
            # The modem confirmed that it has the packet; its report of the end got lost, or is switched off.
            self.metrics.count("modem.tx_unconfirmed")
            self._stage = _Stage.IDLE
            self._done()
            return
        self._stage = _Stage.IDLE
        super()._waited_in_vain(now)

    # ---- what the modem says

    def _parse(self, now: float) -> None:
        bad, stray = self._reader.bad_sentences, self._reader.stray_bytes
        sentences = self._reader.receive(bytes(self._inbox))
        self._inbox.clear()
        self._count("modem.rx_bad_sentences", self._reader.bad_sentences - bad)
        self._count("modem.rx_garbage_bytes", self._reader.stray_bytes - stray)
        for sentence in sentences:
            # Our own, echoed, begins with CC.
            if sentence.name.startswith("CA"):
                self._heard_at = now
                self._take(sentence, now)

    def _take(self, said: Sentence, now: float) -> None:
        match said.name:
            case "CACFG":
                self._take_setting(said, now)
            case "CAERR":
                self._take_error(said, now)
            case "CAREV":
                self._take_revision(said, now)
            case "CATDP" if self._stage is _Stage.ASKED:
                if said.integer(0) == 0:
                    self._taken(now)
                else:
                    self._not_taken(now)
            case "CACYC" if self._stage is _Stage.ASKED and said.integer(1) == self.settings.address:
                self._stage = _Stage.CYCLING
                self._wait_until = now + self.info.fixed_s + 2 * self._reply_s
            case "CADRQ":
                self._answer_request(said, now)
            case "CATXD" if self._stage is _Stage.CYCLING:
                self._frames_taken += 1
                if self._frames_taken >= len(self._frames):
                    self._taken(now)
            case "CATXF" if self._stage is _Stage.TAKEN:
                self._stage = _Stage.IDLE
                self._done()
            case "CARXD":
                self._take_frame(said)
            case "CARDP":
                self._take_flexible(said)
            case "CACST":
                self._take_statistics(said)
            case "CAMSG":
                self.metrics.count(f"modem.rx_{_word(said.field(0))}")
            case "CAACK":
                self.metrics.count("modem.rx_acks")

    def _take_setting(self, said: Sentence, now: float) -> None:
        step = self._step
        if step is None:
            return
        if step.expect == said.field(0):
            if self._is_ready_for_packets() and said.integer(1) != self.settings.address:
                self._modem_restarted(now, "the modem has lost its settings")
            else:
                self._answered(now)
        elif step.expect == f"{said.field(0)},{said.field(1)}":
            self._answered(now)

    def _is_ready_for_packets(self) -> bool:
        """Whether the question under way is a probe, not part of the script."""
        return self._status.name == "READY"

    def _take_error(self, said: Sentence, now: float) -> None:
        # $CAERR,HHMMSS,MODULE,NUMBER,MESSAGE
        self.metrics.count("modem.errors")
        if self._step is not None:
            self._refused(now)
        elif self._stage in (_Stage.ASKED, _Stage.CYCLING):
            self._not_taken(now)

    def _take_revision(self, said: Sentence, now: float) -> None:
        # $CAREV,HHMMSS,INIT,... at boot; $CAREV,HHMMSS,AUV,2.0.35490 as a heartbeat.
        if said.field(1) == "INIT":
            self._is_booting = True
            self._modem_restarted(now, "the modem has booted")
        elif said.field(1) == "AUV":
            self._firmware = said.field(2)[:24]

    def _answer_request(self, said: Sentence, now: float) -> None:
        # $CADRQ,HHMMSS,SRC,DEST,ACK,N,F#: frames count from 1. A request that is not ours gets an empty frame, or it
        # would be repeated.
        number = said.integer(5)
        is_ours = self._stage in (_Stage.ASKED, _Stage.CYCLING) and said.integer(1) == self.settings.address
        data = b""
        if is_ours and number is not None and 1 <= number <= len(self._frames):
            self._stage = _Stage.CYCLING
            data = self._frames[number - 1]
            self._wait_until = now + self._reply_s
        self._write(Sentence("CCTXD", (said.field(1), said.field(2), "0", data.hex())).to_bytes())

    def _take_flexible(self, said: Sentence) -> None:
        # $CARDP,SRC,DEST,RATE,ACK,RESERVED,MINI,DATA, the last two "good;bytes;hex" for each frame, joined by ";".
        if not self._is_for_us(said.integer(1)):
            return
        parts = [part for place in (5, 6) for part in said.field(place).split(";") if said.field(place)]
        frames = [parts[at : at + 3] for at in range(0, len(parts), 3)]
        if not frames or any(len(frame) != 3 or frame[0] != "1" for frame in frames):
            self.metrics.count("modem.rx_bad_crc")
            return
        block = b"".join(hex_bytes(frame[2]) or b"" for frame in frames)
        packet = unwrap(block)
        if packet is None:
            self.metrics.count("modem.rx_foreign")
        else:
            self._heard(packet)

    def _take_frame(self, said: Sentence) -> None:
        # $CARXD,SRC,DEST,ACK,F#,HEX
        source, number, data = said.integer(0), said.integer(3), hex_bytes(said.field(4))
        if source is None or number is None or data is None or not self._is_for_us(said.integer(1)):
            return
        if number == 1:
            self._assembly = _Assembly(source, 1, bytearray())
        assembly = self._assembly
        if assembly is None or (assembly.source, assembly.next_frame) != (source, number):
            self.metrics.count("modem.rx_incomplete")
            self._assembly = None
            return
        assembly.data += data
        assembly.next_frame += 1
        missing = missing_bytes(bytes(assembly.data))
        if missing == 0:
            self._heard(unwrap(bytes(assembly.data)) or b"")
        elif missing is None:
            self.metrics.count("modem.rx_foreign")
        if missing is None or missing == 0 or number >= max(frames for frames, _ in CYCLE_FRAMES.values()):
            self._assembly = None

    def _is_for_us(self, destination: int | None) -> bool:
        if destination in (self.settings.address, self.settings.destination):
            return True
        self.metrics.count("modem.rx_for_others")
        return False

    def _take_statistics(self, said: Sentence) -> None:
        # Version 6 and later say so in the first field; before, the mode stands there. Mode 2: nothing was received.
        shift = 1 if (said.integer(0) or 0) >= 6 else 0
        if said.integer(shift) == 2:
            return
        names = {20: "snr_in_db", 21: "snr_out_db", 23: "mse_db", 25: "doppler_m_s"}
        for place, name in names.items():
            value = said.number(place + shift)
            if value is not None and math.isfinite(value):
                self._measured(name, value)


def _word(text: str) -> str:
    """A modem's word as the end of a counter's name."""
    return "".join(letter if letter.isalnum() else "_" for letter in text.lower()[:24]) or "message"


MODEM = ModemKind("micromodem", MicromodemSettings, MicromodemDriver, VirtualMicromodem)
