"""Packets heard once more: as the station heard them, whatever the clock says now."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.codec import Codec
from gateway.codec.spec import SYNTHESIS_DELAY
from gateway.metrics import Metrics
from gateway.notices import Notice, RemoteOverEnded
from gateway.protocol.packets import VoicePacket
from gateway.receive import Receiver
from gateway.recording.packets import OverPacket
from gateway.station.again import hear_again
from gateway.transmit import Transmitter


def receiver(codec: Codec, cushion_s: float = 0.06) -> Receiver:
    return Receiver(codec, frames_per_packet=6, crc=False, cushion_s=cushion_s, cap_s=1.5, metrics=Metrics())


def packets_of(codec: Codec, pcm: np.ndarray, begin_s: float = 1000.0) -> list[OverPacket]:
    """An over as it would come over a link without delay."""
    found: list[OverPacket] = []
    now = begin_s

    def take(packet: object, _air_bytes: int) -> None:
        assert isinstance(packet, VoicePacket)
        found.append(OverPacket(now, packet))

    transmitter = Transmitter(
        codec, source=1, group=1, frames_per_packet=6, crc=False, rng=random.Random(1), metrics=Metrics(), tap=take
    )
    transmitter.start()
    for at in range(0, len(pcm), 320):
        now = begin_s + at / 16_000
        transmitter.push(pcm[at : at + 320])
    transmitter.finish()
    return found


def test_an_over_without_loss_is_what_the_codec_makes_of_it(small_codec: Codec, speechlike: np.ndarray) -> None:
    packets = packets_of(small_codec, speechlike)
    notices: list[Notice] = []
    heard = list(hear_again(receiver(small_codec), packets, notices))
    assert [one.played.frame_index for one in heard] == list(range(len(heard)))
    assert not any(one.pause or one.played.concealed for one in heard)
    frames = b"".join(frame for one in packets if isinstance(one.packet, VoicePacket) for frame in one.packet.frames)
    whole = small_codec.decode(frames)
    sound = np.concatenate([one.played.pcm for one in heard])
    assert np.allclose(sound[SYNTHESIS_DELAY:][: len(whole)], whole, atol=1e-5)
    (ended,) = [one for one in notices if isinstance(one, RemoteOverEnded)]
    assert ended.reception is not None
    assert (ended.reception.expected, ended.reception.lost) == (len(packets), 0)


def test_a_late_packet_is_a_gap_with_a_small_cushion_and_none_with_a_large_one(
    small_codec: Codec, speechlike: np.ndarray
) -> None:
    packets = packets_of(small_codec, np.tile(speechlike, 2))
    packets = [replace(one, at_s=one.at_s + (0.3 if place == 2 else 0.0)) for place, one in enumerate(packets)]
    small = list(hear_again(receiver(small_codec, 0.06), packets))
    large = list(hear_again(receiver(small_codec, 0.4), packets))
    assert any(one.played.concealed for one in small)
    assert not any(one.played.concealed for one in large)


def test_the_same_packets_give_the_same_samples(small_codec: Codec, speechlike: np.ndarray) -> None:
    packets = [one for place, one in enumerate(packets_of(small_codec, speechlike)) if place != 1]
    first, second = (
        np.concatenate([one.played.pcm for one in hear_again(receiver(small_codec), packets)]) for _ in range(2)
    )
    assert np.array_equal(first, second)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1e9), st.integers(0, 63), st.integers(0, 31), st.booleans()), max_size=12))
def test_it_ends_whatever_the_times_say(small_codec: Codec, found: list[tuple[float, int, int, bool]]) -> None:
    packets = [
        OverPacket(at_s, VoicePacket(over_id, sequence, ends, (b"abc",) * 6))
        for at_s, sequence, over_id, ends in sorted(found)
    ]
    played = sum(1 for _ in hear_again(receiver(small_codec), packets))
    assert played <= 100 * len(packets)
