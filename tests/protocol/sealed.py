"""Sealers, openers and sealed overs of one net."""

from __future__ import annotations

import random

from gateway.protocol.opening import Opener
from gateway.protocol.packetizer import Packetizer
from gateway.protocol.packets import SessionBlock
from gateway.protocol.sealing import Sealer
from gateway.protocol.security import NetKey, SecurityMode, Suite, Use

PACKET_S = 0.48
SOURCE = 5
KEYS = {key_id: NetKey(key_id, bytes((key_id,)) * 32) for key_id in (9, 10)}
ENCRYPT = Suite(SecurityMode.AUTHENTICATE_ENCRYPT)


class State:
    """Counters and memory that a test can look at."""

    def __init__(self, counter: int = 0) -> None:
        self.counter = counter
        self.heard: dict[tuple[Use, int, int], int] = {}

    def take(self) -> int:
        self.counter += 1
        return self.counter - 1

    def highest(self, use: Use, source: int, key_id: int) -> int:
        return self.heard.get((use, source, key_id), -1)

    def remember(self, use: Use, source: int, key_id: int, counter: int) -> None:
        assert counter > self.highest(use, source, key_id)
        self.heard[use, source, key_id] = counter


def sealer(suite: Suite = ENCRYPT, key_id: int = 9, counter: int = 0, source: int = SOURCE, seed: int = 1) -> Sealer:
    state = State(counter)
    salts = random.Random(seed)
    return Sealer(suite, KEYS[key_id], source=source, counters=state, random_bytes=salts.randbytes)


def opener(suite: Suite = ENCRYPT, memory: State | None = None, hold_s: float = 0.0, own: int | None = None) -> Opener:
    return Opener(suite, KEYS, memory or State(), packet_s=PACKET_S, hold_s=hold_s, own_source=own)


def plain_over(packets: int, over_id: int = 3, source: int = SOURCE) -> list[bytes]:
    packetizer = Packetizer(6, SessionBlock(source, 1, 1, 1), over_id)
    made = [packetizer.push(bytes((i % 256, i // 256, 7))) for i in range(6 * packets - 1)]
    return [packet.to_bytes(False) for packet in [*made, packetizer.finish()] if packet is not None]


def sealed_over(seals: Sealer, packets: int, over_id: int = 3, source: int = SOURCE) -> list[bytes]:
    seals.begin_over()
    return [seals.seal(packet) for packet in plain_over(packets, over_id, source)]
