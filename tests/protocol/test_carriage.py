"""What a packet becomes on its way to the link: room and length are each other's reverse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import LocalProtocolError
from gateway.protocol.bit_protection import protect
from gateway.protocol.carriage import UNDER_BIT_PROTECTION, Carriage


@given(st.integers(0, 300), st.integers(0, 40), st.sampled_from([1.0, 0.5, 0.75, 1 / 3]))
def test_what_fits_fits_and_one_byte_more_does_not(link_bytes: int, extra: int, code_rate: float) -> None:
    carriage = Carriage(extra, code_rate)
    room = carriage.room_bytes(link_bytes)
    assert room == 0 or carriage.link_bytes(room) <= link_bytes + 1e-6
    assert carriage.link_bytes(room + 1) > link_bytes


@pytest.mark.parametrize("wrong", [{"extra_bytes": -1}, {"code_rate": 0.0}, {"code_rate": 1.5}])
def test_what_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(LocalProtocolError):
        Carriage(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [3, 16, 47, 100, 257])
def test_bit_protection_is_never_longer_than_it_says(size: int) -> None:
    packet = b"\x60\x00" + bytes(size - 2)
    coded = len(protect(packet, 12))
    assert UNDER_BIT_PROTECTION.link_bytes(size) - 3 <= coded <= UNDER_BIT_PROTECTION.link_bytes(size)
    assert UNDER_BIT_PROTECTION.room_bytes(coded + 3) >= size
    assert UNDER_BIT_PROTECTION.room_bytes(10_000) == 257
