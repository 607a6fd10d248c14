"""What checksum, security and bit protection make of a packet on its way to the link, for those who cut and time them.

The rule: arithmetic alone; what really wraps a packet is `Transmitter.on_air`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gateway.errors import LocalProtocolError
from gateway.protocol.bit_protection import MAX_BODY_BYTES
from gateway.protocol.packets import HEADER_BYTES


@dataclass(frozen=True, slots=True)
class Carriage:
    """A packet of n bytes, `most_bytes` at the most, is (n + `extra_bytes`) / `code_rate` bytes on the link."""

    extra_bytes: int = 0
    code_rate: float = 1.0
    most_bytes: int = 65_535

    def __post_init__(self) -> None:
        if self.extra_bytes < 0 or not 0 < self.code_rate <= 1:
            raise LocalProtocolError(f"needs extra_bytes >= 0 and 0 < code_rate <= 1: {self}")

    def room_bytes(self, link_bytes: int) -> int:
        """The longest packet that takes at most `link_bytes` on the link; 0 where none does."""
        return max(0, min(self.most_bytes, math.floor(link_bytes * self.code_rate + 1e-9) - self.extra_bytes))

    def link_bytes(self, n_bytes: float) -> float:
        """Bytes of a packet of `n_bytes` on the link."""
        return (n_bytes + self.extra_bytes) / self.code_rate


UNDER_BIT_PROTECTION = Carriage(extra_bytes=5, code_rate=0.5, most_bytes=MAX_BODY_BYTES + HEADER_BYTES)
"""Header with its check, length and checksum, all in words of half data (12.3); whole words may save a byte or two."""
