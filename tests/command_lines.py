"""Command lines as texts have them, held against the commands that there are."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import click

from firmware_bridge.__main__ import main as bridge_main
from gateway.cli import main
from gateway.trainer.__main__ import main as trainer_main

PROGRAMS: dict[tuple[str, ...], click.Command] = {
    ("clarilink",): main,
    ("python", "-m", "gateway"): main,
    ("python", "-m", "firmware_bridge"): bridge_main,
    ("python", "-m", "gateway.trainer"): trainer_main,
}


def program_of(words: Sequence[str]) -> tuple[click.Command, list[str]] | None:
    """The program that a command line calls and the words behind it, None for one that is not ours."""
    first = words[0].rsplit("/", 1)[-1] if words else ""
    if first in ("$P", "python3"):
        first = "python"
    for start, program in PROGRAMS.items():
        if (first, *words[1 : len(start)]) == start:
            return program, list(words[len(start) :])
    return None


def mistakes(words: Sequence[str]) -> list[str]:
    """Subcommands and options of a command line of ours that do not exist."""
    found = program_of(words)
    if found is None:
        return []
    at, rest = found
    arguments = 0
    while rest:
        word = rest.pop(0)
        if word.startswith("-") and word != "-" and not word[1:].replace(".", "").isdigit():
            name, equals, _ = word.partition("=")
            option = next((one for one in at.params if name in (*one.opts, *one.secondary_opts)), None)
            if option is None and name not in ("--help", "-h"):
                return [f"{at.name} has no option {name}"]
            if isinstance(option, click.Option) and not option.is_flag and not equals:
                rest = rest[option.nargs :]
        elif isinstance(at, click.Group):
            if arguments < sum(isinstance(one, click.Argument) for one in at.params):
                arguments += 1
            elif word in at.commands:
                at, arguments = at.commands[word], 0
            else:
                return [f"{at.name} has no command {word!r}"]
    return []


def commands_in(text: str) -> list[list[str]]:
    """The command lines in a block of shell, comments left out; what no shell would read is left out, too."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            continue
        piece: list[str] = []
        for word in [*words, ";"]:
            if word in ("|", "&&", "||", ";", "&", ">", ">>", "2>", "<") or word.endswith(";"):
                if word.endswith(";") and word != ";":
                    piece.append(word[:-1])
                found.append(piece)
                piece = []
            elif piece or "=" not in word or word.startswith("-"):
                piece.append(word)
    return [piece for piece in found if piece]
