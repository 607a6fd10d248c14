"""AT command lines: replies in words and numbers, echo, unsolicited lines, blocks, data mode and the ways out of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.framing.at import (
    HUSH_S,
    MAX_LINE_BYTES,
    PROBE_S,
    AtBlock,
    AtData,
    AtDone,
    AtEvent,
    AtLeftData,
    AtLine,
    AtMachine,
    AtMode,
    AtPrompt,
    ResultCode,
    result_code,
)
from gateway.errors import LocalProtocolError


class Line:
    """A machine and what it wrote."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.machine = AtMachine(self.written.extend)
        self.inbox = bytearray()

    def hear(self, data: bytes, now: float = 0.0, piece: int | None = None) -> list[AtEvent]:
        events: list[AtEvent] = []
        step = piece or max(1, len(data))
        for at in range(0, len(data), step):
            self.inbox += data[at : at + step]
            while found := self.machine.receive(self.inbox, now):
                events += found
        return joined(events)


def joined(events: list[AtEvent]) -> list[AtEvent]:
    """Data that came in pieces as one."""
    out: list[AtEvent] = []
    for event in events:
        if isinstance(event, AtData) and out and isinstance(out[-1], AtData):
            out[-1] = AtData(out[-1].data + event.data)
        else:
            out.append(event)
    return out


def in_call(now: float = 0.0) -> Line:
    line = Line()
    line.machine.command("ATD00881600", 60.0, now, is_call=True)
    assert line.hear(b"\r\nCONNECT 19200\r\n", now) == [AtDone("ATD00881600", ResultCode.CONNECT, "CONNECT 19200")]
    assert line.machine.may_write_data
    return line


PIECES = pytest.mark.parametrize("piece", [1, 2, 3, 7, None])


@PIECES
@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (b"\r\nOK\r\n", ResultCode.OK),
        (b"AT+X\r\r\nOK\r\n", ResultCode.OK),
        (b"OK\r", ResultCode.OK),
        (b"0\r", ResultCode.OK),
        (b"4\r", ResultCode.ERROR),
        (b"\r\nERROR\r\n", ResultCode.ERROR),
        (b"\r\n+CME ERROR: 10\r\n", ResultCode.ERROR),
    ],
)
def test_a_reply_in_words_or_numbers_with_and_without_echo(reply: bytes, code: ResultCode, piece: int | None) -> None:
    line = Line()
    line.machine.command("AT+X", 5.0, 0.0, is_numeric=True)
    assert line.written == b"AT+X\r"
    events = line.hear(reply, piece=piece)
    assert [event.code for event in events if isinstance(event, AtDone)] == [code]
    assert len(events) == 1
    assert line.machine.has_echo == reply.startswith(b"AT")
    assert line.machine.busy_with is None


@PIECES
def test_information_and_unsolicited_lines_are_told_apart(piece: int | None) -> None:
    line = Line()
    line.machine.command("AT+CREG?", 5.0, 0.0)
    events = line.hear(b"\r\n+CREG:000,001\r\n\r\nRING\r\n\r\nOK\r\n\r\nSBDRING\r\n", piece=piece)
    assert events == [
        AtLine("+CREG:000,001", "AT+CREG?"),
        AtLine("RING", None),
        AtDone("AT+CREG?", ResultCode.OK, "OK"),
        AtLine("SBDRING", None),
    ]


def test_what_ends_a_call_ends_no_other_command() -> None:
    line = Line()
    line.machine.command("AT+CSQ", 5.0, 0.0)
    assert line.hear(b"\r\nNO CARRIER\r\n") == [AtLine("NO CARRIER", None)]
    assert line.machine.busy_with == "AT+CSQ"
    line.hear(b"\r\nOK\r\n")
    for word, code in (("BUSY", ResultCode.BUSY), ("NO ANSWER", ResultCode.NO_ANSWER)):
        line.machine.command("ATD1", 5.0, 0.0, is_call=True)
        assert line.hear(f"\r\n{word}\r\n".encode()) == [AtDone("ATD1", code, word)]


def test_a_digit_is_a_result_only_where_it_may_be_one() -> None:
    line = Line()
    line.machine.command("AT+SBDD0", 5.0, 0.0)
    assert line.hear(b"\r\n0\r\n") == [AtLine("0", "AT+SBDD0")]
    assert result_code("0") is None
    assert result_code("0", is_numeric=True) is ResultCode.OK
    assert result_code("CONNECTED") is None


