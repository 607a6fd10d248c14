"""What is fuzzed: everything that takes bytes from the air, fed with whatever the fuzzer thinks of.

Rule: a target raises only where the code under it is wrong: parsers answer with a value or `Dropped`, never raise, and
what they accept is the same after another round of writing and reading.

The first byte of an input picks the target. The rest is one packet, or, for targets with a memory, packets after each
other: a length byte, the packet, a byte of time in steps of 80 ms.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from firmware_bridge.driver import ModemDriver, ModemStatus, PacketHeard, PacketLost, PacketSent
from firmware_bridge.drivers.firmware import FirmwareDriver
from firmware_bridge.drivers.template import MODEM as TEMPLATE
from firmware_bridge.framing.at import AtMachine
from firmware_bridge.framing.ax25 import parse_ui
from firmware_bridge.framing.delimited import Check, CobsFramer
from firmware_bridge.framing.evologics import EvoParser
from firmware_bridge.framing.kiss import Checksum, KissDecoder, encode_kiss
from firmware_bridge.framing.lines import LineReader, json_object
from firmware_bridge.framing.nmea import NmeaReader
from firmware_bridge.link import with_settings
from firmware_bridge.messages import Unknown, decode
from firmware_bridge.probe.answer import Answerer
from firmware_bridge.probe.messages import MAGIC, Wrong
from firmware_bridge.probe.messages import encode as encode_probe
from firmware_bridge.probe.messages import parse as parse_probe
from firmware_bridge.profile import AirSection, ModemProfile, load_profile, profile_names
from firmware_bridge.ptt.cat import language_of
from firmware_bridge.ptt.devices import parse_report
from firmware_bridge.ptt.input_event import KeyFollower, keys_in
from firmware_bridge.registry import find_kind
from firmware_bridge.sim.base import VirtualModem
from firmware_bridge.sim.firmware import VirtualFirmware
from gateway.clock import ManualClock
from gateway.control.hub import ControlHub
from gateway.control.requests import OPERATIONS, mapping_of, request_of
from gateway.errors import GatewayError, RemoteProtocolError
from gateway.metrics import Metrics
from gateway.protocol.bit_protection import protect, unprotect
from gateway.protocol.bulk_packets import MessageBlock, MessageOffer, MessageStatus, parse_message
from gateway.protocol.bulk_receive import BulkReceiver, ReceiveConfig
from gateway.protocol.checksum import crc16
from gateway.protocol.container import ClkReader
from gateway.protocol.jitter import JitterBuffer, JitterConfig
from gateway.protocol.messages import TextAssembler
from gateway.protocol.opening import Opener
from gateway.protocol.over import OverConfig
from gateway.protocol.over_events import FramesArrived, OverEnded, OverStarted
from gateway.protocol.packets import MessagePacket, ParityPacket, TextPacket, VoicePacket
from gateway.protocol.parse import Dropped, parse
from gateway.protocol.recovery import VoiceReceiver
from gateway.protocol.sealing import Sealer
from gateway.protocol.security import NetKey, SecurityMode, Suite, Use
from gateway.ptt_config import CatKey
from gateway.recording.packets import parse_over
from gateway.service.desk import MAX_WATCHERS, Desk
from gateway.service.messages import unpack
from gateway.traces.flights import flights_of
from gateway.traces.framing import Unpacker, pack
from gateway.traces.record import header_from_map, record_from_list, record_to_list
from gateway.traces.table import TableBuilder

KEY = NetKey(1, bytes(range(32)))
SUITE = Suite(SecurityMode.AUTHENTICATE_ENCRYPT)
STEP_S = 0.08
FIRMWARE = load_profile("firmware")


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


def kiss_line(data: bytes) -> None:
    """KISS: a line cut in two gives the frames that it gives whole, and they survive another round."""
    for checksum in Checksum:
        whole, pieces = KissDecoder(checksum, Metrics()), KissDecoder(checksum, Metrics())
        frames = whole.feed(data)
        assert pieces.feed(data[: len(data) // 2]) + pieces.feed(data[len(data) // 2 :]) == frames
        for frame in frames:
            again = KissDecoder(checksum, Metrics()).feed(encode_kiss(frame, checksum))
            assert again == [frame]
            packet = parse_ui(frame.data)
            assert packet is None or parse_ui(packet.to_bytes()) == packet


def modem_stream(data: bytes) -> None:
    """COBS frames in a byte stream: cut anywhere it is the same; what is heard can be sent again; a frame after it all
    is heard."""
    check, size = list(Check)[data[0] % 2] if data else Check.CRC, 1 + (data[1] if len(data) > 1 else 0)
    whole, pieces = CobsFramer(64, check), CobsFramer(64, check)
    heard = whole.feed(data[2:])
    assert heard == [payload for at in range(2, len(data), size) for payload in pieces.feed(data[at : at + size])]
    assert (whole.bad_frames, whole.bad_bytes) == (pieces.bad_frames, pieces.bad_bytes)
    for payload in [*heard, b"after"]:
        assert whole.feed(whole.encode(payload, after_silence=True))[-1] == payload


def probe_messages(data: bytes) -> None:
    """Messages of the modem test: parsed or `Wrong`, and the answering side survives all of them."""
    answerer = Answerer(64)
    for raw, now_s in packets_in(data):
        for one in (raw, MAGIC + raw, MAGIC + raw + crc16(MAGIC + raw).to_bytes(2, "big")):
            found = parse_probe(one)
            if not isinstance(found, Wrong):
                assert encode_probe(found)[:11] == bytes(one)[:11]
                assert parse_probe(encode_probe(found)) == found
            answerer.on_packet(one, now_s)
        while (packet := answerer.next_packet(now_s)) is not None:
            assert len(packet) <= 64
            assert not isinstance(parse_probe(packet), Wrong)
            answerer.done()


def at_lines(data: bytes) -> None:
    """An AT modem that says anything, to a command, to a block or in a call, with the times between."""
    written = bytearray()
    machine, inbox = AtMachine(written.extend), bytearray()
    machine.command("ATD1", 5.0, 100.0, is_call=True, prompt="READY", max_block_bytes=(data[:1] or b"\0")[0])
    for raw, now_s in packets_in(data[1:]):
        inbox += raw
        while machine.receive(inbox, now_s):
            pass
        machine.tick(now_s)
        assert len(inbox) <= 512
        if machine.busy_with is None and not machine.in_data_mode:
            machine.command("AT", 1.0, now_s, is_numeric=True)


def evologics_messages(data: bytes) -> None:
    """EvoLogics, both forms: cut anywhere, the messages are the same, and little is held."""
    whole, cut = EvoParser(), EvoParser()
    messages = whole.feed(data)
    assert [message for at in range(len(data)) for message in cut.feed(data[at : at + 1])] == messages
    assert whole.skipped_bytes <= len(data)
    whole.flush()
    assert not whole.has_begun


def nmea_sentences(data: bytes) -> None:
    """Cut anywhere, the same sentences come out, and what was read is written the same."""
    whole, single = NmeaReader(), NmeaReader()
    sentences = whole.receive(data)
    assert [one for byte in data for one in single.receive(bytes((byte,)))] == sentences
    for sentence in sentences:
        assert NmeaReader().receive(sentence.to_bytes()) == [sentence]


def text_lines(data: bytes) -> None:
    """Cut anywhere, the same lines come out; JSON in them is an object or nothing."""
    whole, single = LineReader(64), LineReader(64)
    lines = whole.receive(data)
    assert [one for byte in data for one in single.receive(bytes((byte,)))] == lines
    for line in lines:
        json_object(line)


MODEMS = (
    *((find_kind(profile.driver), profile) for profile in map(load_profile, profile_names())),
    (find_kind("micromodem"), with_settings(load_profile("micromodem-fsk"), {"rate": 0, "packets": "cycle"})),
    (find_kind("popoto"), with_settings(load_profile("popoto-5120"), {"interface": "json"})),
    (find_kind("kiss"), with_settings(load_profile("kiss-9600"), {"checksum": "xor", "ackmode": True})),
    (TEMPLATE, ModemProfile(name="template", driver="template", air=AirSection(mtu_bytes=24, rate_bps=1000))),
)
"""Each way that a modem may talk, as its profile says."""


def modem_drivers(data: bytes) -> None:
    """Whatever a modem says: nothing raises, a packet ends once and in order, deadlines pass. And its virtual modem,
    whatever its host says."""
    kind, profile = MODEMS[data[0] % len(MODEMS) if data else 0]
    driver = kind.driver(profile, Metrics(), random.Random(1))
    assert kind.virtual is not None
    modem = kind.virtual(profile, "a", random.Random(2))
    driver.port_opened(100.0)
    now, ended = 100.0, 0
    for piece, now_s in packets_in(data[1:]):
        now = now_s
        driver.receive_data(piece, now)
        driver.send(piece[: profile.air.mtu_bytes] or b"x", now)
        driver.written(len(piece), now)
        catch_up(driver, now)
        driver.take_output()
        for event in driver.take_events():
            if isinstance(event, PacketSent | PacketLost):
                assert event.number == ended + 1
                ended += 1
            assert not isinstance(event, PacketHeard) or len(event.data) <= len(data)
        modem.from_host(piece, now)
        catch_up(modem, now)
        for frame in modem.take_air():
            modem.frame_ended(frame, now)
        modem.take_host()
    driver.shut_down(now)


def catch_up(machine: ModemDriver | VirtualModem, now: float) -> None:
    """All that was due happens, and then nothing is due any more."""
    for _ in range(200):
        deadline = machine.next_deadline()
        if deadline is None or deadline > now:
            return
        machine.tick(now)
    raise AssertionError(f"{type(machine).__name__} asks for {deadline}, which has passed, again and again")


def bridge_messages(data: bytes) -> None:
    """BRIDGE.md: a message is refused or has one encoding; both sides take frames of any bytes at any time."""
    with suppress(RemoteProtocolError):
        message = decode(data)
        assert isinstance(message, Unknown) or decode(message.to_bytes()) == message
    driver, modem = FirmwareDriver(FIRMWARE, rng=random.Random(1)), VirtualFirmware(FIRMWARE, "a", random.Random(1))
    driver.port_opened(0.0)
    framer = CobsFramer(300)
    for raw, now_s in packets_in(data):
        for piece in (raw, framer.encode(raw)):
            driver.receive_data(piece, now_s)
            modem.from_host(piece, now_s)
        driver.tick(now_s)
        modem.tick(now_s)
        assert driver.status is not ModemStatus.STOPPED
        assert len(modem.take_air()) <= 1


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


def trace_files(data: bytes) -> None:
    """Traces (docs/traces.md): cut anywhere, the same items come out; damage between good ones costs nothing else."""
    whole, cut = Unpacker(), Unpacker()
    items = whole.feed(data) + whole.finish()
    pieces = [item for at in range(len(data)) for item in cut.feed(data[at : at + 1])] + cut.finish()
    assert repr(pieces) == repr(items)  # not the lists themselves: there may be a NaN
    assert cut.skipped_bytes == whole.skipped_bytes <= len(data)
    good = pack(["tx", "sent", 1.0])
    after = Unpacker()
    assert ["tx", "sent", 1.0] in after.feed(data + good) + after.finish()
    builder = TableBuilder()
    rows = [item for item in items if isinstance(item, list)]
    builder.add_rows(rows)
    records = [record for row in rows if (record := record_from_list(row)) is not None]
    table = builder.build()
    assert len(table) + builder.unknown == len(rows)
    assert len(table) == len(records)
    for record in records:
        assert record_from_list(record_to_list(record)) == record
    flights_of(table)
    for item in items:
        if isinstance(item, dict):
            header_from_map(item)


def control_messages(data: bytes) -> None:
    """CONTROL.md: three clients say anything, each is answered with a map or knows why not; what is posted is sound."""
    hub = ControlHub(ManualClock(), wall=lambda: 0.0)
    desk = Desk(hub)
    for number, (raw, now_s) in enumerate(packets_in(data)):
        client = b"abc"[number % 3 :][:1]
        answer = desk.receive(client, raw, now_s)
        if answer is not None:
            assert isinstance(unpack(answer)["ok"], bool)
        for request in hub.take():
            assert request_of(mapping_of(request)) == request
            assert type(request) in OPERATIONS.values()
        hub.tell("line")
        desk.send_events(lambda _, message: bool(unpack(message)), now_s)
        assert desk.watchers <= min(3, MAX_WATCHERS)


def over_files(data: bytes) -> None:
    """The packets kept of an over, from a disk that did anything to them; what was read is the same once more."""
    with suppress(GatewayError):
        over = parse_over(data, Path("1-heard.packets"))
        if over is not None:
            again = b"".join((over.header.item(), *(one.item() for one in over.packets)))
            found = parse_over(again, over.path)
            assert found is not None
            assert found.header.side is over.header.side
            assert [one.packet for one in found.packets] == [one.packet for one in over.packets]


TARGETS: tuple[Callable[[bytes], None], ...] = (
    plain_packet,
    coded_packet,
    heard_over,
    sealed_packets,
    insiders_packets,
    message_packets,
    clk_file,
    modem_stream,
    kiss_line,
    probe_messages,
    at_lines,
    evologics_messages,
    nmea_sentences,
    text_lines,
    modem_drivers,
    bridge_messages,
    input_events,
    radio_answers,
    trace_files,
    control_messages,
    over_files,
)


def one_input(data: bytes) -> None:
    """Run the target that the first byte picks."""
    if data:
        TARGETS[data[0] % len(TARGETS)](data[1:])
