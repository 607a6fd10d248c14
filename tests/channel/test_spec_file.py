"""Channel files: the shipped ones load, and every mistake is named with its file and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.channel.impairments import ChannelSpec
from gateway.channel.network import Network
from gateway.channel.spec_file import (
    figures_change,
    load_channel,
    load_channel_process,
    preset_folders,
    preset_names,
)
from gateway.channel.underwater import UnderwaterModel
from gateway.errors import ConfigError

CONFIGS = Path(__file__).parents[2] / "configs"
SHALLOW = '[channel.model]\nkind = "underwater"\nwater_depth_m = 20\n'
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
    assert config.paths


def test_the_shipped_satellite_net_differs_by_direction() -> None:
    assert load_channel_process(CONFIGS / "net" / "lossy-satellite.toml").paths["alpha", "bravo"].mean_burst == 3


def test_mission_2012_is_as_it_was_measured() -> None:
    """Losses by direction, and distances by hand: 21 to 22 is hypot(398, 105, 13) = 411.8 m at 1540 m/s."""
    paths = load_channel_process(CONFIGS / "net" / "mission2012.toml").paths
    assert len(paths) == 20
    assert (paths["21", "27"].loss, paths["27", "21"].loss) == (0.643, 0.326)
    assert min(spec.loss for spec in paths.values()) == 0.018
    assert max(spec.loss for spec in paths.values()) == 0.975
    assert paths["21", "22"].delay_ms == paths["22", "21"].delay_ms == pytest.approx(411.8 / 1.540, abs=0.1)
    metres = [spec.delay_ms * 1.540 for spec in paths.values()]
    assert (min(metres), max(metres)) == pytest.approx((281, 921), abs=1)  # "links of 0.28 to 0.92 km"


def test_the_net_of_mission_2012_loses_by_direction() -> None:
    config = load_channel_process(CONFIGS / "net" / "mission2012.toml")
    net = Network(config.default, seed=config.seed, paths=config.paths)
    stations = ["21", "22", "27", "28", "29"]
    for index in range(3000):  # one talker at a time, so that nothing collides
        net.send(stations[index % 5], stations, b"x" * 20, 3.0 * index)
        net.due(3.0 * index)
    for pair, stats in net.stats().items():
        loss = config.paths[pair].loss
        assert stats.lost / stats.sent == pytest.approx(loss, abs=3.5 * (loss * (1 - loss) / 600) ** 0.5)
    assert net.collisions == 0


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
        (ENDPOINT + "[node.a]\nx_m = 1", "node.a.y_m: missing"),
        (ENDPOINT + "[node.a]\nx_m = 1\ny_m = 1\ndepth = 5", "node.a.depth: unknown key"),
        (ENDPOINT + "[node.a]\nx_m = 0\ny_m = 0\ndepth_m = -2", "node.a.depth_m: got -2"),
        (
            ENDPOINT + SHALLOW + "[node.a]\nx_m=0\ny_m=0\ndepth_m=5\n[node.b]\nx_m=9\ny_m=0\ndepth_m=50",
            "node: from a to b: .*depth_m: got 50",
        ),
        (ENDPOINT + '[matrix]\nloss = "absent.csv"', "absent.csv: cannot be read"),
        (ENDPOINT + '[matrix]\nloss = "mine.toml"', "mine.toml: needed: a head|mine.toml: row"),
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


NODES = "[node.a]\nx_m = 0\ny_m = 0\ndepth_m = 5\nnoise_db = 10\n[node.b]\nx_m = 300\ny_m = 400\ndepth_m = 5\n"
MODEL = '[channel.model]\nkind = "underwater"\nwater_depth_m = 20\n'


def test_places_give_each_direction_its_range(tmp_path: Path) -> None:
    paths = load_channel_process(write(tmp_path, ENDPOINT + MODEL + NODES)).paths
    there, back = paths["a", "b"].model, paths["b", "a"].model
    assert isinstance(there, UnderwaterModel)
    assert isinstance(back, UnderwaterModel)
    assert (there.range_m, there.noise_db, back.range_m, back.noise_db) == (500, 0, 500, 10)


def test_a_path_wins_over_matrix_and_places(tmp_path: Path) -> None:
    (tmp_path / "loss.csv").write_text("x,a,b\na,,0.5\nb,0.25,\n")
    path = '[[path]]\nfrom = "a"\nto = "b"\nloss = 0.75\n[[path]]\nfrom = "b"\nto = "a"\npreset = "geo"\ndelay_ms = 7\n'
    text = ENDPOINT + '[channel]\njitter_ms = 4\n[matrix]\nloss = "loss.csv"\n' + NODES + path
    paths = load_channel_process(write(tmp_path, text)).paths
    assert (paths["a", "b"].loss, paths["a", "b"].jitter_ms) == (0.75, 4)
    assert paths["a", "b"].delay_ms == pytest.approx(500 / 1.5)
    assert (paths["b", "a"].rate_bps, paths["b", "a"].delay_ms) == (9600, 7)


def test_a_preset_for_one_path_is_put_between_its_stations(tmp_path: Path) -> None:
    path = '[[path]]\nfrom = "a"\nto = "b"\npreset = "acoustic-harbour"\n[path.model]\nkind = "underwater"\n'
    found = load_channel_process(write(tmp_path, ENDPOINT + NODES + path)).paths["a", "b"]
    assert isinstance(found.model, UnderwaterModel)
    assert (found.rate_bps, found.model.range_m, found.model.water_depth_m) == (727, 500, None)


def test_a_matrix_names_only_stations_that_have_a_place(tmp_path: Path) -> None:
    (tmp_path / "loss.csv").write_text("x,a,c\na,,0.5\nc,0.25,\n")
    text = ENDPOINT + '[matrix]\nloss = "loss.csv"\n'
    assert load_channel_process(write(tmp_path, text)).paths["c", "a"].loss == 0.25
    with pytest.raises(ConfigError, match=r"matrix.loss: station 'c' has no \[node.c\]"):
        load_channel_process(write(tmp_path, text + NODES))
    (tmp_path / "loss.csv").write_text("x,a,c\na,,0.9\nc,0.25,\n")
    with pytest.raises(ConfigError, match=r"matrix.loss: from a to c: mean_burst"):
        load_channel_process(write(tmp_path, ENDPOINT + '[channel]\nmean_burst = 1\n[matrix]\nloss = "loss.csv"'))


def test_a_schedule_of_outages_comes_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "ferry.csv").write_text("start_s,end_s\n60,120\n200,210\n")
    text = 'outages_file = "ferry.csv"\noutages_period_s = 600\n'
    spec = load_channel(write(tmp_path, text))
    assert (spec.outages_s, spec.outages_period_s) == (((60, 120), (200, 210)), 600)
    with pytest.raises(ConfigError, match="outages_file: give it or outages_s"):
        load_channel(write(tmp_path, text + "outages_s = [[1, 2]]"))
    (tmp_path / "ferry.csv").write_text("60,20\n")
    with pytest.raises(ConfigError, match=r"ferry.csv: row 1: got '60,20'"):
        load_channel(write(tmp_path, text))
    with pytest.raises(ConfigError, match=r"none.csv: cannot be read"):
        load_channel(write(tmp_path, 'outages_file = "none.csv"'))


def test_control_needs_an_address_of_its_own_that_strangers_do_not_reach(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"control tcp://127.0.0.1:5600 is the stations' endpoint"):
        load_channel_process(write(tmp_path, ENDPOINT + 'control = "tcp://127.0.0.1:5600"\n'))
    with pytest.raises(ConfigError, match=r"control tcp://\*:5601 can be reached from other machines"):
        load_channel_process(write(tmp_path, ENDPOINT + 'control = "tcp://*:5601"\n'))
    config = load_channel_process(write(tmp_path, ENDPOINT + 'control = "tcp://127.0.0.1:5601"\n'))
    assert config.control == "tcp://127.0.0.1:5601"


def test_figures_from_elsewhere_change_a_channel() -> None:
    geo = load_channel("geo")
    changed = figures_change({"loss": 0.5})(geo)
    assert (changed.name, changed.loss, changed.delay_ms) == ("geo*", 0.5, geo.delay_ms)
    assert figures_change({"loss": 0.4})(changed).name == "geo*"
    assert figures_change({"preset": "clean"})(geo) == load_channel("clean")
    assert figures_change({"preset": "clean", "loss": 0.1})(geo).name == "clean*"
    assert figures_change({"model": None})(geo).model is None
    with pytest.raises(ValueError, match=r"mean_burst: got 1; a loss of 0.9 needs 9"):
        figures_change({"loss": 0.9, "mean_burst": 1.0})(geo)


@pytest.mark.parametrize("kind", ["trace", "waveform"])
def test_figures_from_elsewhere_read_no_files(kind: str) -> None:
    with pytest.raises(ConfigError, match=r"model.file: cannot be given here"):
        figures_change({"model": {"kind": kind, "file": "/etc/passwd"}})
