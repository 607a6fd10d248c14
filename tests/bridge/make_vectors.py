"""Writes the vectors that the Python and the C side of the bridge share: `python -m tests.bridge.make_vectors`.

One vector a line, `name` first and no escapes in strings, so that the C test finds its way without a JSON parser. A
test asserts that the files are what this makes: they change only together with BRIDGE.md.
"""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgpack

from firmware_bridge.framing.delimited import CobsFramer
from firmware_bridge.messages import (
    TO_DEVICE,
    Bye,
    Figure,
    GetStatistics,
    Heard,
    Hello,
    Info,
    Key,
    Keyed,
    LinesNow,
    Lost,
    Message,
    Ping,
    Pong,
    Refused,
    Send,
    Sent,
    Statistics,
    Status,
    Unkey,
)
from gateway.protocol.checksum import crc16

GOLDEN = Path(__file__).parents[1] / "golden"
MESSAGES, FRAMING = GOLDEN / "bridge_messages.json", GOLDEN / "bridge_framing.json"
_LARGEST = 0xFFFF_FFFF

GOOD: tuple[tuple[str, Message], ...] = (
    ("hello", Hello(1, 5, "x")),
    ("hello of a later version", Hello(7, _LARGEST, "alpha " * 10)),
    ("hello without a name", Hello(1, 128, "")),
    ("send 1", Send(1, b"abc")),
    ("send nothing", Send(2, b"")),
    ("send after the last number", Send(0, bytes(35))),
    ("send the longest", Send(_LARGEST, bytes(range(128)))),
    ("key", Key(256)),
    ("key for the longest hold", Key(0xFFFF)),
    ("key for the shortest hold", Key(1)),
    ("unkey", Unkey()),
    ("ping", Ping(10)),
    ("ping with a large token", Ping(0x8000_0000)),
    ("get statistics", GetStatistics()),
    ("bye", Bye()),
    ("info at start", Info(1, 0, 96, 3, 120_000, 5, 7, 20, 250, 7, "vector")),
    ("info", Info(1, 5, 96, 3, 120_000, 5, 7, 20, 250, 7, "vector")),
    ("info with the largest figures", Info(255, _LARGEST, 4096, 255, _LARGEST, 0xFFFF, _LARGEST, 1, 0, 255, "n" * 64)),
    ("refused", Refused("another gateway has this modem")),
    ("sent 1", Sent(1)),
    ("sent the last number", Sent(_LARGEST)),
    ("lost 2 refused", Lost(2, 1)),
    ("lost with a reason", Lost(300, 0, "the battery is empty")),
    ("heard", Heard(b"abc", -57)),
    ("heard without figures", Heard(b"abc")),
    ("heard nothing", Heard(b"")),
    ("heard a long one", Heard(bytes(300), 32_767)),
    ("heard with soft bits", Heard(b"\xa5", -300, bytes((255, 0, 200, 3, 1, 254, 0, 128)))),
    ("status ready", Status(2)),
    ("status in words", Status(1, "dialling 881600005601")),
    ("measured integer", Figure("supply_mv", 3312)),
    ("measured negative", Figure("doppler_hz", -200)),
    ("measured float", Figure("supply_v", 3.3125)),
    ("lines", LinesNow(0b11111, 0b00100)),
    ("keyed", Keyed(True, 0)),
    ("unkeyed", Keyed(False, 0)),
    ("unkeyed hold ended", Keyed(False, 1)),
    ("unkeyed time-out", Keyed(False, 2)),
    ("statistics", Statistics(3626, 10, 0, 0, 2, 1, 1, 1, 0, 0)),
    ("statistics of a device that counts little", Statistics(_LARGEST)),
    ("pong", Pong(10, 5, 2, 0, False)),
)


def _packed(*pairs: tuple[Any, Any]) -> bytes:
    """A map as given: also one that no dict can be."""
    head = bytes((0x80 | len(pairs),))
    return head + b"".join(msgpack.packb(key) + msgpack.packb(value) for key, value in pairs)


