"""The receiver's promises: speech as it was sent, overs one after the other, damage counted and never an exception."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.codec import Codec
from gateway.metrics import Metrics
from gateway.notices import (
    CodecUnknown,
    CushionChanged,
    MessageHeard,
    Notice,
    RemoteOverEnded,
    RemoteOverStarted,
    RemoteTalker,
    ReportReceived,
    TalkersCollide,
    TextReceived,
)
from gateway.protocol.bulk_packets import MessageBlock
from gateway.protocol.cushion import AdaptiveCushion, CushionRules
from gateway.protocol.messages import split_text
from gateway.protocol.packets import MessagePacket, ReportPacket, SessionBlock, VoicePacket
from gateway.protocol.parse import parse
from gateway.protocol.protection_file import load_protection
from gateway.protocol.report import LinkReport
from gateway.receive import Receiver
from gateway.transmit import Transmitter
from tests.listening import FRAME_S, PACKET_S, Listener, over, timed


def test_an_over_is_heard_as_the_codec_decodes_it(small_codec: Codec, speechlike: np.ndarray) -> None:
    listener = Listener(small_codec)
    listener.listen(timed(over(small_codec, speechlike)), until=8.0)
    stream = small_codec.decoder_stream()
    raw = small_codec.encode(speechlike)
    expected = np.concatenate([*(stream.decode(raw[i : i + 3]) for i in range(0, len(raw), 3)), stream.flush()])
    assert np.array_equal(listener.pcm[: len(expected)], expected)
    assert not listener.pcm[len(expected) :].any()
    assert listener.metrics.counter("rx.overs_without_end") == 0
    assert listener.notices == [
        RemoteOverStarted(late_entry=False),
        RemoteTalker(SessionBlock(5, 1, small_codec.spec.codec_id, small_codec.spec.codec_version)),
        RemoteOverEnded(),
    ]
    assert not listener.receiver.busy


def test_a_lost_packet_is_concealed_at_its_place_without_delay(small_codec: Codec, speechlike: np.ndarray) -> None:
    packets = timed(over(small_codec, speechlike))
    whole, holed = Listener(small_codec), Listener(small_codec)
    whole.listen(packets, until=8.0)
    holed.listen(packets[:3] + packets[4:], until=8.0)
    assert [p.frame_index for p in holed.heard] == [p.frame_index for p in whole.heard]
    assert [p.frame_index for p in holed.heard if p.concealed] == list(range(18, 24))
    assert holed.metrics.counter("rx.frames_concealed") == 6


def test_duplicates_and_reordering_change_nothing(small_codec: Codec, speechlike: np.ndarray) -> None:
    packets = timed(over(small_codec, speechlike))
    straight, shaken = Listener(small_codec), Listener(small_codec)
    straight.listen(packets, until=8.0)
    (a, first), (b, second) = packets[2], packets[3]
    swapped = [*packets[:2], (a, second), (a + 0.01, first), *packets[4:]]
    shaken.listen(swapped + [(at + 0.03, data) for at, data in swapped], until=8.0)
    assert b > a
    assert np.array_equal(straight.pcm, shaken.pcm)
    assert shaken.metrics.counter("rx.ignored.duplicate") == len(packets)


def test_a_quick_answer_does_not_cut_off_the_end_of_the_over_before(small_codec: Codec, speechlike: np.ndarray) -> None:
    first, second = over(small_codec, speechlike, source=5), over(small_codec, speechlike, source=6, seed=2)
    listener = Listener(small_codec)
    answer = len(first) * PACKET_S - 0.4  # 80 ms behind the end packet, which holds several frames
    listener.listen(timed(first) + timed(second, answer), until=12.0)
    frames = -(-len(speechlike) // 1280)
    indices = [played.frame_index for played in listener.heard]
    assert indices[: frames + 1] == list(range(frames + 1))  # and the rest of its synthesis window
    # The answer waited its turn; the jitter buffer gives such a delay back a frame at a time.
    assert indices[frames + 1] == 0
    assert len(indices) >= 2 * frames + 1
    assert listener.names() == ["RemoteOverStarted", "RemoteTalker", "RemoteOverEnded"] * 2
    talkers = [n.session.source for n in listener.notices if isinstance(n, RemoteTalker)]
    assert talkers == [5, 6]
    assert listener.metrics.counter("rx.frames_skipped") <= 1


def test_late_entry_plays_at_once_and_names_the_talker_later(small_codec: Codec) -> None:
    packets = timed(over(small_codec, np.full(16_000 * 9, 0.01, np.float32)))
    listener = Listener(small_codec)
    listener.listen(packets[4:], until=12.0)
    assert listener.names() == ["RemoteOverStarted", "RemoteTalker", "RemoteOverEnded"]
    assert listener.notices[0] == RemoteOverStarted(late_entry=True)
    assert listener.heard[0].frame_index == 24


def test_a_codec_that_is_not_here_is_never_decoded(small_codec: Codec, speechlike: np.ndarray) -> None:
    spec = small_codec.spec
    foreign = SessionBlock(5, 1, spec.codec_id, spec.codec_version + 1)
    packets = []
    for data in over(small_codec, np.tile(speechlike, 2)):
        packet = parse(data, crc=False)
        assert isinstance(packet, VoicePacket)
        session = foreign if packet.session else None
        packets.append(
            VoicePacket(packet.over_id, packet.sequence, packet.end_of_over, packet.frames, session).to_bytes(False)
        )
    listener = Listener(small_codec)
    listener.listen(timed(packets), until=12.0)
    assert listener.heard == []
    assert listener.notices == [
        RemoteOverStarted(late_entry=False),
        RemoteTalker(foreign),
        CodecUnknown(foreign),
        RemoteOverEnded(),
    ]
    assert listener.metrics.counter("rx.dropped.unknown_codec") == len(packets) - 1  # the last one has no frames
    assert not listener.receiver.busy


def test_an_over_that_breaks_off_ends_by_itself(small_codec: Codec, speechlike: np.ndarray) -> None:
    listener = Listener(small_codec)
    listener.listen(timed(over(small_codec, speechlike)[:3]), until=9.0)
    assert listener.names()[-1] == "RemoteOverEnded"
    assert not listener.receiver.busy
    assert max(p.frame_index for p in listener.heard) < 18 + 13 + 1  # 1 s of concealment, then silence
    assert listener.metrics.counter("rx.overs_without_end") == 1


def test_packets_of_messages_are_handed_on_and_damaged_ones_counted(small_codec: Codec) -> None:
    listener = Listener(small_codec)
    block = MessageBlock(1, 0, 0, bytes(9))
    sent = [block.packet().to_bytes(False), MessagePacket(6, b"short").to_bytes(False)]
    listener.listen([(0.0, data) for data in sent], 0.1)
    assert listener.notices == [MessageHeard(block)]
    assert listener.metrics.counter("rx.dropped.bad_length") == 1


def test_text_arrives_whole(small_codec: Codec) -> None:
    listener = Listener(small_codec)
    text = "Rendezvous at buoy 7, 1430. " * 12
    parts = split_text(text, source=9, group=1, message_id=0, ack_wanted=False, max_bytes=100)
    listener.listen([(0.1 * i, part.to_bytes(False)) for i, part in enumerate(parts)], until=2.0)
    (notice,) = listener.notices
    assert isinstance(notice, TextReceived)
    assert notice.message.text == text
    assert notice.message.source == 9


@settings(max_examples=60, deadline=None)
@given(packets=st.lists(st.binary(max_size=60), max_size=30), crc=st.booleans())
def test_random_bytes_are_counted_and_harmless(small_codec: Codec, packets: list[bytes], crc: bool) -> None:
    listener = Listener(small_codec, crc=crc)
    listener.listen([(0.02 * i, data) for i, data in enumerate(packets)], until=0.8)
    counts = listener.metrics.snapshot()
    assert counts.get("rx.packets", 0) == len(packets)
    assert all(np.isfinite(played.pcm).all() for played in listener.heard)


def test_bit_errors_with_crc_are_dropped_and_without_are_played(small_codec: Codec, speechlike: np.ndarray) -> None:
    for crc in (True, False):
        packets = over(small_codec, speechlike, crc=crc)
        packets[2] = packets[2][:9] + bytes([packets[2][9] ^ 4]) + packets[2][10:]
        listener = Listener(small_codec, crc=crc)
        listener.listen(timed(packets), until=8.0)
        assert listener.metrics.counter("rx.dropped.bad_crc") == int(crc)
        assert listener.metrics.counter("rx.frames_concealed") == 6 * crc


def test_hour_long_over_keeps_its_delay(small_codec: Codec) -> None:
    """No creep: with steady jitter the wait from arrival to playing is the same at the end as at the start."""
    frames = tuple([b"\x11\x22\x33"] * 6)
    rng = np.random.default_rng(4)
    count = 500  # four minutes; the sequence number goes round seven times
    packets = []
    for n in range(count):
        data = VoicePacket(3, n % 64, False, frames, None).to_bytes(False)
        packets.append((n * PACKET_S + float(rng.uniform(0, 0.05)), data))
    receiver = Receiver(
        small_codec, frames_per_packet=6, crc=False, cushion_s=0.06, cap_s=1.5, metrics=(metrics := Metrics())
    )
    delays, waiting, now = [], list(packets), 0.0
    while now < count * PACKET_S:
        while waiting and waiting[0][0] <= now:
            receiver.on_packet(waiting.pop(0)[1], now)
        played, _ = receiver.play(now)
        if played is not None:
            delays.append(now - played.frame_index * FRAME_S)
        now += FRAME_S
    assert metrics.counter("rx.frames_concealed") == 0
    assert max(delays[-100:]) <= max(delays[:100]) + 1e-6
    assert max(delays) < 0.06 + 0.05 + 2 * FRAME_S


@pytest.mark.parametrize("cap_s", [0.6, 1.5])
def test_a_burst_after_an_outage_does_not_leave_a_delay_behind(small_codec: Codec, cap_s: float) -> None:
    frames = tuple([b"\x11\x22\x33"] * 6)
    packets = [(n * PACKET_S, VoicePacket(3, n, n == 39, frames, None).to_bytes(False)) for n in range(40)]
    held = [(at if not 3.0 < at < 8.0 else 8.0, data) for at, data in packets]
    listener = Listener(small_codec, cap_s=cap_s)
    listener.listen(held, until=25.0)
    # Ten packets came at once: what did not fit under the cap was skipped, and the end is heard soon after it came.
    assert listener.metrics.counter("rx.frames_skipped") >= 60 - cap_s / FRAME_S - 1
    assert listener.heard[-1].frame_index == 40 * 6
    assert listener.heard_last_s < 39 * PACKET_S + max(cap_s, 0.48 + 0.06) + 0.2
    assert sum(not played.concealed for played in listener.heard) >= 18 + 25 * 6


def endings(listener: Listener) -> list[RemoteOverEnded]:
    return [notice for notice in listener.notices if isinstance(notice, RemoteOverEnded)]


def test_an_over_is_followed_by_how_it_arrived(small_codec: Codec, speechlike: np.ndarray) -> None:
    packets = timed(over(small_codec, np.tile(speechlike, 3)))
    listener = Listener(small_codec)
    listener.listen(packets[:4] + packets[6:9] + packets[10:], until=14.0)
    (end,) = endings(listener)
    assert end.reception is not None
    assert (end.reception.source, end.reception.expected, end.reception.late) == (5, len(packets), 0)
    assert (end.reception.lost, end.reception.bursts, end.reception.longest_burst) == (3, 2, 2)
    assert end.reception.snr_db is None


def test_packets_after_their_turn_are_late_in_the_reception(small_codec: Codec, speechlike: np.ndarray) -> None:
    packets = timed(over(small_codec, np.tile(speechlike, 3)))
    held = [(at + (1.2 if n == 5 else 0.0), data) for n, (at, data) in enumerate(packets)]
    listener = Listener(small_codec)
    listener.listen(held, until=14.0)
    (end,) = endings(listener)
    assert end.reception is not None
    assert (end.reception.lost, end.reception.late) == (0, 1)
    assert listener.metrics.counter("rx.frames_late") == 6


def test_the_signal_is_averaged_where_the_link_tells(small_codec: Codec, speechlike: np.ndarray) -> None:
    receiver = Receiver(small_codec, frames_per_packet=6, crc=False, cushion_s=0.06, cap_s=1.5, metrics=Metrics())
    for n, data in enumerate(over(small_codec, speechlike)):
        receiver.on_packet(data, n * PACKET_S, 10.0 + n % 2)
    ends, now = [], 0.0
    while receiver.busy:
        ends += [notice for notice in receiver.play(now)[1] if isinstance(notice, RemoteOverEnded)]
        now += FRAME_S
    assert ends[0].reception is not None
    assert ends[0].reception.snr_db == pytest.approx(10.5, abs=0.1)


def test_a_second_talker_is_kept_out_counted_and_told_once(small_codec: Codec, speechlike: np.ndarray) -> None:
    first = timed(over(small_codec, np.tile(speechlike, 2), source=5, seed=1))
    second = timed(over(small_codec, np.tile(speechlike, 2), source=6, seed=9), 1.1)
    alone, crossed = Listener(small_codec), Listener(small_codec)
    alone.listen(first, until=6.0)
    crossed.listen(first + second, until=6.0)
    assert np.array_equal(alone.pcm, crossed.pcm)  # not one frame of the other in this decoder
    assert crossed.names().count("TalkersCollide") == 1
    assert crossed.metrics.counter("rx.collisions") == 1
    assert alone.metrics.counter("rx.collisions") == 0
    assert TalkersCollide() not in alone.notices


def test_stragglers_of_the_over_before_are_no_collision(small_codec: Codec, speechlike: np.ndarray) -> None:
    first = over(small_codec, speechlike, source=5, seed=1)
    second = over(small_codec, speechlike, source=6, seed=9)
    begin = len(first) * PACKET_S
    late = [(begin + 0.6, first[-2])]
    listener = Listener(small_codec)
    listener.listen(timed(first) + timed(second, begin) + late, until=12.0)
    assert listener.metrics.counter("rx.ignored.other_over") == 1
    assert listener.metrics.counter("rx.collisions") == 0


def test_reports_are_handed_on(small_codec: Codec) -> None:
    report = LinkReport(2, 1, 3, 20, 2, 1.0, 1)
    listener = Listener(small_codec)
    listener.listen([(0.0, ReportPacket(report).to_bytes(False))], until=0.1)
    assert listener.notices == [ReportReceived(report)]
    assert not listener.receiver.busy


def test_the_cushion_is_learnt_between_overs(small_codec: Codec) -> None:
    """The first over through 0.3 s of jitter has gaps, the ones after it wait for what may come late."""
    rng, metrics = np.random.default_rng(2), Metrics()
    frames = tuple([b"\x11\x22\x33"] * 6)
    receiver = Receiver(
        small_codec,
        frames_per_packet=6,
        crc=False,
        cushion_s=0.06,
        cap_s=2.0,
        metrics=metrics,
        cushion=AdaptiveCushion(CushionRules(0.06, 1.5)),
    )
    concealed, notices, now = [], [], 0.0
    for number in range(4):
        begin, before = now, metrics.counter("rx.frames_concealed")
        waiting = [
            (begin + n * PACKET_S + float(rng.uniform(0, 0.3)), VoicePacket(number, n, n == 39, frames, None))
            for n in range(40)
        ]
        while waiting or receiver.busy:
            while waiting and waiting[0][0] <= now:
                notices += receiver.on_packet(waiting.pop(0)[1].to_bytes(False), now)
            notices += receiver.play(now)[1]
            now += FRAME_S
        concealed.append(metrics.counter("rx.frames_concealed") - before)
    assert concealed[0] >= 2
    assert concealed[1:] == [0, 0, 0]
    changed = [notice.cushion_s for notice in notices if isinstance(notice, CushionChanged)]
    assert len(changed) == 1
    assert 0.2 < changed[0] <= 0.32
    assert metrics.snapshot()["rx.cushion_ms"] == changed[0] * 1000


@pytest.mark.parametrize("joined", [1, 2, 5, 11, 14])
def test_late_entry_is_heard_within_a_packet_and_the_cushion(small_codec: Codec, joined: int) -> None:
    """Clause 4.3: sound at once, the name within twelve packets."""
    packets = timed(over(small_codec, np.full(16_000 * 14, 0.01, np.float32)))[joined:]
    listener = Listener(small_codec)
    first_s = packets[0][0]
    listener.listen(packets, until=first_s + 0.06 + FRAME_S + 0.02)
    assert listener.heard
    assert listener.heard[0].frame_index == 6 * joined
    listener.listen(packets[1:], until=first_s + 12 * PACKET_S)
    assert "RemoteTalker" in listener.names()


def test_an_over_that_makes_room_ends_with_the_rest_of_its_sound(small_codec: Codec, speechlike: np.ndarray) -> None:
    """Three overs at once: the first is cut off, by its synthesis window and not by a click."""
    overs = [over(small_codec, speechlike, source=5 + n, seed=n) for n in range(3)]
    burst = [(0.5 + 0.001 * n, data) for n, data in enumerate([*overs[1], *overs[2]])]
    listener = Listener(small_codec, cap_s=8.0)
    listener.listen([(0.0, data) for data in overs[0]] + burst, until=3.0)
    indices = [played.frame_index for played in listener.heard]
    cut = indices.index(0, 1)
    decoder = small_codec.decoder_stream()
    raw = small_codec.encode(speechlike)
    for k in range(cut - 1):
        decoder.decode(raw[3 * k : 3 * k + 3])
    rest = decoder.flush()
    assert np.array_equal(listener.heard[cut - 1].pcm[: len(rest)], rest)
    assert not listener.heard[cut - 1].pcm[len(rest) :].any()


def test_ids_of_others_are_in_use_for_a_minute(small_codec: Codec, speechlike: np.ndarray) -> None:
    first = parse(over(small_codec, speechlike, seed=1)[0], crc=False)
    second = parse(over(small_codec, speechlike, source=6, seed=9)[0], crc=False)
    assert isinstance(first, VoicePacket)
    assert isinstance(second, VoicePacket)
    listener = Listener(small_codec)
    assert listener.receiver.over_ids_in_use(0.0) == set()
    listener.listen([(0.0, first.to_bytes(False)), (0.5, second.to_bytes(False))], until=1.0)
    assert listener.receiver.over_ids_in_use(59.9) == {first.over_id, second.over_id}
    assert listener.receiver.over_ids_in_use(60.2) == {second.over_id}
    assert listener.receiver.over_ids_in_use(61.0) == set()


def test_soft_bits_of_a_modem_are_heard(small_codec: Codec, speechlike: np.ndarray) -> None:
    bit = load_protection("robust-transparent")
    sender = Transmitter(
        small_codec,
        source=5,
        group=1,
        frames_per_packet=6,
        crc=False,
        rng=random.Random(1),
        metrics=Metrics(),
        protection=bit,
    )
    sender.start()
    packets = sender.push(speechlike) + sender.finish()
    listener = Listener(small_codec)
    listener.receiver = Receiver(
        small_codec,
        frames_per_packet=6,
        crc=False,
        cushion_s=0.06,
        cap_s=1.5,
        metrics=listener.metrics,
        protection=bit,
    )
    ears = listener.receiver.on_packet

    def softly(data: bytes, now_s: float) -> list[Notice]:
        ones = np.where(np.unpackbits(np.frombuffer(data, np.uint8)) == 1, 0.8, 0.2)
        return ears(data, now_s, None, ones.tolist())

    listener.receiver.on_packet = softly  # type: ignore[method-assign, assignment]
    listener.listen(timed(packets), until=8.0)
    assert listener.metrics.counter("rx.frames_doubtful") == 39
    assert listener.metrics.counter("rx.frames_concealed") == 0
    assert listener.names() == ["RemoteOverStarted", "RemoteTalker", "RemoteOverEnded"]
