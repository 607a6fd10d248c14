"""`clarilink check` as a whole: every shipped file passes or says why, and no file whatever makes it raise."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.checkup.findings import Finding, Level
from gateway.checkup.surroundings import Surroundings
from gateway.tools.check import as_json, check_files, is_good, summary

CONFIGS = Path(__file__).parents[2] / "configs"
FILES = sorted(CONFIGS.rglob("*.toml"))
QUICK = Surroundings(quick=True)
NEEDS_A_KEY = {"station-a-secure.toml", "station-b-secure.toml"}
"""Made by `clarilink keygen`, never shipped."""


def no_devices() -> Surroundings:
    return Surroundings(sound_devices=list, serial_ports=list)


def test_every_shipped_file_passes_or_says_why() -> None:
    findings = check_files(FILES, no_devices())
    problems = {(Path(one.file).name, one.key) for one in findings if one.level is Level.PROBLEM}
    has_key = (CONFIGS / "net.key").exists()
    assert problems == (set() if has_key else {(name, "security.key_file") for name in NEEDS_A_KEY})
    assert {one.file for one in findings} == {str(path) for path in FILES} | {"this machine"}
    assert all(one.todo for one in findings if one.level is Level.WARNING and "too slow" not in one.text)
    assert not any("this check broke" in one.text for one in findings)


def test_files_of_one_net() -> None:
    pair = [CONFIGS / "station-a.toml", CONFIGS / "station-b.toml"]
    assert is_good(check_files(pair, QUICK, is_one_net=True))
    twins = [CONFIGS / "station-a.toml", CONFIGS / "station-a-channel.toml"]
    assert is_good(check_files(twins, QUICK))
    assert not is_good(check_files(twins, QUICK, is_one_net=True))


@pytest.mark.parametrize("name", ["none.toml", "folder.toml", "bytes.toml", "words.toml"])
def test_what_is_no_configuration(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "bytes.toml").write_bytes(b"\xff\x00")
    (tmp_path / "words.toml").write_text('[person]\nname = "you"\n')
    findings = check_files([tmp_path / name], QUICK)
    assert [one.level for one in findings] == [Level.PROBLEM]


LINES = sorted({line for path in FILES for line in path.read_text().splitlines() if "=" in line or "[" in line})
VALUES = ["0", "-1", "1e99", '""', '"x"', "[]", "{}", "true", "2026-01-01", '"file:"', '"tcp://127.0.0.1:1"', "nan"]


def changed(line: str, value: str | None) -> str:
    key, equals, _ = line.partition("=")
    return line if value is None or not equals else f"{key}= {value}"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.builds(changed, st.sampled_from(LINES), st.none() | st.sampled_from(VALUES)), max_size=12)
    | st.builds(
        lambda path, index, value: [
            changed(line, value) if number == index else line
            for number, line in enumerate(path.read_text().splitlines())
        ],
        st.sampled_from(FILES),
        st.integers(0, 60),
        st.sampled_from(VALUES),
    )
)
def test_no_text_makes_it_raise(tmp_path: Path, lines: list[str]) -> None:
    path = tmp_path / "x.toml"
    path.write_text("\n".join(lines))
    findings = check_files([path], QUICK)
    assert findings
    assert not any("this check broke" in one.text for one in findings), findings


def test_report() -> None:
    found = [
        Finding(Level.OK, "x", "a", "b"),
        Finding(Level.WARNING, "x", "a", "b"),
        Finding(Level.WARNING, "x", "c", ""),
    ]
    assert summary(found) == "no problems, 2 warnings, 1 ok"
    assert is_good(found)
    assert summary([Finding(Level.PROBLEM, "x", "a", "b")]) == "1 problem, no warnings, 0 ok"
    assert as_json(found[:1]) == {
        "good": True,
        "findings": [{"level": "ok", "file": "x", "key": "a", "text": "b", "todo": ""}],
    }
