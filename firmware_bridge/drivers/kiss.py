"""A KISS TNC on a serial line or TCP port: packet radio, Dire Wolf, LoRa TNCs.

Rule: KISS has no flow control, and a TNC whose buffer is full drops frames in silence. So the TNC never has more than
one frame of ours: the next goes when the last has been sent, by ACKMODE's word where the TNC knows it, else by the
profile's air time.

What the driver knows, and how
------------------------------
- A TNC says nothing of itself, so the status is READY as soon as the port is open and the parameters are written. They
  are written again with the first frame after a minute of silence: the TNC may have been switched off meanwhile.
- Without ACKMODE a frame counts as sent when its air time has passed since the port took it. A frame of another station
  that arrives in that time says that ours still waited for the channel; the air time begins anew.
- With ACKMODE, a TNC that never acknowledges is paced by air time; one that did and stopped is SILENT, and its frame
  is offered again until it answers. Either way the frame is sent again: it may go out twice, and is not lost.
- A frame that breaks off in mid-sentence (the port goes away) is sent by the TNC as far as it came, for KISS cannot
  take it back: a checksum on this line, or the packet's own CRC, keeps it from being heard.
- What we sent and hear again (a TNC that repeats, a digipeater) is counted and dropped.

Source: as in `firmware_bridge.framing.kiss`; "AX.25 wanted" as Dire Wolf 1.6 behaves: it takes any frame of 15 bytes or
more and drops shorter ones (measured, tests/integration/test_direwolf.py).
"""

from __future__ import annotations

from collections import deque

from firmware_bridge.driver import ModemDriver, ModemStatus, Outgoing
from firmware_bridge.drivers.kiss_settings import KissSettings, kiss_settings
from firmware_bridge.framing.ax25 import CallSign, UiFrame, parse_ui
from firmware_bridge.framing.kiss import (
    ACK_ID_BYTES,
    FEND,
    RETURN_PORT,
    KissCommand,
    KissDecoder,
    KissFrame,
    encode_kiss,
)
from firmware_bridge.profile import ModemProfile
from firmware_bridge.registry import ModemKind
from firmware_bridge.sim.kiss import VirtualTnc
from gateway.metrics import Metrics

SILENCE_S = 5.0
"""After so long without a frame of ours, another FEND comes first: it ends what noise began in the TNC."""
REFRESH_S = 60.0
ENTER_STEP_S = 1.0
"""Between the lines that bring a TNC into KISS mode, and after the last."""
RETRY_S = (2.0, 5.0, 10.0, 30.0)
"""A silent TNC is offered its frame again after these, the last one over and over."""
MAX_DEFER_S = 10.0
OWN_S = 15.0
OWN_FRAMES = 16


