"""The packets file of an over: what was written comes back, whatever was cut off or damaged costs itself alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import AudioError
from gateway.protocol.frames import PartialFrame, ReceivedFrame, SoftFrame, first_bits
from gateway.protocol.packets import ParityPacket, Repeat, RepeatScheme, SessionBlock, VoicePacket
from gateway.recording import Side
from gateway.recording.packets import FORMAT, OverHeader, OverPacket, end_item, parse_over, read_over
from gateway.traces.framing import pack

PATH = Path("20260504T093012-0001-heard.packets")
HEADER = OverHeader(Side.HEARD, 5, 12.5, 480.0, 260.0, 0.0, 1500.0)
SESSION = SessionBlock(7, 1, 1, 1)

frames = st.binary(min_size=3, max_size=3)
chances = st.lists(st.floats(0, 1), min_size=24, max_size=24).map(lambda one: SoftFrame(tuple(one)))
partial = st.tuples(frames, st.integers(1, 24)).map(lambda one: PartialFrame(first_bits(*one), one[1]))
known: st.SearchStrategy[ReceivedFrame] = frames | chances | partial


@st.composite
def voice(draw: st.DrawFn) -> VoicePacket:
    voiced = tuple(draw(st.lists(frames, min_size=1, max_size=6)))
    repeat = None
    if draw(st.booleans()):
        scheme = draw(st.sampled_from(RepeatScheme))
        repeat = Repeat(scheme, draw(st.integers(1, 15)), tuple(first_bits(one, scheme.bits) for one in voiced))
    heard = tuple(draw(known) for _ in voiced) if draw(st.booleans()) else None
    session = draw(st.none() | st.just(SESSION))
    sequence = draw(st.integers(0, 63))
    return VoicePacket(draw(st.integers(0, 31)), sequence, draw(st.booleans()), voiced, session, repeat, heard)


parity = st.builds(
    ParityPacket,
    over_id=st.integers(0, 31),
    first=st.integers(0, 63),
    members=st.integers(2, 16),
    depth=st.integers(1, 16),
    parities=st.just(3),
    row=st.integers(0, 2),
    last_frames=st.none(),
    data=st.binary(min_size=6, max_size=6),
)
times = st.floats(0, 1e6).map(lambda at_s: round(at_s, 4))
packets = st.builds(
    OverPacket,
    at_s=times,
    packet=voice() | parity,
    air_bytes=st.none() | st.integers(1, 300),
    snr_db=st.none() | st.integers(-200, 400).map(lambda steps: steps / 10),
)
overs = st.lists(packets, min_size=1, max_size=6).map(lambda found: sorted(found, key=lambda one: one.at_s))


def written(found: list[OverPacket]) -> bytes:
    return b"".join((HEADER.item(), *(one.item() for one in found), end_item({"expected": 9, "lost": 1})))


@given(overs)
def test_what_was_written_comes_back(found: list[OverPacket]) -> None:
    over = parse_over(written(found), PATH)
    assert over is not None
    assert over.header == HEADER
    assert over.packets == found
    assert over.is_complete
    assert (over.end["expected"], over.end["lost"]) == (9, 1)
    assert over.damage is None


@given(overs, st.data())
def test_a_file_that_was_cut_gives_what_is_whole(found: list[OverPacket], data: st.DataObject) -> None:
    whole = written(found)
    cut = data.draw(st.integers(len(HEADER.item()), len(whole) - 1))
    over = parse_over(whole[:cut], PATH)
    assert over is not None
    assert not over.is_complete
    assert over.packets == found[: len(over.packets)]
    at = len(HEADER.item())
    for one in found[: len(over.packets)]:
        at += len(one.item())
    assert (over.damage is None) == (at == cut)


@given(overs, st.data())
def test_a_damaged_byte_costs_one_item(found: list[OverPacket], data: st.DataObject) -> None:
    whole = bytearray(written(found))
    whole[data.draw(st.integers(len(HEADER.item()), len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    over = parse_over(bytes(whole), PATH)
    assert over is not None
    assert over.damage is not None
    assert len(over.packets) + over.is_complete == len(found)


@given(overs)
def test_packets_are_of_use_without_their_header(found: list[OverPacket]) -> None:
    whole = bytearray(written(found))
    whole[10] ^= 1
    over = parse_over(bytes(whole), PATH)
    assert over is not None
    assert over.header == OverHeader(Side.HEARD)
    assert over.packets == found


@given(st.binary(max_size=400))
def test_nothing_raises(data: bytes) -> None:
    parse_over(data, PATH)
    parse_over(HEADER.item() + data, PATH)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63)
        | st.floats()
        | st.binary(max_size=30)
        | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
        max_leaves=12,
    )
)
def test_items_of_any_kind_raise_nothing(body: object) -> None:
    over = parse_over(HEADER.item() + pack(body), PATH)
    assert over is not None
    assert over.packets == []


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b"RIFF....WAVE", "no packets of an over"),
        (HEADER.item()[:30], "cut off or damaged before its first packet"),
        (pack({"format": "clarilink trace", "version": 1}), "no packets of an over"),
        (pack({"format": FORMAT, "version": 2}), "packets of version 2; this program reads up to 1"),
    ],
)
def test_errors_name_the_file_and_why(tmp_path: Path, data: bytes, why: str) -> None:
    path = tmp_path / "1-heard.packets"
    path.write_bytes(data)
    with pytest.raises(AudioError, match=why) as caught:
        read_over(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"no\.packets: cannot read: No such file"):
        read_over(tmp_path / "no.packets")
