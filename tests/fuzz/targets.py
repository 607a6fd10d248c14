"""What is fuzzed: everything that takes bytes from the air, fed with whatever the fuzzer thinks of.

Rule: a target raises only where the code under it is wrong: parsers answer with a value or `Dropped`, never raise, and
what they accept is the same after another round of writing and reading.

The first byte of an input picks the target. The rest is one packet, or, for targets with a memory, packets after each
other: a length byte, the packet, a byte of time in steps of 80 ms.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from firmware_bridge.ptt.cat import language_of
from firmware_bridge.ptt.devices import parse_report
from firmware_bridge.ptt.input_event import KeyFollower, keys_in
from gateway.errors import GatewayError
from gateway.protocol.bit_protection import protect, unprotect
from gateway.protocol.bulk_packets import MessageBlock, MessageOffer, MessageStatus, parse_message
from gateway.protocol.bulk_receive import BulkReceiver, ReceiveConfig
from gateway.protocol.container import ClkReader
from gateway.protocol.jitter import JitterBuffer, JitterConfig
from gateway.protocol.messages import TextAssembler
from gateway.protocol.opening import Opener
from gateway.protocol.over import FramesArrived, OverConfig, OverEnded, OverStarted
from gateway.protocol.packets import Dropped, MessagePacket, ParityPacket, TextPacket, VoicePacket, parse
from gateway.protocol.recovery import VoiceReceiver
from gateway.protocol.sealing import Sealer
from gateway.protocol.security import NetKey, SecurityMode, Suite, Use
from gateway.ptt_config import CatKey

KEY = NetKey(1, bytes(range(32)))
SUITE = Suite(SecurityMode.AUTHENTICATE_ENCRYPT)
STEP_S = 0.08


class Counters:
    """Numbers for a sealer, and what an opener remembers."""

    def __init__(self) -> None:
        self.next = 0
        self.heard: dict[tuple[Use, int, int], int] = {}

    def take(self) -> int:
        self.next += 1
        return self.next

    def highest(self, use: Use, source: int, key_id: int) -> int:
        return self.heard.get((use, source, key_id), -1)

    def remember(self, use: Use, source: int, key_id: int, counter: int) -> None:
        assert counter > self.highest(use, source, key_id)
        self.heard[use, source, key_id] = counter


def packets_in(data: bytes) -> Iterator[tuple[bytes, float]]:
    """The packets of an input and their times in seconds."""
    now_s, at = 100.0, 0
    while at < len(data):
        size = data[at]
        yield data[at + 1 : at + 1 + size], now_s
        at += size + 1
        now_s += STEP_S * (data[at] if at < len(data) else 0)
        at += 1


def plain_packet(data: bytes) -> None:
    """SPEC 2 to 5, 12.1, 12.2, 14, 15: one packet, without and with checksum."""
    parse(data, crc=True)
    packet = parse(data, crc=False)
    if isinstance(packet, Dropped):
        return
    for crc in (False, True):
        assert parse(packet.to_bytes(crc), crc=crc) == packet
    if isinstance(packet, MessagePacket):
        message = parse_message(packet)
        if not isinstance(message, Dropped):
            assert parse_message(message.packet()) == message


def coded_packet(data: bytes) -> None:
    """SPEC 12.3: what comes out of the bit protection is a packet or is dropped; what is put in comes out."""
    strong_bits = 8 + data[0] % 17 if data else 12
    bare = unprotect(data[1:], strong_bits)
    if not isinstance(bare, Dropped):
        parse(bare.data, crc=False)
    packet = parse(data[1:], crc=False)
    if isinstance(packet, Dropped) or len(data) > 200:
        return
    plain = packet.to_bytes(False)
    again = unprotect(protect(plain, strong_bits), strong_bits)
    assert not isinstance(again, Dropped)
    assert again.data == plain


def heard_over(data: bytes) -> None:
    """SPEC 6 to 8, 12: a receiver of overs with repairs, and the jitter buffer behind it."""
    receiver, texts = VoiceReceiver(OverConfig(6)), TextAssembler()
    jitter: JitterBuffer | None = None
    for raw, now_s in packets_in(data):
        packet = parse(raw, crc=False)
        if isinstance(packet, TextPacket):
            texts.receive(packet, now_s)
        if not isinstance(packet, VoicePacket | ParityPacket):
            continue
        for event in (*receiver.receive(packet, now_s), *receiver.tick(now_s)):
            if isinstance(event, OverStarted):
                packet_s = event.frames_per_packet * STEP_S
                jitter = JitterBuffer(JitterConfig(packet_s, 0.06, packet_s + 1.0))
            elif isinstance(event, FramesArrived) and jitter is not None:
                for place, frame in enumerate(event.frames):
                    jitter.put(event.first_frame_index + place, frame, now_s)
            elif isinstance(event, OverEnded) and jitter is not None:
                jitter.end(event.end_frame_index)
        if jitter is not None:
            jitter.pop(now_s)
    receiver.counters()


def sealed_packets(data: bytes) -> None:
    """SPEC 13: an outsider's bytes are refused, all of them, and change no memory."""
    memory = Counters()
    opener = Opener(SUITE, {1: KEY}, memory, packet_s=0.48, hold_s=0.5)
    for raw, now_s in packets_in(data):
        assert opener.open(raw, now_s).packets == ()
    assert memory.heard == {}