def test_no_answer_in_time() -> None:
    line = Line()
    line.machine.command("AT", 2.0, 10.0)
    assert line.machine.next_deadline() == 12.0
    assert line.machine.tick(11.9) == []
    assert line.machine.tick(12.0) == [AtDone("AT", None, "no answer")]
    assert line.machine.next_deadline() is None


def test_one_command_at_a_time() -> None:
    line = Line()
    line.machine.command("AT", 2.0, 0.0)
    with pytest.raises(LocalProtocolError, match="busy with AT"):
        line.machine.command("ATI", 2.0, 0.0)
    with pytest.raises(LocalProtocolError, match="a call"):
        in_call().machine.command("AT", 2.0, 0.0)


def test_the_prompt_gives_the_command_its_time_again() -> None:
    line = Line()
    line.machine.command("AT+SBDWB=5", 10.0, 0.0, prompt="READY")
    assert line.hear(b"READY\r\n", 9.0) == [AtPrompt("AT+SBDWB=5")]
    assert line.machine.next_deadline() == 19.0
    assert line.hear(b"\r\n0\r\n") == [AtLine("0", "AT+SBDWB=5")]
    line.machine.hurry(1.0, 9.5)
    assert line.machine.next_deadline() == 10.5


@PIECES
@given(data=st.binary(max_size=270))
def test_a_binary_block_may_hold_anything(data: bytes, piece: int | None) -> None:
    line = Line()
    line.machine.command("AT+SBDRB", 10.0, 0.0, max_block_bytes=270)
    block = len(data).to_bytes(2, "big") + data + b"\x02\x14"
    events = line.hear(b"AT+SBDRB\r" + block + b"\r\nOK\r\n", piece=piece)
    assert events == [AtBlock(data, b"\x02\x14", "AT+SBDRB"), AtDone("AT+SBDRB", ResultCode.OK, "OK")]


def test_text_before_a_block_is_text() -> None:
    line = Line()
    line.machine.command("AT+SBDRB", 10.0, 0.0, max_block_bytes=1960)
    events = line.hear(b"\r\nSBDRING\r\n\0\5hello\x02\x14\r\nOK\r\n", piece=1)
    assert events[:2] == [AtLine("SBDRING", None), AtBlock(b"hello", b"\x02\x14", "AT+SBDRB")]


# ---- data mode


@PIECES
@given(data=st.binary(min_size=1, max_size=200))
def test_data_comes_through_untouched(data: bytes, piece: int | None) -> None:
    line = Line()
    line.machine.command("ATA", 60.0, 0.0, is_call=True)
    events = line.hear(b"\r\nCONNECT 9600\r\n\0" + data, piece=piece)
    assert isinstance(events[0], AtDone)
    heard = b"".join(event.data for event in events if isinstance(event, AtData))
    assert heard == b"\0" + data


@PIECES
def test_no_carrier_is_believed_after_silence_and_a_question(piece: int | None) -> None:
    line = in_call()
    line.hear(b"data\0\r\nNO CARRIER\r\n", 1.0, piece)
    assert line.machine.mode is AtMode.SUSPECT
    assert not line.machine.may_write_data
    line.written.clear()
    assert line.machine.tick(1.0 + HUSH_S) == []
    assert line.written == b"AT\r"
    events = line.hear(b"\r\nOK\r\n", 1.6, piece)
    assert events[-1] == AtLeftData(True, "NO CARRIER")
    assert line.machine.mode is AtMode.COMMAND
    line.machine.command("AT", 1.0, 2.0)  # as any command from here


def test_the_same_with_a_modem_that_echoes() -> None:
    line = in_call()
    line.hear(b"\r\nNO CARRIER\r\n", 1.0)
    line.machine.tick(2.0)
    assert line.hear(b"AT\r\r\nOK\r\n", 2.1)[-1] == AtLeftData(True, "NO CARRIER")


