"""The sender's promises: packets as SPEC.md has them, nothing kept from one over to the next, rates within bounds."""

from __future__ import annotations

import random

import numpy as np
import pytest

from gateway.audio.denoise import Denoiser, denoise
from gateway.codec import Codec
from gateway.errors import LocalProtocolError
from gateway.metrics import Metrics
from gateway.protocol.bit_protection import Unprotected, unprotect
from gateway.protocol.carriage import Carriage
from gateway.protocol.packets import AckPacket, TextPacket, VoicePacket
from gateway.protocol.parse import parse
from gateway.protocol.protection_file import load_protection
from gateway.transmit import Transmitter


def transmitter(
    codec: Codec, metrics: Metrics, frames_per_packet: int = 6, crc: bool = False, clean: bool = False
) -> Transmitter:
    return Transmitter(
        codec,
        source=513,
        group=7,
        frames_per_packet=frames_per_packet,
        crc=crc,
        rng=random.Random(3),
        metrics=metrics,
        suppressor=Denoiser if clean else None,
    )


def voice(data: bytes, crc: bool = False) -> VoicePacket:
    packet = parse(data, crc=crc)
    assert isinstance(packet, VoicePacket)
    return packet


def test_noise_is_suppressed_before_the_codec(small_codec: Codec, speechlike: np.ndarray) -> None:
    pytest.importorskip("pyrnnoise", reason="pyrnnoise is not installed (extra denoise)")
    sender, level_db = transmitter(small_codec, Metrics(), clean=True), None
    for _ in range(2):  # every over begins afresh, but for the level that is expected
        packets = [voice(data) for data in send(sender, speechlike)]
        frames = b"".join(frame for packet in packets for frame in packet.frames)
        stream = small_codec.encoder_stream(level_db=level_db)
        assert frames == b"".join([*stream.push(denoise(speechlike)), *stream.flush()])
        assert frames != small_codec.encode(speechlike, level_db=level_db)
        level_db = stream.level_db


def send(sender: Transmitter, pcm: np.ndarray, block: int = 320) -> list[bytes]:
    sender.start()
    packets = [p for start in range(0, len(pcm), block) for p in sender.push(pcm[start : start + block])]
    return packets + sender.finish()


@pytest.mark.parametrize("crc", [False, True])
def test_packets_carry_exactly_the_encoders_frames(small_codec: Codec, speechlike: np.ndarray, crc: bool) -> None:
    packets = [voice(data, crc) for data in send(transmitter(small_codec, Metrics(), crc=crc), speechlike)]
    assert b"".join(frame for packet in packets for frame in packet.frames) == small_codec.encode(speechlike)
    assert [packet.sequence for packet in packets] == list(range(len(packets)))
    assert [packet.end_of_over for packet in packets] == [False] * (len(packets) - 1) + [True]
    session = packets[0].session
    assert session is not None
    assert (session.source, session.group, session.codec_id) == (513, 7, small_codec.spec.codec_id)


def test_overs_are_independent_and_numbered(small_codec: Codec, speechlike: np.ndarray) -> None:
    sender = transmitter(small_codec, Metrics())
    first = [voice(data) for data in send(sender, speechlike)]
    second = [voice(data) for data in send(sender, speechlike, block=777)]
    assert [len(packet.frames) for packet in first] == [len(packet.frames) for packet in second]
    assert {(packet.over_id - first[0].over_id) % 32 for packet in second} == {1}


def test_a_quiet_talker_is_expected_to_be_quiet_again(small_codec: Codec, speechlike: np.ndarray) -> None:
    quiet = speechlike * np.float32(0.02)
    sender = transmitter(small_codec, Metrics())
    overs = [[voice(data) for data in send(sender, quiet)] for _ in range(2)]
    first, second = (b"".join(frame for packet in over for frame in packet.frames) for over in overs)
    stream = small_codec.encoder_stream()
    assert first == b"".join([*stream.push(quiet), *stream.flush()])
    assert stream.level_db is not None
    assert stream.level_db < -40
    assert second == small_codec.encode(quiet, level_db=stream.level_db)
    assert first[:3] != second[:3]  # from its first frame on
    assert sender.talker_db == pytest.approx(stream.level_db, abs=0.5)
    twin = sender.twin(lambda packet, size: None)
    assert twin.talker_db == sender.talker_db


def test_a_packet_goes_out_as_soon_as_its_last_frame_is_known(small_codec: Codec) -> None:
    sender = transmitter(small_codec, Metrics(), frames_per_packet=2)
    sender.start()
    lookahead = small_codec.spec.default_lookahead
    needed = (2 + lookahead) * 1280
    assert sender.push(np.zeros(needed - 1, np.float32)) == []
    assert len(sender.push(np.zeros(1, np.float32))) == 1


