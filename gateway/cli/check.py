"""`clarilink check`: every problem of configuration files and of this machine at once."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

PATH = click.Path(path_type=Path)
COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}


@click.command()
@click.option("-c", "--config", "configs", type=PATH, multiple=True, help="File to check; more may follow it.")
@click.argument("more", metavar="[FILE]...", type=PATH, nargs=-1)
@click.option("--quick", is_flag=True, help="Files only, for another machine: no devices, addresses, folders.")
@click.option("--net", "is_one_net", is_flag=True, help="The files are of one net: also compare them with each other.")
@click.option("--json", "is_json", is_flag=True, help="Print the findings as JSON.")
def check(configs: tuple[Path, ...], more: tuple[Path, ...], quick: bool, is_one_net: bool, is_json: bool) -> None:
    """Explain every problem of station, modem, bridge, channel, net and protection files, and of this machine, at once.

    One line per finding: ok; a warning, with which it starts all the same (a cable that is not plugged in); or a
    problem, with which it does not start or never does what it should. Ends with 0 where there is no problem, else with
    1.
    """
    from gateway.checkup.surroundings import Surroundings
    from gateway.tools.check import as_json, check_files, is_good, summary

    paths = (*configs, *more)
    if not paths:
        raise click.UsageError("needs at least one file: clarilink check -c configs/station-a.toml")
    findings = check_files(paths, Surroundings(quick=quick), is_one_net=is_one_net)
    if is_json:
        click.echo(json.dumps(as_json(findings), indent=2))
    else:
        for finding in findings:
            level, rest = str(finding)[:8], str(finding)[8:]
            click.echo(click.style(level, fg=COLOURS[finding.level]) + rest)
        click.echo(summary(findings))
    if not is_good(findings):
        sys.exit(1)
