"""Channel files: the shipped ones load, and every mistake is named with its file and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.channel.impairments import ChannelSpec
from gateway.channel.spec_file import load_channel, load_channel_process, preset_folders, preset_names
from gateway.errors import ConfigError

CONFIGS = Path(__file__).parents[2] / "configs"
ENDPOINT = 'endpoint = "tcp://127.0.0.1:5600"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_presets_are_those_of_the_checkout() -> None:
    assert preset_folders()[0] == CONFIGS / "channel"
    assert set(preset_names()) >= {
        "clean",
        "lossy-satellite",
        "geo",
        "iridium-call",
        "acoustic-1km",
        "bit-errors-1pct",
        "loss-10-burst-2",
    }


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_loads_and_says_what_it_is(name: str) -> None:
    spec = load_channel(name)
    assert spec.name == name
    assert len(spec.description) > 20
    if spec.rate_bps is not None:
        assert spec.queue_bytes is not None, "a preset with a rate bounds its queue, or delay creeps up"


def test_a_preset_is_also_a_file() -> None:
    path = CONFIGS / "channel" / "geo.toml"
    assert load_channel(path) == load_channel(str(path)) == load_channel("geo")


def test_figures_of_the_lossy_satellite() -> None:
    spec = load_channel("lossy-satellite")
    assert (spec.delay_ms, spec.loss, spec.mean_burst) == (270, 0.10, 2)


def test_a_file_is_named_after_itself_unless_it_says_otherwise(tmp_path: Path) -> None:
    assert load_channel(write(tmp_path, "loss = 0.25")) == ChannelSpec("mine", loss=0.25)
    assert load_channel(write(tmp_path, 'name = "other"')) == ChannelSpec("other")
    assert load_channel(write(tmp_path, "outages_s = [[1, 2.5]]")).outages_s == ((1, 2.5),)


def test_an_unknown_preset_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"no channel preset 'losy-satelite'.*did you mean lossy-satellite"):
        load_channel("losy-satelite")
    with pytest.raises(ConfigError, match=r"known: acoustic-1km, .*clean"):
        load_channel("qqq")


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ConfigError, match=r"nowhere/x.toml: cannot read"):
        load_channel("nowhere/x.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("los = 0.1", "los: unknown key; did you mean loss"),
        ("loss = 1.5", "loss: got 1.5; needed: 0 to 1"),
        ('loss = "much"', "loss: got 'much'"),
        ("half_duplex = 1", "half_duplex: got 1"),
        ("delay_ms = nan", "delay_ms: got nan"),
        ("queue_bytes = 10", "queue_bytes: needs rate_bps"),
        ("loss = 0.9\nmean_burst = 2", "mean_burst: got 2; a loss of 0.9 needs 9"),
        ("outages_s = [[5, 4]]", r"outages_s: got \[5, 4\]"),
        ("loss = ", "not valid TOML"),
    ],
)
def test_mistakes_are_named_with_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_channel(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "(whole file)" not in str(caught.value)


@pytest.mark.parametrize("path", sorted((CONFIGS / "net").glob("*.toml")), ids=lambda path: path.name)
def test_every_shipped_net_loads(path: Path) -> None:
    config = load_channel_process(path)
    assert config.endpoint == "tcp://127.0.0.1:5600"
    assert config.paths["alpha", "bravo"].mean_burst == 3


def test_a_net_needs_only_an_endpoint(tmp_path: Path) -> None:
    config = load_channel_process(write(tmp_path, ENDPOINT))
    assert config.default == ChannelSpec("clean")
    assert config.paths == {}


def test_paths_begin_with_the_default_or_with_their_own_source(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("delay_ms = 9\nloss = 0.5")
    config = load_channel_process(
        write(
            tmp_path,
            ENDPOINT
            + '[channel]\npreset = "geo"\nloss = 0.2\n'
            + '[[path]]\nfrom = "a"\nto = "b"\njitter_ms = 1\n'
            + '[[path]]\nfrom = "b"\nto = "a"\nfile = "own.toml"\nloss = 0.6\n',
        )
    )
    assert (config.default.rate_bps, config.default.loss) == (9600, 0.2)
    there, back = config.paths["a", "b"], config.paths["b", "a"]
    assert (there.rate_bps, there.loss, there.jitter_ms) == (9600, 0.2, 1)
    assert (back.rate_bps, back.loss, back.delay_ms) == (None, 0.6, 9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "endpoint: missing"),
        ('endpoint = "here"', "endpoint: got 'here'"),
        (ENDPOINT + "[channel]\nloss = 2", "channel.loss: got 2"),
        (ENDPOINT + "[channel]\nqueue_bytes = 5", "channel: queue_bytes: needs rate_bps"),
        (ENDPOINT + '[channel]\npreset = "geo"\nfile = "x.toml"', "give preset or file, not both"),
        (ENDPOINT + '[channel]\npreset = "nope"', "no channel preset 'nope'"),
        (ENDPOINT + '[[path]]\nfrom = "a"', "path.0.to: missing"),
        (ENDPOINT + '[[path]]\nfrom = "a"\nto = "a"', "needed: two stations"),
        (ENDPOINT + '[[path]]\nfrom = "a"\nto = "b"\n[[path]]\nfrom = "a"\nto = "b"', "path.1: .*described before"),
        (ENDPOINT + '[[path]]\nfrom = "a"\nto = "b"\nturnaround_ms = 5', "path.0: turnaround_ms: needs half_duplex"),
    ],
)
def test_mistakes_in_a_net_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_channel_process(write(tmp_path, text))


def test_an_address_that_others_reach_needs_curve_or_a_word(tmp_path: Path) -> None:
    open_to_all = 'endpoint = "tcp://0.0.0.0:5600"\n'
    with pytest.raises(ConfigError, match=r"endpoint tcp://0\.0\.0\.0:5600 can be reached from other machines"):
        load_channel_process(write(tmp_path, open_to_all))
    assert load_channel_process(write(tmp_path, open_to_all + "insecure = true\n")).curve is None
    guarded = load_channel_process(write(tmp_path, open_to_all + '[curve]\nsecret_key = "c.curve"\n'))
    assert guarded.curve is not None
    assert guarded.curve.secret_key == tmp_path / "c.curve"