class KissDriver(ModemDriver):
    """See the module."""

    def __init__(self, profile: ModemProfile, metrics: Metrics | None = None) -> None:
        super().__init__(profile, metrics)
        self._settings = kiss_settings(profile)
        self._decoder = KissDecoder(self._settings.checksum, self.metrics)
        self._is_full_duplex = self._settings.full_duplex or not profile.air.half_duplex
        self._has_acked = False
        self._uses_acks = self._settings.ackmode
        self._enter_left: list[str] = []
        self._enter_s: float | None = None
        self._last_write_s: float | None = None
        self._whole_at_bytes = 0
        self._through_line_s = 0.0
        self._first_end_s: float | None = None
        self._end_s: float | None = None
        self._ack_id = 0
        self._ids: dict[int, int] = {}
        """ACKMODE id -> number of the packet that went out under it."""
        self._retries = 0
        self._own: deque[tuple[float, bytes]] = deque(maxlen=OWN_FRAMES)

    # ---- life of the port

    def _start(self, now: float) -> None:
        self._forget()
        self._uses_acks, self._has_acked = self._settings.ackmode, False
        self._enter_left = list(self._settings.enter_kiss)
        if self._enter_left:
            self._set_status(ModemStatus.STARTING, "entering KISS mode")
            self._enter(now)
        else:
            self._be_ready(now)

    def _enter(self, now: float) -> None:
        if not self._enter_left:
            self._enter_s = None
            self._be_ready(now)
            return
        self._write(self._enter_left.pop(0).encode("ascii", "replace") + b"\r")
        self._enter_s = now + ENTER_STEP_S

    def _be_ready(self, now: float) -> None:
        self._write(bytes((FEND, FEND)))
        self._write_parameters(now)
        self._set_status(ModemStatus.READY, "KISS")

    def _write_parameters(self, now: float) -> None:
        for frame in self._settings.parameters():
            self._write(encode_kiss(frame, self._settings.checksum))
        self._last_write_s = now

    def _stop(self, now: float) -> None:
        if self._settings.exit_kiss:
            self._write(encode_kiss(KissFrame(RETURN_PORT, KissCommand.RETURN), self._settings.checksum))

    def _restart(self) -> None:
        super()._restart()
        self._forget()

    def _forget(self) -> None:
        self._decoder = KissDecoder(self._settings.checksum, self.metrics)
        self._enter_left, self._enter_s = [], None
        self._first_end_s = self._end_s = None
        self._ids.clear()
        self._retries = 0

    # ---- sending

    def _is_free(self, now: float) -> bool:
        return True

    def _transmit(self, packet: Outgoing, now: float) -> None:
        silent_s = float("inf") if self._last_write_s is None else now - self._last_write_s
        if silent_s >= SILENCE_S:
            self._write(bytes((FEND,)))
        if silent_s >= REFRESH_S:
            self._write_parameters(now)
        ax25 = self._settings.ax25
        body = packet.data
        if ax25 is not None:
            body = UiFrame(CallSign.parse(ax25.destination), CallSign.parse(ax25.source), body).to_bytes()
        self._own.append((now, packet.data))
        kind = KissCommand.DATA
        if self._uses_acks:
            self._ack_id = self._ack_id % 0xFFFF + 1
            self._ids[self._ack_id] = packet.number
            kind, body = KissCommand.ACKED_DATA, self._ack_id.to_bytes(ACK_ID_BYTES, "big") + body
        self._first_end_s = self._end_s = None
        before = self._written_bytes
        self._write(encode_kiss(KissFrame(self._settings.tnc_port, kind, body), self._settings.checksum))
        self._whole_at_bytes = self._handed_bytes
        line = self.profile.port
        self._through_line_s = now + (self._handed_bytes - before) * line.bits_per_byte / line.baud
        self._last_write_s = now

    def _bytes_written(self, now: float) -> None:
        head = self._under_way
        if head is None or self._end_s is not None or self._written_bytes < self._whole_at_bytes:
            return
        # A port's buffer takes it at once, and the line still needs its time.
        at_tnc_s = max(now, self._through_line_s)
        self._first_end_s = self._end_s = at_tnc_s + self.info.airtime_s(len(head.data))

    def _tick(self, now: float) -> None:
        if self._enter_s is not None and now >= self._enter_s:
            self._enter(now)
        due = self._due_s()
        if due is None or now < due:
            return
        if not self._uses_acks:
            self._done()
        elif self._has_acked:
            self._offer_again(now)
        else:
            self.metrics.count("modem.no_ackmode")
            self._uses_acks = False
            self._first_end_s = self._end_s = None
            self._try_again()
            self._set_status(ModemStatus.READY, "KISS; no ACKMODE acknowledgement came: pacing by air time")

    def next_deadline(self) -> float | None:
        return min((at for at in (self._enter_s, self._due_s()) if at is not None), default=None)

    def _due_s(self) -> float | None:
        """When the packet under way counts as sent, or as not acknowledged."""
        if self._end_s is None or self._under_way is None:
            return None
        if not self._uses_acks:
            return self._end_s
        retry_s = RETRY_S[min(self._retries - 1, len(RETRY_S) - 1)] if self._retries else 0.0
        return self._end_s + self._settings.ack_timeout_ms / 1000 + retry_s

    def _offer_again(self, now: float) -> None:
        head = self._under_way
        assert head is not None
        self.metrics.count("modem.no_ack")
        self._retries += 1
        self._set_status(ModemStatus.SILENT, "the TNC acknowledges no more: channel busy, or TNC stopped; trying again")
        head.begun_s, head.tries = now, head.tries + 1
        self._write_parameters(now)
        self._transmit(head, now)

    def _done(self) -> None:
        self._first_end_s = self._end_s = None
        self._ids.clear()
        self._retries = 0
        self._sent()

    # ---- receiving

    def _parse(self, now: float) -> None:
        data = bytes(self._inbox)
        self._inbox.clear()
        if self._status is ModemStatus.STARTING:
            return  # the command mode's chatter
        for frame in self._decoder.feed(data):
            self._frame(frame, now)
        partial = self._decoder.partial
        mine = self._settings.tnc_port << 4
        if self._settings.enter_kiss and b"cmd:" in partial and partial[0] not in (mine, mine | 0x80):
            self._modem_restarted(now, "the TNC has left KISS mode")

    def _frame(self, frame: KissFrame, now: float) -> None:
        if frame.port != self._settings.tnc_port:
            self.metrics.count("modem.rx_other_port")
        elif frame.command == KissCommand.DATA:
            self._data(frame.data, now)
        elif frame.command == KissCommand.ACKED_DATA and self._settings.ackmode:
            self._acked(frame.data[:ACK_ID_BYTES])
        else:
            self.metrics.count("modem.rx_other_command")

    def _acked(self, ack_id: bytes) -> None:
        number = self._ids.get(int.from_bytes(ack_id, "big")) if len(ack_id) == ACK_ID_BYTES else None
        head = self._under_way
        if number is None or head is None or number != head.number:
            self.metrics.count("modem.rx_stale_ack")
            return
        self._has_acked = True
        self._done()
        self._set_status(ModemStatus.READY, "KISS, acknowledged")

    def _data(self, data: bytes, now: float) -> None:
        ax25 = self._settings.ax25
        is_ours_by_name = True
        if ax25 is not None:
            packet = parse_ui(data)
            if packet is None or packet.destination != CallSign.parse(ax25.destination):
                self.metrics.count("modem.rx_foreign")
                self._defer(now)
                return
            data, is_ours_by_name = packet.data, packet.source == CallSign.parse(ax25.source)
        if is_ours_by_name and any(data == own and now - at < OWN_S for at, own in self._own):
            self.metrics.count("modem.rx_own")
            return
        self._defer(now)
        if data:
            self._heard(data)

    def _defer(self, now: float) -> None:
        """Another station has been on the air just now: what is under way has not been sent before."""
        head = self._under_way
        if self._is_full_duplex or head is None or self._end_s is None or self._first_end_s is None:
            return
        again = now + self.info.airtime_s(len(head.data))
        self._end_s = max(self._end_s, min(again, self._first_end_s + MAX_DEFER_S))


MODEM = ModemKind("kiss", KissSettings, lambda profile, metrics, rng: KissDriver(profile, metrics), VirtualTnc)
