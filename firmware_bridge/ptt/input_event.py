"""Linux input events (Documentation/input/input.rst and event-codes.rst of the kernel) to the state of one key.

Rule: bytes in, states out. The kernel's structure is read here rather than by the package evdev, which is a C extension
without wheels: it would need a compiler and kernel headers at every installation, for 24 bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_EVENT = struct.Struct("@llHHi")
"""struct input_event: two longs of time, type, code, value."""
EVENT_BYTES = _EVENT.size
EV_SYN, EV_KEY = 0, 1
SYN_DROPPED = 3
MAX_KEY = 0x2FF

_RUNS = {
    2: "1 2 3 4 5 6 7 8 9 0",
    16: "Q W E R T Y U I O P",
    30: "A S D F G H J K L",
    44: "Z X C V B N M",
    59: "F1 F2 F3 F4 F5 F6 F7 F8 F9 F10",
    87: "F11 F12",
    183: "F13 F14 F15 F16 F17 F18 F19 F20 F21 F22 F23 F24",
    102: "HOME UP PAGEUP LEFT RIGHT END DOWN PAGEDOWN INSERT DELETE",
    113: "MUTE VOLUMEDOWN VOLUMEUP",
    163: "NEXTSONG PLAYPAUSE PREVIOUSSONG STOPCD",
}
_SINGLE = {
    "KEY_ESC": 1,
    "KEY_TAB": 15,
    "KEY_ENTER": 28,
    "KEY_LEFTCTRL": 29,
    "KEY_LEFTSHIFT": 42,
    "KEY_RIGHTSHIFT": 54,
    "KEY_LEFTALT": 56,
    "KEY_SPACE": 57,
    "KEY_RIGHTCTRL": 97,
    "KEY_RIGHTALT": 100,
    "KEY_PAUSE": 119,
    "KEY_PHONE": 169,
    "KEY_MEDIA": 226,
    "KEY_MICMUTE": 248,
    "BTN_0": 0x100,
    "BTN_LEFT": 0x110,
    "BTN_RIGHT": 0x111,
    "BTN_MIDDLE": 0x112,
    "BTN_TRIGGER": 0x120,
    "BTN_SOUTH": 0x130,
}
KEY_CODES = {
    **{f"KEY_{name}": first + n for first, names in _RUNS.items() for n, name in enumerate(names.split())},
    **_SINGLE,
}
"""Keys that foot switches, headsets and keyboards send, by their names in linux/input-event-codes.h."""


@dataclass(frozen=True, slots=True)
class InputEvent:
    """One event; `value` of a key: 0 up, 1 down, 2 repeated."""

    kind: int
    code: int
    value: int


class KeyFollower:
    """Whether a key is down; `code` None: any key of the device."""

    def __init__(self, code: int | None) -> None:
        self._code = code
        self._down: set[int] = set()
        self._rest = b""
        self.needs_state = False
        """The kernel has dropped events: what is down must be asked for, and told by `set_down`."""

    def feed(self, data: bytes) -> list[bool]:
        """The states that `data`, cut anywhere, leads through, in order; only changes."""
        data = self._rest + data
        whole = len(data) - len(data) % EVENT_BYTES
        self._rest = data[whole:]
        states: list[bool] = []
        for _, _, kind, code, value in _EVENT.iter_unpack(data[:whole]):
            before = bool(self._down)
            self._take(InputEvent(kind, code, value))
            if bool(self._down) is not before:
                states.append(not before)
        return states

    def set_down(self, down: set[int]) -> bool:
        """What is down by the kernel's own account; returns the state."""
        self._down = {code for code in down if self._is_meant(code)}
        self.needs_state = False
        return bool(self._down)

    def _take(self, event: InputEvent) -> None:
        if event.kind == EV_SYN and event.code == SYN_DROPPED:
            self.needs_state = True
        elif event.kind == EV_KEY and self._is_meant(event.code):
            if event.value == 0:
                self._down.discard(event.code)
            else:
                self._down.add(event.code)

    def _is_meant(self, code: int) -> bool:
        return self._code is None or code == self._code


def keys_in(bits: bytes) -> set[int]:
    """The codes in the kernel's bit field of keys that are down (EVIOCGKEY)."""
    return {8 * at + bit for at, byte in enumerate(bits) for bit in range(8) if byte >> bit & 1}
