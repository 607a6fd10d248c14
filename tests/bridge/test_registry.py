"""Modem kinds by name: ours, and those of installed packages, through real entry points."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from firmware_bridge.drivers.template import TemplateDriver
from firmware_bridge.profile import AirSection, ModemProfile, load_profile
from firmware_bridge.registry import ModemKind, build_driver, find_kind, kind_names, settings_of
from firmware_bridge.sim.simulated import SimulatedPair
from gateway.config import StrictModel
from gateway.errors import ConfigError
from gateway.metrics import Metrics
from tests.bridge.entry_point import write_package
from tests.bridge.modems import heard, ready_pair, wait_for

GUIDE = Path(__file__).parents[2] / "docs" / "write-a-driver.md"


def guide_block(file: str) -> str:
    """A file as the guide for driver writers prints it: the block after its name."""
    found = re.search(rf"^`{re.escape(file)}`:\n\n```\w+\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.M | re.S)
    assert found is not None, f"the guide has no block for {file}"
    return found[1]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on `sys.path`, as a site-packages is."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


def outsider(driver: str, **settings: object) -> ModemProfile:
    air = AirSection(mtu_bytes=64, rate_bps=1200, fixed_ms=100, has_integrity=True)
    return ModemProfile(name="outsider", driver=driver, air=air, settings=settings)


def test_ours_are_found_without_an_installation() -> None:
    assert {"transparent", "kiss", "micromodem", "benthos", "popoto"} <= set(kind_names())
    kind = find_kind("micromodem")
    assert isinstance(kind, ModemKind)
    assert kind.name == "micromodem"
    assert kind.virtual is not None


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(ConfigError, match="no modem driver 'nonesuch'; there are: benthos, "):
        find_kind("nonesuch")


def test_the_guides_package_is_found_and_talks(site: Path) -> None:
    """What docs/write-a-driver.md tells, done: its module and its entry point, from metadata on the path."""
    entry = re.search(r'^(\S+) = "(\S+)"$', guide_block("pyproject.toml").partition("clarilink.modems")[2], re.M)
    assert entry is not None
    write_package(site, "acme_modem", guide_block("acme_modem.py"), {entry[1]: entry[2]})
    assert entry[1] in kind_names()
    kind = find_kind(entry[1])
    assert kind.name == entry[1]
    pair = ready_pair(outsider(entry[1], address=5))
    pair.send("a", b"from outside")
    wait_for(pair, lambda: heard(pair.b) == [b"from outside"])
    pair.send("b", b"and back")
    wait_for(pair, lambda: heard(pair.a) == [b"and back"])


def test_the_guides_profile_loads(site: Path, tmp_path: Path) -> None:
    (tmp_path / "acme.toml").write_text(guide_block("acme.toml"), encoding="utf-8")
    write_package(site, "acme_modem", guide_block("acme_modem.py"), {"acme": "acme_modem:MODEM"})
    profile = load_profile(tmp_path / "acme.toml")
    assert isinstance(build_driver(profile, Metrics(), Random(1)), TemplateDriver)


def test_a_package_cannot_take_one_of_our_names(site: Path) -> None:
    write_package(site, "taker", "MODEM = None\n", {"micromodem": "taker:MODEM"})
    assert find_kind("micromodem").driver.__name__ == "MicromodemDriver"
    assert kind_names().count("micromodem") == 1


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("import nothing_of_that_name\n", "broken:MODEM", "cannot be loaded"),
        ("", "broken:MODEM", "cannot be loaded"),
        ("MODEM = 3\n", "broken:MODEM", "is not a ModemKind"),
    ],
)
def test_a_broken_package_is_named(site: Path, source: str, target: str, words: str) -> None:
    write_package(site, "broken", source, {"broken": target})
    with pytest.raises(ConfigError, match=f"modem driver 'broken'.*{words}"):
        find_kind("broken")


def test_a_kind_without_a_virtual_modem_says_so(site: Path) -> None:
    source = (
        "from dataclasses import replace\nfrom firmware_bridge.drivers.template import MODEM as OURS\n"
        "MODEM = replace(OURS, name='bare', virtual=None)\n"
    )
    write_package(site, "bare", source, {"bare": "bare:MODEM"})
    with pytest.raises(ConfigError, match="'bare' has no virtual modem"):
        SimulatedPair(outsider("bare"))


class _Model(StrictModel):
    address: int = 1


def test_settings_name_profile_and_key() -> None:
    assert settings_of(outsider("x", address=7), _Model).address == 7
    with pytest.raises(ConfigError, match=r"modem profile outsider: settings: adress: unknown key; did you mean addr"):
        settings_of(outsider("x", adress=7), _Model)
    with pytest.raises(ConfigError, match="modem profile outsider: settings: address"):
        settings_of(outsider("x", address="seven"), _Model)
