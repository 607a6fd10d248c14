"""The security envelope's parts: keys, blocks, nonces, and one packet sealed or opened (SPEC.md, clause 13).

Rule: nothing here is remembered or made up; master keys, salts and counters are handed in, and whoever hands them in
answers for a (key, nonce) pair never being used for two texts. The primitives are those of the library `cryptography`,
loaded where they are first used: a station without keys has ten megabytes less to hold.

The construction is that of the short-tag suites of SFrame (RFC 9605, 4.5.1): a stream cipher, then a truncated HMAC
over nonce, clear part and ciphertext under a key of its own. Unlike a truncated GCM tag, a forged packet that passes
tells nothing about the key, so the odds of the next one are the same.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from enum import Enum

from gateway.errors import LocalProtocolError
from gateway.protocol.packets import HEADER_BYTES, SEQUENCES

MASTER_BYTES = 32
SALT_BYTES = 8  # of an over (13.4)
ALONE_SALT_BYTES = 4  # of a packet that stands alone (13.7)
KEY_IDS = range(1, 256)
MAX_COUNTER = 2**32 - 1
ROUNDS = 256  # rounds of 64 packet numbers that an over may have (13.4)
MAX_PACKETS = ROUNDS * SEQUENCES
BLOCK_BYTES = 2 + 1 + 4 + 1 + SALT_BYTES
KIND_SEALED = 7  # extended kind of a sealed packet that stands alone
ALONE_BYTES = HEADER_BYTES + 1 + 1 + 2 + 4 + ALONE_SALT_BYTES  # what goes before its ciphertext
_LABEL = b"clarilink air 1"
_NONCE_BYTES = 12
_BLOCK_COUNTER = bytes(4)  # ChaCha20 begins at block 0 (RFC 8439, 2.4)


class SecurityMode(Enum):
    """What the envelope gives; a net without security has none of it. The values are those of the configuration."""

    AUTHENTICATE = "authenticate"
    AUTHENTICATE_ENCRYPT = "authenticate-encrypt"


class Use(Enum):
    """What a counter was spent on; receivers remember the highest of each."""

    OVER = "over"
    ALONE = "alone"


_MODE_CODES = {SecurityMode.AUTHENTICATE: 1, SecurityMode.AUTHENTICATE_ENCRYPT: 2}
_USE_CODES = {Use.OVER: 1, Use.ALONE: 2}


@dataclass(frozen=True, slots=True)
class Suite:
    """What all stations of a net have agreed on: the mode, and 3 or 4 bytes of tag."""

    mode: SecurityMode
    tag_bytes: int = 4

    def __post_init__(self) -> None:
        if self.tag_bytes not in (3, 4):
            raise LocalProtocolError(f"tags of {self.tag_bytes} bytes: needs 3 or 4 (SPEC 13.3)")

    @property
    def encrypts(self) -> bool:
        """Whether packets are hidden and not only proven."""
        return self.mode is SecurityMode.AUTHENTICATE_ENCRYPT


@dataclass(frozen=True, slots=True)
class NetKey:
    """A pre-shared key of a net: id (1 to 255) and 32 random bytes, which never show in a log."""

    key_id: int
    master: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if self.key_id not in KEY_IDS:
            raise LocalProtocolError(f"key id is {self.key_id}, needs {KEY_IDS[0]} to {KEY_IDS[-1]}")
        if len(self.master) != MASTER_BYTES:
            raise LocalProtocolError(f"key {self.key_id} has {len(self.master)} bytes, needs {MASTER_BYTES}")


@dataclass(frozen=True, slots=True)
class OverSalt:
    """What makes the key of one over its own (13.4); the same in all its packets."""

    source: int
    key_id: int
    counter: int
    salt: bytes

    def block(self, number: int) -> bytes:
        """The security block of packet `number`: source u16, key id u8, counter u32, round u8, salt 8 bytes."""
        head = self.source.to_bytes(2, "big") + bytes((self.key_id,)) + self.counter.to_bytes(4, "big")
        return head + bytes((number // SEQUENCES,)) + self.salt


def read_block(block: bytes) -> tuple[OverSalt, int]:
    """The over and the round in the 16 bytes of a security block; any bytes are one."""
    counter = int.from_bytes(block[3:7], "big")
    return OverSalt(int.from_bytes(block[:2], "big"), block[2], counter, block[8:]), block[7]


class TrafficKey:
    """The two keys of one over, or of one packet that stands alone: ChaCha20 and HMAC-SHA256 (13.5)."""

    __slots__ = ("_cipher_key", "_mac", "_tag_bytes")

    def __init__(self, suite: Suite, key: NetKey, use: Use, source: int, counter: int, salt: bytes) -> None:
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.hmac import HMAC
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        codes = bytes((_USE_CODES[use], _MODE_CODES[suite.mode], suite.tag_bytes, key.key_id))
        info = _LABEL + codes + source.to_bytes(2, "big") + counter.to_bytes(4, "big")
        okm = HKDF(SHA256(), 64, salt, info).derive(key.master)
        self._cipher_key = okm[:32] if suite.encrypts else None
        self._mac = HMAC(okm[32:], SHA256())
        self._tag_bytes = suite.tag_bytes

    def seal(self, nonce: bytes, clear: bytes, body: bytes) -> bytes:
        """`clear` as it is, `body` encrypted where the mode does that, and the tag over everything."""
        hidden = self._crypt(nonce, body)
        return clear + hidden + self._tag(nonce, clear, hidden)

    def open(self, nonce: bytes, clear: bytes, rest: bytes) -> bytes | None:
        """The body in `rest` (ciphertext and tag), or None if the tag is wrong."""
        hidden, tag = rest[: -self._tag_bytes], rest[-self._tag_bytes :]
        if not hmac.compare_digest(self._tag(nonce, clear, hidden), tag):
            return None
        return self._crypt(nonce, hidden)

    def _crypt(self, nonce: bytes, data: bytes) -> bytes:
        if self._cipher_key is None:
            return data
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

        cipher = Cipher(algorithms.ChaCha20(self._cipher_key, _BLOCK_COUNTER + nonce), mode=None)
        return cipher.encryptor().update(data)

    def _tag(self, nonce: bytes, clear: bytes, hidden: bytes) -> bytes:
        mac = self._mac.copy()
        mac.update(nonce + bytes((len(clear),)) + clear + hidden)
        return mac.finalize()[: self._tag_bytes]


def over_key(suite: Suite, key: NetKey, over: OverSalt) -> TrafficKey:
    """The key of an over."""
    return TrafficKey(suite, key, Use.OVER, over.source, over.counter, over.salt)


def voice_nonce(over: OverSalt, number: int) -> bytes:
    """Nonce of voice packet `number` of an over (13.6); never sent."""
    return over.salt + number.to_bytes(4, "big")


def aside_nonce(over: OverSalt, number: int, place: int) -> bytes:
    """Nonce of the extended packet `place` that follows voice packet `number` (13.8): the top bit keeps them apart."""
    return over.salt + (1 << 31 | place << 14 | number).to_bytes(4, "big")


ALONE_NONCE = bytes(_NONCE_BYTES)
"""Of a packet that stands alone: its key is used once."""


def check_value(key: NetKey) -> str:
    """Eight digits by which two people compare a key without telling it."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), 4, None, _LABEL + b" check").derive(key.master).hex()
