"""Who may connect over ZeroMQ: the keys of a link, and the answer to a newcomer (ZAP, ZeroMQ RFC 27).

Rule: values and messages only, no socket: gateway.links.sockets puts them to use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

ZAP_ENDPOINT = "inproc://zeromq.zap.01"
_ZAP_VERSION = b"1.0"


@dataclass(frozen=True, slots=True)
class Curve:
    """One end's CURVE keys, 40 characters of Z85 each.

    `allowed`: those who may connect to an address that this end binds. `server_keys`: what must be at the addresses
    that this end connects to, in their order.
    """

    public: str
    secret: str = field(repr=False)
    server_keys: tuple[str, ...] = ()
    allowed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ZapAnswer:
    """The message to send back, and whether the newcomer was let in."""

    parts: tuple[bytes, ...]
    is_admitted: bool


def zap_answer(request: Sequence[bytes], allowed: frozenset[bytes]) -> ZapAnswer | None:
    """Answer a request of libzmq: version, id, domain, address, identity, mechanism, client key (32 bytes).

    `allowed`: public keys of 32 bytes. None for what is no such request.
    """
    if len(request) < 6 or request[0] != _ZAP_VERSION:
        return None
    admitted = request[5] == b"CURVE" and len(request) == 7 and request[6] in allowed
    status, text = (b"200", b"") if admitted else (b"400", b"key not allowed here")
    return ZapAnswer((_ZAP_VERSION, request[1], status, text, b"", b""), admitted)
