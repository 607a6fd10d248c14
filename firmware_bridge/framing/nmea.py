"""NMEA 0183 sentences as modems speak them: `$NAME,field,...*hh`, ended by CR, LF or both.

Rule: no I/O; a sentence whose checksum is wrong or missing is dropped and counted, and reading goes on at the next `$`.
The checksum is the exclusive or of all bytes between `$` and `*` (NMEA 0183, clause 5.3). The standard's limit of 82
characters is not kept: a Micromodem puts a whole packet in hexadecimal digits into one sentence.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import xor

MAX_SENTENCE_BYTES = 8192
"""A Micromodem's longest, 2048 bytes in hexadecimal digits, and room."""

_ENDS = (0x0D, 0x0A)


def checksum(body: bytes) -> int:
    """Of what stands between `$` and `*`."""
    return reduce(xor, body, 0)


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence: `name` with the talker in front (`CACFG`), and the fields as text."""

    name: str
    fields: tuple[str, ...] = ()

    def to_bytes(self) -> bytes:
        """As it goes over the line, CR and LF included. Raises ValueError for what a sentence cannot hold."""
        body = ",".join((self.name, *self.fields)).encode("ascii")
        if any(byte in b"$*" or not 0x20 <= byte < 0x7F for byte in body) or "," in "".join((self.name, *self.fields)):
            raise ValueError(f"{self.name}: a field holds what a sentence cannot")
        return b"$" + body + b"*%02X\r\n" % checksum(body)

    def field(self, place: int) -> str:
        """The field at `place` (from 0), or an empty text where the sentence is shorter."""
        return self.fields[place] if place < len(self.fields) else ""

    def integer(self, place: int) -> int | None:
        """The field as an integer; None if it is none, or missing."""
        text = self.field(place).strip()
        return int(text) if text.removeprefix("-").isdecimal() and len(text) < 12 else None

    def number(self, place: int) -> float | None:
        """The field as a finite number; None if it is none, or missing."""
        return finite(self.field(place))


def finite(text: str) -> float | None:
    """A number in plain digits; None for anything else (`nan`, `inf`, `1_000` among it)."""
    text = text.strip()
    if not text or len(text) > 24 or not set(text) <= set("0123456789+-.eE"):
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < 1e30 else None


def hex_bytes(text: str) -> bytes | None:
    """Bytes from hexadecimal digits without blanks; None if they are none."""
    try:
        return bytes.fromhex(text) if text.isalnum() or not text else None
    except ValueError:
        return None


def parse_sentence(line: bytes) -> Sentence | None:
    """The sentence in `line` (from `$`, without its end), or None."""
    body, star, digits = line[1:].rpartition(b"*")
    if line[:1] != b"$" or not star or len(digits) != 2:
        return None
    if any(byte in b"$*" or not 0x20 <= byte < 0x7F for byte in body):
        return None
    try:
        given = int(digits, 16) if digits.isalnum() else -1
    except ValueError:
        return None
    name, *fields = body.decode("ascii").split(",")
    return Sentence(name, tuple(fields)) if given == checksum(body) and name else None


class NmeaReader:
    """Sentences out of bytes that come cut anywhere."""

    def __init__(self, max_bytes: int = MAX_SENTENCE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._held = bytearray()
        self.bad_sentences = 0
        """Begun with `$`, and then broken off, too long, or with a wrong checksum."""
        self.stray_bytes = 0
        """Outside any sentence."""

    def receive(self, data: bytes) -> list[Sentence]:
        """The sentences that `data` completes, oldest first."""
        found: list[Sentence] = []
        for byte in data:
            if byte == 0x24:
                self.bad_sentences += bool(self._held)
                self._held = bytearray(b"$")
            elif not self._held:
                self.stray_bytes += byte not in _ENDS
            elif byte in _ENDS:
                sentence = parse_sentence(bytes(self._held))
                self._held.clear()
                if sentence is None:
                    self.bad_sentences += 1
                else:
                    found.append(sentence)
            elif len(self._held) >= self._max_bytes:
                self.bad_sentences += 1
                self._held.clear()
            else:
                self._held.append(byte)
        return found
