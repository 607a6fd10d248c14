"""Numbers out of MATLAB files of level 5 (`save -v6` and `-v7`), as MathWorks' "MAT-File Format" lays them out.

Rule: pure: bytes in, arrays out, and whatever the bytes are, an answer or a ValueError. (SciPy 1.17's
reader ends the whole program on some damaged files.) Only numeric arrays are read; structures, cells and texts are
passed over.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HEADER_BYTES = 128
_MATRIX, _COMPRESSED = 14, 15
_COMPLEX = 0x08
_NUMERIC = range(6, 16)
"""Array classes: double, single, and whole numbers of 8 to 64 bits."""
_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""Data types of what is stored, which may be smaller than the class."""


class WrongLevel(ValueError):
    """A MATLAB file of level 7.3, which is HDF5."""


@dataclass(frozen=True, slots=True)
class _Element:
    kind: int
    body: memoryview


def read_mat(raw: bytes, names: frozenset[str], max_bytes: int) -> dict[str, NDArray[np.generic]]:
    """The arrays of these names, in MATLAB's shapes. Raises ValueError; WrongLevel for level 7.3.

    `max_bytes`: the most that any one compressed array may grow to.
    """
    if len(raw) < HEADER_BYTES or raw[126:128] not in (b"IM", b"MI"):
        raise ValueError("no header of a MATLAB file of level 5")
    order = "<" if raw[126:128] == b"IM" else ">"
    version = struct.unpack_from(f"{order}H", raw, 124)[0]
    if version == 0x0200:
        raise WrongLevel("level 7.3")
    if version != 0x0100:
        raise ValueError(f"version {version:#06x}; needed: 0x0100")
    found: dict[str, NDArray[np.generic]] = {}
    for element in _elements(memoryview(raw)[HEADER_BYTES:], order, is_top=True):
        if element.kind == _COMPRESSED:
            inner = list(_elements(memoryview(_unpacked(element.body, max_bytes)), order))
        else:
            inner = [element]
        for each in inner:
            if each.kind == _MATRIX:
                name, array = _matrix(each.body, order, names)
                if array is not None:
                    found[name] = array
    return found


def _unpacked(body: memoryview, max_bytes: int) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        plain = unpacker.decompress(body, max_bytes)
    except zlib.error as error:
        raise ValueError("a compressed array is damaged") from error
    if not unpacker.eof:
        raise ValueError("a compressed array breaks off, or is too large")
    return plain


def _elements(data: memoryview, order: str, *, is_top: bool = False) -> Iterator[_Element]:
    """Tags and what follows them. Compressed ones are not padded, all others to eight bytes."""
    place = 0
    while place < len(data):
        if len(data) - place < 8:
            raise ValueError("a tag breaks off")
        kind, size = struct.unpack_from(f"{order}II", data, place)
        if kind >> 16:  # up to four bytes lie within the tag itself
            kind, size = kind & 0xFFFF, kind >> 16
            if size > 4:
                raise ValueError("a short element is longer than four bytes")
            yield _Element(kind, data[place + 4 : place + 4 + size])
            place += 8
            continue
        begin, end = place + 8, place + 8 + size
        if end > len(data):
            raise ValueError("an element is longer than what is there")
        yield _Element(kind, data[begin:end])
        place = end if is_top and kind == _COMPRESSED else end + -size % 8


def _matrix(body: memoryview, order: str, names: frozenset[str]) -> tuple[str, NDArray[np.generic] | None]:
    """Name and values; None for arrays that are not asked for or not of numbers."""
    parts = _elements(body, order)
    try:
        flags = _values(next(parts), order)
        shape = tuple(int(n) for n in _values(next(parts), order))
        name = bytes(next(parts).body).decode("latin-1")
        if name not in names or int(flags[0]) & 0xFF not in _NUMERIC:
            return name, None
        real = _values(next(parts), order)
        values: NDArray[np.generic] = real
        if int(flags[0]) >> 8 & _COMPLEX:
            imaginary = _values(next(parts), order)
            if imaginary.shape != real.shape:
                raise ValueError(f"{name} has unequal real and imaginary parts")
            values = real.astype(np.float64) + 1j * imaginary.astype(np.float64)
    except (StopIteration, IndexError) as error:
        raise ValueError("an array breaks off") from error
    count = 1
    for n in shape:
        count *= n
    if min(shape, default=-1) < 0 or not 2 <= len(shape) <= 8 or count != values.size:
        raise ValueError(f"{name} has {values.size} values for a shape of {shape}")
    return name, values.reshape(shape, order="F")


def _values(element: _Element, order: str) -> NDArray[np.generic]:
    if element.kind not in _TYPES:
        raise ValueError(f"data of type {element.kind} are not numbers")
    kind = np.dtype(order + _TYPES[element.kind])
    return np.frombuffer(element.body[: len(element.body) // kind.itemsize * kind.itemsize], kind)
