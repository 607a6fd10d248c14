"""Several keys, one push-to-talk: the operator's keyboard, a foot switch, phones. Pure.

Rule: the push-to-talk is down while at least one key is; a key held from afar goes up when its lease runs out.
"""

from __future__ import annotations

from gateway.control.requests import HoldKey, PressKey, ReleaseKey, ToggleKey
from gateway.session.events import PttPressed, PttReleased

KeyRequest = PressKey | HoldKey | ReleaseKey | ToggleKey


class KeyBoard:
    """Which keys are down; `handle` and `tick` give what the session is to be told."""

    def __init__(self) -> None:
        self._held: dict[str, float | None] = {}
        self._leases: dict[str, float] = {}

    @property
    def holders(self) -> tuple[str, ...]:
        """Keys that are down, in the order in which they went down."""
        return tuple(self._held)

    def handle(self, request: KeyRequest, now_s: float, *, is_on: bool) -> list[PttPressed | PttReleased]:
        """A key moved; `is_on`: the session counts the key as down (talking, waiting, locked out)."""
        match request:
            case PressKey(holder, break_in, lease_s):
                is_new = holder not in self._held
                self._hold(holder, lease_s, now_s)
                # A second key on an over that runs changes nothing, unless a break-in is meant.
                return [PttPressed(break_in)] if not is_on or (is_new and break_in) else []
            case HoldKey(holder):
                if holder in self._leases:
                    self._held[holder] = now_s + self._leases[holder]
                return []
            case ReleaseKey(holder):
                was_down = holder in self._held
                self._drop(holder)
                return [PttReleased()] if was_down and not self._held else []
            case ToggleKey(holder, break_in):
                if is_on:
                    self.clear()
                    return [PttReleased()]
                self._hold(holder, None, now_s)
                return [PttPressed(break_in)]

    def tick(self, now_s: float) -> list[PttReleased]:
        """Let go of keys whose lease has run out."""
        gone = [holder for holder, until_s in self._held.items() if until_s is not None and now_s >= until_s]
        for holder in gone:
            self._drop(holder)
        return [PttReleased()] if gone and not self._held else []

    def clear(self) -> None:
        """All keys count as up, whether or not they are: they have to be pressed again."""
        self._held.clear()
        self._leases.clear()

    def _hold(self, holder: str, lease_s: float | None, now_s: float) -> None:
        if lease_s is None:
            self._held[holder] = None
        else:
            self._leases[holder] = lease_s
            self._held[holder] = now_s + lease_s

    def _drop(self, holder: str) -> None:
        self._held.pop(holder, None)
        self._leases.pop(holder, None)
