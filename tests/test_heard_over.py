"""One over's decoder: frames known in whole, in part or in doubt, and the sound that is left at the end."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.codec import Codec
from gateway.heard_over import HeardOver
from gateway.metrics import Metrics
from gateway.protocol.frames import PartialFrame, ReceivedFrame, SoftFrame
from gateway.protocol.jitter import JitterBuffer, JitterConfig
from gateway.protocol.loss import LossStatistics
from gateway.protocol.over_events import OverStarted

WHOLE = b"\x12\x30\x00"
SURE = tuple(float(bit) for bit in np.unpackbits(np.frombuffer(WHOLE, np.uint8)))


def heard(codec: Codec) -> HeardOver:
    began = OverStarted(over=1, over_id=9, first_frame_index=0, frames_per_packet=6, late_entry=False)
    return HeardOver(1, 9, JitterBuffer(JitterConfig(0.48, 0.06, 1.5)), codec.decoder_stream(), LossStatistics(began))


@pytest.mark.parametrize(
    ("frame", "counted"),
    [
        (WHOLE, {}),
        (PartialFrame(WHOLE, 12), {"rx.frames_coarse": 1}),
        (PartialFrame(WHOLE, 16), {"rx.frames_coarse": 1}),
        (SoftFrame((0.7,) * 24), {"rx.frames_doubtful": 1}),
    ],
)
def test_frames_are_decoded_by_what_is_known_of_them(
    small_codec: Codec, frame: ReceivedFrame, counted: dict[str, float]
) -> None:
    metrics = Metrics()
    pcm = heard(small_codec).decode(frame, metrics)
    assert pcm.shape == (1280,)
    assert np.isfinite(pcm).all()
    assert metrics.snapshot() == counted


def test_bits_without_doubt_are_decoded_as_the_frame_is(small_codec: Codec) -> None:
    metrics = Metrics()
    plain, soft = (heard(small_codec).decode(frame, metrics) for frame in (WHOLE, SoftFrame(SURE)))
    assert np.allclose(plain, soft, atol=1e-5)
    coarse = heard(small_codec).decode(PartialFrame(WHOLE, 12), metrics)
    assert not np.allclose(plain, coarse, atol=1e-5)  # the second stage is not known to be zero


def test_the_rest_follows_the_last_frame(small_codec: Codec) -> None:
    over = heard(small_codec)
    assert over.rest() is None  # nothing of it was played
    alone = small_codec.decoder_stream()
    assert np.array_equal(over.decode(WHOLE, Metrics()), alone.decode(WHOLE))
    over.frame_index = 1
    rest = over.rest()
    assert rest is not None
    assert (rest.frame_index, rest.over_id, rest.concealed) == (1, 9, False)
    tail = alone.flush()
    assert rest.pcm.shape == (1280,)
    assert np.array_equal(rest.pcm[: len(tail)], tail)
    assert not rest.pcm[len(tail) :].any()


def test_a_muted_over_is_over_when_it_has_ended(small_codec: Codec) -> None:
    over = heard(small_codec)
    assert not over.played
    over.muted = True
    assert not over.played
    over.ended = True
    assert over.played
