"""Who may come in: names and origins, tokens and sessions, and how often somebody may guess. Pure.

Rules: a page of somebody else's must not reach this station through the operator's browser (Host and Origin are
looked at); beyond this machine a token is needed; tokens are compared in constant time and guessing is slowed down.

A session is what a browser has after it gave the token: a random id with an end, signed with a key that follows from
the token. So it outlives a restart of the station (the phone on the bridge comes back by itself), and a new token ends
all sessions. (Signing: HMAC, RFC 2104; names that lead here by another's DNS: "DNS rebinding", hence the Host check;
cross-site WebSockets: RFC 6455, 10.2.)
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import re
import secrets
import struct
from collections import OrderedDict
from collections.abc import Callable, Iterable

SESSION_S = 30 * 86_400.0
FREE_TRIES = 5
"""Wrong tokens from one place before it has to wait."""
LONGEST_WAIT_S = 60.0
FORGOTTEN_AFTER_S = 600.0
TRIES_A_MINUTE = 60
"""Wrong tokens from everywhere before all who have no session yet have to wait."""
PLACES_KEPT = 1000

_HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?")
_LOOPBACK = re.compile(r"127\.\d{1,3}\.\d{1,3}\.\d{1,3}|localhost|\[::1\]")


class Doors:
    """Which Host and Origin headers are of this console: `origins` are pages elsewhere that may use it."""

    def __init__(self, *, loopback: bool, origins: Iterable[str] = ()) -> None:
        self._is_loopback = loopback
        self._origins = frozenset(origin.rstrip("/").lower() for origin in origins)
        self._names = frozenset(origin.partition("://")[2] for origin in self._origins)

    def knows_host(self, host: str | None) -> bool:
        """Whether a request for `host` is for us. On loopback only names of this machine are: any port, for a tunnel
        may end at another one. Beyond it a machine has many names, and the token guards."""
        found = _HOST.fullmatch(host or "")
        if found is None:
            return False
        if not self._is_loopback or (host or "").lower() in self._names:
            return True
        return _LOOPBACK.fullmatch(found["name"].lower()) is not None

    def knows_origin(self, origin: str | None, host: str | None) -> bool:
        """Whether a page of `origin` may ask for things at `host`; a request without origin is of no page."""
        if origin is None:
            return True
        given = origin.lower()
        own = (host or "").lower()
        return given in self._origins or (bool(own) and given in (f"http://{own}", f"https://{own}"))


class Sessions:
    """Tokens in, session ids out, and back; `wall` is the calendar, for a session outlives restarts."""

    def __init__(self, token: str, wall: Callable[[], float]) -> None:
        self._token = token.encode()
        self._key = hmac.digest(self._token, b"clarilink web session 1", hashlib.sha256)
        self._wall = wall
        self._ended: set[str] = set()

    def is_token(self, given: str) -> bool:
        """Whether `given` is the token, in a time that does not tell how much of it is right."""
        return hmac.compare_digest(given.strip().encode(errors="replace"), self._token)

    def begin(self) -> str:
        """A new session id."""
        body = struct.pack(">Q", int(self._wall() + SESSION_S)) + secrets.token_bytes(16)
        return base64.urlsafe_b64encode(body + self._sign(body)).decode()

    def is_session(self, given: str | None) -> bool:
        """Whether `given` is a session id that has not ended."""
        if not given or len(given) > 200 or given in self._ended:
            return False
        try:
            raw = base64.b64decode(given.encode("ascii"), altchars=b"-_", validate=True)
        except ValueError:
            return False
        body, signature = raw[:24], raw[24:]
        if not hmac.compare_digest(signature, self._sign(body)) or base64.urlsafe_b64encode(raw).decode() != given:
            return False
        return bool(struct.unpack(">Q", body[:8])[0] > self._wall())

    def end(self, given: str) -> None:
        """Let a session end (until the next start of the station: its browser has forgotten it, too)."""
        if self.is_session(given):
            self._ended.add(given)

    def _sign(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, hashlib.sha256)


class Throttle:
    """How long who gave wrong tokens has to wait: from one place twice as long with each, from everywhere a minute."""

    def __init__(self) -> None:
        self._places: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._recent: list[float] = []

    def wait_s(self, address: str | None, now_s: float) -> float:
        """Seconds until a token from `address` is looked at again; 0: at once."""
        tries, last_s = self._places.get(place_of(address), (0, now_s))
        if now_s - last_s > FORGOTTEN_AFTER_S:
            tries = 0
        pause_s = 0.0 if tries < FREE_TRIES else min(2.0 ** (tries - FREE_TRIES), LONGEST_WAIT_S)
        wait_s = max(0.0, last_s + pause_s - now_s)
        if len(self._recent) >= TRIES_A_MINUTE:
            wait_s = max(wait_s, self._recent[-TRIES_A_MINUTE] + 60.0 - now_s)
        return wait_s

    def wrong(self, address: str | None, now_s: float) -> None:
        """A wrong token came from `address`."""
        place = place_of(address)
        tries, last_s = self._places.pop(place, (0, now_s))
        self._places[place] = (1 if now_s - last_s > FORGOTTEN_AFTER_S else tries + 1, now_s)
        while len(self._places) > PLACES_KEPT:
            self._places.popitem(last=False)
        self._recent = [*(at_s for at_s in self._recent if now_s - at_s < 60.0), now_s][-TRIES_A_MINUTE:]

    def right(self, address: str | None) -> None:
        """The token came from `address`: what was wrong before was a slip."""
        self._places.pop(place_of(address), None)


def place_of(address: str | None) -> str:
    """Where `address` is, as far as guessing goes: a network of IPv6 is one place, for who has one has all of it."""
    try:
        ip = ipaddress.ip_address((address or "").split("%")[0])
    except ValueError:
        return address or ""
    if ip.version == 4:
        return str(ip)
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return str(mapped) if mapped else str(ipaddress.ip_network(f"{ip}/64", strict=False))


class Allowance:
    """So many messages a second, `burst` at once; what is beyond is refused."""

    def __init__(self, a_second: float, burst: float, now_s: float) -> None:
        self._rate, self._burst = a_second, burst
        self._left, self._at_s = burst, now_s

    def take(self, now_s: float) -> bool:
        """Whether one more may be now."""
        self._left = min(self._burst, self._left + (now_s - self._at_s) * self._rate)
        self._at_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True