TAKEN_BY_DEVICE: tuple[tuple[str, bytes, Message], ...] = (
    ("ping in long forms", bytes.fromhex("de0002cc00d30000000000000005cd0001d20000000a"), Ping(10)),
    ("ping in a map of 32 bits", bytes.fromhex("df0000000200050110"[:-2]) + b"\xcf" + bytes(7) + b"\x0a", Ping(10)),
    ("ping with a new field", _packed((0, 5), (1, 10), (2, -5), (3, "x"), (9, 1.5), (100, None)), Ping(10)),
    ("unkey with fields", _packed((0, 4), (1, b"abc"), (127, True)), Unkey()),
    ("send in a long binary", b"\x83\x00\x02\x01\x01\x02\xc6\x00\x00\x00\x03abc", Send(1, b"abc")),
)
UNKNOWN: tuple[tuple[str, bytes], ...] = (
    ("kind 8", _packed((0, 8))),
    ("kind 32 with a field", _packed((0, 32), (1, "x"))),
    ("kind above 32 bits", _packed((0, 1 << 40))),
    ("kind of 64 bits", _packed((0, (1 << 64) - 1))),
)
MALFORMED: tuple[tuple[str, bytes], ...] = (
    ("nothing", b""),
    ("an empty map", b"\x80"),
    ("an integer", b"\x05"),
    ("an array", msgpack.packb([0, 5])),
    ("no kind", _packed((1, 10))),
    ("a kind in words", _packed((0, "ping"))),
    ("a negative kind", _packed((0, -1))),
    ("a kind yes", _packed((0, True))),
    ("keys not in order", _packed((0, 2), (2, b"abc"), (1, 1))),
    ("a key twice", _packed((0, 5), (1, 10), (1, 10))),
    ("a key above 127", _packed((0, 5), (1, 10), (128, 0))),
    ("a key in words", _packed((0, 5), (1, 10), ("x", 0))),
    ("a negative key", _packed((-1, 0), (0, 5), (1, 10))),
    ("kind not first", _packed((1, 10), (0, 5))),
    ("ping without token", _packed((0, 5))),
    ("ping with a token in words", _packed((0, 5), (1, "10"))),
    ("ping with nil", _packed((0, 5), (1, None))),
    ("ping with a negative token", _packed((0, 5), (1, -10))),
    ("ping with a token of 33 bits", _packed((0, 5), (1, 1 << 32))),
    ("ping with a float", _packed((0, 5), (1, 10.0))),
    ("ping with yes", _packed((0, 5), (1, True))),
    ("bytes behind ping", Ping(10).to_bytes() + b"\x00"),
    ("ping cut", Ping(1000).to_bytes()[:-1]),
    ("a map longer than its bytes", b"\x8f" + Ping(10).to_bytes()[1:]),
    ("a huge map", b"\xdf\xff\xff\xff\xff\x00\x05"),
    ("a huge binary", b"\x83\x00\x02\x01\x01\x02\xc6\xff\xff\xff\xffabc"),
    ("an array in a new field", _packed((0, 5), (1, 10), (2, []))),
    ("a map in a new field", _packed((0, 5), (1, 10), (2, {}))),
    ("an extension in a new field", _packed((0, 5), (1, 10)).replace(b"\x82", b"\x83") + b"\x02\xd4\x01\x00"),
    ("a time in a new field", _packed((0, 5), (1, 10)).replace(b"\x82", b"\x83") + b"\x02\xd6\xff\x00\x00\x00\x00"),
    ("a byte that msgpack never uses", b"\x82\x00\x05\x01\xc1"),
    ("hello with session 0", _packed((0, 1), (1, 1), (2, 0), (3, "x"))),
    ("hello of version 0", _packed((0, 1), (1, 0), (2, 5), (3, "x"))),
    ("hello of version 256", _packed((0, 1), (1, 256), (2, 5), (3, "x"))),
    ("hello with a long name", _packed((0, 1), (1, 1), (2, 5), (3, "n" * 65))),
    ("hello with a binary name", _packed((0, 1), (1, 1), (2, 5), (3, b"x"))),
    ("send a string", _packed((0, 2), (1, 1), (2, "abc"))),
    ("send without packet", _packed((0, 2), (1, 1))),
    ("key for no time", _packed((0, 3), (1, 0))),
    ("key for too long", _packed((0, 3), (1, 65_536))),
)
PAYLOADS: tuple[tuple[str, bytes], ...] = (
    ("check value", b"123456789"),
    ("nothing", b""),
    ("a zero", b"\0"),
    ("zeros", bytes(7)),
    ("zero first and last", b"\0abc\0"),
    ("ping", Ping(10).to_bytes()),
    ("251 bytes and CRC", bytes(1 + index % 255 for index in range(251))),
    ("252 bytes and CRC: a full group", bytes(1 + index % 255 for index in range(252))),
    ("253 bytes and CRC", bytes(1 + index % 255 for index in range(253))),
    ("254 bytes without zero, then zero", b"\x55" * 254 + b"\0"),
    ("255 bytes without zero", b"\x55" * 255),
    ("all bytes", bytes(range(256))),
    ("600 bytes", bytes(index % 251 for index in range(600))),
)


def _shown(message: Message) -> dict[str, Any]:
    shown: dict[str, Any] = {"kind": type(message).__name__}
    for item in fields(message):
        value = getattr(message, item.name)
        shown[item.name] = value.hex() if isinstance(value, bytes) else value
    return shown


def _known(name: str, message: Message, data: bytes) -> dict[str, Any]:
    to_device = isinstance(message, TO_DEVICE)
    vector: dict[str, Any] = {"name": name, "to": "device" if to_device else "host", "result": "known"}
    match message:
        case Hello(session=number, name=text):
            vector |= {"number": str(number), "content": text.encode().hex()}
        case Send(number, packet):
            vector |= {"number": str(number), "content": packet.hex()}
        case Key(number) | Ping(number):
            vector |= {"number": str(number)}
    return {**vector, "hex": data.hex(), "message": _shown(message)}


def message_vectors() -> list[dict[str, Any]]:
    """All vectors of messages; those with `"canonical": false` are read but never written."""
    made = [_known(name, message, message.to_bytes()) for name, message in GOOD]
    made += [{**_known(name, message, data), "canonical": False} for name, data, message in TAKEN_BY_DEVICE]
    for result, bad in (("unknown", UNKNOWN), ("malformed", MALFORMED)):
        made += [{"name": name, "to": "device", "result": result, "hex": data.hex()} for name, data in bad]
    return made


def framing_vectors() -> list[dict[str, Any]]:
    """Payloads, their CRC, and their frames with the leading 00."""
    return [
        {
            "name": name,
            "crc": f"{crc16(payload):04x}",
            "payload": payload.hex(),
            "frame": CobsFramer(len(payload)).encode(payload, after_silence=True).hex(),
        }
        for name, payload in PAYLOADS
    ]


def as_text(vectors: list[dict[str, Any]]) -> str:
    """JSON, one vector a line."""
    return "[\n" + ",\n".join(json.dumps(vector) for vector in vectors) + "\n]\n"


if __name__ == "__main__":
    MESSAGES.write_text(as_text(message_vectors()), encoding="utf-8")
    FRAMING.write_text(as_text(framing_vectors()), encoding="utf-8")
