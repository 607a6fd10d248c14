"""Lines for the operator: how they are told, and how much they matter.

Rule: whoever tells knows best whether something was refused or went wrong, and says so; nobody guesses it later from
the words.
"""

from __future__ import annotations

import enum
from typing import Protocol


class Level(enum.StrEnum):
    """What kind of line it is."""

    INFO = "info"
    WARNING = "warning"
    """Something is missing, was lost, or went wrong."""
    REFUSED = "refused"
    """What the operator asked for is not done."""


class Say(Protocol):
    """Tells the operator a line."""

    def __call__(self, line: str, level: Level = Level.INFO, /) -> None: ...
