"""A KISS TNC: buffer, channel access and air time of the real thing.

Rule: as a TNC does, it says nothing: a frame that does not fit its buffer, or a command it does not know, is dropped
(`counts` tells). Defaults and channel access (P-persistence) as in "The KISS TNC", sections 4 and 6; ACKMODE and the
checksums as in `firmware_bridge.framing.kiss`. Not from a document: `BUFFER_FRAMES`, the boot time, the banner.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from random import Random

from firmware_bridge.drivers.kiss_settings import kiss_settings
from firmware_bridge.framing.ax25 import UI_HEADER_BYTES
from firmware_bridge.framing.kiss import (
    ACK_ID_BYTES,
    RETURN_PORT,
    Checksum,
    KissCommand,
    KissDecoder,
    KissFrame,
    encode_kiss,
)
from firmware_bridge.profile import ModemProfile
from firmware_bridge.sim.base import AirFrame, AirQuality, VirtualModem
from gateway.metrics import Metrics

BUFFER_FRAMES = 4
BOOT_S = 1.0
BANNER = b"\r\nVirtual TNC\r\ncmd:"


@dataclass(slots=True)
class _Parameters:
    """What commands 1 to 5 set, as the document's defaults have it."""

    tx_delay_s: float = 0.5
    persistence: int = 63
    slot_s: float = 0.1
    tail_s: float = 0.0
    is_full_duplex: bool = False


