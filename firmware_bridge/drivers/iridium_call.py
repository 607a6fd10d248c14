"""Iridium data call (9522, 9522B, 9523 and what is built on them): 2400 bit/s as a byte stream, packets framed in it.

Rule: the call is redialled for ever, with bounded back-off; a packet is kept until the far end must have it.

One side dials and one answers; `either` does what comes first, and after a call that it answered leaves the dialling to
the other side for longer. In the call, packets travel as zero-delimited COBS frames with CRC-16
(`firmware_bridge.framing.delimited`), so that what the network damages is dropped and NO CARRIER in the stream is told
from data. An empty frame is the keep-alive: a call in which nothing is heard for three of them is hung up.

A packet counts as sent when its air time is over. What may not have arrived when the call drops goes again in the next
one, ahead of everything else (a copy that arrives twice does no harm). After a NO CARRIER that is what was sent less
than a round trip and a detection time ago; where a call turns out to be gone without one, what was sent since the far
end was last heard.

Sources: Iridium, ISU AT Command Reference, version 2.45 (2011), and 9523 Product Developers' Guide 2.6: result codes
3.6; &C 5.25, &D 7.6, X 7.5, +CREG, +CSQ 10.4, S0, S2 and S12 12.2, traffic rate 10.1. +CBST=71,0,1 (9600 bit/s, V.110:
what RUDICS and calls between modems need) is from users' reports, not verified.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from random import Random
from typing import Literal, Self

from pydantic import Field, model_validator

from firmware_bridge.driver import Lines, ModemStatus, Outgoing
from firmware_bridge.drivers.isu import IsuDriver, backed_off_s
from firmware_bridge.framing.at import AtDone, AtLeftData, ResultCode
from firmware_bridge.framing.delimited import CobsFramer
from firmware_bridge.profile import ModemProfile
from firmware_bridge.registry import ModemKind, settings_of
from firmware_bridge.sim.iridium import VirtualCallSection, VirtualIridiumCall
from gateway.config import StrictModel
from gateway.metrics import Metrics

DETECTION_S = 4.0
"""From the end of a call until its NO CARRIER is believed, and some."""
MARGIN_S = 0.5
"""How much longer than its delay a way may be: cable, buffers."""
MISSED_KEEP_ALIVES = 3
LISTEN_AGAIN = 4
"""After a call it answered, an `either` side listens so many times longer before it dials."""
LASTING_CALL_S = 60.0
"""A call that held so long starts the back-off anew."""
ECHOES = 2
RINGS_LAST_S = 8.0
MAX_UNSURE = 256


class CallSettings(StrictModel):
    """[settings] of an Iridium call."""

    role: Literal["dial", "answer", "either"] = "either"
    number: str = Field(default="", pattern=r"^[0-9+*#]{0,32}$")
    """Of the far end, as dialled from the phone: 00 and the country code first."""
    bearer: str = Field(default="71,0,1", pattern=r"^[0-9]*(,[0-9]+)*$")
    """For AT+CBST; empty: as the modem has it."""
    auto_answer: bool = False
    """Let the modem answer by itself (S0=1) instead of ATA at RING."""
    pin: str | None = Field(default=None, pattern=r"^[0-9]{4,8}$")
    init: tuple[str, ...] = ()
    """More commands of set-up, in full (`AT&K3`)."""
    dial_timeout_s: float = Field(default=90.0, gt=0)
    redial_first_s: float = Field(default=5.0, gt=0)
    redial_longest_s: float = Field(default=120.0, gt=0)
    listen_s: float = Field(default=30.0, ge=0)
    """An `either` side listens for a ring up to so long before it dials."""
    keep_alive_s: float = Field(default=15.0, ge=0)
    """Silence after which a keep-alive goes, the same at both ends; 0: none go, and none are missed."""
    poll_s: float = Field(default=30.0, gt=0)
    """How often registration and signal are read while waiting for a call."""
    virtual: VirtualCallSection = VirtualCallSection()

    @model_validator(mode="after")
    def _can_dial(self) -> Self:
        if self.role != "answer" and not self.number:
            raise ValueError(f'number: role "{self.role}" dials, and needs one')
        return self


@dataclass(frozen=True, slots=True)
class _Unsure:
    """A packet whose last bit left at `end_s` and that may not have arrived."""

    data: bytes
    end_s: float


class IridiumCallDriver(IsuDriver):
    """One station's end of the call."""

    def __init__(self, profile: ModemProfile, metrics: Metrics, rng: Random) -> None:
        """Raises ConfigError for wrong settings."""
        super().__init__(profile, metrics, rng)
        self._settings = settings_of(profile, CallSettings)
        self._framer = CobsFramer(profile.air.mtu_bytes)
        self._link = profile.link_info()
        self._fails = 0
        self._rang_s: float | None = None
        self._answered_last = False
        self._listening = False
        self._carrier_line_works = False
        self._connected_s: float | None = None
        self._free_s = 0.0
        self._ends_s: float | None = None
        self._heard_s = 0.0
        self._unsure: deque[_Unsure] = deque(maxlen=MAX_UNSURE)
        self._again: deque[bytes] = deque()
        self._echoes = 0
        self._pin_refused = False
        self._keep_alive_s = 0.0
        self._kept_s = float("-inf")

    # ---- before the call

    def _steps(self) -> list[str]:
        settings = self._settings
        # A call that is up in command mode, unknown to us, lets none out and none in; one that rings is to be answered.
        steps = [] if self._is_ringing(self._now) else ["ATH"]
        steps += ["ATE0V1Q0X4", "AT&C1", "AT&D2", f"ATS0={int(settings.auto_answer and settings.role != 'dial')}"]
        if settings.bearer:
            steps.append(f"AT+CBST={settings.bearer}")
        return [*steps, *settings.init]

    def _set_up(self, now: float) -> None:
        if self._settings.pin is None or self._pin_refused:
            self._register(self._registered, now)
            return
        self._ask("AT+CPIN?", self._pin_asked, now)

    def _pin_asked(self, done: AtDone, reply: list[str], now: float) -> None:
        if any("SIM PIN" in line for line in reply):
            self._ask(f'AT+CPIN="{self._settings.pin}"', self._pin_answered, now, 30.0)
        else:
            self._register(self._registered, now)

    def _pin_answered(self, done: AtDone, reply: list[str], now: float) -> None:
        if done.code is not ResultCode.OK:
            # Never a second time: three wrong ones lock the SIM.
            self._pin_refused = True
            self._set_status(ModemStatus.STARTING, "SIM refuses the PIN of the profile; it is not tried again")
        self._register(self._registered, now)

    def _registered(self, now: float) -> None:
        """On the network, in command mode, nothing under way."""
        if self._is_ringing(now):
            self._answer(now)
            return
        role = self._settings.role
        if role == "dial":
            self._dial(now)
        elif role == "answer":
            self._wait_for_call(now)
        else:
            longest_s = self._settings.listen_s * (LISTEN_AGAIN if self._answered_last else 1)
            self._answered_last = False
            self._listening = True
            self._set_status(ModemStatus.STARTING, f"listening for a call before dialling, {self._signal_words()}")
            self._later(now + longest_s * self._rng.uniform(0.1, 1.0), self._dial)

    def _wait_for_call(self, now: float) -> None:
        self._listening = True
        self._set_status(ModemStatus.STARTING, f"waiting for a call, {self._signal_words()}")
        self._later(now + self._settings.poll_s, lambda now: self._register(self._registered, now))

    def _is_ringing(self, now: float) -> bool:
        return self._settings.role != "dial" and self._rang_s is not None and now - self._rang_s < RINGS_LAST_S

    def _told(self, line: str, now: float) -> None:
        if line.startswith(("RING", "+CRING")):
            self._rang_s = now
            if self._listening and self._at.busy_with is None and self._is_ringing(now):
                self._answer(now)
        elif line.startswith("CONNECT"):
            self._answered_last = True
            self._connected(now, "answered", line)

    def _answer(self, now: float) -> None:
        self._rang_s, self._listening = None, False
        if self._settings.auto_answer:
            self._set_status(ModemStatus.STARTING, "ringing")
            self._listening = True
            self._later(now + self._settings.dial_timeout_s, self._greet)
            return
        self._set_status(ModemStatus.STARTING, "answering a call")

        def answered(done: AtDone, reply: list[str], now: float) -> None:
            if done.code is ResultCode.CONNECT:
                self._answered_last = True
                self._connected(now, "answered", done.text)
            else:
                self._over(now, done.text)

        self._ask("ATA", answered, now, self._settings.dial_timeout_s, is_call=True)

    def _dial(self, now: float) -> None:
        self._listening = False
        number = self._settings.number
        self._set_status(ModemStatus.STARTING, f"dialling {number}, {self._signal_words()}")

        def dialled(done: AtDone, reply: list[str], now: float) -> None:
            if done.code is ResultCode.CONNECT:
                self._connected(now, f"with {number}", done.text)
            elif done.code is None:
                # Any character breaks off dialling (V.250, 5.6.1); what it says to that is of no interest.
                self._write_at(b"\r")
                self._over(now, "no answer to ATD")
            else:
                self._over(now, done.text)

        self._ask(f"ATD{number}", dialled, now, self._settings.dial_timeout_s, is_call=True)

    def _over(self, now: float, why: str, *, was_told: bool = True) -> None:
        """No call, or no more: again after a while. `was_told`: the modem said so, and at once."""
        self._keep_unsure(now, was_told=was_told)
        self._try_again()
        self._ends_s = None
        if self._connected_s is not None and now - self._connected_s >= LASTING_CALL_S:
            self._fails = 0
        self._connected_s = None
        self.metrics.count("modem.calls_ended")
        if self._settings.role == "answer":
            self._set_status(ModemStatus.STARTING, f"{why}: waiting for a call")
            self._greet(now)
            return
        wait_s = backed_off_s(self._settings.redial_first_s, self._settings.redial_longest_s, self._fails, self._rng)
        self._fails += 1
        self._set_status(ModemStatus.STARTING, f"{why}: redial in {max(1, round(wait_s))} s")
        self._listening = self._settings.role == "either"
        self._later(now + wait_s, self._greet)

    def _greet(self, now: float) -> None:
        self._listening = False
        super()._greet(now)

    # ---- in the call

    def _connected(self, now: float, how: str, text: str) -> None:
        self._timer = None
        self._listening = False
        self._rang_s = None
        self._connected_s = self._heard_s = self._free_s = self._keep_alive_s = now
        self._framer.reset()
        self._echoes = 0
        self.metrics.count("modem.calls")
        self._set_status(ModemStatus.READY, f"in a call, {how} ({text}, {self._signal_words()})")

    def _is_free(self, now: float) -> bool:
        return self._at.may_write_data and now >= self._free_s and not self._again

    def _transmit(self, packet: Outgoing, now: float) -> None:
        self._put(packet.data, now)
        self._ends_s = self._free_s

    def _put(self, data: bytes, now: float) -> None:
        """A frame, and the time that it takes on the air: what waits in the modem would only grow old there."""
        silent = now > self._last_write_s
        self._now = now
        self._write_at(self._framer.encode(data, after_silence=silent))
        self._free_s = max(now, self._free_s) + self._link.airtime_s(len(data))
        # Not in step with the far end's, which would look like an echo of ours.
        self._keep_alive_s = self._free_s + self._settings.keep_alive_s * self._rng.uniform(0.7, 1.0)
        if data:
            self._unsure.append(_Unsure(data, self._free_s))
        else:
            self._kept_s = self._free_s

    def _pump(self, now: float) -> None:
        if self._status is ModemStatus.READY and self._at.may_write_data:
            while self._again and now >= self._free_s:
                self.metrics.count("modem.tx_again")
                self._put(self._again.popleft(), now)
        super()._pump(now)

    def _sure_until_s(self, now: float, *, was_told: bool) -> float:
        """Packets that ended before have arrived: what is heard left the far end, then in the call, one way ago, and
        what it could hear by then had left here one way before that."""
        proven_s = self._heard_s - 2 * self._link.delay_s - MARGIN_S
        return max(proven_s, now - 2 * self._link.delay_s - DETECTION_S) if was_told else proven_s

    def _keep_unsure(self, now: float, *, was_told: bool) -> None:
        """The call is over: what may not have arrived goes again, but for the one that still counts as under way."""
        sure_s = self._sure_until_s(now, was_told=was_told)
        lost = [packet.data for packet in self._unsure if packet.end_s > sure_s]
        if self._under_way is not None and lost:
            lost.pop()
        self._again.extendleft(reversed(lost))
        while len(self._again) > MAX_UNSURE:
            self._again.popleft()
        self._unsure.clear()

    def _data_heard(self, data: bytes, now: float) -> None:
        bad = self._framer.bad_frames
        for payload in self._framer.feed(data):
            if not self._is_echo(payload, now):
                self._heard_s, self._echoes = now, 0
                if payload:
                    self._heard(payload)
        self.metrics.count("modem.rx_bad_frames", self._framer.bad_frames - bad)

    def _is_echo(self, payload: bytes, now: float) -> bool:
        """What we wrote, back before it can have been at the far end: the modem is in command mode and echoes."""
        delay_s = self._link.delay_s
        if not payload:
            return now < self._kept_s + delay_s
        is_echo = any(packet.data == payload and now < packet.end_s + delay_s for packet in self._unsure)
        if is_echo:
            self.metrics.count("modem.rx_echo")
            self._echoes += 1
        return is_echo

    def _data_left(self, left: AtLeftData, now: float) -> None:
        if self._connected_s is None:
            # A call that was up before we came.
            self._ask("ATH", lambda done, reply, now: self._greet(now), now)
        elif left.is_lost:
            self._over(now, left.text, was_told=self._status is ModemStatus.READY)
        else:
            self._ask("ATH", lambda done, reply, now: self._over(now, "hung up", was_told=False), now)

    def _lines_changed(self, before: Lines, now: float) -> None:
        """DCD says whether there is a call (&C1), once it was seen to change with one."""
        if before.dcd is False and self._lines.dcd:
            self._carrier_line_works = True
        if before.dcd and self._lines.dcd is False and (self._carrier_line_works or self._connected_s is not None):
            self._carrier_line_works = True
            self._now = now
            if self._connected_s is not None:
                self._take(self._at.carrier_line_fell(), now)

    # ---- time

    def next_deadline(self) -> float | None:
        times = [super().next_deadline()]
        if self._status is ModemStatus.READY and self._at.may_write_data:
            times.append(self._ends_s)
            if (self._queue and self._under_way is None) or self._again:
                times.append(self._free_s)
            if self._settings.keep_alive_s:
                times += [self._keep_alive_s, self._deaf_s]
        return min((time for time in times if time is not None), default=None)

    @property
    def _deaf_s(self) -> float:
        return self._heard_s + MISSED_KEEP_ALIVES * self._settings.keep_alive_s

    def _tick(self, now: float) -> None:
        super()._tick(now)
        if self._status is not ModemStatus.READY or not self._at.may_write_data:
            return
        if self._ends_s is not None and now >= self._ends_s:
            self._ends_s = None
            self._sent()
        # What is proven is forgotten, once its echo could have come.
        sure_s = self._heard_s - 2 * self._link.delay_s - MARGIN_S
        while self._unsure and self._unsure[0].end_s < sure_s:
            self._unsure.popleft()
        if self._echoes >= ECHOES:
            self._over(now, "modem echoes data: no call", was_told=False)
        elif self._settings.keep_alive_s and now >= self._deaf_s:
            self.metrics.count("modem.deaf_calls")
            silence_s = round(MISSED_KEEP_ALIVES * self._settings.keep_alive_s)
            self._set_status(ModemStatus.STARTING, f"nothing heard for {silence_s} s: hanging up")
            self._at.escape(now, self._last_write_s)
        elif self._settings.keep_alive_s and now >= self._keep_alive_s:
            self._put(b"", now)

    def _stop(self, now: float) -> None:
        """Hang up: by DTR (&D2) where there is such a line, and by +++ATH for modems that need no silence around it."""
        if self._connected_s is not None:
            self._write_at(b"+++")
        self._write_at(b"ATH\r")
        self._set_line("dtr", False)

    def port_closed(self, now: float, why: str) -> None:
        self._keep_unsure(now, was_told=True)
        super().port_closed(now, why)
        self._connected_s = self._ends_s = None
        self._listening = False


MODEM = ModemKind("iridium-call", CallSettings, IridiumCallDriver, VirtualIridiumCall)
