"""Lines of text, and JSON objects one a line, out of bytes that come cut anywhere.

Rule: no I/O; a line ends with CR, LF or both, empty ones are skipped, one longer than the limit is dropped and counted.
Bytes stay bytes: what a line holds is for the driver to judge.
"""

from __future__ import annotations

import json
import re
from typing import Any

MAX_LINE_BYTES = 16_384

_ENDS = (0x0D, 0x0A)
_VT100 = re.compile(rb"\x1b\[[0-9;]*[A-Za-z]")
_MAX_DEPTH = 8


class LineReader:
    """Lines as they are completed. `prompt`: what counts as a line when it stands at the beginning of one, for a
    modem's prompt is not followed by a line end."""

    def __init__(self, max_bytes: int = MAX_LINE_BYTES, prompt: re.Pattern[bytes] | None = None) -> None:
        self._max_bytes, self._prompt = max_bytes, prompt
        self._held = bytearray()
        self._is_dropping = False
        self.overlong_lines = 0

    def receive(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes, oldest first, without their ends."""
        lines: list[bytes] = []
        for byte in data:
            if byte in _ENDS:
                if self._held:
                    lines.append(bytes(self._held))
                self._held.clear()
                self._is_dropping = False
            elif self._is_dropping:
                continue
            elif len(self._held) >= self._max_bytes:
                self.overlong_lines += 1
                self._is_dropping = True
                self._held.clear()
            else:
                self._held.append(byte)
                if self._prompt is not None and self._prompt.fullmatch(self._held):
                    lines.append(bytes(self._held))
                    self._held.clear()
        return lines


def json_object(line: bytes) -> dict[str, Any] | None:
    """The JSON object in a line, or None: prompts before it and terminal colours around it are passed over."""
    plain = _VT100.sub(b"", line).strip()
    begin = plain.find(b"{")
    # A parser that recurses is not given what nests deeper than any modem writes.
    if begin < 0 or plain.count(b"{") + plain.count(b"[") > _MAX_DEPTH:
        return None
    try:
        value = json.loads(plain[begin:], parse_constant=lambda _: None)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
