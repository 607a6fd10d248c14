"""The C reference: shared vectors, sanitizers, fuzzing, size on a Cortex-M0, and no libc beyond string.h."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.bridge.firmware.c_build import GOLDEN, SOURCE, built, make, need

CORE = ("clk_bridge", "clk_message", "clk_msgpack", "clk_cobs", "clk_crc")
FREESTANDING = {"stdbool.h", "stddef.h", "stdint.h", "string.h"}


def test_the_shared_vectors_hold() -> None:
    made = make("test")
    assert made.returncode == 0, made.stdout + made.stderr
    checks, failed = re.findall(r"(\d+) checks, (\d+) failed", made.stdout)[0]
    assert int(checks) > 200
    assert failed == "0"


def test_a_wrong_vector_is_found(tmp_path: Path) -> None:
    program = built("test", "test_clk")
    text = (GOLDEN / "bridge_messages.json").read_text(encoding="utf-8")
    assert '"name": "sent 1"' in text
    spoilt = tmp_path / "bridge_messages.json"
    spoilt.write_text(text.replace('"hex": "8200230101"', '"hex": "8200230102"'), encoding="utf-8")
    answer = subprocess.run(
        [program, spoilt, GOLDEN / "bridge_framing.json"], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 1
    assert "sent 1" in answer.stdout


def test_sanitizers_find_nothing() -> None:
    made = make("sanitize")
    assert made.returncode == 0, made.stdout + made.stderr
    assert "runtime error" not in made.stderr


def test_random_bytes_break_nothing() -> None:
    made = make("fuzz-plain", FUZZ_RUNS="40000")
    assert made.returncode == 0, made.stdout + made.stderr
    assert "40000 runs" in made.stdout


def test_libfuzzer_breaks_nothing() -> None:
    if shutil.which("clang") is None or not _has_libfuzzer():
        pytest.skip("clang with libFuzzer is not installed; the plain loop ran instead")
    made = make("fuzz", FUZZ_SECONDS="5")
    assert made.returncode == 0, made.stdout + made.stderr
    assert re.search(r"Done \d{3,} runs", made.stderr)


def test_it_fits_a_cortex_m0(capsys: pytest.CaptureFixture[str]) -> None:
    need("arm-none-eabi-gcc")
    made = make("cortex-m0")
    assert made.returncode == 0, made.stdout + made.stderr
    size = re.search(r"flash (\d+) of 8192 bytes, RAM (\d+) of 2048 bytes", made.stdout)
    assert size is not None
    with capsys.disabled():
        print(f"\n{size[0]}")
    assert 1000 < int(size[1]) <= 8192
    assert 1000 < int(size[2]) <= 2048


def test_what_does_not_fit_is_refused() -> None:
    need("arm-none-eabi-gcc")
    made = make("cortex-m0", SIZES="-DCLK_QUEUE=12", BUILD=str(make_folder()))
    assert made.returncode != 0
    assert "overflowed" in made.stderr


def make_folder() -> Path:
    """Beside the other builds, so that it does not take their place."""
    return built("host", "clk_host").parent / "too-large"


def test_the_core_needs_no_heap_and_no_library() -> None:
    for name in CORE:
        source = (SOURCE / f"{name}.c").read_text(encoding="utf-8") + (SOURCE / f"{name}.h").read_text(encoding="utf-8")
        assert set(re.findall(r"#include <(.*)>", source)) <= FREESTANDING, name
        assert not re.search(r"\b(malloc|calloc|realloc|free|alloca)\s*\(", source), name


def test_the_core_has_no_state_of_its_own() -> None:
    host = built("host", "clk_host")
    for name in CORE:
        target = host.parent / f"{name}.o"
        subprocess.run(["gcc", "-std=c99", "-c", f"-I{SOURCE}", SOURCE / f"{name}.c", "-o", target], check=True)
        sizes = subprocess.run(["size", "-A", target], capture_output=True, text=True, check=True).stdout
        assert sum(int(line.split()[1]) for line in sizes.splitlines() if line.startswith((".data", ".bss"))) == 0


def _has_libfuzzer() -> bool:
    probe = subprocess.run(
        ["clang", "-fsanitize=fuzzer,address", "-x", "c", "-", "-o", os.devnull],
        input="#include <stdint.h>\n#include <stddef.h>\nint LLVMFuzzerTestOneInput(const uint8_t *d, size_t n)"
        "{ (void)d; (void)n; return 0; }\n",
        capture_output=True,
        text=True,
        check=False,
    )
    return probe.returncode == 0
