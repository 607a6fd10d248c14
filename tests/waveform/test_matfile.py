"""MATLAB files: what SciPy writes is read as SciPy reads it, and anything else is refused."""

from __future__ import annotations

import io
import struct
import zlib
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.waveform.matfile import WrongLevel, read_mat

NAMES = frozenset("abcdefgh")
LIMIT = 1 << 20


def saved(values: dict[str, Any], *, compressed: bool = True) -> bytes:
    savemat = pytest.importorskip("scipy.io").savemat
    file = io.BytesIO()
    savemat(file, values, do_compression=compressed)
    return file.getvalue()


@pytest.mark.parametrize("compressed", [True, False])
def test_arrays_of_all_kinds(compressed: bool) -> None:
    rng = np.random.default_rng(1)
    values = {
        "a": rng.normal(size=(5, 7)) + 1j * rng.normal(size=(5, 7)),
        "b": (rng.normal(size=(3, 2)) + 1j * rng.normal(size=(3, 2))).astype(np.complex64),
        "c": np.arange(12, dtype=np.int16).reshape(3, 4),
        "d": rng.normal(size=(2, 3, 4)).astype(np.float32),
        "e": 16_000.0,
        "f": np.uint8(3),
        "g": np.zeros((0, 4)),
        "text": "not asked for",
        "h": {"a": "structure"},
    }
    found = read_mat(saved(values, compressed=compressed), NAMES, LIMIT)
    assert set(found) == set("abcdefg")
    for name, array in found.items():
        assert array.shape == np.atleast_2d(values[name]).shape
        assert np.array_equal(array, np.atleast_2d(values[name]))


def test_whole_numbers_stored_small_and_the_other_byte_order() -> None:
    """MATLAB stores doubles that are whole in the smallest type; files of other machines say MI."""

    def element(kind: int, body: bytes) -> bytes:
        return struct.pack(">II", kind, len(body)) + body + bytes(-len(body) % 8)

    flags, shape = element(6, struct.pack(">II", 6, 0)), element(5, struct.pack(">ii", 1, 3))
    short_name = struct.pack(">HH4s", 1, 1, b"a")
    matrix = element(14, flags + shape + short_name + element(4, struct.pack(">3H", 1, 2, 40_000)))
    raw = b"MATLAB 5.0".ljust(124) + b"\x01\x00MI" + matrix
    assert read_mat(raw, NAMES, LIMIT)["a"].tolist() == [[1, 2, 40_000]]


@pytest.mark.parametrize("raw", [b"", bytes(128), b"x" * 500, b"MATLAB 5.0".ljust(124) + b"\x00\x05IM"])
def test_what_is_none_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"needed|no header"):
        read_mat(raw, NAMES, LIMIT)


def test_level_7_3_is_told_apart() -> None:
    with pytest.raises(WrongLevel):
        read_mat(b"MATLAB 7.3".ljust(124) + b"\x00\x02IM" + bytes(500), NAMES, LIMIT)


def test_a_bomb_does_not_go_off() -> None:
    bomb = zlib.compress(bytes(50_000_000), 9)
    raw = b"MATLAB 5.0".ljust(124) + b"\x00\x01IM" + struct.pack("<II", 15, len(bomb)) + bomb
    with pytest.raises(ValueError, match="too large"):
        read_mat(raw, NAMES, LIMIT)


@settings(max_examples=300, deadline=None)
@given(st.data(), st.booleans())
def test_damaged_files_are_read_or_refused(data: st.DataObject, compressed: bool) -> None:
    raw = bytearray(saved({"a": np.ones((3, 4)) * 1j, "e": 3.0}, compressed=compressed))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(124, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with suppress(ValueError):
        for array in read_mat(bytes(raw[: data.draw(st.integers(0, len(raw)))]), NAMES, LIMIT).values():
            assert array.ndim >= 2


@given(st.binary(max_size=400))
def test_any_bytes_behind_a_header(body: bytes) -> None:
    with suppress(ValueError):
        read_mat(b"MATLAB 5.0".ljust(124) + b"\x00\x01IM" + body, NAMES, LIMIT)
