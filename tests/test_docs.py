"""The documents hold: links lead somewhere, commands exist, configuration loads, and what is marked to run runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from signal import SIGABRT, SIGKILL, SIGTERM
from typing import IO

import pytest

from firmware_bridge.bridge import BridgeConfig
from firmware_bridge.profile import ModemProfile
from gateway.checkup.findings import Findings
from gateway.checkup.reading import Kind, kind_of, read_all_that_is_right
from gateway.checkup.station import STAND_INS
from gateway.config import StationConfig
from tests.command_lines import commands_in, mistakes, program_of
from tests.doc_blocks import Block, blocks_of, code_spans, prose_of
from tests.integration.programs import free_port
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    path
    for pattern in ("README.md", "docs/*.md", "deploy/**/*.md", "gateway/**/*.md", "firmware_bridge/**/*.md")
    for path in ROOT.glob(pattern)
)
RUNNABLE = [path for path in DOCUMENTS if any(block.run for block in blocks_of(path))]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose_of(path)):
        if "://" in target or target.startswith("mailto:"):
            continue
        file, _, anchor = target.partition("#")
        there = path.parent / file if file else path
        assert there.exists(), f"{name(path)}: {target}"
        if anchor and there.suffix == ".md":
            heads = re.findall(r"^#+ (.*)$", there.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", head).lower().replace(" ", "-") for head in heads}, target


FOLDERS = ("configs/", "docs/", "deploy/", "gateway/", "firmware_bridge/", "tests/")
MADE_BY_THE_READER = re.compile(
    r"\.(key|curve|public|token|log|trace|wav)$|^configs/(exercise|operator|spool|my)|/token$|[A-Z]{3}"
)


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_paths_in_code_are_there(path: Path) -> None:
    text = [*code_spans(path), *(block.text for block in blocks_of(path))]
    for word in re.findall(r"(?<![\w/.-])[\w.-]+/[\w./*{}-]*", "\n".join(text)):
        word = word.rstrip("./,")
        if not word.startswith(FOLDERS) or MADE_BY_THE_READER.search(word):
            continue
        there = list(ROOT.glob(word)) if "*" in word else [ROOT / word] * (ROOT / word).exists()
        assert there, f"{name(path)}: no {word}"


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if path.name != "SPEC.md"], ids=name)
def test_commands_and_options_exist(path: Path) -> None:
    lines = [
        command for block in blocks_of(path) if block.language in ("", "sh") for command in commands_in(block.text)
    ]
    lines += [command for span in code_spans(path) for command in commands_in(span)]
    wrong = [(command, told) for command in lines if (told := mistakes(command)) and len(command) > 1]
    assert wrong == []


def test_a_wrong_command_would_be_seen() -> None:
    wrong = commands_in(
        ".venv/bin/clarilink loopback --chanel clean && $P -m gateway.trainer trane x | python -m firmware_bridge --d"
    )
    assert [mistakes(command) for command in wrong] == [
        ["loopback has no option --chanel"],
        ["main has no command 'trane'"],
        ["main has no option --d"],
    ]
    right = commands_in(
        "A=1 clarilink channel-control tcp://h:1 set a loss=0.3; clarilink message send -c x --text 'a b' # c"
    )
    assert [mistakes(command) for command in right] == [[], []]
    assert all(program_of(command) for command in right)


def snippets() -> Iterator[Block]:
    for path in DOCUMENTS:
        for block in blocks_of(path):
            looks_like_it = re.match(r"(#.*\n)*\[+[\w.]+\]+|(#.*\n)*\w+ = ", block.text) is not None
            if block.language == "toml" or (block.language == "" and looks_like_it):
                yield block


@pytest.mark.parametrize("block", list(snippets()), ids=lambda block: f"{name(block.file)}:{block.line}")
def test_configuration_has_known_keys(block: Block) -> None:
    table = tomllib.loads(re.sub(r"^\.\.\.$", "", block.text, flags=re.MULTILINE))
    kind = kind_of(table)
    findings = Findings(block.file)
    if kind is Kind.STATION:
        read_all_that_is_right({**STAND_INS, **table}, StationConfig, STAND_INS, findings)
    elif kind is Kind.BRIDGE:
        read_all_that_is_right(table, BridgeConfig, {"endpoint": "inproc://x"}, findings)
    elif kind is Kind.MODEM:
        read_all_that_is_right(table, ModemProfile, {"driver": "kiss", "name": "x", "air": {"mtu_bytes": 99}}, findings)
    wrong = [str(one) for one in findings.all if "unknown key" in one.text or "kind" in one.key]
    assert wrong == []


class Shell:
    """A copy of what a reader has in front of him, where the commands of one document are run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for part in ("configs", "deploy", "docs"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("operator", "exercise"))
        for part in ("gateway", "firmware_bridge", "README.md", "pyproject.toml"):
            (folder / part).symlink_to(ROOT / part)
        self._ports: dict[str, int] = {}
        self._programs: list[Program] = []
        (folder / "tmp").mkdir()
        bin_folder = folder / ".venv" / "bin"
        bin_folder.mkdir(parents=True)
        for program, words in {"clarilink": "-m gateway", "python": ""}.items():
            (bin_folder / program).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
            (bin_folder / program).chmod(0o755)
        self.environment = {
            **os.environ,
            "PATH": f"{bin_folder}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "PYTHONFAULTHANDLER": "1",
            "HOME": str(folder),
        }
        for path in folder.glob("configs/**/*.toml"):
            path.write_text(self.own(path.read_text()))

    def own(self, text: str) -> str:
        """`text` with ports and temporary files that nobody else has."""

        def port(found: re.Match[str]) -> str:
            return found[1] + str(self._ports.setdefault(found[2], free_port()))

        text = re.sub(r"((?:127\.0\.0\.1|localhost):)(\d{4,5})\b", port, text)
        return re.sub(r"(?<![\w/])/tmp/", f"{self.folder}/tmp/", text)

    def run(self, block: Block) -> None:
        """Run a block as its mark says."""
        assert block.run is not None
        where = f"{name(block.file)}:{block.line}"
        program = Program(self, block)
        if block.run.until is not None:
            self._programs.append(program)
            program.wait_for(block.run.until, where)
            return
        code = program.end(block.run.limit_s, where)
        beside = "".join(f"\nbeside it ran:\n{other.output[-2000:]}" for other in self._programs)
        assert code == 0, f"{where}: ended with {code}:\n{program.output}{beside}"
        for text in block.run.shows:
            assert text in program.output, f"{where}: does not show {text!r}:\n{program.output}"

    def end(self) -> None:
        """End what runs in the background; it must still run, and must end when asked to."""
        with ExitStack() as stack:
            for program in self._programs:
                stack.callback(program.stop)

    def close(self) -> None:
        """Kill what is left."""
        for program in self._programs:
            program.kill()


