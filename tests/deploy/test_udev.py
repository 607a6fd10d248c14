"""The udev rules: every line is one, labels are there, and jumps lead to them; udevadm judges where it can."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

RULES = Path(__file__).parents[2] / "deploy" / "udev" / "70-clarilink.rules"
MATCHES = {"ACTION", "SUBSYSTEM", "KERNEL", "DRIVER", "DRIVERS", "ENV", "ATTR", "TEST"}
SETS = {"GROUP", "MODE", "SYMLINK", "ENV", "ATTR", "GOTO", "LABEL"}
KNOWN_GROUPS = {"dialout", "input", "gpio", "audio"}
TERM = re.compile(r'([A-Z]+)(?:\{([^}]+)\})?(==|!=|\+=|=)"([^"]*)"')


def rules() -> list[list[tuple[str, str, str, str]]]:
    found = []
    for line in RULES.read_text().splitlines():
        if line and not line.startswith("#"):
            terms = [TERM.fullmatch(part.strip()) for part in re.split(r",(?=\s*[A-Z])", line)]
            assert all(terms), line
            found.append([term.groups(default="") for term in terms if term])
    return found


def test_every_line_is_a_rule() -> None:
    assert len(rules()) > 15
    for rule in rules():
        for key, _, operator, value in rule:
            if operator in ("==", "!="):
                assert key in MATCHES, rule
            else:
                assert key in SETS, rule
                assert operator == "=" or key == "SYMLINK", rule
            if key == "GROUP":
                assert value in KNOWN_GROUPS
            if key == "MODE":
                assert value == "0660"


def test_jumps_go_forward_to_labels_that_are_there() -> None:
    terms = [term for rule in rules() for term in rule]
    labels = [value for key, *_, value in terms if key == "LABEL"]
    assert len(labels) == len(set(labels))
    for index, (key, *_, value) in enumerate(terms):
        if key == "GOTO":
            assert ("LABEL", "", "=", value) in terms[index:]


def test_names_are_ours_alone() -> None:
    links = [value for rule in rules() for key, *_, value in rule if key == "SYMLINK"]
    assert len(links) >= 3
    assert all(link.startswith("clarilink/") for link in links)


def test_udevadm_has_nothing_against_them() -> None:
    if shutil.which("udevadm") is None:
        pytest.skip("udevadm is not installed (apt install udev)")
    done = subprocess.run(["udevadm", "verify", RULES], capture_output=True, text=True)
    if "Unknown command verb" in done.stderr:
        pytest.skip("this udevadm cannot verify rules (systemd 254 can)")
    assert done.returncode == 0, done.stdout + done.stderr
