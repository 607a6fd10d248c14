"""NMEA sentences: checksums, and finding the next one whatever came before."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.framing.nmea import (
    MAX_SENTENCE_BYTES,
    NmeaReader,
    Sentence,
    checksum,
    finite,
    hex_bytes,
    parse_sentence,
)

PLAIN = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="$*,"), max_size=12)
SENTENCES = st.builds(Sentence, PLAIN.filter(bool), st.lists(PLAIN, max_size=6).map(tuple))


def test_a_sentence_of_the_standard() -> None:
    # NMEA 0183's own example of a checksum.
    line = b"$GPGLL,5057.970,N,00146.110,E,142451,A*27"
    assert parse_sentence(line) == Sentence("GPGLL", ("5057.970", "N", "00146.110", "E", "142451", "A"))
    assert checksum(line[1:-3]) == 0x27
    assert Sentence("CCCFQ", ("SRC",)).to_bytes() == b"$CCCFQ,SRC*3A\r\n"


@given(SENTENCES)
def test_what_is_written_is_read(sentence: Sentence) -> None:
    assert NmeaReader().receive(sentence.to_bytes()) == [sentence]


@given(st.lists(SENTENCES, max_size=5), st.sampled_from([b"\r\n", b"\n", b"\r", b"\n\r"]), st.integers(1, 9))
def test_many_in_a_row_cut_anywhere_with_any_end(sentences: list[Sentence], end: bytes, piece: int) -> None:
    stream = b"".join(sentence.to_bytes().rstrip() + end for sentence in sentences)
    reader = NmeaReader()
    pieces = [stream[at : at + piece] for at in range(0, len(stream), piece)]
    assert [found for one in pieces for found in reader.receive(one)] == sentences
    assert (reader.bad_sentences, reader.stray_bytes) == (0, 0)


@given(st.binary(max_size=200), SENTENCES)
def test_garbage_before_costs_no_sentence(garbage: bytes, sentence: Sentence) -> None:
    whole, single = NmeaReader(), NmeaReader()
    stream = garbage + sentence.to_bytes()
    found = whole.receive(stream)
    assert found[-1] == sentence
    assert [one for byte in stream for one in single.receive(bytes((byte,)))] == found
    assert (whole.bad_sentences, whole.stray_bytes) == (single.bad_sentences, single.stray_bytes)


@given(SENTENCES, st.integers(0, 7), st.data())
def test_a_wrong_bit_is_never_taken_for_the_sentence(sentence: Sentence, bit: int, data: st.DataObject) -> None:
    line = bytearray(sentence.to_bytes().rstrip())
    place = data.draw(st.integers(0, len(line) - 1))
    line[place] ^= 1 << bit
    found = parse_sentence(bytes(line))
    # An upper-case digit of the checksum with its case turned still says the same.
    assert found is None or (found == sentence and place >= len(line) - 2)


@pytest.mark.parametrize(
    "line", [b"", b"$", b"$*00", b"$CA", b"$CAREV*", b"$CAREV*6", b"$CAREV*+6", b"$CAREV*6 ", b"CAREV*00"]
)
def test_what_is_no_sentence(line: bytes) -> None:
    assert parse_sentence(line) is None


def test_a_sentence_without_an_end_is_dropped_at_the_limit() -> None:
    reader = NmeaReader()
    assert reader.receive(b"$" + b"A" * (3 * MAX_SENTENCE_BYTES)) == []
    assert reader.bad_sentences == 1
    assert reader.receive(Sentence("CAOK").to_bytes()) == [Sentence("CAOK")]


def test_a_sentence_broken_off_by_the_next_one() -> None:
    reader = NmeaReader()
    assert reader.receive(b"$CATDP,0,0" + Sentence("CAREV", ("1", "INIT")).to_bytes()) == [
        Sentence("CAREV", ("1", "INIT"))
    ]
    assert reader.bad_sentences == 1


@pytest.mark.parametrize("bad", [("A,B",), ("A$",), ("*",), ("\r",), ("ä",)])
def test_what_a_sentence_cannot_hold_is_refused(bad: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Sentence("CCTXD", bad).to_bytes()


def test_fields_by_kind() -> None:
    said = Sentence("CA", ("-12", "3.5", "x", "", "1_0", "nan", "9" * 30))
    assert [said.integer(place) for place in range(9)] == [-12, None, None, None, None, None, None, None, None]
    assert [said.number(place) for place in (0, 1, 2, 3, 4, 5, 9)] == [-12.0, 3.5, None, None, None, None, None]
    assert said.field(99) == ""


@given(st.text(max_size=30))
def test_numbers_are_finite_or_none(text: str) -> None:
    value = finite(text)
    assert value is None or abs(value) < 1e30


@pytest.mark.parametrize(
    ("text", "data"), [("00ff", b"\0\xff"), ("", b""), ("0", None), ("0g", None), ("00 11", None), ("é0", None)]
)
def test_hexadecimal_digits(text: str, data: bytes | None) -> None:
    assert hex_bytes(text) == data
