"""What a station tells its operator, kept in a list."""

from __future__ import annotations

from gateway.telling import Level


class Told(list[str]):
    """The lines; `of` are those of one level."""

    def __init__(self) -> None:
        super().__init__()
        self._levels: list[Level] = []

    def say(self, line: str, level: Level = Level.INFO, /) -> None:
        self.append(line)
        self._levels.append(level)

    def of(self, level: Level) -> list[str]:
        return [line for line, its in zip(self, self._levels, strict=True) if its is level]
