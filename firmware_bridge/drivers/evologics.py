"""EvoLogics S2C underwater modems: packets as instant messages (live) or as burst data, on serial or TCP 9200.

Rule: half duplex is the modem's own affair, but what it answers by BUSY, and what is cut by a reception, waits and goes
again; nothing is sent twice that the modem said it delivered.

Instant messages (*SENDIM) have up to 64 bytes and take 153 ms and 11 ms a byte (measured by others). With `noack` a
packet is sent when the modem says SENDEND; with `ack` when it says DELIVEREDIM, and again after FAILEDIM. Burst data
(*SEND) is acknowledged always (DELIVERED, FAILED) and too slow to begin for live voice.

On TCP the modem is in data mode, and each command begins with +++; on serial it is brought to command mode by +++ with
a second of silence before and after. A command ends with LF on TCP and CR on serial.

Source: see `firmware_bridge.framing.evologics`; end of line and addresses as users quote the S2C guide. What is done on
BUSY, after FAILED and after a missing SENDEND is ours.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from firmware_bridge.driver import Lines, ModemDriver, ModemStatus, Outgoing
from firmware_bridge.framing.evologics import EvoAnswer, EvoEcho, EvoNotice, EvoParser, EvoReceived
from firmware_bridge.profile import ModemProfile
from firmware_bridge.registry import ModemKind, settings_of
from firmware_bridge.sim.evologics import VirtualEvoLogics, VirtualEvoLogicsSection
from gateway.config import StrictModel
from gateway.metrics import Metrics

BROADCAST = 255
MAX_INSTANT_BYTES = 64
ANSWER_S = 3.0
GUARD_S = 1.1
FIRST_SILENT_S, LONGEST_SILENT_S = 2.0, 30.0
SILENT_AFTER = 2
RECEPTION_S = 1.5
"""Longest instant message: so long does a RECVSTART without its end hold us back."""
SLACK_S = 1.0
ACK_S = 3.0
STALE_S = 2.0
"""A message that remains half for so long is garbage."""
FIRST_BUSY_S, LONGEST_BUSY_S = 0.1, 2.0


class EvoLogicsSettings(StrictModel):
    """[settings] of an EvoLogics modem."""

    line: Literal["tcp", "serial"] = "tcp"
    mode: Literal["instant", "burst"] = "instant"
    flag: Literal["noack", "ack"] = "noack"
    local: int | None = Field(default=None, ge=1, le=254)
    """This modem's address, set at start; None: as the modem has it."""
    remote: Literal["other"] | Annotated[int, Field(ge=1, le=255)] = BROADCAST
    """Who is sent to; 255: everyone; "other": of two modems 1 and 2, the one that this is not."""
    pid: int | None = Field(default=None, ge=0, le=7)
    """Protocol id of extended networking (`p0,` in each command); None: none."""
    tries: int = Field(default=3, ge=1, le=100)
    """How often a packet is sent that fails or that the modem refuses."""
    source_level: int | None = Field(default=None, ge=0, le=3)
    """AT!L: 0 loudest, 3 quietest."""
    init: tuple[str, ...] = ()
    """More commands of set-up, in full (`AT!G1`)."""
    probe_s: float = Field(default=60.0, gt=0)
    """How often a modem that says nothing is asked for a sign of life."""
    burst_timeout_s: float = Field(default=120.0, gt=0)
    virtual: VirtualEvoLogicsSection = VirtualEvoLogicsSection()

    @model_validator(mode="after")
    def _has_receiver(self) -> Self:
        if self.remote == BROADCAST and (self.flag == "ack" or self.mode == "burst"):
            raise ValueError("remote: acknowledged messages need one receiver, not 255")
        return self


