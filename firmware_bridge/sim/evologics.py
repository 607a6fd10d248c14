"""A virtual EvoLogics S2C modem: instant messages with and without acknowledgement, burst data, both lines.

Rule: the modem's side of the cable, in the formats of `firmware_bridge.framing.evologics`; unknown commands get
`ERROR WRONG FORMAT`, a message while another is under way `BUSY`. A command's answer comes first, notifications when
they happen, which may be in mid-answer for a slow cable.

Air time is the profile's (153 ms and 11 ms a byte); an acknowledgement takes 139 ms, as in a published trace. How burst
data sets up its connection is made simple: one exchange, then the data, then its acknowledgement.
"""

from __future__ import annotations

import heapq
import re
from collections import deque
from collections.abc import Callable
from itertools import count
from random import Random

from pydantic import Field

from firmware_bridge.profile import ModemProfile
from firmware_bridge.sim.base import AirFrame, AirQuality, VirtualModem
from gateway.config import StrictModel, model_of

ANSWER_S = 0.015
GUARD_S = 1.0
ACK_S = 0.139
MAX_INSTANT_BYTES, MAX_BURST_BYTES = 64, 1024
BROADCAST = 255
_INSTANT, _ACK, _BURST, _BURST_ACK = 0, 1, 2, 3
_SEND = re.compile(rb"AT\*SEND(IM|),(?:p\d{1,3},)?(\d{1,6}),(\d{1,6}),")
_FLAG = re.compile(rb"(ack|noack|force),")
_FLAG_LONGEST = 6
_MAX_LINE = 2048


class VirtualEvoLogicsSection(StrictModel):
    """[settings.virtual] of an EvoLogics modem."""

    boot_s: float = Field(default=5.0, ge=0)
    address: int | None = Field(default=None, ge=1, le=254)
    """As delivered; None: 1 for modem "a", 2 for "b" and so on."""
    ack_wait_s: float = Field(default=4.0, gt=0)
    """How long an acknowledgement is waited for after the message has left."""
    rssi_db: float = -36.0
    integrity: int = 150
    says_sendend: bool = True
    """Old firmware does not say SENDSTART and SENDEND."""