def insiders_packets(data: bytes) -> None:
    """SPEC 13: whatever a station of the net seals, others open it or refuse it; nothing is opened twice."""
    memory, salts = Counters(), random.Random(1)
    sealer = Sealer(SUITE, KEY, source=2, counters=memory, random_bytes=salts.randbytes)
    opener = Opener(SUITE, {1: KEY}, Counters(), packet_s=0.48, hold_s=0.5)
    sealer.begin_over()
    for raw, now_s in packets_in(data):
        if len(raw) < 3 or raw[0] >> 6 != 1:
            sealer.begin_over()
            continue
        try:
            sealed = sealer.seal(raw)
        except GatewayError:
            continue  # a sender may refuse what it is told to send
        first, second = opener.open(sealed, now_s), opener.open(sealed, now_s)
        assert second.packets == ()
        for plain in first.packets:
            parse(plain, crc=False)


def message_packets(data: bytes) -> None:
    """SPEC 14: the receiver of messages takes any packets in any order."""
    receiver = BulkReceiver(ReceiveConfig(2, 1, 1.0, 40, lambda _: True), random.Random(1))
    for raw, now_s in packets_in(data):
        message = parse_message(MessagePacket(5 + (raw[:1] > b"\x7f"), raw[1:]))
        if isinstance(message, Dropped):
            continue
        if isinstance(message, MessageOffer):
            receiver.on_offer(message, now_s)
        elif isinstance(message, MessageBlock):
            receiver.on_block(message)
        receiver.work()
        answer = receiver.next(now_s)
        assert not isinstance(answer, MessageStatus) or len(answer.packet().to_bytes(False)) <= 40


def clk_file(data: bytes) -> None:
    """SPEC 10: a file in two pieces gives its frames or one error with an offset."""
    reader = ClkReader()
    try:
        reader.feed(data[: len(data) // 2])
        reader.feed(data[len(data) // 2 :])
        reader.finish()
    except GatewayError:
        return


def input_events(data: bytes) -> None:
    """Events of a foot switch: cut in two they lead through the same states, which take turns."""
    whole, pieces = KeyFollower(None), KeyFollower(None)
    states = whole.feed(data)
    assert pieces.feed(data[: len(data) // 2]) + pieces.feed(data[len(data) // 2 :]) == states
    assert states == [n % 2 == 0 for n in range(len(states))]
    assert whole.set_down(keys_in(data)) is any(data)


def radio_answers(data: bytes) -> None:
    """Answers of radios and of rigctld: judged, whatever they are."""
    for radio in ("icom", "kenwood", "elecraft", "yaesu", "yaesu-5-byte"):
        language = language_of(CatKey.model_validate({"kind": "cat", "port": "/dev/x", "radio": radio}))
        for is_on in (False, True):
            assert language.judge(is_on, data) is not True or language.answers(is_on)
    parse_report(data)


TARGETS: tuple[Callable[[bytes], None], ...] = (
    plain_packet,
    coded_packet,
    heard_over,
    sealed_packets,
    insiders_packets,
    message_packets,
    clk_file,
    input_events,
    radio_answers,
)


def one_input(data: bytes) -> None:
    """Run the target that the first byte picks."""
    if data:
        TARGETS[data[0] % len(TARGETS)](data[1:])
