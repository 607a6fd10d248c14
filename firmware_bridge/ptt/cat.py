"""What radios are told by serial commands to transmit and to receive, and what they answer.

Rule: bytes only. A reply is looked for anywhere in what came, because a CI-V bus echoes, and radios with automatic
information on talk unasked.

Sources. Icom: CI-V reference guides (IC-9700: data format, command 1C 00; OK is FB, NG is FA; 1 = TX). Elecraft:
K3S/K3/KX3/KX2 Programmer's Reference, TX, RX and TQ ("the preferred way to check RX/TX status"). Yaesu: CAT reference
manuals of the FT-991 and later, TX. Yaesu, five bytes: FT-817ND operating manual, CAT opcodes 08 and 88; what it
answers is not in the parts that could be read, so that nothing is looked for. Kenwood: PC control command references
(TS-480), TX, RX and IF, whose 29th character says whether the radio transmits (from memory, as is that a wrong command
is answered by `?;` and a broken one by `E;` or `O;`). None of this was tried on a radio.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.ptt_config import CatKey

CONTROLLER = 0xE0
"""A computer's usual address on a CI-V bus."""

_TEXT_REFUSED = re.compile(rb"(?:^|;)[?EO];")


@dataclass(frozen=True, slots=True)
class CatLanguage:
    """Commands, and how their effect is seen: `query` follows a command, `on` and `off` are what says that it worked.

    Without `on` and `off`, silence is consent.
    """

    key: bytes
    unkey: bytes
    query: bytes = b""
    on: re.Pattern[bytes] | None = None
    off: re.Pattern[bytes] | None = None
    refused: re.Pattern[bytes] | None = None

    def command(self, is_on: bool) -> bytes:
        """What is written to switch, the question behind it included."""
        return (self.key if is_on else self.unkey) + self.query

    def answers(self, is_on: bool) -> bool:
        """Whether the radio says that it has done this."""
        return (self.on if is_on else self.off) is not None

    def judge(self, is_on: bool, received: bytes) -> bool | None:
        """True: done; False: refused; None: not said yet."""
        if self.refused is not None and self.refused.search(received):
            return False
        wanted = self.on if is_on else self.off
        return True if wanted is not None and wanted.search(received) else None


def _exactly(data: bytes) -> re.Pattern[bytes]:
    return re.compile(re.escape(data), re.DOTALL)


def _icom(address: int) -> CatLanguage:
    head, back = bytes([0xFE, 0xFE, address, CONTROLLER, 0x1C, 0x00]), bytes([0xFE, 0xFE, CONTROLLER, address])
    done = _exactly(back + b"\xfb\xfd")
    return CatLanguage(head + b"\x01\xfd", head + b"\x00\xfd", on=done, off=done, refused=_exactly(back + b"\xfa\xfd"))


def _text(key: bytes, unkey: bytes, query: bytes, on: bytes, off: bytes) -> CatLanguage:
    # An answer begins where the one before it ended.
    start = rb"(?:^|;)"
    return CatLanguage(key, unkey, query, re.compile(start + on), re.compile(start + off), _TEXT_REFUSED)


_KENWOOD = _text(b"TX;", b"RX;", b"IF;", rb"IF[^;]{26}[1-9][^;]*;", rb"IF[^;]{26}0[^;]*;")
_ELECRAFT = _text(b"TX;", b"RX;", b"TQ;", rb"TQ1;", rb"TQ0;")
# TX2: the radio's own microphone keys it, which is none of our doing.
_YAESU = _text(b"TX1;", b"TX0;", b"TX;", rb"TX1;", rb"TX[02];")
_YAESU_5 = CatLanguage(b"\0\0\0\0\x08", b"\0\0\0\0\x88")


def language_of(section: CatKey) -> CatLanguage:
    """The language that a configuration names."""
    match section.radio:
        case "icom":
            return _icom(section.civ_address)
        case "kenwood":
            return _KENWOOD
        case "elecraft":
            return _ELECRAFT
        case "yaesu":
            return _YAESU
        case "yaesu-5-byte":
            return _YAESU_5
        case "custom":
            done, refused = (bytes.fromhex(text or "") for text in (section.ok_hex, section.refused_hex))
            assert section.key_hex is not None
            assert section.unkey_hex is not None
            ok = _exactly(done) if done else None
            return CatLanguage(
                bytes.fromhex(section.key_hex),
                bytes.fromhex(section.unkey_hex),
                on=ok,
                off=ok,
                refused=_exactly(refused) if refused else None,
            )
