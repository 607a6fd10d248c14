"""A modem kind of the simplest sort, for tests of what stands on drivers and virtual modems.

On the cable a packet is a length byte and its bytes, both ways. Length 0 is a question to the modem; from it, the
answer, or the word that a packet has left.
"""

from __future__ import annotations

from collections import deque
from random import Random

from firmware_bridge.driver import ModemDriver, ModemStatus, Outgoing
from firmware_bridge.profile import AirSection, ModemProfile, PortSection
from firmware_bridge.registry import ModemKind
from firmware_bridge.sim.base import AirFrame, AirQuality, VirtualModem
from gateway.config import StrictModel
from gateway.metrics import Metrics

GREETING_S = 1.0
PAUSE_S = 0.5
"""After this much silence the modem takes a byte for the first of a packet."""


class ToySettings(StrictModel):
    """Nothing to set."""


class ToyDriver(ModemDriver):
    """READY once the modem has answered the length 0 with which it is greeted."""

    def __init__(self, profile: ModemProfile, metrics: Metrics, rng: Random) -> None:
        super().__init__(profile, metrics)
        self._ask_s: float | None = None

    def _start(self, now: float) -> None:
        self._ask(now)

    def _ask(self, now: float) -> None:
        self._write(b"\0")
        self._ask_s = now + GREETING_S

    def _parse(self, now: float) -> None:
        while self._inbox and len(self._inbox) > self._inbox[0]:
            size = self._inbox[0]
            data = bytes(self._inbox[1 : 1 + size])
            del self._inbox[: 1 + size]
            if data:
                self._heard(data)
            elif self._under_way is not None:
                self._sent()
            else:
                self._ask_s = None
                self._set_status(ModemStatus.READY, "answers")

    def _is_free(self, now: float) -> bool:
        return True

    def _transmit(self, packet: Outgoing, now: float) -> None:
        self._write(bytes((len(packet.data),)) + packet.data)

    def _tick(self, now: float) -> None:
        if self._ask_s is not None and now >= self._ask_s:
            self._set_status(ModemStatus.SILENT, "no answer")
            self._ask(now)

    def next_deadline(self) -> float | None:
        return self._ask_s


class ToyModem(VirtualModem):
    def __init__(self, profile: ModemProfile, name: str, rng: Random) -> None:
        super().__init__(profile, name, rng)
        self._typed = bytearray()
        self._typed_s = 0.0
        self.sent: deque[bytes] = deque()
        self.heard: list[tuple[float, bytes]] = []
        self.boots = 1
        self.calls = 1

    def from_host(self, data: bytes, now: float) -> None:
        if now - self._typed_s > PAUSE_S:
            self._typed.clear()
        self._typed_s = now
        self._typed += data
        while self._typed and len(self._typed) > self._typed[0]:
            size = self._typed[0]
            packet = bytes(self._typed[1 : 1 + size])
            del self._typed[: 1 + size]
            if not packet:
                self._to_host += b"\0"
                continue
            air = self.profile.link_info()
            self._to_air.append(AirFrame(packet, air.turnaround_s + air.airtime_s(len(packet)), (0, len(packet))))

    def on_air(self, frame: AirFrame, quality: AirQuality, now: float) -> None:
        self.heard.append((now, frame.data))
        self._to_host += bytes((len(frame.data),)) + frame.data

    def frame_ended(self, frame: AirFrame, now: float) -> None:
        self._to_host += b"\0"

    def power_cut(self, now: float) -> None:
        self._typed.clear()
        self._to_air.clear()
        self.boots += 1

    def drop_call(self, now: float) -> bool:
        self.calls -= 1
        return self.calls >= 0


MODEM = ModemKind("toy", ToySettings, ToyDriver, ToyModem)


def toy_profile(baud: int = 9600, **air: object) -> ModemProfile:
    """Air: 64 bytes, 2400 bit/s, 50 ms a packet, 20 ms to key up, 100 ms of travel."""
    figures = {"rate_bps": 2400.0, "fixed_ms": 50.0, "turnaround_ms": 20.0, "delay_ms": 100.0} | air
    section = AirSection.model_validate({"mtu_bytes": 64} | figures)
    return ModemProfile(name="toy", driver="toy", port=PortSection(baud=baud), air=section)
