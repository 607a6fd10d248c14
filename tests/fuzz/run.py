"""Fuzzing of the parsers with atheris, `make fuzz`: python -m tests.fuzz.run [--seconds 600] [--keep].

Rule: the corpus in the tree only grows by `--keep`, which keeps what reaches new code, smallest first, below 100 kB.
Packets of the golden vectors are seeds that need no place in it. An input that fails is left in fuzz-out/.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import atheris

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
GOLDEN = HERE.parent / "golden"
OUT = Path("fuzz-out")
MAX_CORPUS_BYTES = 90_000
MAX_INPUT_BYTES = 1024

PARSERS = (
    "gateway.protocol",
    "gateway.traces",
    "gateway.recording",
    "gateway.service",
    "gateway.control",
    "firmware_bridge",
)
FOLDERS = tuple(f"{HERE.parents[1]}/{package.replace('.', '/')}/" for package in PARSERS)

with atheris.instrument_imports(include=list(PARSERS)):
    from tests.fuzz.targets import TARGETS, one_input


def golden_bytes(value: object) -> Iterator[bytes]:
    """Every string of hexadecimal digits in a golden file."""
    if isinstance(value, str):
        try:
            yield bytes.fromhex(value)
        except ValueError:
            return
    elif isinstance(value, dict):
        for inner in value.values():
            yield from golden_bytes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from golden_bytes(inner)


def write_seeds(folder: Path) -> None:
    """Each golden packet for each target, alone and three in a row."""
    packets: list[bytes] = []
    for path in sorted(GOLDEN.glob("*.json")):
        packets += [data for data in golden_bytes(json.loads(path.read_text())) if 2 <= len(data) <= 200]
    for number, data in enumerate(packets):
        row = b"".join(bytes((len(one),)) + one + b"\x06" for one in packets[number : number + 3])
        for target, function in enumerate(TARGETS):
            sequence = function.__name__ in ("heard_over", "sealed_packets", "insiders_packets", "message_packets")
            (folder / f"{number}-{target}").write_bytes(bytes((target,)) + (row if sequence else data))


def arcs(data: bytes) -> set[tuple[str, int, int]]:
    """(file, line before, line) of everything in the parsers that an input runs through."""
    reached: set[tuple[str, int, int]] = set()

    def trace(frame: FrameType, event: str, _: object) -> Callable[..., object] | None:
        if not frame.f_code.co_filename.startswith(FOLDERS):
            return None
        before = 0

        def line(inner: FrameType, _event: str, _argument: object) -> Callable[..., object]:
            nonlocal before
            reached.add((inner.f_code.co_filename, before, inner.f_lineno))
            before = inner.f_lineno
            return line

        return line

    sys.settrace(trace)
    try:
        one_input(data)
    finally:
        sys.settrace(None)
    return reached


def keep(found: Path) -> None:
    """Keep in the tree, of what is there and what was found, the smallest inputs that together reach everything."""
    inputs = sorted({path.read_bytes() for folder in (CORPUS, found) for path in folder.iterdir()}, key=len)
    known: set[tuple[str, int, int]] = set()
    kept: list[bytes] = []
    for data in inputs:
        reached = arcs(data)
        if not reached <= known and sum(map(len, kept)) + len(data) <= MAX_CORPUS_BYTES:
            known |= reached
            kept.append(data)
    shutil.rmtree(CORPUS)
    CORPUS.mkdir()
    for data in kept:
        (CORPUS / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    print(f"corpus: {len(kept)} inputs, {sum(map(len, kept))} bytes")


def fuzz(arguments: list[str]) -> None:
    """One run of libFuzzer; does not return."""
    atheris.Setup([sys.argv[0], *arguments], one_input)
    atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--keep", action="store_true", help="Keep what reached new code in the tree.")
    parser.add_argument("--worker", nargs=1, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        limits = [f"-max_total_time={options.seconds}", f"-max_len={MAX_INPUT_BYTES}", "-timeout=10"]
        fuzz([*limits, f"-artifact_prefix={OUT}/", "-print_final_stats=1", str(options.worker[0]), str(CORPUS)])
    OUT.mkdir(exist_ok=True)
    CORPUS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        write_seeds(Path(folder))
        command = [sys.executable, "-m", "tests.fuzz.run", "--seconds", str(options.seconds), "--worker", folder]
        code = subprocess.run(command, check=False).returncode
        if options.keep and code == 0:
            keep(Path(folder))
    sys.exit(code)


if __name__ == "__main__":
    main()
