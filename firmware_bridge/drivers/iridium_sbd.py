"""Iridium Short Burst Data (9602, 9603, 9522B, 9523): one packet is one message through the gateway, 5 to 20 s each.

Rule: a packet stays with the driver until a session says that the gateway has it, or that it never will; what the
mailbox holds is fetched before anything else is sent. Live voice is refused by the profile's figures.

A packet goes into the MO buffer (+SBDWB: length, READY, bytes, sum), a session (+SBDIX, or +SBDIXA to answer a ring
alert) takes it out and brings the oldest message of the mailbox in, which +SBDRB reads. Sending does not clear the MO
buffer: +SBDD0 does, or the next session would send it again.

Sources: Iridium, ISU AT Command Reference, version 2.45 (2011): +SBDWB 8.12, +SBDRB 8.13, +SBDIX with statuses 10.14;
9523 Product Developers' Guide 2.6: +SBDD 5.7.88, +SBDS 5.7.90, +SBDIX 5.7.106, +SBDMTA 5.7.108. MO statuses 33 and 34
are from the 9601's registration statuses (AT Command Reference 2.38); 37, 38 and 65 were not verified. The waits after
each status are ours; the reference only says three minutes for 36.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from random import Random

from pydantic import Field

from firmware_bridge.driver import ModemStatus, Outgoing
from firmware_bridge.drivers.isu import IsuDriver, backed_off_s
from firmware_bridge.framing.at import AtBlock, AtDone, ResultCode
from firmware_bridge.profile import ModemProfile
from firmware_bridge.registry import ModemKind, settings_of
from firmware_bridge.sim.iridium_sbd import VirtualIridiumSbd, VirtualSbdSection
from gateway.config import StrictModel
from gateway.metrics import Metrics

WRITE_S = 70.0
"""The modem itself gives up a write after 60 s (8.12)."""
READ_S = 20.0
LATE_OK_S = 1.0
"""+SBDWB and +SBDRB have no OK in the reference; modems send one."""
LONGEST_WAIT_S = 300.0
MAX_BAD_READS = 3
MAX_BAD_WRITES = 5

_SESSION = re.compile(r"\+SBDIX:\s*(\d+),\s*(\d+),\s*(\d+),\s*(\d+),\s*(\d+),\s*(\d+)", re.ASCII)
_STATUS = re.compile(r"\+SBDS:\s*(\d+),\s*(\d+),\s*(\d+),\s*(-?\d+)", re.ASCII)


class SbdSettings(StrictModel):
    """[settings] of Iridium SBD."""

    max_mo_bytes: int = Field(default=340, ge=1, le=1960)
    max_mt_bytes: int = Field(default=270, ge=1, le=1960)
    mailbox_s: float = Field(default=1800.0, ge=0)
    """Without a session for so long the mailbox is asked; 0: only ring alerts and own messages make sessions."""
    session_timeout_s: float = Field(default=120.0, gt=0)
    init: tuple[str, ...] = ()
    virtual: VirtualSbdSection = VirtualSbdSection()


class Fate(Enum):
    """What becomes of the MO message after a session."""

    SENT = auto()
    AGAIN = auto()
    NEVER = auto()


@dataclass(frozen=True, slots=True)
class MoStatus:
    """What a MO status means: `wait_s` before the first try again."""

    fate: Fate
    wait_s: float
    words: str


_MO = {
    0: MoStatus(Fate.SENT, 0, "sent"),
    1: MoStatus(Fate.SENT, 0, "sent; the message in the mailbox is too big for this modem"),
    2: MoStatus(Fate.SENT, 0, "sent; location update not accepted"),
    10: MoStatus(Fate.AGAIN, 5, "gateway: not completed in time"),
    11: MoStatus(Fate.AGAIN, 60, "gateway: queue full"),
    12: MoStatus(Fate.NEVER, 0, "gateway: too many segments"),
    13: MoStatus(Fate.AGAIN, 5, "gateway: session not completed"),
    14: MoStatus(Fate.NEVER, 0, "gateway: invalid segment size"),
    15: MoStatus(Fate.AGAIN, 120, "gateway: access denied (is the modem activated?)"),
    16: MoStatus(Fate.AGAIN, 120, "modem locked (see +CULK)"),
    17: MoStatus(Fate.AGAIN, 5, "gateway does not respond"),
    18: MoStatus(Fate.AGAIN, 5, "connection lost"),
    19: MoStatus(Fate.AGAIN, 5, "link failure"),
    32: MoStatus(Fate.AGAIN, 15, "no network service"),
    33: MoStatus(Fate.AGAIN, 60, "antenna fault"),
    34: MoStatus(Fate.AGAIN, 60, "radio disabled (see *R1)"),
    35: MoStatus(Fate.AGAIN, 5, "modem busy"),
    36: MoStatus(Fate.AGAIN, 180, "three minutes between registrations"),
    37: MoStatus(Fate.AGAIN, 120, "SBD service disabled for a while"),
    38: MoStatus(Fate.AGAIN, 30, "traffic management: wait"),
    65: MoStatus(Fate.AGAIN, 60, "radio hardware error (power supply?)"),
}


def mo_status(code: int) -> MoStatus:
    """What a MO status means; 3 and 4 are reserved for success, others for failure (10.14)."""
    if code in _MO:
        return _MO[code]
    if code <= 4:
        return MoStatus(Fate.SENT, 0, f"sent (status {code})")
    return MoStatus(Fate.AGAIN, 15, f"failure {code}")


def checksum(message: bytes) -> bytes:
    """The lower 16 bits of the sum of all bytes, high byte first (8.12): 0214 for "hello"."""
    return (sum(message) & 0xFFFF).to_bytes(2, "big")


class IridiumSbdDriver(IsuDriver):
    """One station's SBD modem."""

    has_calls = False

    def __init__(self, profile: ModemProfile, metrics: Metrics, rng: Random) -> None:
        """Raises ConfigError for wrong settings."""
        super().__init__(profile, metrics, rng)
        self._settings = settings_of(profile, SbdSettings)
        self._idle = False
        self._hold_s = 0.0
        self._fails = 0
        self._ringing = False
        self._more = False
        """The mailbox holds, or may hold, something."""
        self._asked_s = float("-inf")
        self._read_mtmsn: int | None = None
        self._mtmsn = -1
        self._bad_reads = 0
        self._bad_writes = 0
        self._last_words = ""
        self._got_block = False

    # ---- set-up

    def _steps(self) -> list[str]:
        return [
            "ATE0V1Q0",
            "AT&K3" if self.profile.port.flow == "rts-cts" else "AT&K0",
            "AT+SBDMTA=1",
            *self._settings.init,
        ]

    def _set_up(self, now: float) -> None:
        self._idle = False
        self._ask("AT+SBDD0", self._cleared, now)

    def _cleared(self, done: AtDone, reply: list[str], now: float) -> None:
        if done.code is None:
            self._silent(now)
            return
        self._read_signal(self._look_for_old, now)

    def _look_for_old(self, now: float) -> None:
        """A message may be in the MT buffer since before we came, or since the port went away in mid-read."""

        def looked(done: AtDone, reply: list[str], now: float) -> None:
            if done.code is None:
                self._silent(now)
                return
            self._more = True
            found = next((m for m in map(_STATUS.search, reply) if m), None)
            if found and found[3] == "1" and int(found[4]) != self._read_mtmsn:
                self._mtmsn = int(found[4])
                self._read(now)
            else:
                self._rest(now)

        self._ask("AT+SBDS", looked, now)

    # ---- idle, and what is next

    def _rest(self, now: float) -> None:
        """Nothing is under way: fetch, send, or wait."""
        self._idle = True
        self._set_status(ModemStatus.READY, self._idle_words())
        self._plan(now)

    def _idle_words(self) -> str:
        words = f"ready, {self._signal_words()}"
        if self._last_words:
            words += f"; {self._last_words}"
        return words

    def _plan(self, now: float) -> None:
        """When to look again: the hold after a failure, or the next mailbox check."""
        if not self._idle:
            return
        wants_mailbox = self._ringing or self._more
        # A message that waits to go takes what is in the mailbox along in its own session.
        if wants_mailbox and now >= self._hold_s and not self._queue:
            self._session(now)
            return
        due = []
        if wants_mailbox or self._queue:
            due.append(self._hold_s)
        if self._settings.mailbox_s:
            due.append(max(self._hold_s, self._asked_s + self._settings.mailbox_s))
        due = [time for time in due if time > now]
        self._timer = None
        if due:
            self._later(min(due), self._look)

    def _look(self, now: float) -> None:
        if self._settings.mailbox_s and now >= self._asked_s + self._settings.mailbox_s:
            self._more = True
        self._plan(now)

    def _told(self, line: str, now: float) -> None:
        if line.startswith("SBDRING"):
            self.metrics.count("modem.ring_alerts")
            self._ringing = True
            self._plan(now)

    def _pump(self, now: float) -> None:
        super()._pump(now)
        if self._status is ModemStatus.READY and self._idle and self._at.busy_with is None and self._timer is None:
            self._plan(now)

    # ---- out

    def _is_free(self, now: float) -> bool:
        return self._idle and self._at.busy_with is None and now >= self._hold_s

    def _transmit(self, packet: Outgoing, now: float) -> None:
        if len(packet.data) > self._settings.max_mo_bytes or not packet.data:
            self._give_up(f"{len(packet.data)} bytes: a message has 1 to {self._settings.max_mo_bytes}")
            return
        self._idle = False
        self._ask(f"AT+SBDWB={len(packet.data)}", self._written_to, now, WRITE_S, prompt="READY")

    def _prompted(self, now: float) -> None:
        packet = self._under_way
        if packet is not None:
            self._write_at(packet.data + checksum(packet.data))

    def _line_heard(self, line: str, now: float) -> None:
        if (self._at.busy_with or "").startswith("AT+SBDWB") and line in ("0", "1", "2", "3"):
            self._at.hurry(LATE_OK_S, now)

    def _written_to(self, done: AtDone, reply: list[str], now: float) -> None:
        code = next((line for line in reply if line in ("0", "1", "2", "3")), None)
        if code == "0":
            self._bad_writes = 0
            self._session(now)
        elif code is None and done.code is None:
            self._silent(now)
        elif code == "3":
            self._give_up(f"modem refuses the length {len(self._under_way.data) if self._under_way else 0}")
            self._rest(now)
        else:
            # 1: bytes got lost on the cable; 2: they were damaged there; ERROR: no idea.
            self.metrics.count("modem.bad_writes")
            self._bad_writes += 1
            self._hold(now, 1.0, f"message damaged on the cable (answer {code or done.text})")
            if self._bad_writes >= MAX_BAD_WRITES:
                self._bad_writes = 0
                self._give_up("modem does not take the message")
            else:
                self._try_again()
            self._rest(now)

    def _hold(self, now: float, first_s: float, words: str) -> None:
        wait_s = backed_off_s(first_s, max(first_s, LONGEST_WAIT_S), self._fails, self._rng)
        self._fails += 1
        self._hold_s = now + wait_s
        self._last_words = f"{words}: again in {max(1, round(wait_s))} s"

    # ---- sessions

    def _session(self, now: float) -> None:
        self._idle = False
        self._asked_s = now
        what = "sending a message" if self._under_way is not None else "asking the mailbox"
        self._set_status(ModemStatus.READY, f"{what}, {self._signal_words()}")
        command = "AT+SBDIXA" if self._ringing else "AT+SBDIX"
        self._ringing = False
        self._ask(command, self._session_over, now, self._settings.session_timeout_s)

    def _session_over(self, done: AtDone, reply: list[str], now: float) -> None:
        found = next((m for m in map(_SESSION.search, reply) if m), None)
        if found is None and done.code is None:
            self._silent(now)
            return
        self.metrics.count("modem.sessions")
        if found is None:
            self._again_later(now, 15.0, f"session refused ({done.text})")
            return
        mo, _, mt, mtmsn, _, queued = (int(figure) for figure in found.groups())
        status = mo_status(mo)
        self._measured("mailbox_messages", float(queued))
        if status.fate is Fate.AGAIN:
            self.metrics.count("modem.sessions_failed")
            self._more = self._more or self._under_way is None
            self._again_later(now, status.wait_s, status.words)
            return
        was_sent = self._under_way is not None
        if status.fate is Fate.NEVER:
            self._give_up(status.words)
        self._sent()
        self._fails, self._hold_s = 0, now
        self._more = queued > 0 or mt == 2
        self._last_words = f"{queued} in the mailbox" if queued else ""
        if mt == 1:
            self._mtmsn = mtmsn
            self._read(now, was_sent=was_sent)
        elif was_sent:
            self._clear(now)
        else:
            self._rest(now)

    def _again_later(self, now: float, first_s: float, words: str) -> None:
        self._hold(now, first_s, words)
        self._try_again()
        # The signal is what the next try depends on.
        self._read_signal(self._rest, now)

    # ---- in

    def _read(self, now: float, *, was_sent: bool = False) -> None:
        self._got_block = False

        def read(done: AtDone, reply: list[str], now: float) -> None:
            if not self._got_block:
                if done.code is None:
                    self._silent(now)
                    return
                self._bad_read()
            if self._bad_reads and self._bad_reads < MAX_BAD_READS:
                self._read(now, was_sent=was_sent)
                return
            self._bad_reads = 0
            if was_sent:
                self._clear(now)
            else:
                self._rest(now)

        self._ask("AT+SBDRB", read, now, READ_S, max_block_bytes=self._settings.max_mt_bytes)

    def _bad_read(self) -> None:
        """It stays in the MT buffer until the next session: it is read again."""
        self.metrics.count("modem.rx_bad_frames")
        self._bad_reads += 1

    def _block_heard(self, block: AtBlock, now: float) -> None:
        self._got_block = True
        self._at.hurry(LATE_OK_S, now)
        if block.checksum != checksum(block.data):
            self._bad_read()
            return
        self._bad_reads = 0
        self._read_mtmsn = self._mtmsn
        if block.data:
            self._heard(block.data)

    def _clear(self, now: float) -> None:
        def cleared(done: AtDone, reply: list[str], now: float) -> None:
            if done.code is None:
                self._silent(now)
            elif done.code is not ResultCode.OK and "0" not in reply:
                self.metrics.count("modem.refused_commands")
                self._rest(now)
            else:
                self._rest(now)

        self._ask("AT+SBDD0", cleared, now)

    # ---- contract

    def _greet(self, now: float) -> None:
        self._idle = False
        super()._greet(now)

    def port_closed(self, now: float, why: str) -> None:
        super().port_closed(now, why)
        self._idle = False


MODEM = ModemKind("iridium-sbd", SbdSettings, IridiumSbdDriver, VirtualIridiumSbd)
