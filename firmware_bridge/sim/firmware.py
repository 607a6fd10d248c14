"""A virtual firmware: the C reference (`firmware_bridge/firmware/clk_bridge.c`) in Python, with a half-duplex radio.

Rule: the same bytes and the same key for the same input at the same milliseconds as the C side, which a test compares.
So the order of work within one turn is that of `clk_bridge_poll`, and the line's buffer is as small as there.
"""

from __future__ import annotations

from collections import deque
from random import Random

from firmware_bridge.device import Device
from firmware_bridge.driver import ModemStatus
from firmware_bridge.framing.delimited import DELIMITER, CobsFramer
from firmware_bridge.messages import (
    HALF_DUPLEX,
    HAS_KEY,
    MAX_NAME_BYTES,
    STATUS_CODES,
    VERSION,
    WHOLE_PACKETS,
    Heard,
    Info,
    KeyCause,
    Keyed,
    LostCause,
    Message,
    Status,
    clip,
)
from firmware_bridge.profile import ModemProfile
from firmware_bridge.sim.base import AirFrame, AirQuality, VirtualModem

QUEUE_PACKETS = 3
KEY_REST_MS = 1000
TX_RING_BYTES = 256
"""As CLK_TX_RING: one byte of it stays free."""
OUTCOME_BYTES = 16 + 2 + 3
"""Room for the longest outcome's frame must be there before a packet is given to the modem."""
_SLACK_MS = 1e-6


def frame_bytes(length: int) -> int:
    """As clk_frame_bytes: the most that a message of `length` takes on the line."""
    return length + 2 + 3 + (length + 2) // 254


class _FirmwareDevice(Device):
    """Messages and key; the radio and the line are those of `modem`."""

    def __init__(self, modem: VirtualFirmware, now_ms: int) -> None:
        super().__init__(QUEUE_PACKETS, modem.mtu_bytes, now_ms)
        self._modem = modem
        self._framer = CobsFramer(max(modem.mtu_bytes, 96) + 32)
        self._told_status = 0
        self._owes_status = False
        self.is_keyed = self.is_held = self.is_barred = False
        self._hold_ended = self._host_gone = False
        self._keyed_ms = self._wanted_ms = self._held_ms = now_ms
        self._hold_ms = 0

    def work(self, data: bytes, now_ms: int) -> None:
        """One turn, as clk_bridge_poll; `data` came from the host since the last."""
        *ended, rest = data.split(DELIMITER)
        for piece in (*(piece + DELIMITER for piece in ended), rest):
            # Frame by frame, for one may ask how many were bad before it.
            messages = self._framer.feed(piece)
            self.counts.rx_bad_frames = self._framer.bad_frames
            for message in messages:
                self.counts.rx_frames += 1
                self.receive(message, now_ms)
        self.watch_host(now_ms)
        self._work_key(now_ms)
        self._feed_modem(now_ms)
        self._hear_air()
        self._tell_status()

    def deadlines_ms(self) -> list[int]:
        """When something will be due without being asked."""
        modem, found = self._modem, []
        ends = self.session_ends_ms()
        if ends is not None:
            found.append(ends)
        if self.is_held:
            found.append(self._held_ms + self._hold_ms)
        is_wanted = bool(self.queue) or modem.is_sending or self.is_held
        if self.is_barred and not is_wanted:
            found.append(self._wanted_ms + KEY_REST_MS)
        if self.is_keyed:
            found.append(self._keyed_ms + modem.key_max_ms)
            if not is_wanted:
                found.append(self._wanted_ms + modem.tail_ms)
            if self.queue and not modem.is_sending and not modem.is_busy:
                found.append(self._keyed_ms + modem.turnaround_ms)
        return found

    def boot(self) -> None:
        """What a device says when it starts (4.7)."""
        self._say(self._info())

    # ---- what Device asks

    def _say(self, message: Message) -> bool:
        payload = message.to_bytes()
        if self._modem.line_room() < frame_bytes(len(payload)):
            return False
        self._modem.to_line(self._framer.encode(payload, after_silence=True))
        return True

    def _info(self) -> Info:
        modem, air = self._modem, self._modem.profile.air
        flags = HAS_KEY | WHOLE_PACKETS | (HALF_DUPLEX if air.half_duplex else 0)
        name = clip(f"virtual {modem.profile.name}", MAX_NAME_BYTES)
        if modem.told_name is not None:
            name = modem.told_name
        return Info(
            VERSION,
            self.session,
            self.mtu_bytes,
            QUEUE_PACKETS,
            round(100 * (air.rate_bps or 0)),
            air.overhead_bytes,
            round(air.fixed_ms),
            modem.turnaround_ms,
            round(air.delay_ms),
            flags,
            name,
        )

    def _status_code(self) -> int:
        return STATUS_CODES[self._modem.status]

    def _owe_status(self) -> None:
        self._owes_status = True

    def _is_keyed(self) -> bool:
        return self.is_keyed

    def _hold_key(self, hold_ms: int, now_ms: int) -> None:
        self.is_held, self._held_ms, self._hold_ms = True, now_ms, hold_ms

    def _release_key(self, now_ms: int) -> None:
        if self.is_held:
            self._wanted_ms = now_ms
        self.is_held = False

    def _host_left(self) -> None:
        self._host_gone, self.is_held = self.is_held, False

    # ---- key and modem

    def _set_key(self, is_on: bool, cause: KeyCause) -> None:
        self.is_keyed = is_on
        self._modem.key_changed(is_on)
        if self.session:
            self._say(Keyed(is_on, cause.value))

    def _lose_all(self) -> None:
        while self.queue and self.finish(LostCause.KEY_TIME_OUT):
            pass

    def _work_key(self, now_ms: int) -> None:
        modem = self._modem
        if self.is_held and now_ms - self._held_ms >= self._hold_ms:
            self.is_held, self._hold_ended, self._wanted_ms = False, True, now_ms
        has_packet = bool(self.queue) and (modem.is_sending or not modem.is_busy or self.is_barred)
        is_wanted = has_packet or modem.is_sending or self.is_held
        if is_wanted:
            self._wanted_ms, self._hold_ended = now_ms, False
        if self.is_barred:
            self.is_held = False
            self._lose_all()
            if now_ms - self._wanted_ms >= KEY_REST_MS:
                self.is_barred = False
        elif not self.is_keyed and is_wanted:
            self._keyed_ms = now_ms
            self._hold_ended = self._host_gone = False
            self._set_key(True, KeyCause.WANTED)
        elif self.is_keyed and now_ms - self._keyed_ms >= modem.key_max_ms:
            self.counts.key_time_outs += 1
            self.is_barred, self.is_held = True, False
            self._set_key(False, KeyCause.TIME_OUT)
            self._lose_all()
        elif self.is_keyed and not is_wanted and now_ms - self._wanted_ms >= modem.tail_ms:
            ended = KeyCause.HOLD_ENDED if self._hold_ended else KeyCause.WANTED
            self._set_key(False, KeyCause.HOST_GONE if self._host_gone else ended)

    def _feed_modem(self, now_ms: int) -> None:
        modem = self._modem
        if not self.queue or not self.is_keyed or now_ms - self._keyed_ms < modem.turnaround_ms:
            return
        if modem.is_sending or modem.is_busy or modem.line_room() < OUTCOME_BYTES:
            return
        modem.transmit(self.queue[0])
        self.finish(None)

    def _hear_air(self) -> None:
        if not self._modem.heard:
            return
        packet, snr_ddb = self._modem.heard.popleft()
        self.counts.heard_packets += 1
        if not self.session or not self._say(Heard(packet, snr_ddb)):
            self.counts.heard_dropped += 1

    def _tell_status(self) -> None:
        code = self._status_code()
        if self.session and (self._owes_status or code != self._told_status) and self._say(Status(code)):
            self._told_status, self._owes_status = code, False