class EvoLogicsDriver(ModemDriver):
    """One station's modem."""

    def __init__(self, profile: ModemProfile, metrics: Metrics, rng: Random) -> None:
        """Raises ConfigError for wrong settings."""
        super().__init__(profile, metrics)
        self._settings = settings_of(profile, EvoLogicsSettings)
        self._link = profile.link_info()
        self._rng = rng
        self._parser = EvoParser()
        self._asked: tuple[str, float, Callable[[str | None, float], None]] | None = None
        self._timer: tuple[float, Callable[[float], None]] | None = None
        self._silent_times = 0
        self._heard_s = 0.0
        self._hold_s = 0.0
        self._busy_times = 0
        self._failures: tuple[int, int] = (0, 0)
        self._given_s: float | None = None
        """Until when the modem must have said what became of the packet that it took."""
        self._fate: str | None = None
        """What it said of it, before it said that it took it."""
        self._says_ends = False
        """Whether this modem was heard to say when it sends."""
        self._remote = BROADCAST
        self.address: int | None = None

    # ---- commands

    def _ask(self, command: bytes, then: Callable[[str | None, float], None], now: float) -> None:
        """`then` gets the answer, or None: there was none."""
        serial = self._settings.line == "serial"
        self._timer = None
        self._asked = (command.decode("latin-1"), now + ANSWER_S, then)
        self._write(command + b"\r" if serial else b"+++" + command + b"\n")

    def _later(self, when_s: float, then: Callable[[float], None]) -> None:
        self._timer = (when_s, then)

    def _answered(self, answer: EvoAnswer, now: float) -> None:
        if self._asked is None or (answer.command and not self._asked[0].startswith("AT" + answer.command)):
            self.metrics.count("modem.rx_unexpected")
            return
        then, self._asked = self._asked[2], None
        then(answer.text, now)

    # ---- greeting and set-up

    def _start(self, now: float) -> None:
        self._silent_times = 0
        self._greet(now)

    def _greet(self, now: float) -> None:
        self._asked, self._given_s, self._fate = None, None, None
        if self._settings.line == "serial":
            self._later(now + GUARD_S, self._escape)
        else:
            self._ask(b"AT?AL", self._has_address, now)

    def _escape(self, now: float) -> None:
        """To command mode; a modem that is there already does not mind, nor does it answer."""
        self._write(b"+++")
        self._later(now + GUARD_S, lambda now: self._ask(b"AT?AL", self._has_address, now))

    def _has_address(self, answer: str | None, now: float) -> None:
        if answer is None or not answer.isdecimal():
            # OK of the +++ comes before the address, and is passed over by asking again.
            if answer is not None and self._silent_times < SILENT_AFTER:
                self._silent_times += 1
                self._later(now + 0.2, lambda now: self._ask(b"AT?AL", self._has_address, now))
                return
            self._silent(now, "modem does not answer: is it on, and is this its port?")
            return
        self._silent_times = 0
        self.address = int(answer)
        self._step(self._steps(), now)

    def _steps(self) -> list[str]:
        settings = self._settings
        steps = list(settings.init)
        if settings.source_level is not None:
            steps.append(f"AT!L{settings.source_level}")
        if settings.local is not None and settings.local != self.address:
            steps.append(f"AT!AL{settings.local}")
        return steps

    def _step(self, steps: list[str], now: float) -> None:
        if not steps:
            self._ready(now)
            return

        def done(answer: str | None, now: float) -> None:
            if answer is None:
                self._silent(now, "modem stopped answering")
                return
            if not answer.endswith("OK"):
                self.metrics.count("modem.refused_commands")
                self._set_status(ModemStatus.STARTING, f"modem refuses {steps[0]}: {answer}")
            elif steps[0].startswith("AT!AL"):
                self.address = self._settings.local
            self._step(steps[1:], now)

        self._ask(steps[0].encode("ascii", "replace"), done, now)

    def _ready(self, now: float) -> None:
        self._hold_s = now
        self._remote = self._settings.remote if self._settings.remote != "other" else 1 + (self.address == 1)
        remote = "everyone" if self._remote == BROADCAST else str(self._remote)
        self._set_status(ModemStatus.READY, f"ready: {self.address} to {remote}, {self._settings.mode}")
        self._later(now + self._settings.probe_s, self._probe)

    def _silent(self, now: float, why: str) -> None:
        self.metrics.count("modem.silent")
        self._silent_times += 1
        self._try_again()
        self._given_s = self._fate = None
        if self._silent_times >= SILENT_AFTER or self._status is ModemStatus.READY:
            self._set_status(ModemStatus.SILENT, why)
        wait_s = min(LONGEST_SILENT_S, FIRST_SILENT_S * 2.0 ** min(self._silent_times - 1, 10))
        self._later(now + wait_s, self._greet)

    def _probe(self, now: float) -> None:
        """A sign of life, when nothing else was heard."""
        if self._asked is not None or self._under_way is not None:
            self._later(now + self._settings.probe_s, self._probe)
        elif now < self._heard_s + self._settings.probe_s:
            self._later(self._heard_s + self._settings.probe_s, self._probe)
        else:
            self._ask(b"AT?AL", self._probed, now)

    def _probed(self, answer: str | None, now: float) -> None:
        if answer is None:
            self._silent(now, "modem stopped answering")
        elif answer.isdecimal() and self._settings.local not in (None, int(answer)):
            self._modem_restarted(now, "modem has lost its address: setting it up again")
        else:
            self._later(now + self._settings.probe_s, self._probe)

    # ---- out

    def _is_free(self, now: float) -> bool:
        return self._asked is None and now >= self._hold_s

    def _transmit(self, packet: Outgoing, now: float) -> None:
        settings = self._settings
        if settings.mode == "instant" and len(packet.data) > MAX_INSTANT_BYTES:
            self._give_up(f"{len(packet.data)} bytes: an instant message has up to {MAX_INSTANT_BYTES}")
            return
        if self._failures[0] != packet.number:
            self._failures = (packet.number, 0)
        self._fate = self._given_s = None
        pid = "" if settings.pid is None else f"p{settings.pid},"
        what = f"*SENDIM,{pid}{len(packet.data)},{self._remote},{settings.flag},"
        if settings.mode == "burst":
            what = f"*SEND,{pid}{len(packet.data)},{self._remote},"
        probe = self._timer
        self._ask(b"AT" + what.encode() + packet.data, self._taken, now)
        self._timer = probe

    def _taken(self, answer: str | None, now: float) -> None:
        packet = self._under_way
        if answer is None:
            self._silent(now, "modem stopped answering")
        elif packet is None:
            self.metrics.count("modem.rx_unexpected")
        elif answer.endswith("OK"):
            self._silent_times = self._busy_times = 0
            settings = self._settings
            longest_s = self._link.airtime_s(len(packet.data)) + self._link.turnaround_s + SLACK_S
            if settings.mode == "burst":
                longest_s = settings.burst_timeout_s
            elif settings.flag == "ack":
                longest_s += 2 * self._link.delay_s + ACK_S
            self._given_s = now + longest_s
            if self._fate is not None:
                self._has_fate(self._fate, now)
        elif "BUSY" in answer:
            self.metrics.count("modem.busy")
            wait_s = min(LONGEST_BUSY_S, FIRST_BUSY_S * 2.0 ** min(self._busy_times, 10))
            self._busy_times += 1
            self._hold(now, wait_s)
            self._try_again()
        else:
            self._failed(now, answer)

    def _hold(self, now: float, wait_s: float) -> None:
        self._hold_s = max(self._hold_s, now + wait_s * self._rng.uniform(0.5, 1.5))

    def _failed(self, now: float, why: str) -> None:
        """The packet under way goes again, as often as the settings say."""
        self._given_s = self._fate = None
        packet = self._under_way
        if packet is None:
            return
        self.metrics.count("modem.tx_failed")
        self._failures = (packet.number, self._failures[1] + 1)
        if self._failures[1] >= self._settings.tries:
            self._give_up(f"{why}, {self._settings.tries} times")
        else:
            self._hold(now, FIRST_BUSY_S + self._apart_s(packet))
            self._try_again()

    def _apart_s(self, packet: Outgoing) -> float:
        """Two that began at once and heard nothing of each other would do so again and again: each waits by chance, up
        to two packets' time, and longer each time. Without acknowledgement nobody knows of it."""
        if self._settings.mode == "instant" and self._settings.flag != "ack":
            return 0.0
        packet_s = self._link.airtime_s(len(packet.data)) + self._link.delay_s
        return self._rng.uniform(0.0, 2 * packet_s * self._failures[1])

    @property
    def _turn_s(self) -> float:
        """After a reception all may want to be next. An instant message does not wait: live voice has no time, and
        others are silent meanwhile."""
        return self._link.delay_s * self._rng.random() if self._settings.mode == "burst" else 0.0

    @property
    def _reception_s(self) -> float:
        return self._link.airtime_s(self.profile.air.mtu_bytes) if self._settings.mode == "burst" else RECEPTION_S

    def _noticed(self, notice: EvoNotice, now: float) -> None:
        ends = self._endings()
        if notice.name in ends and self._under_way is not None:
            if self._given_s is None:
                self._fate = notice.name  # it overtook the answer
            else:
                self._has_fate(notice.name, now)
        match notice.name:
            case "SENDSTART" | "SENDEND":
                self._says_ends = True
            case "RECVSTART":
                self._hold_s = max(self._hold_s, now + self._reception_s)
            case "RECVEND" | "RECVFAILED":
                self._hold_s = now + self._turn_s
                if notice.name == "RECVFAILED":
                    self.metrics.count("modem.rx_failed")
            case "PHYOFF":
                self._set_status(ModemStatus.STARTING, "transceiver switched off")
                self._later(now + FIRST_SILENT_S, self._greet)
            case "BITRATE" if notice.fields[:1] == ("local",) and notice.fields[-1].isdecimal():
                self._measured("bit_rate_bps", float(notice.fields[-1]))

    def _endings(self) -> tuple[str, ...]:
        """The notifications that end the kind of message which is sent."""
        if self._settings.mode == "burst":
            return ("DELIVERED", "FAILED")
        if self._settings.flag == "ack":
            return ("DELIVEREDIM", "FAILEDIM", "CANCELEDIM")
        return ("SENDEND", "CANCELEDIM")

    def _has_fate(self, name: str, now: float) -> None:
        self._fate = None
        if name in ("SENDEND", "DELIVERED", "DELIVEREDIM"):
            self._given_s = None
            if name == "DELIVERED":  # now the other may; what it begins is heard by then
                self._hold_s = now + self._link.delay_s * self._rng.uniform(1.5, 2.5)
            self._sent()
        else:
            self._failed(now, name)

    # ---- in

    def _parse(self, now: float) -> None:
        skipped = self._parser.skipped_bytes
        messages = self._parser.feed(bytes(self._inbox))
        self._inbox.clear()
        if self._status is ModemStatus.STOPPED:
            return
        self._heard_s = now
        for message in messages:
            match message:
                case EvoAnswer():
                    self._answered(message, now)
                case EvoNotice():
                    self._noticed(message, now)
                case EvoReceived():
                    self._received(message, now)
                case EvoEcho():
                    self.metrics.count("modem.rx_echo")
        if self._parser.skipped_bytes > skipped:
            self.metrics.count("modem.rx_garbage_bytes", self._parser.skipped_bytes - skipped)

    def _received(self, message: EvoReceived, now: float) -> None:
        self._hold_s = min(self._hold_s, now)
        self._measured("rssi_db", message.rssi_db)
        self._measured("integrity", message.integrity)
        self._measured("velocity_mps", message.velocity_mps)
        if message.data:
            self._heard(message.data)

    # ---- time

    def next_deadline(self) -> float | None:
        times = [self._timer[0] if self._timer else None, self._asked[1] if self._asked else None, self._given_s]
        if self._queue and self._under_way is None and self._asked is None and self._status is ModemStatus.READY:
            times.append(self._hold_s)
        if self._parser.has_begun:
            times.append(self._heard_s + STALE_S)
        return min((time for time in times if time is not None), default=None)

    def _tick(self, now: float) -> None:
        if self._parser.has_begun and now >= self._heard_s + STALE_S:
            self.metrics.count("modem.rx_cut_off")
            self._parser.flush()
        if self._asked is not None and now >= self._asked[1]:
            then, self._asked = self._asked[2], None
            then(None, now)
        if self._given_s is not None and now >= self._given_s:
            self._given_s = None
            if self._settings.mode == "instant" and self._settings.flag == "noack" and not self._says_ends:
                # Old firmware never says SENDEND: its air time is over by all figures, it is gone.
                self.metrics.count("modem.missing_sendend")
                self._sent()
            else:
                self._failed(now, "no word of what became of it")
        if self._timer is not None and now >= self._timer[0]:
            then_, self._timer = self._timer[1], None
            then_(now)

    def port_opened(self, now: float, lines: Lines | None = None) -> None:
        self._parser.reset()
        self._says_ends = False
        self._heard_s = self._hold_s = now
        super().port_opened(now, lines)

    def shut_down(self, now: float) -> None:
        super().shut_down(now)
        self._asked = self._timer = self._given_s = self._fate = None

    def port_closed(self, now: float, why: str) -> None:
        super().port_closed(now, why)
        self._asked = self._timer = self._given_s = self._fate = None


MODEM = ModemKind("evologics", EvoLogicsSettings, EvoLogicsDriver, VirtualEvoLogics)
