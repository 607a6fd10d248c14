"""Conversations of packets: nothing invented, nothing forgotten, what theory says, twice the same, and fast."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gateway.channel.impairments import ChannelSpec
from gateway.channel.spec_file import load_channel, preset_names
from gateway.codec import Codec
from gateway.protocol.protection import Protection
from gateway.protocol.protection_file import load_protection
from gateway.tools.loopback import LoopbackOptions, run_loopback
from gateway.tools.packet_study import Conversation, ConversationOptions, converse
from gateway.tools.protection_trial import bit_theory, loss_theory

CLEAN = ChannelSpec("clean")
SHORT = ConversationOptions(seconds=300.0)


def share(talk: Conversation, name: str) -> float:
    return float(sum(getattr(over, name) for over in talk.overs) / sum(over.frames for over in talk.overs))


def test_a_clean_channel_plays_every_frame_after_packet_and_cushion() -> None:
    talk = converse(CLEAN, options=SHORT)
    assert len(talk.overs) > 20
    assert talk.simulated_s >= 300
    for over in talk.overs:
        assert (over.whole, over.lost, over.partial, over.wrong, over.packets_lost) == (over.frames, 0, 0, 0, 0)
        assert over.delay_ms_median == pytest.approx(480 + 60, abs=0.1)


@pytest.mark.parametrize("frames_per_packet", [1, 6])
def test_delay_is_that_of_loopback_less_the_codec(
    small_codec: Codec, speechlike: np.ndarray, frames_per_packet: int
) -> None:
    channel = ChannelSpec("far", delay_ms=300)
    heard = run_loopback(small_codec, speechlike, channel, LoopbackOptions(frames_per_packet=frames_per_packet)).report
    talk = converse(channel, options=replace(SHORT, frames_per_packet=frames_per_packet))
    assert heard.mouth_to_ear_ms_median is not None
    assert talk.overs[0].delay_ms_median is not None
    # The codec's own, less the frame that is spoken meanwhile, which both count; loopback looks every 10 ms.
    codec_ms = heard.algorithmic_delay_ms - 80
    assert abs(heard.mouth_to_ear_ms_median - codec_ms - talk.overs[0].delay_ms_median) <= 20


@pytest.mark.parametrize("name", preset_names())
def test_conversations_repeat(name: str) -> None:
    spec = load_channel(name)
    first, again = (converse(spec, options=SHORT) for _ in range(2))
    assert first == again
    assert sum(over.frames for over in first.overs) > 100
    for over in first.overs:
        assert min(over.whole, over.partial, over.wrong, over.lost, over.packets_lost) >= 0


def test_another_seed_is_another_conversation() -> None:
    spec = load_channel("lossy-satellite")
    assert converse(spec, options=SHORT) != converse(spec, options=replace(SHORT, seed=2))


@pytest.mark.parametrize("tool", ["none", "reed-solomon:n=6,k=4", "payload-repeat:distance=3", "two-byte-repeat"])
def test_what_is_lost_is_what_theory_says(tool: str) -> None:
    guard = load_protection(tool)
    options = ConversationOptions(seconds=6000.0, over_s=(60.0, 90.0), frames_per_packet=2)
    talk = converse(ChannelSpec("lossy", loss=0.1, mean_burst=2), guard, options)
    theory = loss_theory(guard, 0.1, 2)
    packets = sum(over.packets for over in talk.overs)
    for found, expected in ((share(talk, "lost"), theory.lost), (share(talk, "partial"), theory.partial)):
        # As many independent events as there are bursts; ends of overs are better guarded than their middles.
        assert abs(found - expected) <= 4 * np.sqrt(max(expected, 1e-9) * 4 / packets) + 0.03 * expected + 0.001
    assert share(talk, "wrong") == 0.0


def test_wrong_bits_are_told() -> None:
    guard = load_protection("robust-transparent")
    talk = converse(ChannelSpec("noisy", bit_error_rate=0.01), guard, ConversationOptions(seconds=120.0))
    theory = bit_theory(guard, 0.01, frames_per_packet=6, crc=False)
    expected = 1 - ((1 - theory.strong) * (1 - theory.weak)) ** 12
    assert share(talk, "wrong") == pytest.approx(expected, rel=0.3)
    checked = converse(ChannelSpec("noisy", bit_error_rate=0.01), Protection(), ConversationOptions(seconds=120.0))
    assert share(checked, "wrong") == 0.0  # a checksum lets none through
    assert share(checked, "lost") > 0.5


def test_a_dead_channel_and_a_hopeless_queue_end() -> None:
    dead = converse(ChannelSpec("dead", loss=1.0), options=SHORT)
    assert share(dead, "lost") == 1.0
    assert dead.overs[0].delay_ms_median is None
    slow = converse(ChannelSpec("slow", rate_bps=100, queue_bytes=60), options=SHORT)
    assert 0.3 < share(slow, "lost") < 1.0