def test_a_packet_that_holds_the_text_is_followed_by_its_rest() -> None:
    line = in_call()
    line.hear(b"\x11\r\nNO CARRIER\r\n", 1.0)
    assert line.hear(b"more of it\0", 1.3) == [AtData(b"more of it\0")]
    assert line.machine.mode is AtMode.DATA
    assert line.machine.next_deadline() is None


def test_a_packet_that_ends_with_the_text_leaves_the_question_unanswered() -> None:
    line = in_call()
    line.hear(b"\x11\r\nNO CARRIER\r\n", 1.0)
    line.machine.tick(1.0 + HUSH_S)
    assert line.hear(b"OKAY, and on with it\0", 2.0) == [AtData(b"OKAY, and on with it\0")]
    assert line.machine.tick(1.0 + HUSH_S + PROBE_S) == []
    assert line.machine.may_write_data


def test_escape_waits_for_silence_before_and_the_answer_after() -> None:
    line = in_call()
    line.written.clear()
    line.machine.escape(10.0, 9.8)
    due = line.machine.next_deadline()
    assert due is not None
    assert due >= 10.8
    assert line.written == b""
    line.hear(b"rest of a packet\0", 10.2)
    line.machine.tick(due)
    assert line.written == b"+++"
    assert line.hear(b"\0\r\nOK\r\n", due + 1.0)[-1] == AtLeftData(False, "+++")


def test_an_escape_that_nobody_answers_ends_too() -> None:
    line = in_call()
    line.machine.escape(10.0, 0.0)
    events: list[AtEvent] = []
    while (due := line.machine.next_deadline()) is not None:
        events += line.machine.tick(due)
    assert events == [AtLeftData(True, "+++ not answered")]


def test_the_carrier_line_needs_no_text() -> None:
    line = in_call()
    assert line.machine.carrier_line_fell() == [AtLeftData(True, "carrier line off")]
    assert line.machine.carrier_line_fell() == []


def test_a_modem_that_answers_by_itself() -> None:
    line = Line()
    assert line.hear(b"\r\nRING\r\n\r\nCONNECT 19200\r\n\0abc\0") == [
        AtLine("RING", None),
        AtLine("CONNECT 19200", None),
        AtData(b"\0abc\0"),
    ]
    line = Line()
    line.machine.command("AT+CREG?", 5.0, 0.0)
    assert line.hear(b"\r\nCONNECT 19200\r\n\0abc") == [AtLine("CONNECT 19200", None), AtData(b"\0abc")]
    assert line.machine.busy_with is None


@given(st.lists(st.tuples(st.binary(max_size=60), st.floats(0, 3)), max_size=20), st.integers(0, 5))
def test_whatever_comes_nothing_breaks_and_little_is_held(pieces: list[tuple[bytes, float]], start: int) -> None:
    line = in_call() if start % 2 else Line()
    now = 0.0
    if start == 2:
        line.machine.command("AT+SBDRB", 5.0, now, max_block_bytes=270)
    if start == 3:
        line.machine.escape(now, now)
    for data, wait_s in pieces:
        line.hear(data, now)
        now += wait_s
        line.machine.tick(now)
        assert len(line.inbox) <= MAX_LINE_BYTES


def test_events_come_one_after_the_other_and_what_follows_waits() -> None:
    machine, inbox = AtMachine(lambda _: None), bytearray(b"\r\nOK\r\n\r\nCONNECT 9600\r\nabc")
    machine.command("AT", 1.0, 0.0)
    assert machine.receive(inbox, 0.0) == [AtDone("AT", ResultCode.OK, "OK")]
    assert not machine.in_data_mode
    assert machine.receive(inbox, 0.0) == [AtLine("CONNECT 9600", None)]
    assert machine.in_data_mode
    assert machine.receive(inbox, 0.0) == [AtData(b"abc")]
    assert machine.receive(inbox, 0.0) == []


@pytest.mark.parametrize("is_asked", [True, False])
def test_without_calls_connect_is_any_line(is_asked: bool) -> None:
    machine, inbox = AtMachine(lambda _: None, has_calls=False), bytearray(b"\r\nCONNECT 9600\r\n")
    if is_asked:
        machine.command("AT", 1.0, 0.0)
    assert machine.receive(inbox, 0.0) == [AtLine("CONNECT 9600", None)]
    assert not machine.in_data_mode
    assert machine.busy_with == ("AT" if is_asked else None)
