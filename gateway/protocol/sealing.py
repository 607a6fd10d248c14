"""Sender's side of the security envelope: a plain packet in, a sealed one out (SPEC.md, clauses 13.4 to 13.8).

Rule: a counter is taken from what survives a crash before the first packet under it is sealed, and salts are random on
top of it; so even a sender that lost its memory uses no nonce twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.errors import LocalProtocolError
from gateway.protocol.over import extend_sequence
from gateway.protocol.packetizer import carries_session
from gateway.protocol.packets import HEADER_BYTES, SEQUENCES, VERSION
from gateway.protocol.security import (
    ALONE_BYTES,
    ALONE_NONCE,
    ALONE_SALT_BYTES,
    KIND_SEALED,
    MAX_PACKETS,
    SALT_BYTES,
    NetKey,
    OverSalt,
    Suite,
    TrafficKey,
    Use,
    aside_nonce,
    over_key,
    voice_nonce,
)

TYPE_SESSION, TYPE_EXTENDED, TYPE_REDUNDANT = 1, 2, 3
IN_OVER = 1 << 11
"""Header bit of a packet that is sealed aside, under the key of its over (13.9)."""
IN_OVER_KINDS = frozenset({3})
"""Extended kinds that mean something only within their over: parity. All others stand alone."""
MAX_ASIDES = 256


class CounterSource(Protocol):
    """Where numbers come from that are never given out twice, whatever crashes."""

    def take(self) -> int:
        """The next number, higher than all before it. Raises SecurityError when it cannot be made safe."""


@dataclass(slots=True)
class _Over:
    salt: OverSalt
    key: TrafficKey
    number: int | None = None  # of the last voice packet
    last: bytes = b""
    asides: int = 0  # packets sealed aside since it


class Sealer:
    """Seals what one station sends, in the order in which it sends it."""

    def __init__(
        self, suite: Suite, key: NetKey, *, source: int, counters: CounterSource, random_bytes: Callable[[int], bytes]
    ) -> None:
        """`key` is the one that sends; `random_bytes(n)` must be fit for keys (`secrets.token_bytes`)."""
        self._suite = suite
        self._key = key
        self._source = source
        self._counters = counters
        self._random_bytes = random_bytes
        self._over: _Over | None = None

    @property
    def packet_overhead_bytes(self) -> int:
        """What is added to a packet that stands alone (13.8), for those who cut to the MTU."""
        return ALONE_BYTES - HEADER_BYTES + self._suite.tag_bytes

    def begin_over(self) -> None:
        """A new key for the over whose packets come next. Raises SecurityError without a safe counter."""
        counter = self._counters.take()
        salt = OverSalt(self._source, self._key.key_id, counter, self._random_bytes(SALT_BYTES))
        self._over = _Over(salt, over_key(self._suite, self._key, salt))

    def seal(self, plain: bytes) -> bytes:
        """The sealed form of a whole packet without checksum. A repeated packet gives the same bytes again."""
        if plain[0] >> 4 & 3 != TYPE_EXTENDED:
            return self._voice(plain)
        if self._over is not None and self._over.number is not None and plain[HEADER_BYTES] in IN_OVER_KINDS:
            return self._aside(self._over, self._over.number, plain)
        return self._alone(plain)

    def _voice(self, plain: bytes) -> bytes:
        over = self._over
        if over is None:
            raise LocalProtocolError("voice packet sealed before its over was begun")
        header, body = plain[:HEADER_BYTES], plain[HEADER_BYTES:]
        number = extend_sequence(header[1] & SEQUENCES - 1, -1 if over.number is None else over.number, None)
        if over.number is not None and (number < over.number or (number == over.number and plain != over.last)):
            # A number that was used, with other repeats in it (12.1.4) or again in place of parity (12.2.4).
            return self._aside(over, over.number, plain)
        if not 0 <= number < MAX_PACKETS:
            raise LocalProtocolError(f"packet {number} of an over: needs 0 to {MAX_PACKETS - 1} (SPEC 13.4)")
        if number != over.number:
            over.number, over.last, over.asides = number, plain, 0
        kind = header[0] >> 4 & 3
        with_block = kind == TYPE_SESSION or (kind == TYPE_REDUNDANT and carries_session(number))
        clear = header + over.salt.block(number) if with_block else header
        return over.key.seal(voice_nonce(over.salt, number), clear, body)

    def _aside(self, over: _Over, number: int, plain: bytes) -> bytes:
        if over.asides >= MAX_ASIDES:
            raise LocalProtocolError(f"more than {MAX_ASIDES} packets aside after voice packet {number}")
        place, over.asides = over.asides, over.asides + 1
        # The over id and the number are those of the voice packet that went before.
        voice = int.from_bytes(over.last[:HEADER_BYTES], "big")
        word = VERSION << 14 | TYPE_EXTENDED << 12 | IN_OVER | voice & 0x7FF
        clear = word.to_bytes(HEADER_BYTES, "big") + bytes((place,))
        return over.key.seal(aside_nonce(over.salt, number, place), clear, plain)

    def _alone(self, plain: bytes) -> bytes:
        counter, salt = self._counters.take(), self._random_bytes(ALONE_SALT_BYTES)
        key = TrafficKey(self._suite, self._key, Use.ALONE, self._source, counter, salt)
        who = bytes((KIND_SEALED, self._key.key_id)) + self._source.to_bytes(2, "big")
        clear = bytes((plain[0] & 0xF0, 0)) + who + counter.to_bytes(4, "big") + salt
        return key.seal(ALONE_NONCE, clear, plain[HEADER_BYTES:])
