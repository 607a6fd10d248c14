"""What travels to a browser: snapshots as JSON, part by part, and the configuration without its secrets. Pure.

Rule: a part is sent when its text has changed. Figures are rounded to what a screen shows, so that a quiet station
sends little.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from gateway.control.snapshot import Snapshot, plain

DIGITS = 3
COARSE: Mapping[str, int] = {
    "up_s": 0,
    "mode_s": 0,
    "wall_s": 0,
    "talking_s": 0,
    "time_left_s": 0,
    "level_db": 0,
    "peak_db": 0,
    "output_level_db": 0,
    "own_hour_s": 1,
    "own_s": 1,
    "heard_s": 1,
    "duration_s": 1,
}
"""Decimal places of what changes all the time; the rest has `DIGITS`."""
LEFT_OUT = {"number"}
"""Parts that say nothing by themselves."""

HIDDEN = "(not shown)"
_SECRETIVE = re.compile(r"secret|passw|passphrase|token|psk|private|credential|(^|_)(pin|puk|key|auth)($|_)", re.I)
_IN_ADDRESS = re.compile(r"(?<=://)[^/@\s]*@")


def browser_value(value: object, name: str = "") -> Any:
    """Plain values that JSON and a browser know, rounded; a number that is none becomes null."""
    value = plain(value)
    if isinstance(value, Mapping):
        return {str(key): browser_value(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [browser_value(item, name) for item in value]
    if isinstance(value, float):
        return round(value, COARSE.get(name, DIGITS)) if math.isfinite(value) else None
    return value


def json_text(value: object) -> str:
    """`value` as JSON in as few characters as it takes."""
    return json.dumps(browser_value(value), separators=(",", ":"), allow_nan=False)


class Parts:
    """The newest snapshot, part by part; each part knows at which version it changed last."""

    def __init__(self) -> None:
        self.version = 0
        self._values: dict[str, object] = {}
        self._texts: dict[str, str] = {}
        self._changed: dict[str, int] = {}

    def take(self, snapshot: Snapshot) -> bool:
        """Look at a snapshot; whether anything in it is new to a browser."""
        version = self.version + 1
        for name in snapshot.__dataclass_fields__:
            value = getattr(snapshot, name)
            # Most parts are the same as a tenth of a second ago: nothing is made of them again.
            if name in LEFT_OUT or (name in self._values and self._values[name] == value):
                continue
            self._values[name] = value
            text = json_text({name: value})[1:-1]
            if self._texts.get(name) != text:
                self._texts[name] = text
                self._changed[name] = self.version = version
        return self.version == version

    def since(self, version: int) -> str | None:
        """A JSON object of the parts that changed after `version`; None where none did."""
        texts = [text for name, text in self._texts.items() if self._changed[name] > version]
        return "{" + ",".join(texts) + "}" if texts else None


def shown_config(value: object, name: str = "") -> Any:
    """A configuration as it may be shown: paths of key files are, what is secret itself is not."""
    if isinstance(value, Mapping):
        return {str(key): shown_config(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [shown_config(item, name) for item in value]
    if isinstance(value, PurePath):
        return str(value)
    if value is None or isinstance(value, bool):
        return value
    if _SECRETIVE.search(name) is not None and not (isinstance(value, int) and name == "key_id"):
        return HIDDEN
    if isinstance(value, int | float):
        return browser_value(value)
    return _IN_ADDRESS.sub(f"{HIDDEN}@", str(value))
