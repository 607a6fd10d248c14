"""Transparent modems: what goes in at one end comes out at the other (radio modems, RS-485, optical, data calls).

Rule: the modem says nothing about itself, so that all this driver knows is arithmetic: a frame occupies line and air
for as long as the profile says, and `can_send` goes by that. Frames: `firmware_bridge.framing.delimited`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from random import Random
from typing import Literal

from pydantic import Field

from firmware_bridge.driver import ModemDriver, ModemStatus, Outgoing
from firmware_bridge.framing.delimited import DELIMITER, Check, CobsFramer
from firmware_bridge.profile import ModemProfile
from firmware_bridge.registry import ModemKind, settings_of
from firmware_bridge.sim.transparent import VirtualTransparent
from gateway.config import StrictModel
from gateway.errors import ConfigError
from gateway.links.base import LinkInfo
from gateway.metrics import Metrics

AHEAD_S = 0.05
"""The next frame should be with the modem so long before the air is free: else a late thread unkeys the transmitter."""
STUCK_S = 5.0
"""No byte taken for this long, and longer than the line needs: flow control holds, or nobody reads."""
ECHO_S = 1.0
"""An echo comes this long after the end of a frame at the latest."""
MAX_ECHOES = 64
TELL_ECHOES = 3
"""So many echoes and nothing else: a line that returns everything, which `echo` in the profile does not say."""
ECHO_HELP = 'a line that echoes (echo = "drop" in [settings]), or a loop'
MAX_WRONG_BITS = 0.2
"""Of an echo without a check: two packets that differ in no more are the same."""


class TransparentSettings(StrictModel):
    """[settings] of a transparent modem.

    `check`: "crc" delivers whole packets only; "none" has no checksum and delivers damaged packets as they are, for
    stations that guard bits themselves. `echo`: "drop" where the line returns what we send (half-duplex
    RS-485); "none" hands it on, and the status says that it came.
    `preamble_bytes`: so many zeros more before the first frame after a silence, for receivers that wake up slowly.
    `listen`: in half duplex, begin only when no frame is arriving.
    """

    check: Literal["crc", "none"] = "crc"
    echo: Literal["none", "drop"] = "none"
    preamble_bytes: int = Field(default=0, ge=0, le=255)
    listen: bool = True


class TransparentDriver(ModemDriver):
    """Frames in a byte stream, paced by the profile.

    Counts `modem.rx_bad_frames`, `modem.rx_garbage_bytes`, `modem.rx_echoes`.
    """

    def __init__(self, profile: ModemProfile, metrics: Metrics | None = None, rng: Random | None = None) -> None:
        """Raises ConfigError for a line that is not transparent, or wrong settings."""
        super().__init__(profile, metrics)
        if profile.port.data_bits != 8:
            raise ConfigError(f"modem profile {profile.name}: port.data_bits: got 7; needed: 8, for frames are binary")
        if profile.port.flow == "xon-xoff":
            raise ConfigError(
                f"modem profile {profile.name}: port.flow: xon-xoff takes bytes 11 and 13 out of frames; needed: "
                "rts-cts or none"
            )
        self._settings = settings_of(profile, TransparentSettings)
        self._framer = CobsFramer(profile.air.mtu_bytes, Check(self._settings.check))
        self._byte_s = profile.port.bits_per_byte / profile.port.baud
        info = profile.link_info()
        rate_bps = 8 / self._byte_s if info.rate_bps is None else info.rate_bps
        self._info = replace(info, rate_bps=rate_bps, has_integrity=self._framer.check is Check.CRC)
        self._busy_until_s = 0.0
        self._ahead_s = AHEAD_S
        self._frame_ends_at = 0
        self._stuck_at_s: float | None = None
        self._heard_s = float("-inf")
        self._echoes: deque[tuple[bytes, float]] = deque(maxlen=MAX_ECHOES)
        self._returned = 0
        """Echoes since something else was heard."""

    @property
    def info(self) -> LinkInfo:
        return self._info

    def next_deadline(self) -> float | None:
        times = [] if self._stuck_at_s is None else [self._stuck_at_s]
        if self._queue and self._under_way is None and self._status is ModemStatus.READY:
            times.append(max(self._busy_until_s - self._ahead_s, self._quiet_at()))
        return min(times, default=None)

    def _start(self, now: float) -> None:
        self._framer.reset()
        self._echoes.clear()
        self._busy_until_s, self._frame_ends_at, self._stuck_at_s = now, 0, None
        self._heard_s, self._returned = float("-inf"), 0
        self._set_status(ModemStatus.READY, "ready")

    def _parse(self, now: float) -> None:
        bad_frames, bad_bytes = self._framer.bad_frames, self._framer.bad_bytes
        payloads = self._framer.feed(bytes(self._inbox))
        self._inbox.clear()
        self._heard_s = now
        if self._framer.bad_frames > bad_frames:
            self.metrics.count("modem.rx_bad_frames", self._framer.bad_frames - bad_frames)
            self.metrics.count("modem.rx_garbage_bytes", self._framer.bad_bytes - bad_bytes)
        for payload in payloads:
            is_echo = self._is_echo(payload, now)
            self._returned = self._returned + 1 if is_echo else 0
            if is_echo:
                self.metrics.count("modem.rx_echoes")
            if not is_echo or self._settings.echo == "none":
                self._heard(payload)
        if self._status is ModemStatus.READY:
            self._set_status(ModemStatus.READY, self._ready_text())

    def _ready_text(self) -> str:
        if self._settings.echo == "none" and self._returned >= TELL_ECHOES:
            return f"ready, but all that comes is what we sent: {ECHO_HELP}"
        return "ready"

    def _is_free(self, now: float) -> bool:
        # Within a transmission the other side does not talk, and what is heard then is an echo.
        is_silent = now >= self._busy_until_s
        return now >= self._quiet_at() - 1e-9 if is_silent else now >= self._busy_until_s - self._ahead_s - 1e-9

    def _transmit(self, packet: Outgoing, now: float) -> None:
        is_silent = now >= self._busy_until_s
        frame = self._framer.encode(packet.data, after_silence=is_silent)
        if is_silent:
            frame = DELIMITER * self._settings.preamble_bytes + frame
        air, line_s = self.profile.air, len(frame) * self._byte_s
        if air.rate_bps is None:
            ends_s = max(now, self._busy_until_s) + air.fixed_ms / 1000 + line_s
        else:
            # The modem sends what it has while the next frame, which will be about as long, comes in.
            self._ahead_s = AHEAD_S + line_s
            ends_s = max(now + line_s, self._busy_until_s) + air.fixed_ms / 1000 + len(frame) * 8 / air.rate_bps
        self._busy_until_s = ends_s + (air.turnaround_ms / 1000 if is_silent else 0.0)
        self._write(frame)
        self._frame_ends_at = self._handed_bytes
        self._stuck_at_s = now + STUCK_S + 2 * line_s
        self._echoes.append((packet.data, self._busy_until_s + ECHO_S))

    def _bytes_written(self, now: float) -> None:
        if self._under_way is not None and self._written_bytes >= self._frame_ends_at:
            self._stuck_at_s = None
            self._sent()
        elif self._under_way is not None:
            self._stuck_at_s = now + STUCK_S
        if self._status is ModemStatus.SILENT:
            self._set_status(ModemStatus.READY, self._ready_text())

    def _tick(self, now: float) -> None:
        if self._stuck_at_s is not None and now >= self._stuck_at_s:
            self._stuck_at_s = None
            held = " (CTS is off)" if self._lines.cts is False else ""
            self._set_status(ModemStatus.SILENT, f"the port takes no bytes: flow control holds{held}")

    def _restart(self) -> None:
        super()._restart()
        self._stuck_at_s = None

    def _quiet_at(self) -> float:
        """When a frame that was arriving counts as broken off, so that we may begin."""
        if not (self.profile.air.half_duplex and self._settings.listen and self._framer.has_begun):
            return float("-inf")
        air = self.profile.air
        byte_s = self._byte_s if air.rate_bps is None else max(self._byte_s, 8 / air.rate_bps)
        return self._heard_s + max(0.02, 4 * byte_s)

    def _is_echo(self, payload: bytes, now: float) -> bool:
        while self._echoes and self._echoes[0][1] < now:
            self._echoes.popleft()
        for place, (sent, _) in enumerate(self._echoes):
            if self._is_same(sent, payload):
                del self._echoes[place]
                return True
        return False

    def _is_same(self, sent: bytes, heard: bytes) -> bool:
        if self._framer.check is Check.CRC or len(sent) != len(heard):
            return sent == heard
        wrong = sum((a ^ b).bit_count() for a, b in zip(sent, heard, strict=True))
        return wrong <= 8 * len(sent) * MAX_WRONG_BITS


MODEM = ModemKind("transparent", TransparentSettings, TransparentDriver, VirtualTransparent)
