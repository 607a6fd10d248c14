"""Receiver's side of the security envelope: sealed bytes in, plain packets out (SPEC.md, clauses 13.9 to 13.12).

Rule: nothing that arrives raises, and nothing changes - no window, no memory, no over - before a tag was found right.
What is refused has a name to count; the operator is told of it once in a while, not once per packet.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from gateway.protocol.over import extend_sequence
from gateway.protocol.packetizer import carries_session
from gateway.protocol.packets import FRAME_S, HEADER_BYTES, SEQUENCES, VERSION, VoicePacket
from gateway.protocol.parse import parse
from gateway.protocol.sealing import IN_OVER, TYPE_EXTENDED, TYPE_REDUNDANT, TYPE_SESSION
from gateway.protocol.security import (
    ALONE_BYTES,
    ALONE_NONCE,
    BLOCK_BYTES,
    KIND_SEALED,
    MAX_PACKETS,
    NetKey,
    OverSalt,
    Suite,
    TrafficKey,
    Use,
    aside_nonce,
    over_key,
    read_block,
    voice_nonce,
)

WINDOW = 64  # packets of an over, or lone packets of a sender, that may come out of order (13.10)
OPEN_OVERS = 4  # overs whose packets are still accepted; the one heard longest ago is forgotten first
FORGET_S = 30.0  # silence after which an over's packets are refused for good
HELD_PACKETS = 4
TELL_EVERY_S = 30.0
_MASK = (1 << WINDOW) - 1


class Refusal(Enum):
    """Why a packet was not opened (13.9). The values are counter names."""

    TOO_SHORT = "too_short"
    WRONG_VERSION = "wrong_version"
    UNSEALED = "unsealed"
    UNKNOWN_KEY = "unknown_key"
    BAD_TAG = "bad_tag"
    NO_SESSION = "no_session"
    REPLAYED = "replayed"
    DUPLICATE = "duplicate"
    TOO_OLD = "too_old"
    REFLECTED = "reflected"


ALARMING = frozenset({Refusal.UNSEALED, Refusal.UNKNOWN_KEY, Refusal.BAD_TAG, Refusal.REPLAYED})
"""What an operator is told of: the others happen on any net (late entry, repeats, echoes)."""


class ReplayMemory(Protocol):
    """The highest counter accepted from each sender; it outlives the program."""

    def highest(self, use: Use, source: int, key_id: int) -> int:
        """-1 if none was."""

    def remember(self, use: Use, source: int, key_id: int, counter: int) -> None:
        """`counter` was accepted and is higher than what `highest` told. Does not raise."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What came of one arrival: plain packets to go on with, refusals to count, and what the operator should hear."""

    packets: tuple[bytes, ...] = ()
    refused: tuple[Refusal, ...] = ()
    alarm: Mapping[Refusal, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Window:
    """Which of the last 64 numbers up to `highest` were used; a new one knows all of them as used."""

    highest: int
    seen: int = _MASK

    def verdict(self, number: int) -> Refusal | None:
        behind = self.highest - number
        if behind < 0:
            return None
        if behind >= WINDOW:
            return Refusal.TOO_OLD
        return Refusal.DUPLICATE if self.seen >> behind & 1 else None

    def use(self, number: int) -> None:
        if number > self.highest:
            self.seen = self.seen << min(number - self.highest, WINDOW) & _MASK
            self.highest = number
        self.seen |= 1 << self.highest - number


@dataclass(slots=True)
class _Over:
    over_id: int
    salt: OverSalt
    key: TrafficKey
    window: _Window
    packet_s: float
    highest_s: float
    heard_s: float
    asides: set[tuple[int, int]] = field(default_factory=set)

    def number(self, wire6: int, now_s: float) -> int:
        """The full number behind the 6 bits, by what time lets expect (6.2)."""
        elapsed = max(0.0, now_s - self.highest_s)
        return extend_sequence(wire6, self.window.highest, self.window.highest + elapsed / self.packet_s)


class Opener:
    """Opens what one station hears."""

    def __init__(
        self,
        suite: Suite,
        keys: Mapping[int, NetKey],
        memory: ReplayMemory,
        *,
        packet_s: float,
        hold_s: float = 0.0,
        own_source: int | None = None,
    ) -> None:
        """`keys` by id: all that are accepted. `packet_s`: voice per packet, until the packets tell. `hold_s`: how long
        packets wait for the session block that opens them. `own_source`: what this station sends is not to be heard
        when somebody plays it back (None: where the link itself returns it, as in a loopback)."""
        self._suite = suite
        self._keys = dict(keys)
        self._memory = memory
        self._packet_s = packet_s
        self._hold_s = hold_s
        self._own_source = own_source
        self._overs: list[_Over] = []  # the one heard last comes first
        self._lone: dict[tuple[int, int], _Window] = {}
        self._held: deque[tuple[float, bytes]] = deque()
        self._untold: Counter[Refusal] = Counter()
        self._told_s: float | None = None

    def open(self, data: bytes, now_s: float) -> Opened:
        """Take what the link delivered (without checksum), at `now_s`. Never raises."""
        self._overs = [over for over in self._overs if now_s - over.heard_s <= FORGET_S]
        refused: list[Refusal] = []
        while self._held and now_s - self._held[0][0] > self._hold_s:
            self._held.popleft()
            refused.append(Refusal.NO_SESSION)
        packets: list[tuple[int, bytes]] = []
        result = self._open(bytes(data), now_s, packets)
        if isinstance(result, Refusal):
            if result is Refusal.NO_SESSION and self._hold_s > 0 and _kind(data) != TYPE_EXTENDED:
                self._held.append((now_s, bytes(data)))
                if len(self._held) > HELD_PACKETS:
                    self._held.popleft()
                    refused.append(Refusal.NO_SESSION)
            else:
                refused.append(result)
        else:
            packets.append((0, result))
        return Opened(tuple(plain for _, plain in sorted(packets)), tuple(refused), self._tell(refused, now_s))

    def _tell(self, refused: list[Refusal], now_s: float) -> Mapping[Refusal, int]:
        self._untold.update(reason for reason in refused if reason in ALARMING)
        if not self._untold or (self._told_s is not None and now_s - self._told_s < TELL_EVERY_S):
            return {}
        told, self._untold, self._told_s = self._untold, Counter(), now_s
        return dict(told)

    def _open(self, data: bytes, now_s: float, held: list[tuple[int, bytes]]) -> bytes | Refusal:
        """The plain packet; those held back that it made readable go to `held`, with how much later their number is."""
        if len(data) < HEADER_BYTES + self._suite.tag_bytes:
            return Refusal.TOO_SHORT
        if data[0] >> 6 != VERSION:
            return Refusal.WRONG_VERSION
        kind = _kind(data)
        if kind == TYPE_EXTENDED:
            word = int.from_bytes(data[:HEADER_BYTES], "big")
            return self._open_aside(data, now_s) if word & IN_OVER else self._open_alone(data)
        verdict = Refusal.NO_SESSION
        if kind in (TYPE_SESSION, TYPE_REDUNDANT):
            opened = self._open_with_block(data, kind, now_s, held)
            if kind == TYPE_SESSION or opened not in (Refusal.NO_SESSION, Refusal.BAD_TAG):
                return opened
        return self._open_in_known(data, now_s, verdict)

    def _open_with_block(self, data: bytes, kind: int, now_s: float, held: list[tuple[int, bytes]]) -> bytes | Refusal:
        clear = HEADER_BYTES + BLOCK_BYTES
        if len(data) < clear + self._suite.tag_bytes:
            return Refusal.TOO_SHORT if kind == TYPE_SESSION else Refusal.NO_SESSION
        salt, turn = read_block(data[HEADER_BYTES:clear])
        number = turn * SEQUENCES + _wire6(data)
        if kind == TYPE_REDUNDANT and not carries_session(number):
            return Refusal.NO_SESSION  # these have a block by schedule only: what looks like one is ciphertext
        known = next((over for over in self._overs if over.salt == salt and over.over_id == _over_id(data)), None)
        if known is not None:
            plain = known.key.open(voice_nonce(salt, number), data[:clear], data[clear:])
            if plain is None:
                return Refusal.BAD_TAG
            return self._use(known, number, data[:HEADER_BYTES] + plain, now_s)
        master = self._keys.get(salt.key_id)
        if master is None:
            return Refusal.UNKNOWN_KEY if kind == TYPE_SESSION else Refusal.NO_SESSION
        key = over_key(self._suite, master, salt)
        plain = key.open(voice_nonce(salt, number), data[:clear], data[clear:])
        if plain is None:
            return Refusal.BAD_TAG if kind == TYPE_SESSION else Refusal.NO_SESSION
        if salt.source == self._own_source:
            return Refusal.REFLECTED
        if salt.counter <= self._memory.highest(Use.OVER, salt.source, salt.key_id):
            return Refusal.REPLAYED
        self._memory.remember(Use.OVER, salt.source, salt.key_id, salt.counter)
        over = _Over(_over_id(data), salt, key, _Window(number, 0), self._packet_s, now_s, now_s)
        self._overs.insert(0, over)
        del self._overs[OPEN_OVERS:]
        held += self._release(over, number)
        return self._use(over, number, data[:HEADER_BYTES] + plain, now_s)

    def _release(self, over: _Over, session_number: int) -> list[tuple[int, bytes]]:
        """Packets held back that belong to an over whose key is now known, with their distance from its first one."""
        waiting, self._held = list(self._held), deque()
        opened: list[tuple[int, bytes]] = []
        for at_s, data in waiting:
            number = extend_sequence(_wire6(data), session_number, None)
            plain = self._voice(over, data, number) if _over_id(data) == over.over_id else None
            if plain is None:
                self._held.append((at_s, data))
            elif over.window.verdict(number) is None and number != session_number:
                over.window.use(number)
                opened.append((number - session_number, plain))
        return opened

    def _voice(self, over: _Over, data: bytes, number: int) -> bytes | None:
        """A voice packet without a block, under the key of `over`."""
        if not 0 <= number < MAX_PACKETS:
            return None
        plain = over.key.open(voice_nonce(over.salt, number), data[:HEADER_BYTES], data[HEADER_BYTES:])
        return None if plain is None else data[:HEADER_BYTES] + plain

    def _open_in_known(self, data: bytes, now_s: float, verdict: Refusal) -> bytes | Refusal:
        for over in self._overs:
            if over.over_id != _over_id(data):
                continue
            number = over.number(_wire6(data), now_s)
            plain = self._voice(over, data, number)
            if plain is not None:
                return self._use(over, number, plain, now_s)
            verdict = Refusal.BAD_TAG
        return verdict

    def _use(self, over: _Over, number: int, plain: bytes, now_s: float) -> bytes | Refusal:
        refusal = over.window.verdict(number)
        if refusal is not None:
            return refusal
        if number >= over.window.highest:
            over.highest_s = now_s
        over.window.use(number)
        over.heard_s = now_s
        packet = parse(plain, crc=False)
        if isinstance(packet, VoicePacket) and not packet.end_of_over:  # it is full
            over.packet_s = len(packet.frames) * FRAME_S
        return plain

    def _open_aside(self, data: bytes, now_s: float) -> bytes | Refusal:
        clear = HEADER_BYTES + 1
        if len(data) <= clear + self._suite.tag_bytes:
            return Refusal.TOO_SHORT
        place, verdict = data[HEADER_BYTES], Refusal.NO_SESSION
        for over in self._overs:
            if over.over_id != _over_id(data):
                continue
            verdict = Refusal.BAD_TAG
            number = over.number(_wire6(data), now_s)
            if not 0 <= number < MAX_PACKETS:
                continue
            plain = over.key.open(aside_nonce(over.salt, number, place), data[:clear], data[clear:])
            if plain is None:
                continue
            if over.window.highest - number >= WINDOW:
                return Refusal.TOO_OLD
            if (number, place) in over.asides:
                return Refusal.DUPLICATE
            over.asides = {kept for kept in over.asides if over.window.highest - kept[0] < WINDOW} | {(number, place)}
            return plain
        return verdict

    def _open_alone(self, data: bytes) -> bytes | Refusal:
        if data[HEADER_BYTES] != KIND_SEALED or data[0] & 0x0F or data[1]:
            return Refusal.UNSEALED
        if len(data) <= ALONE_BYTES + self._suite.tag_bytes:
            return Refusal.TOO_SHORT
        key_id, source = data[3], int.from_bytes(data[4:6], "big")
        counter, salt = int.from_bytes(data[6:10], "big"), data[10:ALONE_BYTES]
        master = self._keys.get(key_id)
        if master is None:
            return Refusal.UNKNOWN_KEY
        key = TrafficKey(self._suite, master, Use.ALONE, source, counter, salt)
        plain = key.open(ALONE_NONCE, data[:ALONE_BYTES], data[ALONE_BYTES:])
        if plain is None:
            return Refusal.BAD_TAG
        if source == self._own_source:
            return Refusal.REFLECTED
        window = self._lone.setdefault((source, key_id), _Window(self._memory.highest(Use.ALONE, source, key_id)))
        refusal = window.verdict(counter)
        if refusal is not None:
            return Refusal.REPLAYED if refusal is Refusal.TOO_OLD else refusal
        if counter > window.highest:
            self._memory.remember(Use.ALONE, source, key_id, counter)
        window.use(counter)
        return data[:HEADER_BYTES] + plain


def _kind(data: bytes) -> int:
    return data[0] >> 4 & 3


def _wire6(data: bytes) -> int:
    return data[1] & SEQUENCES - 1


def _over_id(data: bytes) -> int:
    return int.from_bytes(data[:HEADER_BYTES], "big") >> 6 & 0x1F
