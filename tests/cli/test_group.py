"""Groups of commands in `--help`: whole first sentences, under headings."""

from __future__ import annotations

import click
from click.testing import CliRunner

from gateway.cli.group import CommandGroup

LONG = "Weigh every crate on the quay, " + "and again on board, " * 8 + "then compare."


def harbour(**sections: tuple[str, ...]) -> CommandGroup:
    group = CommandGroup("harbour", sections=sections)
    for name, text in {"weigh": LONG + " Slow.", "moor": "Lie still.", "sail": "Leave."}.items():
        group.add_command(click.Command(name, help=text))
    return group


def help_of(group: click.Group) -> str:
    return CliRunner().invoke(group, ["--help"]).output


def test_the_first_sentence_is_whole_and_no_more_than_that() -> None:
    shown = " ".join(help_of(harbour()).split())
    assert LONG in shown
    assert "Slow." not in shown


def test_headings_in_their_order_and_the_rest_by_name_after_them() -> None:
    lines = help_of(harbour(Voyage=("sail",))).split("Voyage:\n")[1].splitlines()
    assert lines[0] == "  sail   Leave."
    assert [line.split()[0] for line in lines if not line.startswith("   ") and line] == [
        "sail",
        "Commands:",
        "moor",
        "weigh",
    ]


def test_no_heading_over_nothing() -> None:
    assert "Commands:" not in help_of(harbour(Voyage=("sail", "moor", "weigh")))
    assert "Commands:" not in help_of(CommandGroup("empty"))
