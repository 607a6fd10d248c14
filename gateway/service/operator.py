"""What `clarilink ctl` does with a station, as conversations over the control socket.

Rule: a key that is pressed here is let go on any way out, and by its lease should this process die.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.clock import Clock, SystemClock
from gateway.control.requests import LEASE_S
from gateway.errors import GatewayError, LinkError, RequestError
from gateway.service import words
from gateway.service.client import ControlClient
from gateway.telling import Level

Event = Mapping[str, Any]

HOLD_EVERY_S = LEASE_S / 3
OBEYED_WITHIN_S = 5.0
"""A station that is well answers a press within a turn or two of its loop, some 20 ms."""
TURNS = 2
"""Snapshots after which a request must have had its effect: the first may have been under way when it came."""
HOLDER = "ctl:"


class Refused(GatewayError):
    """The station understood, and does not do it."""


class Operator:
    """One command's."""

    def __init__(self, client: ControlClient, clock: Clock | None = None) -> None:
        self._client = client
        self._clock = SystemClock() if clock is None else clock
        self.holder = HOLDER + secrets.token_hex(2)

    def snapshot(self) -> dict[str, Any]:
        """The state now. Raises LinkError while a station starts for too long."""
        found = self._client.ask("snapshot")["snapshot"]
        if found is None:
            self._client.ask("watch")
            found = self._next_snapshot(OBEYED_WITHIN_S)
            self._client.ask("unwatch")
        return dict(found)

    def news(self, count: int) -> list[dict[str, Any]]:
        """The last `count` lines, oldest first."""
        return list(self._client.ask("news")["news"][-count:])

    def watch(self, every_s: float) -> Iterator[Event]:
        """Events until the station ends."""
        self._client.ask("watch", every_s=every_s)
        while True:
            event = self._client.next_event(OBEYED_WITHIN_S)
            if event is None:
                continue
            if event["event"] == "end":
                return
            yield event

    def do(self, op: str, **fields: Any) -> list[str]:
        """Ask, and wait until it has had its effect; returns what the station said meanwhile. Raises Refused."""
        self._client.ask("watch")
        asked = self._client.ask(op, **fields)
        said: list[str] = []
        for event in self._events_after(asked["number"] + TURNS):
            if event["event"] != "news" or event["news"]["number"] <= asked["news"]:
                continue
            if is_refusal(event["news"]):
                raise Refused(f"{op}: {event['news']['text']}")
            said.append(event["news"]["text"])
        return said

    def hold(self, seconds: float | None, show: Callable[[Event], None], *, break_in: bool = False) -> float:
        """Key down until `seconds` of speech or a KeyboardInterrupt; returns how long it talked, s.

        `show` gets every snapshot. Raises Refused if the station does not let it talk, or ends the over by itself.
        """
        self._client.ask("watch")
        asked = self._client.ask("press", holder=self.holder, break_in=break_in, lease_s=LEASE_S)
        over = _Over(self.holder, asked["number"] + TURNS, self._clock.now())
        try:
            while seconds is None or over.talked_s(self._clock.now()) < seconds:
                self._client.tell("hold", holder=self.holder)
                event = self._client.next_event(HOLD_EVERY_S)
                until_s = self._clock.now() + HOLD_EVERY_S
                while event is not None:
                    if event["event"] == "end":
                        raise Refused("the station was stopped")
                    if event["event"] == "snapshot":
                        show(event["snapshot"])
                        over.see(event["snapshot"], self._clock.now())
                    if seconds is not None and over.talked_s(self._clock.now()) >= seconds:
                        break
                    event = self._client.next_event(until_s - self._clock.now())
                if over.began_s is None and self._clock.now() - over.asked_s > OBEYED_WITHIN_S:
                    raise LinkError(f"{self._client.path}: the station does not obey; is it stuck?")
        except KeyboardInterrupt:
            pass  # the operator's way to end an over
        finally:
            with contextlib.suppress(GatewayError):
                self._client.ask("release", holder=self.holder)
        return over.talked_s(self._clock.now())

    def until_sent(self) -> None:
        """Wait until the over is through: its tail is part of what was said."""
        self._client.ask("watch")
        give_up = self._clock.now() + OBEYED_WITHIN_S
        while self._clock.now() < give_up:
            event = self._client.next_event(HOLD_EVERY_S)
            if (
                event is not None
                and event["event"] == "snapshot"
                and event["snapshot"]["ptt"]["mode"] not in words.ON_AIR
            ):
                return

    def release(self, *, everybody: bool) -> list[str]:
        """Let go of keys that ctl pressed, or of all; returns whose."""
        held = [who for who in self.snapshot()["ptt"]["held_by"] if everybody or who.startswith(HOLDER)]
        for who in held:
            self._client.ask("release", holder=who)
        return held

    def station(self, name: str) -> int:
        """The number of a station of the net. Raises RequestError naming those there are."""
        names = [(number, known) for number, known in self.snapshot().get("names", ())]
        for number, known in names:
            if name.casefold() == known.casefold() or name == str(number):
                return int(number)
        if name.isdecimal() and int(name) <= 0xFFFF:
            return int(name)
        listed = ", ".join(f"{known} ({number})" for number, known in names) or "nobody"
        raise RequestError(f"--to: no station {name!r} in [net.names]; there are {listed}")

    def _next_snapshot(self, timeout_s: float) -> Event:
        give_up = self._clock.now() + timeout_s
        while (event := self._client.next_event(give_up - self._clock.now())) is not None:
            if event["event"] == "snapshot":
                found: Event = event["snapshot"]
                return found
        raise LinkError(f"{self._client.path}: the station tells nothing of itself")

    def _events_after(self, number: int) -> Iterator[Event]:
        """Events until snapshot `number`."""
        give_up = self._clock.now() + OBEYED_WITHIN_S
        while (event := self._client.next_event(give_up - self._clock.now())) is not None:
            yield event
            if event["event"] == "end" or (event["event"] == "snapshot" and event["snapshot"]["number"] >= number):
                return
        raise LinkError(f"{self._client.path}: the station does not obey; is it stuck?")


@dataclass(slots=True)
class _Over:
    """What became of a press: `began_s` once the key is obeyed."""

    holder: str
    judged_from: int
    asked_s: float
    began_s: float | None = None

    def talked_s(self, now_s: float) -> float:
        return 0.0 if self.began_s is None else now_s - self.began_s

    def see(self, snap: Event, now_s: float) -> None:
        """A snapshot. Raises Refused if the key is not, or no longer, obeyed."""
        ptt, mode = snap["ptt"], snap["ptt"]["mode"]
        is_held = self.holder in ptt["held_by"]
        if is_held and (mode in words.ON_AIR or ptt.get("is_recording", False)):
            self.began_s = now_s if self.began_s is None else self.began_s
        elif is_held and ptt.get("waits_for_floor"):
            self.asked_s = now_s
        elif snap["number"] >= self.judged_from and (not is_held or mode in words.LOCKED_OUT):
            reason = ptt.get("refusal") or words.MODES.get(mode, mode)
            raise Refused(f"refused: {reason}" if self.began_s is None else f"the over was ended: {reason}")


def is_refusal(line: Mapping[str, Any]) -> bool:
    """Whether a line for the operator says that something he asked for is not done."""
    return bool(line["level"] == Level.REFUSED)
