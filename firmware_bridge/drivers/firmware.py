"""A microcontroller with our firmware beside the modem: the bridge's messages in frames over a serial line (BRIDGE.md).

Rule: the device says what its modem can do and when a packet has left; what this driver believes of the profile is only
what it needs until then. One packet is on its way at a time, so that nothing is doubted when the line is cut.
"""

from __future__ import annotations

from random import Random

from pydantic import Field

from firmware_bridge.driver import Measured, ModemDriver, ModemStatus, Outgoing, PacketHeard
from firmware_bridge.framing.delimited import CobsFramer
from firmware_bridge.host import Answered, HostSession, Returned, SessionChanged
from firmware_bridge.messages import MAX_MESSAGE_BYTES, NUMBERS, GetStatistics, Key
from firmware_bridge.profile import ModemProfile
from firmware_bridge.registry import ModemKind, settings_of
from firmware_bridge.sim.firmware import VirtualFirmware
from gateway.config import StrictModel
from gateway.links.base import LinkInfo
from gateway.metrics import Metrics


class FirmwareSettings(StrictModel):
    """[settings] of the firmware.

    `hold_key_ms`: keep the transmitter keyed for so long from each packet, so that it does not drop between those of an
    over; 0: only for packets. `statistics_s`: how often the device's counts are asked for; 0: never.
    """

    hold_key_ms: int = Field(default=0, ge=0, le=10_000)
    statistics_s: float = Field(default=0.0, ge=0, le=3600)


class FirmwareDriver(ModemDriver):
    """Counts `modem.rx_bad_frames`, `modem.rx_garbage_bytes`, and what `HostSession` counts."""

    def __init__(self, profile: ModemProfile, metrics: Metrics | None = None, rng: Random | None = None) -> None:
        """Raises ConfigError for wrong settings."""
        super().__init__(profile, metrics)
        self._settings = settings_of(profile, FirmwareSettings)
        chance = Random() if rng is None else rng
        self._host = HostSession(
            profile.name,
            profile.link_info(),
            lambda: chance.randrange(1, NUMBERS),
            lambda name: self.metrics.count(f"modem.{name}"),
        )
        self._framer = CobsFramer(MAX_MESSAGE_BYTES)
        self._statistics_s: float | None = None

    @property
    def info(self) -> LinkInfo:
        return self._host.info

    def next_deadline(self) -> float | None:
        times = [time for time in (self._host.next_deadline(), self._statistics_s) if time is not None]
        return min(times, default=None)

    def _start(self, now: float) -> None:
        self._framer.reset()
        self._host.begin(now)
        self._statistics_s = now + self._settings.statistics_s if self._settings.statistics_s else None
        self._flush()

    def _parse(self, now: float) -> None:
        bad_frames, bad_bytes = self._framer.bad_frames, self._framer.bad_bytes
        messages = self._framer.feed(bytes(self._inbox))
        self._inbox.clear()
        if self._framer.bad_frames > bad_frames:
            self.metrics.count("modem.rx_bad_frames", self._framer.bad_frames - bad_frames)
            self.metrics.count("modem.rx_garbage_bytes", self._framer.bad_bytes - bad_bytes)
        for message in messages:
            self._host.receive(message, now)
        self._flush()

    def _is_free(self, now: float) -> bool:
        return self._host.is_ready and self._host.unanswered == 0

    def _transmit(self, packet: Outgoing, now: float) -> None:
        mtu = self._host.info.mtu_bytes
        if len(packet.data) > mtu:
            self._give_up(f"{len(packet.data)} bytes; the device takes {mtu}")
            return
        if self._settings.hold_key_ms:
            self._host.say(Key(self._settings.hold_key_ms))
        self._host.send(packet.data, now)
        self._flush()

    def _tick(self, now: float) -> None:
        self._host.tick(now)
        if self._statistics_s is not None and now >= self._statistics_s:
            self._statistics_s = now + self._settings.statistics_s
            self._host.say(GetStatistics())
        self._flush()

    def _stop(self, now: float) -> None:
        self._host.leave()
        self._flush()

    def _restart(self) -> None:
        super()._restart()
        self._statistics_s = None

    def _flush(self) -> None:
        for event in self._host.take_events():
            match event:
                case Answered(_, None):
                    self._sent()
                case Answered(_, str(reason)):
                    self._give_up(reason)
                case Returned():
                    self.metrics.count("modem.restarts")
                    self._try_again()
                case SessionChanged(status, text):
                    if self._status not in (ModemStatus.NO_PORT, ModemStatus.STOPPED):
                        self._set_status(status, text)
                case PacketHeard() | Measured():
                    self._events.append(event)
        for message in self._host.take_messages():
            self._write(self._framer.encode(message.to_bytes(), after_silence=True))


MODEM = ModemKind("firmware", FirmwareSettings, FirmwareDriver, VirtualFirmware)
