"""The wheel, installed as pipx would and used from elsewhere: everything that the program needs is in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOT_SHIPPED = {"firmware_bridge/firmware"}
"""Sources in C for who builds a modem: from the repository."""
SOURCES = ("gateway", "firmware_bridge", "configs", "deploy")


@dataclass(frozen=True)
class Installed:
    """A virtual environment with nothing of ours but the wheel, in whose folder commands are run."""

    wheel: Path
    folder: Path

    def run(self, *command: str, code: int = 0) -> str:
        """What a command of ours prints."""
        away = self.folder / "elsewhere"
        away.mkdir(exist_ok=True)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        done = subprocess.run(
            [self.folder / "bin" / "clarilink", *command],
            cwd=away,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=120,
        )
        assert done.returncode == code, done.stdout
        return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("wheel")
    source, environment = folder / "source", folder / "venv"
    for name in SOURCES:  # building leaves folders behind, which the checkout is spared
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = ["wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(folder), str(source)]
    subprocess.run([*pip, *build], check=True, timeout=300)
    (wheel,) = folder.glob("clarilink-*.whl")
    venv.create(environment, with_pip=False, symlinks=True)
    python = environment / "bin" / "python"
    install = ["install", "--no-deps", "--no-index", "--no-compile", str(wheel)]
    subprocess.run([*pip, "--python", str(python), *install], check=True, timeout=300)
    # What it depends on is not what is tested: that comes from the environment of the tests.
    site = next((environment / "lib").glob("python*/site-packages"))
    others = dict.fromkeys((sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
    (site / "others.pth").write_text("\n".join(others) + "\n")
    return Installed(wheel, environment)


def test_all_files_of_the_packages_are_in_it(installed: Installed) -> None:
    with zipfile.ZipFile(installed.wheel) as wheel:
        names = set(wheel.namelist())
    for package in ("gateway", "firmware_bridge"):
        for path in (ROOT / package).rglob("*"):
            name = path.relative_to(ROOT).as_posix()
            if path.is_file() and path.suffix != ".pyc" and not name.startswith(tuple(NOT_SHIPPED)):
                assert name in names, f"{name} is not in the wheel: package-data in pyproject.toml"


def test_it_runs_from_elsewhere(installed: Installed) -> None:
    place = "import gateway; print(gateway.__file__)"
    done = subprocess.run([installed.folder / "bin" / "python", "-I", "-c", place], capture_output=True, text=True)
    assert done.stdout.startswith(str(installed.folder)), done.stderr
    assert installed.run("--version").startswith("clarilink, version ")
    assert "300 bit/s" in installed.run("loopback", "--channel", "lossy-satellite", "--protection", "robust-packet")
    installed.run("devices")


def test_presets_profiles_examples_and_weights_are_found(installed: Installed) -> None:
    share = installed.folder / "share" / "clarilink"
    examples = sorted(path.name for path in (share / "examples").glob("*.toml"))
    assert examples == sorted(path.name for path in (ROOT / "configs").glob("*.toml"))
    for name in ("channel", "modem", "net", "protection"):
        there = sorted(path.name for path in (share / name).glob("*.*"))
        assert there == sorted(path.name for path in (ROOT / "configs" / name).glob("*.*"))
    out = installed.run("check", *(str(share / "examples" / f"station-{name}.toml") for name in ("null", "robust")))
    assert "codec.weights: claricodec-v1.safetensors loads" in out
    installed.run("modem-sim", "--help")
    assert "evologics-s2c" in installed.run("airtime", "-c", str(share / "modem" / "evologics-s2c.toml"))
