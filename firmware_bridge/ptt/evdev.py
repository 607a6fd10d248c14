"""Input devices of Linux: found by path or name, read, grabbed.

`python -m firmware_bridge.ptt.evdev` lists them; with a device behind it, it shows what its keys are called.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import struct
import sys
from pathlib import Path

from firmware_bridge.ptt.input_event import EVENT_BYTES, KEY_CODES, MAX_KEY, KeyFollower, keys_in
from gateway.errors import KeyingError
from gateway.ptt_config import EvdevInput

SYS_INPUT = Path("/sys/class/input")
# linux/input.h: EVIOCGRAB is _IOW('E', 0x90, int), EVIOCGKEY(n) _IOC(_IOC_READ, 'E', 0x18, n).
EVIOCGRAB = 0x4004_4590
_STATE_BYTES = MAX_KEY // 8 + 1
EVIOCGKEY = 0x8000_4518 | _STATE_BYTES << 16


def device_names(folder: Path = SYS_INPUT) -> dict[str, str]:
    """Names of the input devices by their paths."""
    found = {}
    for entry in sorted(folder.glob("event*"), key=lambda path: (len(path.name), path.name)):
        with contextlib.suppress(OSError):
            found[f"/dev/input/{entry.name}"] = (entry / "device" / "name").read_text(encoding="utf-8").strip()
    return found


def find_device(wanted: str, folder: Path = SYS_INPUT) -> str:
    """The path of a device: itself, or of the one whose name contains `wanted`. Raises KeyingError with those there."""
    if wanted.startswith("/"):
        return wanted
    names = device_names(folder)
    exact = [path for path, name in names.items() if name == wanted]
    part = [path for path, name in names.items() if wanted.lower() in name.lower()]
    if len(exact or part) != 1:
        listed = ", ".join(f"{name!r} at {path}" for path, name in names.items()) or "none"
        many = "several input devices are" if part else "no input device is"
        raise KeyingError(f"{many} called {wanted!r}; there are: {listed}")
    return (exact or part)[0]


def key_code(key: str | int) -> int | None:
    """The code of a key's name; None for `any`. Raises KeyingError for one that is not known here."""
    if isinstance(key, int) or key.isdecimal():
        return int(key)
    if key.lower() == "any":
        return None
    if key.upper() not in KEY_CODES:
        raise KeyingError(f"key {key!r} is not known; give its number (python -m firmware_bridge.ptt.evdev shows it)")
    return KEY_CODES[key.upper()]


class EvdevContact:
    """One key of an input device. Raises KeyingError where it cannot be had, and when it goes away."""

    def __init__(self, section: EvdevInput) -> None:
        self._path = find_device(section.device)
        self._keys = KeyFollower(key_code(section.key))
        try:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            hint = "; is this user in group input?" if error.errno == errno.EACCES else ""
            raise KeyingError(f"{self._path}: {error.strerror or error}{hint}") from error
        if section.grab:
            try:
                fcntl.ioctl(self._descriptor, EVIOCGRAB, 1)
            except OSError as error:
                self.close()
                raise KeyingError(f"{self._path}: cannot be grabbed: {error.strerror or error}") from error
        self._states = [self._ask()]

    def read(self, timeout_s: float) -> list[bool]:
        """Whether the key was down, state after state, as soon as there is one; [] if none came in `timeout_s`."""
        states, self._states = self._states, []
        if states:
            return states
        try:
            ready, _, _ = select.select([self._descriptor], [], [], timeout_s)
            if not ready:
                return []
            data = os.read(self._descriptor, 64 * EVENT_BYTES)
        except OSError as error:
            raise KeyingError(f"{self._path}: {error.strerror or error}") from error
        if not data:
            raise KeyingError(f"{self._path}: has ended")
        states = self._keys.feed(data)
        return [self._ask()] if self._keys.needs_state else states

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._descriptor)

    def _ask(self) -> bool:
        """Whether the key is down by the kernel's account; one that does not say (not a device) is taken as up."""
        try:
            bits = fcntl.ioctl(self._descriptor, EVIOCGKEY, bytes(_STATE_BYTES))
        except OSError:
            bits = b""
        return self._keys.set_down(keys_in(bits))


def main() -> None:
    """List the devices, or show the keys of one."""
    if len(sys.argv) < 2:
        for path, name in device_names().items():
            print(f"{path}  {name}")
        print("with one of these behind the command, its keys are shown as they are pressed", file=sys.stderr)
        return
    path = find_device(sys.argv[1])
    names = {code: name for name, code in KEY_CODES.items()}
    with Path(path).open("rb", buffering=0) as device:
        while data := device.read(EVENT_BYTES):
            _, _, kind, code, value = struct.unpack("@llHHi", data)
            if kind == 1 and value == 1:
                print(f"key = {code}" + (f'  (or "{names[code]}")' if code in names else ""), flush=True)


if __name__ == "__main__":
    try:
        main()
    except (KeyingError, OSError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        pass
