"""What EvoLogics modems say, in both forms, cut anywhere, with anything as payload and garbage between."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.framing.evologics import (
    MAX_DATA_BYTES,
    MAX_HEAD_BYTES,
    MAX_LINE_BYTES,
    EvoAnswer,
    EvoEcho,
    EvoMessage,
    EvoNotice,
    EvoParser,
    EvoReceived,
)


def feed(parser: EvoParser, data: bytes, piece: int | None = None) -> list[EvoMessage]:
    step = piece or max(1, len(data))
    return [message for at in range(0, len(data), step) for message in parser.feed(data[at : at + step])]


def framed(body: bytes, command: bytes = b"") -> bytes:
    return b"+++AT%s:%d:%s\r\n" % (command, len(body), body)


def received(data: bytes) -> bytes:
    return b"RECVIM,%d,2,1,noack,285000,-36,150,0.0149," % len(data) + data


PIECES = pytest.mark.parametrize("piece", [1, 2, 5, 7, None])

# A published trace of an instant message with acknowledgement.
TRACE = (
    b"+++AT*SENDIM:2:OK\r\n+++AT:23:SENDSTART,3,im,182272,0\r\n+++AT:30:SENDEND,3,im,1853167139,182272\r\n"
    b"+++AT:9:RECVSTART\r\n+++AT:32:RECVEND,1853461060,139376,-36,77\r\n+++AT:13:DELIVEREDIM,3\r\n"
)


@PIECES
def test_a_trace(piece: int | None) -> None:
    parser = EvoParser()
    assert feed(parser, TRACE, piece) == [
        EvoAnswer("*SENDIM", "OK"),
        EvoNotice("SENDSTART", ("3", "im", "182272", "0")),
        EvoNotice("SENDEND", ("3", "im", "1853167139", "182272")),
        EvoNotice("RECVSTART", ()),
        EvoNotice("RECVEND", ("1853461060", "139376", "-36", "77")),
        EvoNotice("DELIVEREDIM", ("3",)),
    ]
    assert parser.skipped_bytes == 0


@PIECES
def test_lines_of_command_mode(piece: int | None) -> None:
    parser = EvoParser()
    said = b"OK\r\nSENDEND,2,im,1,2\r\nBUSY DELIVERING INSTANT MESSAGE\r\n" + received(b"a\r\nb") + b"\r\n1\r\n"
    assert feed(parser, said, piece) == [
        EvoAnswer(None, "OK"),
        EvoNotice("SENDEND", ("2", "im", "1", "2")),
        EvoAnswer(None, "BUSY DELIVERING INSTANT MESSAGE"),
        EvoReceived("RECVIM", 2, 1, "noack", -36.0, 150.0, 0.0149, b"a\r\nb"),
        EvoAnswer(None, "1"),
    ]


@PIECES
@given(data=st.binary(min_size=1, max_size=64), is_framed=st.booleans())
def test_a_message_may_hold_anything(data: bytes, is_framed: bool, piece: int | None) -> None:
    parser = EvoParser()
    said = framed(received(data)) if is_framed else received(data) + b"\r\n"
    expected = EvoReceived("RECVIM", 2, 1, "noack", -36.0, 150.0, 0.0149, data)
    assert feed(parser, said + said + framed(b"PHYON"), piece) == [expected, expected, EvoNotice("PHYON", ())]


def test_all_kinds_of_received_messages() -> None:
    parser = EvoParser()
    said = (
        b"RECV,3,2,1,976,-40,120,667000,-0.5,abc\r\nRECVIMS,3,2,1,123456,285000,-41,121,0.1,abc\r\n"
        b"RECVPBM,3,2,1,285000,-42,122,0.2,abc\r\nRECVIM,p0,3,2,255,ack,285000,-43,123,0.3,abc\r\n"
    )
    messages = [message for message in parser.feed(said) if isinstance(message, EvoReceived)]
    assert [(m.kind, m.rssi_db, m.integrity, m.velocity_mps, m.data) for m in messages] == [
        ("RECV", -40, 120, -0.5, b"abc"),
        ("RECVIMS", -41, 121, 0.1, b"abc"),
        ("RECVPBM", -42, 122, 0.2, b"abc"),
        ("RECVIM", -43, 123, 0.3, b"abc"),
    ]
    assert messages[3].destination == 255


@PIECES
@given(data=st.binary(min_size=1, max_size=64))
def test_an_echo_of_our_own_command_is_passed_over_by_its_length(data: bytes, piece: int | None) -> None:
    parser = EvoParser()
    own = b"AT*SENDIM,%d,2,noack,%s\n" % (len(data), data)
    assert feed(parser, b"+++" + own + framed(b"OK", b"*SENDIM"), piece) == [EvoEcho(), EvoAnswer("*SENDIM", "OK")]
    assert feed(parser, b"AT*SENDIM,p0,%d,2,ack,%s\rOK\r\n" % (len(data), data), piece)[0] == EvoEcho()


def test_a_message_that_lost_bytes_costs_itself_only() -> None:
    parser = EvoParser()
    short = framed(received(b"0123456789"))[:-5] + b"\r\n"
    messages = feed(parser, short + framed(received(b"whole")) + framed(b"PHYON"))
    assert [m.data for m in messages if isinstance(m, EvoReceived)] == [b"whole"]
    assert messages[-1] == EvoNotice("PHYON", ())
    assert parser.skipped_bytes > 0


def test_half_a_message_is_flushed() -> None:
    parser = EvoParser()
    assert parser.feed(framed(received(b"abc"))[:30]) == []
    assert parser.has_begun
    parser.flush()
    assert not parser.has_begun
    assert parser.feed(framed(b"OK", b"?AL")) == [EvoAnswer("?AL", "OK")]


@given(st.binary(max_size=80).filter(lambda junk: b"+" not in junk and b"RECV" not in junk and b"AT*" not in junk))
def test_what_follows_garbage_is_found(junk: bytes) -> None:
    messages = EvoParser().feed(junk + b"\n" + TRACE)
    assert messages[-1] == EvoNotice("DELIVEREDIM", ("3",))
    assert EvoAnswer("*SENDIM", "OK") in messages


WORDS = [b"+++AT", b"+++", b":", b"2:", b"RECVIM,", b"5,", b"2,1,ack,1,-3,99,0.5,", b"\r\n", b"OK", b"AT*SENDIM,", b"x"]


@given(st.lists(st.one_of(st.sampled_from(WORDS), st.binary(max_size=8)), max_size=60), st.sampled_from([1, 3, 500]))
def test_whatever_comes_however_cut_the_messages_are_the_same(words: list[bytes], piece: int) -> None:
    data = b"".join(words)
    cut, whole = EvoParser(), EvoParser()
    assert feed(cut, data, piece) == feed(whole, data)
    assert len(whole._held) <= MAX_LINE_BYTES + MAX_HEAD_BYTES + MAX_DATA_BYTES