class Program:
    """A shell with a block's commands."""

    def __init__(self, shell: Shell, block: Block) -> None:
        self.output = ""
        self._process = subprocess.Popen(
            ["bash", "-e", "-o", "pipefail", "-c", shell.own(block.text)],
            cwd=shell.folder,
            env=shell.environment,
            stdin=subprocess.PIPE,  # open: a station ends where its input ends
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self.output += line

    def wait_for(self, text: str, where: str) -> None:
        give_up = time.monotonic() + PATIENCE_S
        while text not in self.output:
            assert self._process.poll() is None, f"{where}: ended:\n{self.output}"
            if time.monotonic() > give_up:
                os.killpg(self._process.pid, SIGABRT)  # each program tells where its threads stand
                self._reader.join(5)
                raise AssertionError(f"{where}: does not show {text!r}:\n{self.output}")
            time.sleep(0.05)

    def end(self, limit_s: float, where: str) -> int:
        try:
            self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{where}: not done after {limit_s:g} s:\n{self.output}") from None
        self._close()
        return self._process.returncode

    def stop(self) -> None:
        """As ^C in its terminal would."""
        assert self._process.poll() is None, f"ended by itself:\n{self.output}"
        os.killpg(self._process.pid, SIGTERM)
        try:
            self._process.wait(PATIENCE_S)
        finally:
            self.kill()

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, SIGKILL)
        self._process.wait()
        self._close()  # a second time does nothing

    def _close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._reader.join(5)
        self._process.stdout.close()


@pytest.mark.parametrize("path", RUNNABLE, ids=name)
def test_commands_run(path: Path) -> None:
    # A short name: the paths of sockets have few characters.
    with tempfile.TemporaryDirectory(prefix="doc-") as folder:
        shell = Shell(Path(folder))
        try:
            for block in blocks_of(path):
                if block.run is not None:
                    shell.run(block)
            shell.end()
        finally:
            shell.close()


def test_marks_that_mean_nothing_are_seen(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("<!-- run: quickly -->\n    true\n")
    with pytest.raises(ValueError, match="quickly"):
        blocks_of(tmp_path / "a.md")
    (tmp_path / "a.md").write_text("<!-- run -->\ntext\n")
    with pytest.raises(ValueError, match="no block"):
        blocks_of(tmp_path / "a.md")
