"""Packets as values: what the protocol forbids cannot be built. Their bytes are tested with `parse`."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import LocalProtocolError
from gateway.protocol.packets import AckPacket, SessionBlock, TextPacket, VoicePacket


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"over_id": 32}, "over id is 32, needs 0 to 31"),
        ({"over_id": -1}, "over id is -1"),
        ({"sequence": 64}, "sequence is 64, needs 0 to 63"),
        ({"frames": ()}, "without frames"),
        ({"frames": (b"abc",) * 64}, "64 frames: at most 63"),
        ({"frames": (b"abc", b"ab")}, "frame 1 has 2 bytes, needs 3"),
    ],
)
def test_forbidden_voice_packets_cannot_be_built(fields: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {"over_id": 0, "sequence": 0, "end_of_over": False, "frames": (b"abc",)}
    VoicePacket(**good)
    with pytest.raises(LocalProtocolError, match=message):
        VoicePacket(**(good | fields))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"text": ""}, "0 bytes: needs 1 to 200"),
        ({"text": "ü" * 101}, "202 bytes"),
        ({"text": "a\x1b[2J"}, "control character .* at 1"),
        ({"text": "\ud800"}, "UTF-8"),
        ({"source": 65536}, "text source is 65536"),
        ({"group": 256}, "text group is 256"),
        ({"message_id": 256}, "message id is 256"),
        ({"part": 16}, "text part is 16"),
    ],
)
def test_forbidden_texts_cannot_be_built(fields: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {"source": 1, "group": 2, "message_id": 3, "part": 0, "text": "two\tlines\n"}
    good |= {"last_part": True, "ack_wanted": False}
    TextPacket(**good)
    with pytest.raises(LocalProtocolError, match=message):
        TextPacket(**(good | fields))


def test_forbidden_sessions_and_acks_cannot_be_built() -> None:
    for session in ((65536, 0, 0, 0), (0, 256, 0, 0), (0, 0, 16, 0), (0, 0, 0, 16)):
        with pytest.raises(LocalProtocolError):
            SessionBlock(*session)
    for ack in ((65536, 0, 0, 0), (0, 65536, 0, 0), (0, 0, 256, 0), (0, 0, 0, 16)):
        with pytest.raises(LocalProtocolError):
            AckPacket(*ack)