def test_an_over_may_have_packets_of_its_own_size(small_codec: Codec, speechlike: np.ndarray) -> None:
    sender = transmitter(small_codec, Metrics())
    sender.start(frames_per_packet=3)
    assert sender.over_id is not None
    packets = [voice(data) for data in sender.push(speechlike) + sender.finish()]
    assert {len(packet.frames) for packet in packets[:-1]} == {3}
    assert {packet.over_id for packet in packets} == {sender.over_id}
    assert len(voice(send(sender, speechlike)[0]).frames) == 6  # the next over is as configured again


def test_an_over_without_speech_is_one_packet_that_ends_it(small_codec: Codec) -> None:
    sender = transmitter(small_codec, Metrics())
    packets = send(sender, np.zeros(0, np.float32))
    assert len(packets) == 1
    assert voice(packets[0]).end_of_over
    assert not sender.active
    assert sender.finish() == []


def test_speech_outside_an_over_is_a_programming_error(small_codec: Codec) -> None:
    with pytest.raises(LocalProtocolError, match="outside an over"):
        transmitter(small_codec, Metrics()).push(np.zeros(320, np.float32))


@pytest.mark.parametrize("seconds", [4.48, 4.56, 10.0, 30.0])
def test_on_air_rate_stays_within_350_bit_per_second_of_speech(small_codec: Codec, seconds: float) -> None:
    metrics = Metrics()
    packets = send(transmitter(small_codec, metrics), np.zeros(int(seconds * 16_000), np.float32), block=16_000)
    assert sum(map(len, packets)) == metrics.counter("tx.bytes")
    assert sum(map(len, packets)) * 8 / seconds <= 350
    assert metrics.counter("tx.packets") == len(packets)
    assert metrics.counter("tx.frames") == -(-int(seconds * 16_000) // 1280)


def test_what_security_adds_to_a_packet_is_told(small_codec: Codec) -> None:
    assert transmitter(small_codec, Metrics()).carriage == Carriage()


@pytest.mark.parametrize("name", ["stage-one-repeat:distance=2", "robust-packet"])
def test_protection_adds_packets_and_counts_speech_once(small_codec: Codec, speechlike: np.ndarray, name: str) -> None:
    metrics = Metrics()
    sender = transmitter(small_codec, metrics)
    sender.protection = load_protection(name)
    packets = send(sender, speechlike)
    assert len(packets) > 7
    assert metrics.counter("tx.packets") == len(packets)
    assert metrics.counter("tx.bytes") == sum(map(len, packets))
    assert metrics.counter("tx.frames") == 39
    voiced = [packet for data in packets if isinstance(packet := parse(data, crc=False), VoicePacket)]
    first = {packet.sequence: packet for packet in reversed(voiced)}
    assert b"".join(frame for _, packet in sorted(first.items()) for frame in packet.frames) == small_codec.encode(
        speechlike
    )


def test_bit_protection_wraps_every_packet_and_stays(small_codec: Codec, speechlike: np.ndarray) -> None:
    bit = load_protection("bit:strong_bits=12")
    sender = Transmitter(
        small_codec,
        source=1,
        group=1,
        frames_per_packet=6,
        crc=True,
        rng=random.Random(3),
        metrics=Metrics(),
        protection=bit,
    )
    packets = send(sender, speechlike)
    frames = b""
    for data in packets:
        bare = unprotect(data, 12)
        assert isinstance(bare, Unprotected)
        frames += b"".join(voice(bare.data).frames)
    assert frames == small_codec.encode(speechlike)
    ack = AckPacket(1, 2, 3, 4)
    assert unprotect(sender.on_air(ack), 12) == Unprotected(ack.to_bytes(crc=False))
    assert len(sender.on_air(TextPacket(1, 1, 1, 0, True, False, "x" * (sender.carriage.room_bytes(100) - 8)))) <= 100
    with pytest.raises(LocalProtocolError, match="same for all stations"):
        sender.protection = load_protection("none")


def test_a_search_delays_no_packet(small_codec: Codec, speechlike: np.ndarray) -> None:
    def sent(search: bool) -> list[list[bytes]]:
        sender = Transmitter(
            small_codec,
            source=1,
            group=1,
            frames_per_packet=6,
            crc=False,
            rng=random.Random(3),
            metrics=Metrics(),
            search=search,
        )
        sender.start()
        blocks = [sender.push(block) for block in np.array_split(speechlike, 40)]
        return [*blocks, sender.finish()]

    plain, searched = sent(search=False), sent(search=True)
    assert [len(packets) for packets in searched] == [len(packets) for packets in plain]
    assert searched != plain
