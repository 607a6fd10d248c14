"""When a service ends itself to be started anew: a sound driver hangs, and nobody needs the station now.

Rule: never while somebody talks, is heard or records, nor for a hang that passes. Pure: time is handed in.
"""

from __future__ import annotations

HUNG_S = 20.0
"""A driver that was slow has come back by then."""
REST_S = 10.0


class RestartWatch:
    """One station's; look often."""

    def __init__(self) -> None:
        self._hung_since_s: float | None = None
        self._at_rest_since_s: float | None = None

    def is_due(self, now_s: float, *, hangs: bool, in_use: bool) -> bool:
        """Whether to end now."""
        self._hung_since_s = _since(self._hung_since_s, now_s, hangs)
        self._at_rest_since_s = _since(self._at_rest_since_s, now_s, not in_use)
        if self._hung_since_s is None or self._at_rest_since_s is None:
            return False
        return now_s - self._hung_since_s >= HUNG_S and now_s - self._at_rest_since_s >= REST_S


def _since(before: float | None, now_s: float, is_so: bool) -> float | None:
    if not is_so:
        return None
    return now_s if before is None else before
