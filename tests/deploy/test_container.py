"""The container's files, as far as they can be tested without an engine: every source, package, extra, command and
configuration that they name exists."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.channel.spec_file import load_channel_process
from gateway.checkup.findings import Level
from gateway.checkup.surroundings import Surroundings
from gateway.config import StationConfig, load_toml
from gateway.tools.check import check_files
from tests.command_lines import mistakes, program_of

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
INSTRUCTIONS = {
    *("ARG", "FROM", "RUN", "WORKDIR", "COPY", "ENV", "USER", "VOLUME", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"),
}


@dataclass(frozen=True)
class Instruction:
    word: str
    text: str


def instructions() -> list[Instruction]:
    lines = [line for line in (DEPLOY / "Containerfile").read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [Instruction(*line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def texts(word: str) -> list[str]:
    return [one.text for one in instructions() if one.word == word]


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def compose() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def test_instructions_are_known_and_in_order() -> None:
    found = instructions()
    assert {one.word for one in found} <= INSTRUCTIONS
    words = [one.word for one in found]
    assert words[:2] == ["ARG", "FROM"]
    assert all(text.startswith("docker.io/library/${DEBIAN}") for text in texts("FROM"))
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert texts("USER") == ["clarilink"]
    defined = {text.split("=")[0] for text in texts("ARG")}
    used = set(re.findall(r"\$\{(\w+)\}", " ".join(one.text for one in found)))
    assert used == defined


def test_what_is_copied_is_there_and_not_ignored() -> None:
    patterns = (ROOT / ".containerignore").read_text().splitlines()
    kept = {line[1:] for line in patterns if line.startswith("!")}
    stages = {text.split(" AS ")[1] for text in texts("FROM") if " AS " in text}
    for text in texts("COPY"):
        first, *rest = text.split()
        if first.startswith("--from="):
            assert first.removeprefix("--from=") in stages
            continue
        for source in (first, *rest[:-1]):
            assert (ROOT / source).exists(), source
            assert source.split("/")[0] in kept, f"{source} is kept out by .containerignore"
    dropped = [line for line in patterns if line.startswith("**/")]
    assert any(fnmatch("configs/net.key", line) for line in dropped), "keys must not get into an image"


def test_data_files_of_the_wheel_are_copied_before_it_is_built() -> None:
    found = [(one.word, one.text) for one in instructions()]
    built = next(index for index, (word, text) in enumerate(found) if word == "RUN" and '".[' in text)
    before = {text.split()[0] for word, text in found[:built] if word == "COPY"}
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    needed = {name.split("/")[0] for names in tool["data-files"].values() for name in names}
    assert needed | {"gateway", "firmware_bridge", "pyproject.toml"} <= before


def test_extras_and_commands_are_ours() -> None:
    wanted = next(text.split("=")[1] for text in texts("ARG") if text.startswith("EXTRAS="))
    assert set(wanted.split(",")) <= set(project()["optional-dependencies"])
    assert json.loads(texts("ENTRYPOINT")[0]) == ["tini", "--", "clarilink"]
    assert "clarilink" in project()["scripts"]
    assert mistakes(["clarilink", *json.loads(texts("CMD")[0])]) == []
    command = json.loads(texts("HEALTHCHECK")[0].partition(" CMD ")[2])
    assert program_of(command) is not None
    assert mistakes(command) == []


def test_system_packages_are_debians() -> None:
    names = set()
    for text in texts("RUN"):
        for command in text.split("&&"):
            words = shlex.split(command)
            if words[:2] == ["apt-get", "install"]:
                names |= {word for word in words[2:] if not word.startswith("-")}
    assert {"libportaudio2", "python3", "python3-venv"} <= names
    if shutil.which("apt-cache") is None:
        pytest.skip("no apt-cache here to ask")
    shown = subprocess.run(["apt-cache", "policy", *sorted(names)], capture_output=True, text=True).stdout
    if "Candidate" not in shown.replace("Candidate: (none)", ""):
        pytest.skip("apt has no package lists here (apt-get update)")
    known = {name for name in names if re.search(rf"^{re.escape(name)}:\n.*\n  Candidate: \d", shown, re.MULTILINE)}
    assert known == names


def test_compose_names_what_is_there() -> None:
    described = compose()
    assert set(described["services"]) == {"channel", "alpha", "bravo"}
    for name, service in described["services"].items():
        assert service["build"]["dockerfile"] == "deploy/Containerfile"
        assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
        assert set(service["depends_on"]) <= set(described["services"])
        assert service["cap_drop"] == ["ALL"]
        assert "privileged" not in service
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), "published for this machine only"
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert source in described["volumes"] or (DEPLOY / source).is_dir()
        file = Path(service["command"][service["command"].index("-c") + 1])
        assert (DEPLOY / "container" / file.name).is_file()
        assert mistakes(["clarilink", *service["command"]]) == []
        if name == "channel":
            assert mistakes(service["healthcheck"]["test"][1:]) == []


def test_its_stations_are_of_one_net_and_meet_at_the_channel() -> None:
    files = [DEPLOY / "container" / f"{name}.toml" for name in ("alpha", "bravo")]
    findings = check_files([*files, DEPLOY / "container" / "channel.toml"], Surroundings(quick=True), is_one_net=True)
    problems = [one for one in findings if one.level is Level.PROBLEM]
    # The token is made by whoever starts them.
    assert {one.key for one in problems} <= {"web.token_file"}
    channel = load_channel_process(DEPLOY / "container" / "channel.toml")
    for file in files:
        config = load_toml(file, StationConfig)
        assert config.link.kind == "zeromq-channel"
        assert config.link.endpoint == channel.endpoint.replace("0.0.0.0", "channel")
        environment = dict(part.split("=", 1) for text in texts("ENV") for part in text.split())
        assert config.control is not None
        assert str(config.control.socket) == environment["CLARILINK_SOCKET"]
        assert config.web is not None
        assert config.web.bind.rpartition(":")[2] in texts("EXPOSE")[0].split()