class VirtualEvoLogics(VirtualModem):
    """One S2C modem."""

    def __init__(self, profile: ModemProfile, name: str, rng: Random) -> None:
        """Raises ConfigError for wrong [settings.virtual]."""
        super().__init__(profile, name, rng)
        where = f"modem profile {profile.name}: settings.virtual"
        self._section = model_of(profile.settings.get("virtual", {}), VirtualEvoLogicsSection, where)
        self._is_serial = profile.settings.get("line", "tcp") == "serial"
        self._link = profile.link_info()
        self._due: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = count()
        self._frames: deque[AirFrame] = deque()
        self._booted_s = 0.0
        self.is_dead = False
        """Answers nothing while set."""
        self._defaults()

    def _defaults(self) -> None:
        self.address = self._section.address or 1 + max(0, ord(self.name[-1:] or "a") - ord("a")) % 254
        self._line = bytearray()
        self._in_data = self._is_serial
        self._last_byte_s = 0.0
        self._on_air = self._receiving = False
        self._sending: tuple[int, str] | None = None
        """Receiver and kind of the message whose fate is open."""
        self._message = 0
        self._bursts = 0
        self._due.clear()
        self._frames.clear()

    # ---- the cable

    def from_host(self, data: bytes, now: float) -> None:
        if now < self._booted_s or self.is_dead:
            return
        guarded = now - self._last_byte_s >= GUARD_S
        self._last_byte_s = now
        if self._in_data and not (guarded or self._line):
            return  # raw data for a burst connection, of which there is none
        self._line += data
        if self._is_serial and bytes(self._line) == b"+++":
            self._line.clear()
            self._after(GUARD_S, self._escaped, now)
            return
        if self._in_data:
            if not b"+++".startswith(bytes(self._line)):
                self._line.clear()
            return
        while self._take_command(now):
            pass

    def _escaped(self, now: float) -> None:
        if now - self._last_byte_s >= GUARD_S - 1e-6 and self._in_data:
            self._in_data = False
            self._say("", "OK")

    def _take_command(self, now: float) -> bool:
        line = self._line
        while line.startswith((b"\r", b"\n")):
            del line[:1]
        prefix = 3 if line.startswith(b"+++AT") and not self._is_serial else 0
        if not self._is_serial and not prefix:
            return self._raw()
        send = _SEND.match(line, prefix)
        if send:
            return self._take_message(send, now)
        ends = [at for at in (line.find(b"\r"), line.find(b"\n")) if at >= 0]
        if not ends:
            if len(line) > _MAX_LINE:
                line.clear()
            return False
        command = bytes(line[prefix : min(ends)]).decode("ascii", "ignore").strip()
        del line[: min(ends) + 1]
        if command:
            self._after(ANSWER_S, lambda now: self._command(command, now), now)
        return True

    def _raw(self) -> bool:
        """Bytes in data mode that begin no command: data without a connection, which goes nowhere."""
        at = self._line.find(b"+++AT")
        if at > 0:
            del self._line[:at]
            return True
        del self._line[: max(0, len(self._line) - 4)]
        return False

    def _take_message(self, send: re.Match[bytes], now: float) -> bool:
        line, begin = self._line, send.end()
        is_instant, size, receiver = bool(send[1]), int(send[2]), int(send[3])
        flag = ""
        if is_instant:
            found = _FLAG.match(line, begin)
            if found is None:
                if len(line) - begin < _FLAG_LONGEST:
                    return False
                return self._refuse_line("*SENDIM", now)
            flag, begin = found[1].decode(), found.end()
        name = "*SENDIM" if is_instant else "*SEND"
        if size > (MAX_INSTANT_BYTES if is_instant else MAX_BURST_BYTES) or not size:
            return self._refuse_line(name, now)
        if len(line) < begin + size + 1:
            return False
        data, end = bytes(line[begin : begin + size]), bytes(line[begin + size : begin + size + 1])
        if end not in (b"\r", b"\n"):
            return self._refuse_line(name, now)
        del line[: begin + size + 1]
        self._after(ANSWER_S, lambda now: self._send(name, receiver, flag, data, now), now)
        return True

    def _refuse_line(self, name: str, now: float) -> bool:
        end = max(self._line.find(b"\n"), self._line.find(b"\r"))
        if end < 0:
            if len(self._line) < _MAX_LINE:
                return False
            end = len(self._line) - 1
        del self._line[: end + 1]
        self._after(ANSWER_S, lambda now: self._say(name, "ERROR WRONG FORMAT"), now)
        return True

    def _command(self, command: str, now: float) -> None:
        upper = command.upper()
        address = re.fullmatch(r"AT!AL(\d{1,3})", upper)
        if upper == "AT?AL":
            self._say("?AL", str(self.address))
        elif address and 1 <= int(address[1]) <= 254:
            self.address = int(address[1])
            self._say("!AL", "OK")
        elif re.fullmatch(r"AT!L[0-3]|AT!G[01]|AT@ZX[01]|AT@ZF[01]|ATH|ATZ4|AT!RC\d+", upper):
            self._say(re.sub(r"^AT|\d+$", "", upper), "OK")
        elif upper in ("ATO", "ATC"):
            self._in_data = upper == "ATO" and self._is_serial
            self._say(upper[2:], "OK")
        elif upper == "AT?S":
            self._say("?S", "INITIATION LISTEN")
        elif upper == "ATI0":
            self._say("I0", "1.9")
        else:
            self._say(
                re.split(r"[,\d]", upper[2:], maxsplit=1)[0] if upper.startswith("AT") else "", "ERROR WRONG FORMAT"
            )

    def _say(self, command: str, text: str) -> None:
        body = text.encode("latin-1")
        if self._is_serial:
            if not self._in_data:
                self._to_host += body + b"\r\n"
        else:
            self._to_host += b"+++AT%s:%d:%s\r\n" % (command.encode("latin-1"), len(body), body)

    def _notify(self, body: bytes) -> None:
        self._say("", body.decode("latin-1"))

    # ---- sending

    def _send(self, name: str, receiver: int, flag: str, data: bytes, now: float) -> None:
        if self._sending is not None or self._on_air:
            busy = "BUSY DELIVERING INSTANT MESSAGE" if name == "*SENDIM" else "BUSY BACKOFF STATE"
            self._say(name, busy)
            return
        if (
            (receiver == BROADCAST and (flag == "ack" or name == "*SEND"))
            or receiver in (0, self.address)
            or receiver > 255
        ):
            self._say(name, "ERROR WRONG DESTINATION ADDRESS")
            return
        self._say(name, "OK")
        kind = _INSTANT if name == "*SENDIM" else _BURST
        if kind == _BURST:
            self._bursts += 1
        if flag == "ack" or kind == _BURST:
            self._sending = (receiver, "IM" if kind == _INSTANT else f",{self._bursts}")
        self._message += 1
        # noack 0, ack 1
        head = bytes((kind, self.address, receiver, flag == "ack"))
        self._emit(AirFrame(head + data, self._link.airtime_s(len(data))))

    def _emit(self, frame: AirFrame) -> None:
        self._frames.append(frame)
        if not self._on_air:
            self._begin()

    def _begin(self) -> None:
        frame = self._frames.popleft()
        self._on_air = True
        self._to_air.append(frame)
        if self._section.says_sendend and frame.data[0] in (_INSTANT, _BURST):
            what = b"im" if frame.data[0] == _INSTANT else b"data"
            self._notify(b"SENDSTART,%d,%s,%d,0" % (frame.data[2], what, round(frame.duration_s * 1e6)))

    def frame_ended(self, frame: AirFrame, now: float) -> None:
        self._on_air = False
        kind, receiver = frame.data[0], frame.data[2]
        if self._section.says_sendend and kind in (_INSTANT, _BURST):
            what = b"im" if kind == _INSTANT else b"data"
            self._notify(b"SENDEND,%d,%s,%d,%d" % (receiver, what, round(now * 1e6), round(frame.duration_s * 1e6)))
        if self._sending is not None and kind in (_INSTANT, _BURST):
            message = self._message
            self._after(self._section.ack_wait_s, lambda now: self._fate(message, b"FAILED"), now)
        if self._frames:
            self._begin()

    def _fate(self, message: int, word: bytes) -> None:
        if self._sending is not None and self._message == message:
            receiver, what = self._sending
            self._sending = None
            self._notify(b"%s%s,%d" % (word, what.encode(), receiver))

    # ---- hearing

    def carrier(self, is_heard: bool, now: float) -> None:
        """RECVSTART as soon as a signal is there, RECVFAILED where nothing was read of it."""
        if now < self._booted_s or self.is_dead:
            return
        if is_heard and not self._on_air:
            self._receiving = True
            self._notify(b"RECVSTART")
        elif not is_heard and self._receiving:
            self._receiving = False
            self._notify(b"RECVFAILED,0.0000,%d,%d" % (round(self._section.rssi_db), self._section.integrity // 2))

    def on_air(self, frame: AirFrame, quality: AirQuality, now: float) -> None:
        if now < self._booted_s or self.is_dead:
            return
        kind, source, receiver, wants_ack = frame.data[:4]
        data = frame.data[4:]
        section = self._section
        rssi = round(section.rssi_db)
        if not self._receiving:
            self._notify(b"RECVSTART")
        self._receiving = False
        self._notify(
            b"RECVEND,%d,%d,%d,%d" % (round(now * 1e6), round(frame.duration_s * 1e6), rssi, section.integrity)
        )
        if receiver not in (self.address, BROADCAST):
            return
        velocity = b"%.4f" % self._rng.gauss(0.0, 0.1)
        if kind in (_ACK, _BURST_ACK):
            self._fate(self._message, b"DELIVERED")
        elif kind == _INSTANT:
            flag = b"ack" if wants_ack else b"noack"
            duration = round(frame.duration_s * 1e6)
            fields = (len(data), source, receiver, flag, duration, rssi, section.integrity, velocity)
            self._notify(b"RECVIM,%d,%d,%d,%s,%d,%d,%d,%s," % fields + data)
        else:
            fields_ = (len(data), source, receiver, 976, rssi, section.integrity, 0, velocity)
            self._notify(b"RECV,%d,%d,%d,%d,%d,%d,%d,%s," % fields_ + data)
        if (kind == _INSTANT and wants_ack) or kind == _BURST:
            ack = _ACK if kind == _INSTANT else _BURST_ACK
            self._emit(AirFrame(bytes((ack, self.address, source, 0)), ACK_S))

    # ---- time

    def _after(self, wait_s: float, then: Callable[[float], None], now: float) -> None:
        heapq.heappush(self._due, (now + wait_s, next(self._order), then))

    def next_deadline(self) -> float | None:
        return self._due[0][0] if self._due else None

    def tick(self, now: float) -> None:
        while self._due and self._due[0][0] <= now + 1e-9:
            heapq.heappop(self._due)[2](now)

    def power_cut(self, now: float) -> None:
        """The address is kept (it is stored at once); command mode is not."""
        address = self.address
        self._to_host.clear()
        self._to_air.clear()
        self._defaults()
        self.address = address
        self._booted_s = now + self._section.boot_s