class VirtualFirmware(VirtualModem):
    """Microcontroller and radio; its key-up delay is the profile's turn-around."""

    told_name: str | None = None
    """In place of the profile's name."""

    def __init__(self, profile: ModemProfile, name: str, rng: Random) -> None:
        super().__init__(profile, name, rng)
        self.mtu_bytes = profile.air.mtu_bytes
        self.turnaround_ms = round(profile.air.turnaround_ms)
        self.tail_ms, self.key_max_ms = 10, 200_000
        self.status = ModemStatus.READY
        self.is_sending = self.is_busy = False
        self.heard: deque[tuple[bytes, int | None]] = deque()
        self.key_changes: list[bool] = []
        """The key line's history."""
        self._room = max(TX_RING_BYTES, 1 << (self.mtu_bytes + 64 + 8).bit_length()) - 1
        self._boot(0)

    def from_host(self, data: bytes, now: float) -> None:
        self._work(now, data)

    def on_air(self, frame: AirFrame, quality: AirQuality, now: float) -> None:
        self.heard.append((frame.data, None if quality.snr_db is None else round(10 * quality.snr_db)))
        while self.heard:
            self._work(now)

    def frame_ended(self, frame: AirFrame, now: float) -> None:
        self._work(now)  # as a main loop would have done all the time before: the tail begins now
        self.is_sending = False
        self._work(now)

    def tick(self, now: float) -> None:
        self._work(now)

    def next_deadline(self) -> float | None:
        due_ms = min(self._device.deadlines_ms(), default=None)
        return None if due_ms is None else due_ms / 1000

    def power_cut(self, now: float) -> None:
        self._to_host.clear()
        self._to_air.clear()
        self.heard.clear()
        self.is_sending = False
        self._boot(self._ms(now))

    def transmit(self, packet: bytes) -> None:
        """On the air, now."""
        air = self.profile.air
        sent_s = 0.0 if air.rate_bps is None else (len(packet) + air.overhead_bytes) * 8 / air.rate_bps
        self.is_sending = True
        self._to_air.append(AirFrame(packet, air.fixed_ms / 1000 + sent_s))

    def line_room(self) -> int:
        """Bytes that may be given to the line now."""
        return self._room - len(self._to_host)

    def to_line(self, data: bytes) -> None:
        """Bytes for the host."""
        self._to_host += data

    def key_changed(self, is_on: bool) -> None:
        """The key line."""
        self.key_changes.append(is_on)

    @property
    def is_keyed(self) -> bool:
        """Whether the transmitter is keyed."""
        return self._device.is_keyed

    def _boot(self, now_ms: int) -> None:
        self._device = _FirmwareDevice(self, now_ms)
        self.key_changed(False)
        self._device.boot()

    def _work(self, now: float, data: bytes = b"") -> None:
        self._device.work(data, self._ms(now))

    @staticmethod
    def _ms(now: float) -> int:
        return int(now * 1000 + _SLACK_MS)
