"""What the packets of an over tell of it, and the facts of a recording."""

from __future__ import annotations

import json
from pathlib import Path

from gateway.config import StationConfig
from gateway.protocol.packets import ParityPacket, Repeat, RepeatScheme, SessionBlock, VoicePacket
from gateway.recording import Side
from gateway.recording.facts import PacketLog, config_excerpt, facts_json
from gateway.recording.packets import OverHeader, OverPacket

FRAMES = (b"abc", b"def")


def log_of(*packets: VoicePacket | ParityPacket) -> PacketLog:
    log = PacketLog.of(OverHeader(Side.HEARD, 3, cushion_ms=60.0))
    for packet in packets:
        log.take(OverPacket(1.0, packet, 20))
    return log


def test_size_talker_and_codec_come_from_packets() -> None:
    session = SessionBlock(7, 2, 1, 1)
    values = log_of(
        VoicePacket(3, 0, False, FRAMES, session), VoicePacket(3, 1, False, FRAMES), VoicePacket(3, 2, True, FRAMES[:1])
    ).values()
    assert (values["packets"], values["air_bytes"]) == (3, 60)
    assert (values["frames_per_packet"], values["packet_ms"]) == (2, 160)
    assert (values["group"], values["codec"]) == (2, {"id": 1, "version": 1})
    assert (values["protection"], values["cushion_ms"]) == ("none", 60.0)


def test_protection_shows_in_packets() -> None:
    repeat = Repeat(RepeatScheme.PAYLOAD, 4, FRAMES)
    repeated = log_of(VoicePacket(3, 5, False, FRAMES, None, repeat), VoicePacket(3, 6, True, (), None, repeat))
    assert repeated.protection == "payload repeat, 4 back"
    assert log_of(ParityPacket(3, 0, 4, 2, 2, 0, None, b"abcdef")).protection == "reed-solomon 6,4 depth 2"


def test_the_json_leaves_out_what_is_not_known_and_tells_when() -> None:
    facts = json.loads(facts_json({"wall_s": 1_777_887_012.5, "snr_db": None, "talker": {"id": 1, "name": "Kapitän"}}))
    assert facts == {
        "wall_s": 1_777_887_012.5,
        "talker": {"id": 1, "name": "Kapitän"},
        "begin": "2026-05-04T09:30:12.500+00:00",
    }


def test_the_excerpt_has_neither_keys_nor_addresses() -> None:
    config = StationConfig.model_validate(
        {
            "station": {"name": "alpha", "id": 1},
            "link": {"kind": "zeromq-channel", "endpoint": "tcp://127.0.0.1:5600"},
            "channel": {"preset": "geo"},
            "security": {"mode": "authenticate", "key_file": Path("/secret/net.key")},
        }
    )
    excerpt = config_excerpt(config)
    text = json.dumps(excerpt)
    assert "secret" not in text
    assert "5600" not in text
    assert (excerpt["security"], excerpt["channel"], excerpt["jitter"]["cap_ms"]) == ("authenticate", "geo", 1500)
