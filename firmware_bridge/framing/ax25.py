"""AX.25 UI frames as an envelope: many TNCs and digipeaters take nothing else.

Rule: values to bytes and back, without the checksum, which the TNC adds. Source: "AX.25 Link Access Protocol for
Amateur Packet Radio", version 2.2 (1998): addresses in 3.12, UI frames in 4.3.3.6.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

ADDRESS_BYTES = 7
UI_HEADER_BYTES = 2 * ADDRESS_BYTES + 2
"""Two addresses, control and PID."""
MAX_ADDRESSES = 10
_UI, _POLL_FINAL, _NO_LAYER_3 = 0x03, 0x10, 0xF0
_PATTERN = re.compile(r"([A-Z0-9]{1,6})(?:-(1[0-5]|[0-9]))?")


@dataclass(frozen=True, slots=True)
class CallSign:
    """A station's address: one to six capitals and digits, and a number from 0 to 15."""

    call: str
    ssid: int = 0

    @classmethod
    def parse(cls, text: str) -> CallSign:
        """From `N0CALL` or `N0CALL-7`. Raises ValueError."""
        found = _PATTERN.fullmatch(text)
        if found is None:
            raise ValueError(f"no call sign: {text!r} (one to six capitals and digits, and -0 to -15 if wanted)")
        return cls(found[1], int(found[2] or 0))

    def __str__(self) -> str:
        return f"{self.call}-{self.ssid}" if self.ssid else self.call

    def to_bytes(self, *, is_command: bool, is_last: bool) -> bytes:
        """Seven bytes as in 3.12.2: shifted left by one, the lowest bit ends the addresses."""
        ssid = 0x60 | (0x80 if is_command else 0) | self.ssid << 1 | is_last
        return bytes(ord(letter) << 1 for letter in self.call.ljust(6)) + bytes((ssid,))


@dataclass(frozen=True, slots=True)
class UiFrame:
    """An unnumbered information frame without a layer 3 protocol."""

    destination: CallSign
    source: CallSign
    data: bytes

    def to_bytes(self) -> bytes:
        """A command frame (6.1.2) without digipeaters."""
        ends = self.destination.to_bytes(is_command=True, is_last=False)
        return ends + self.source.to_bytes(is_command=False, is_last=True) + bytes((_UI, _NO_LAYER_3)) + self.data


def parse_ui(frame: bytes) -> UiFrame | None:
    """The UI frame, whatever digipeaters it names; None: another kind of frame, or none at all."""
    ends = next((at for at, byte in enumerate(frame[: MAX_ADDRESSES * ADDRESS_BYTES]) if byte & 1), -1) + 1
    if ends % ADDRESS_BYTES or ends < 2 * ADDRESS_BYTES or len(frame) < ends + 2:
        return None
    destination, source = _call_sign(frame[:ADDRESS_BYTES]), _call_sign(frame[ADDRESS_BYTES : 2 * ADDRESS_BYTES])
    if destination is None or source is None:
        return None
    if frame[ends] & ~_POLL_FINAL != _UI or frame[ends + 1] != _NO_LAYER_3:
        return None
    return UiFrame(destination, source, frame[ends + 2 :])


def _call_sign(field: bytes) -> CallSign | None:
    call = bytes(byte >> 1 for byte in field[:6]).decode("ascii").rstrip(" ")
    return CallSign(call, field[6] >> 1 & 0x0F) if _PATTERN.fullmatch(call) else None
