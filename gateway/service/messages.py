"""The control socket's messages as bytes (CONTROL.md): msgpack maps, version 1. Pure.

Rule: whatever bytes come, they are a map of ours or a RequestError that says what was wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgpack

from gateway.errors import RequestError

VERSION = 1
MAX_REQUEST_BYTES = 16_384
MAX_REF_CHARACTERS = 64
SOCKET_NAME = "control.sock"
"""What the units and examples call it."""


def pack(message: Mapping[str, Any]) -> bytes:
    """A message of ours, with its version."""
    packed: bytes = msgpack.packb({"v": VERSION, **message})
    return packed


def unpack(data: bytes) -> dict[str, Any]:
    """A map with text keys. Raises RequestError."""
    try:
        message = msgpack.unpackb(data)
    except (ValueError, TypeError, OverflowError, RecursionError):  # msgpack's own errors are ValueErrors
        raise RequestError("a message is one msgpack map with text keys") from None
    if not isinstance(message, dict) or not all(isinstance(key, str) for key in message):
        raise RequestError("a message is one msgpack map with text keys")
    return message


def ref_of(message: Mapping[str, Any]) -> int | str | None:
    """What the answer is to be known by. Raises RequestError."""
    found = message.get("ref")
    is_number = isinstance(found, int) and not isinstance(found, bool)
    if found is None or is_number or (isinstance(found, str) and len(found) <= MAX_REF_CHARACTERS):
        return found
    raise RequestError(f"ref: needed: a whole number or text of at most {MAX_REF_CHARACTERS} characters")


def check_version(message: Mapping[str, Any]) -> None:
    """Raise RequestError unless we speak the message's version; none given is 1."""
    version = message.get("v", VERSION)
    if isinstance(version, bool) or version != VERSION:
        raise RequestError(f"v: this station speaks version {VERSION}")