class VirtualTnc(VirtualModem):
    """Speaks KISS from boot on, or after the profile's `enter_kiss` lines."""

    def __init__(self, profile: ModemProfile, name: str, rng: Random) -> None:
        super().__init__(profile, name, rng)
        self._settings = kiss_settings(profile)
        self.knows_ackmode = self._settings.ackmode
        self.is_hung = False
        """Takes bytes and does nothing more."""
        self.counts: Counter[str] = Counter()
        """`sent`, `heard`, `dropped_full`, `dropped_booting`, `unknown_command`."""
        self._hears_carrier = False
        self._boot(0.0)

    def _boot(self, ready_s: float) -> None:
        self._parameters = _Parameters()
        self._decoder = KissDecoder(self._settings.checksum, Metrics())
        self._waiting: deque[tuple[bytes, bytes | None]] = deque()
        self._on_air: tuple[bytes, bytes | None] | None = None
        self._access_s: float | None = None
        self._ready_s = ready_s
        self._banner_s = ready_s if self._settings.enter_kiss else None
        self._command_lines_left = list(self._settings.enter_kiss)
        self._line = bytearray()

    # ---- host

    def from_host(self, data: bytes, now: float) -> None:
        if now < self._ready_s or self.is_hung:
            self.counts["dropped_booting"] += bool(data)
            return
        if self._command_lines_left:
            data = self._command_mode(data)
        for frame in self._decoder.feed(data):
            self._from_host(frame, now)

    def _command_mode(self, data: bytes) -> bytes:
        """What comes after the line that starts KISS."""
        for at, byte in enumerate(data):
            if byte != 0x0D:
                self._line.append(byte)
                continue
            line = self._line.decode("ascii", "replace").strip().upper()
            self._line.clear()
            if line == self._command_lines_left[0].strip().upper():
                self._command_lines_left.pop(0)
            elif line:
                self._to_host += b"?EH\r\n"
            if not self._command_lines_left:
                return data[at + 1 :]
            self._to_host += b"cmd:"
        return b""

    def _from_host(self, frame: KissFrame, now: float) -> None:
        value = frame.data[0] if frame.data else None
        is_known = frame.port == self._settings.tnc_port
        match frame.command:
            case KissCommand.DATA if is_known:
                self._take(frame.data, None, now)
            case KissCommand.ACKED_DATA if is_known and self.knows_ackmode and len(frame.data) > ACK_ID_BYTES:
                self._take(frame.data[ACK_ID_BYTES:], frame.data[:ACK_ID_BYTES], now)
            case KissCommand.RETURN if frame.port == RETURN_PORT and self._settings.enter_kiss:
                self._boot(now)
            case KissCommand.TX_DELAY if is_known and value is not None:
                self._parameters.tx_delay_s = value / 100
            case KissCommand.PERSISTENCE if is_known and value is not None:
                self._parameters.persistence = value
            case KissCommand.SLOT_TIME if is_known and value is not None:
                self._parameters.slot_s = value / 100
            case KissCommand.TX_TAIL if is_known and value is not None:
                self._parameters.tail_s = value / 100
            case KissCommand.FULL_DUPLEX if is_known and value is not None:
                self._parameters.is_full_duplex = value != 0
            case _:
                self.counts["unknown_command"] += 1

    def _take(self, data: bytes, ack_id: bytes | None, now: float) -> None:
        if not data:
            return
        if len(self._waiting) >= BUFFER_FRAMES:
            self.counts["dropped_full"] += 1
            return
        self._waiting.append((data, ack_id))
        if self._on_air is None and self._access_s is None:
            self._access_s = now
            self.tick(now)

    def _tell(self, command: KissCommand, data: bytes) -> None:
        checksum = self._settings.checksum
        if checksum is Checksum.SMACK and not self._decoder.heard_smack:
            checksum = Checksum.NONE  # as the SMACK document has it: until the host has shown that it can
        self._to_host += encode_kiss(KissFrame(self._settings.tnc_port, command, data), checksum)

    # ---- air

    def carrier(self, is_heard: bool, now: float) -> None:
        self._hears_carrier = is_heard
        self.tick(now)

    def tick(self, now: float) -> None:
        if self._banner_s is not None and now >= self._banner_s:
            self._banner_s = None
            self._to_host += BANNER
        if now >= self._ready_s and self._access_s is not None and now >= self._access_s and not self._must_wait():
            if self._parameters.is_full_duplex or self._rng.randrange(256) <= self._parameters.persistence:
                self._access_s = None
                self._begin(is_keyed=False)
            else:
                self._access_s = now + max(self._parameters.slot_s, 0.01)

    def next_deadline(self) -> float | None:
        access_s = None if self._must_wait() or self.is_hung else self._access_s
        return min((at for at in (self._banner_s, access_s) if at is not None), default=None)

    def _must_wait(self) -> bool:
        return self._hears_carrier and not self._parameters.is_full_duplex

    def _begin(self, *, is_keyed: bool) -> None:
        self._on_air = self._waiting.popleft()
        data = self._on_air[0]
        duration_s = self._sending_s(len(data))
        if not is_keyed:
            duration_s += self._parameters.tx_delay_s
        if not self._waiting:
            duration_s += self._parameters.tail_s
        self._to_air.append(AirFrame(data, duration_s))

    def _sending_s(self, n_bytes: int) -> float:
        """Without key-up and tail, of which the profile's figure may contain what its settings say."""
        air, settings = self.profile.air, self._settings
        fixed_s = max(0.0, air.fixed_ms - (settings.tx_delay_ms or 0) - (settings.tx_tail_ms or 0)) / 1000
        extra = air.overhead_bytes - (UI_HEADER_BYTES if settings.ax25 else 0)
        return fixed_s + (0.0 if air.rate_bps is None else (n_bytes + extra) * 8 / air.rate_bps)

    def frame_ended(self, frame: AirFrame, now: float) -> None:
        ended, self._on_air = self._on_air, None
        if ended is None or self.is_hung:
            return
        self.counts["sent"] += 1
        if ended[1] is not None:
            self._tell(KissCommand.ACKED_DATA, ended[1])
        if self._waiting:
            self._begin(is_keyed=True)

    def on_air(self, frame: AirFrame, quality: AirQuality, now: float) -> None:
        if now < self._ready_s or self.is_hung or self._command_lines_left:
            return
        self.counts["heard"] += 1
        self._tell(KissCommand.DATA, frame.data)

    def power_cut(self, now: float) -> None:
        self._to_host.clear()
        self._to_air.clear()
        self._boot(now + BOOT_S)
