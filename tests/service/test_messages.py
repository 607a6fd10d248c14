"""Bytes are a map of ours or one refusal."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import RequestError
from gateway.service.messages import VERSION, check_version, pack, ref_of, unpack

plain_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), plain_values, max_size=5))
def test_what_is_packed_comes_out_with_its_version(message: dict[str, object]) -> None:
    assert unpack(pack(message)) == {"v": VERSION, **message}


@given(st.binary(max_size=200))
def test_any_bytes_are_a_map_or_refused(data: bytes) -> None:
    try:
        message = unpack(data)
    except RequestError:
        return
    assert all(isinstance(key, str) for key in message)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x93\x01\x02\x03",
        msgpack.packb("text"),
        msgpack.packb({1: 2}),
        msgpack.packb({b"op": "news"}),
        msgpack.packb({"op": "news"}) + b"\0",
        b"\x91" * 5000,
        b"\x81\xa1a" * 3000,
        b"\x81\xd4\x01\x00\x01",
        b"\xdf\xff\xff\xff\xff",
        b"\x81\xa2\xff\xfe\x01",
    ],
)
def test_what_is_no_map_is_refused(data: bytes) -> None:
    with pytest.raises(RequestError, match="one msgpack map"):
        unpack(data)


def test_refs_are_numbers_or_short_texts() -> None:
    assert [ref_of({"ref": one}) for one in (None, 7, "a" * 64)] == [None, 7, "a" * 64]
    assert ref_of({}) is None
    for wrong in (True, 1.5, [], "a" * 65, b"x"):
        with pytest.raises(RequestError, match="ref: needed"):
            ref_of({"ref": wrong})


def test_other_versions_are_refused_by_name() -> None:
    check_version({})
    check_version({"v": 1})
    for wrong in (2, 0, "1", True, None):
        with pytest.raises(RequestError, match="speaks version 1"):
            check_version({"v": wrong})
