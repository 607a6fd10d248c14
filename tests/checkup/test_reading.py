"""Files read in spite of mistakes: every mistake is told, what is right is kept."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.checkup.findings import Findings
from gateway.checkup.reading import Kind, kind_of, read_all_that_is_right, read_table
from gateway.checkup.station import STAND_INS
from gateway.config import StationConfig
from gateway.errors import ConfigError

CONFIGS = Path(__file__).parents[2] / "configs"
FOLDERS = {
    "channel": Kind.CHANNEL,
    "modem": Kind.MODEM,
    "net": Kind.NET,
    "protection": Kind.PROTECTION,
    "train": Kind.TRAINER,
}
RIGHT = '[station]\nname = "x"\nid = 1\n[link]\nkind = "memory"\n'


def read(text: str) -> tuple[StationConfig | None, frozenset[str], list[str]]:
    findings = Findings(Path("x.toml"))
    done = read_all_that_is_right(tomllib.loads(text), StationConfig, STAND_INS, findings)
    return done.config, done.left_out, [f"{one.key}: {one.text}" for one in findings.all]


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.toml")), ids=lambda path: str(path.relative_to(CONFIGS)))
def test_the_kind_of_every_shipped_file(path: Path) -> None:
    expected = FOLDERS.get(path.parent.name, Kind.BRIDGE if path.name == "bridge.toml" else Kind.STATION)
    assert kind_of(tomllib.loads(path.read_text())) is expected


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("[jitter]\ncap_ms = 900", Kind.STATION),
        ("[air]\nmtu_bytes = 9", Kind.MODEM),
        ("loss = 0.5", Kind.CHANNEL),
        ('[[path]]\nfrom = "a"', Kind.NET),
        ("", None),
        ("[person]\nage = 3", None),
    ],
)
def test_the_kind_of_a_piece(text: str, kind: Kind | None) -> None:
    assert kind_of(tomllib.loads(text)) is kind


def test_a_right_file_is_read_whole() -> None:
    config, left_out, told = read(RIGHT)
    assert config is not None
    assert (config.station.name, left_out, told) == ("x", frozenset(), [])


def test_all_mistakes_at_once_also_those_that_hide_behind_others() -> None:
    config, left_out, told = read(
        RIGHT.replace("id = 1", "id = -1")
        + "[jittr]\n[jitter]\ncap_ms = 100\n[ptt]\ntime_out_s = 500\n[keying.device]\nkind = 'vox'\n"
    )
    assert config is not None
    assert left_out == {"station", "jittr", "keying", "jitter"}
    assert [line.split(":")[0] for line in told] == ["station.id", "jittr", "keying.time_out_s", "jitter.cap_ms"]
    assert config.station.name == "station"


def test_a_section_that_cannot_be_replaced() -> None:
    findings = Findings(Path("x.toml"))
    done = read_all_that_is_right({"link": {"kind": "memory"}}, StationConfig, {}, findings)
    assert done.config is None
    assert [one.key for one in findings.all] == ["station"]


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from([*StationConfig.model_fields, "kind", "name", "id", "x"]), inner, max_size=4
            )
        ),
        max_leaves=8,
    ).filter(lambda value: isinstance(value, dict))
)
def test_anything_is_read_or_told(table: dict[str, object]) -> None:
    findings = Findings(Path("x.toml"))
    done = read_all_that_is_right(table, StationConfig, STAND_INS, findings)
    assert done.config is not None or findings.all
    assert bool(done.left_out) <= bool(findings.all)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"= 1", b"a = " + b"[" * 5000])
def test_what_is_no_toml_says_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"x\.toml: not"):
        read_table(path)
