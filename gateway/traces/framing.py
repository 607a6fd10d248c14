"""How header and records stand in a file: msgpack items, each with a check of its own (docs/traces.md, clause 1).

Rule: bytes in, items out; no file. Damage costs the items that it touches: what lies between two good items is counted
and skipped. The whole is a plain msgpack stream: arrays of two, a CRC-32 and the body as `bin`.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import msgpack

_SHORT = struct.Struct(">BBIBB")  # array of 2, uint 32, CRC-32, bin 8, length
_LONG = struct.Struct(">BBIBH")  # the same with bin 16
_ARRAY_OF_2, _UINT_32, _BIN_8, _BIN_16 = 0x92, 0xCE, 0xC4, 0xC5
MARK = bytes((_ARRAY_OF_2, _UINT_32))
"""What every item begins with: here reading goes on after damage."""
MAX_BODY_BYTES = 0xFFFF
_HEAD_BYTES = _LONG.size


def pack(body: object, packer: msgpack.Packer | None = None) -> bytes:
    """An item; `packer` saves making one.

    Raises ValueError for what msgpack cannot hold or what is longer than 65,535 bytes.
    """
    try:
        data: bytes = msgpack.packb(body) if packer is None else packer.pack(body)
    except (TypeError, OverflowError, UnicodeEncodeError) as error:
        raise ValueError(f"cannot be written as msgpack: {error}") from error
    check = zlib.crc32(data)
    if len(data) <= 0xFF:
        return _SHORT.pack(_ARRAY_OF_2, _UINT_32, check, _BIN_8, len(data)) + data
    if len(data) > MAX_BODY_BYTES:
        raise ValueError(f"{len(data)} bytes; at most {MAX_BODY_BYTES}")
    return _LONG.pack(_ARRAY_OF_2, _UINT_32, check, _BIN_16, len(data)) + data


class Unpacker:
    """The items of bytes that come in pieces."""

    def __init__(self) -> None:
        self._data = b""
        self.in_damage = False
        """Whether the last thing read was damaged."""
        self.skipped_bytes = 0
        """Bytes that are part of no good item."""
        self.damages = 0
        """Places where something is damaged or missing; a cut end is one."""

    def feed(self, data: bytes) -> list[Any]:
        """Bodies of the items that are whole by now; what may be a beginning waits for the rest."""
        self._data += data
        return self._take(is_last=False)

    def finish(self) -> list[Any]:
        """No more comes: items after a beginning that never was one, and what is left counts as damage."""
        return self._take(is_last=True)

    def _take(self, *, is_last: bool) -> list[Any]:
        data, at = self._data, 0
        bodies: list[Any] = []
        if not self.in_damage:
            at = _good_run(data, bodies)
        while at < len(data):
            found = self._item(data, at)
            if found is None and not is_last:
                break
            if found is None or found == 0:
                after = data.find(MARK, at + 1)
                if after < 0:
                    after = len(data) - (not is_last and data.endswith(MARK[:1]) and at + 1 < len(data))
                self._damage(after - at)
                at = after
                continue
            body = _decoded(data[found - self._size : found])
            if body is _NOTHING:
                self._damage(found - at)
            else:
                bodies.append(body)
                self.in_damage = False
            at = found
        self._data = data[at:]
        return bodies

    _size = 0

    def _item(self, data: bytes, at: int) -> int | None:
        """Where the item at `at` ends; None where more bytes must come first; 0 for none. Sets the body's size."""
        if not data.startswith(MARK[: len(data) - at], at):
            return 0
        if len(data) - at < _SHORT.size:
            return None
        kind = data[at + 6]
        if kind == _BIN_8:
            self._size, start = data[at + 7], at + _SHORT.size
        elif kind == _BIN_16:
            if len(data) - at < _HEAD_BYTES:
                return None
            self._size, start = int.from_bytes(data[at + 7 : at + 9], "big"), at + _LONG.size
        else:
            return 0
        end = start + self._size
        if end > len(data):
            return None
        check = int.from_bytes(data[at + 2 : at + 6], "big")
        return end if zlib.crc32(data[start:end]) == check else 0

    def _damage(self, n_bytes: int) -> None:
        self.skipped_bytes += n_bytes
        self.damages += not self.in_damage
        self.in_damage = True


def _good_run(data: bytes, bodies: list[Any]) -> int:
    """Append the bodies of undamaged items from the beginning on; where they end. The same as below, but fast."""
    at, size = 0, len(data)
    crc32, unpackb, head = zlib.crc32, msgpack.unpackb, _SHORT.unpack_from
    while at + _SHORT.size <= size:
        array, uint, check, kind, length = head(data, at)
        start = at + _SHORT.size
        if array != _ARRAY_OF_2 or uint != _UINT_32 or kind != _BIN_8 or start + length > size:
            break
        body = data[start : start + length]
        if crc32(body) != check:
            break
        try:
            bodies.append(unpackb(body, strict_map_key=False))
        except (ValueError, TypeError, RecursionError):
            break
        at = start + length
    return at


_NOTHING = object()


def _decoded(data: bytes) -> Any:
    try:
        return msgpack.unpackb(data, strict_map_key=False)
    except (ValueError, TypeError, RecursionError):  # msgpack's own errors are ValueErrors; unhashable keys TypeErrors
        return _NOTHING
