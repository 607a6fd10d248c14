"""What documents show as commands and configuration, taken out of their Markdown.

A block of commands that CI runs has a mark before it, which readers do not see:

    <!-- run -->                            every line, in one shell, ends with 0
    <!-- run: shows "text" -->              and prints that (several times, if given so)
    <!-- run: within 200 s -->              a limit other than 60 s
    <!-- run: background until "text" -->   goes on until the document's end; the next block waits for that text
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

MARK = re.compile(r"<!-- run(?:: (.*?))? -->")
LIMIT_S = 60.0


@dataclass(frozen=True)
class Run:
    """How a block is to be run."""

    shows: tuple[str, ...] = ()
    until: str | None = None
    limit_s: float = LIMIT_S

    @classmethod
    def of(cls, text: str) -> Run:
        """From the words of a mark. Raises ValueError for words that mean nothing."""
        shows = tuple(re.findall(r'shows "([^"]*)"', text))
        until = re.search(r'background until "([^"]*)"', text)
        limit = re.search(r"within (\d+) s", text)
        left = re.sub(r'shows "[^"]*"|background until "[^"]*"|within \d+ s|[,\s]', "", text)
        if left:
            raise ValueError(f"run: {left!r} is not known")
        return cls(shows, until[1] if until else None, float(limit[1]) if limit else LIMIT_S)


@dataclass(frozen=True)
class Block:
    """A block of code: its `language` (of a fence, else empty), first line's number, text, and how to run it."""

    file: Path
    line: int
    language: str
    text: str
    run: Run | None = None


def blocks_of(file: Path) -> list[Block]:
    """All fenced and indented blocks of a document, in order. Raises ValueError for a mark without a block."""
    found: list[Block] = []
    run: Run | None = None
    lines = [*file.read_text(encoding="utf-8").splitlines(), ""]
    index = 0
    while index < len(lines):
        line = lines[index]
        if mark := MARK.fullmatch(line.strip()):
            run = Run.of(mark[1] or "")
        elif line.startswith("```"):
            end = next(at for at in range(index + 1, len(lines)) if lines[at].startswith("```"))
            found.append(Block(file, index + 1, line[3:].strip(), "\n".join(lines[index + 1 : end]), run))
            run, index = None, end
        elif line.startswith("    ") and (
            index == 0 or not lines[index - 1].strip() or MARK.fullmatch(lines[index - 1])
        ):
            end = index
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            text = "\n".join(part[4:] for part in lines[index:end]).rstrip()
            found.append(Block(file, index + 1, "", text, run))
            run, index = None, end - 1
        elif line.strip() and run is not None:
            raise ValueError(f"{file}:{index + 1}: a mark to run, and no block behind it")
        index += 1
    return found


def prose_of(file: Path) -> str:
    """A document without its blocks."""
    text = re.sub(r"^```.*?^```$", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"^    .*$", "", text, flags=re.MULTILINE)


def code_spans(file: Path) -> list[str]:
    """What stands between back-quotes in the prose."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose_of(file))]
