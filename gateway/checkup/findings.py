"""What a check found, as values.

Rule: a problem is what `run` would refuse or what can never work; a warning is what it starts with all the same, but
somebody should know. Every finding names file and key, and says what to do where something is to be done.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from gateway.errors import GatewayError

WHOLE_FILE = "(file)"


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a report; `todo` is empty where nothing is to be done."""

    level: Level
    file: str
    key: str
    text: str
    todo: str = ""

    def __str__(self) -> str:
        return f"{self.level:<8} {self.file}: {self.key}: {self.text}" + (f"; {self.todo}" if self.todo else "")


class Findings:
    """What was found in one file, in the order in which it was looked at."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.all: list[Finding] = []

    def ok(self, key: str, text: str) -> None:
        """As it should be."""
        self._add(Level.OK, key, text)

    def warn(self, key: str, text: str, todo: str = "") -> None:
        """It starts, but."""
        self._add(Level.WARNING, key, text, todo)

    def problem(self, key: str, text: str, todo: str = "") -> None:
        """It does not start, or never does what it should."""
        self._add(Level.PROBLEM, key, text, todo)

    @contextmanager
    def looking_at(self, key: str) -> Iterator[None]:
        """What is raised within becomes a problem of `key`; a check that breaks ends no other check."""
        try:
            yield
        except GatewayError as error:
            for where, text in problems_of(error, self.file):
                self.problem(where or key, text)
        except Exception as error:
            self.problem(key, f"this check broke ({error!r})", "please report it with the file")

    def _add(self, level: Level, key: str, text: str, todo: str = "") -> None:
        found = Finding(level, str(self.file), key, " ".join(text.split()), todo)
        if found not in self.all:
            self.all.append(found)


def problems_of(error: GatewayError, file: Path) -> list[tuple[str, str]]:
    """(key, text) of every problem that an error about `file` lists; the key is empty where none is named."""
    text = str(error)
    rest = text.removeprefix(f"{file}: ")
    if rest == text:
        return [("", text)]
    head, *lines = rest.split("\n  ")
    if not lines or re.fullmatch(r"\d+ problems", head) is None:
        lines = [rest]
    return [_keyed(line) for line in lines]


def _keyed(line: str) -> tuple[str, str]:
    if line.startswith(("not valid TOML", "cannot read", "not a text file")):
        return WHOLE_FILE, line
    found = re.match(r"(\(whole file\)|[A-Za-z_][\w<>-]*(?:\.[\w<>-]+)*)(: )?", line)
    if found is None:
        return "", line
    # A sentence about several keys begins with one of them; any other word has neither dot nor colon.
    if found[2] is None and "." not in found[1]:
        return "", line
    return found[1], line[found.end() :].lstrip()
