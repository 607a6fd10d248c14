"""What a channel does over time: figures add up, and a picture comes out for every channel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from gateway.channel.impairments import Channel, ChannelSpec
from gateway.channel.lutz import LutzModel
from gateway.channel.spec_file import load_channel, preset_names
from gateway.tools.channel_plot import burst_theory, plot_channel, probe_snr, run_channel, summary


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_drawn(tmp_path: Path, name: str) -> None:
    run = run_channel(load_channel(name), 120)
    plot_channel(tmp_path / "a.png", run)
    picture = imread(tmp_path / "a.png")
    assert picture.shape[1] == 990
    assert np.std(picture) > 0.01
    assert summary(run)[0].startswith("250 packets in 120 s: ")


def test_a_run_is_what_the_channel_alone_does() -> None:
    spec = load_channel("lutz-city")
    run = run_channel(spec, 300, seed=5)
    channel = Channel(spec, np.random.default_rng(5))
    arrivals = [channel.send(bytes(22), at_s) for at_s in run.at_s.tolist()]
    assert run.delivered.tolist() == [bool(one) for one in arrivals]
    assert run.fate.count("shadowed") == channel.causes["shadowed"]
    late = [one[0].at_s - at_s for one, at_s in zip(arrivals, run.at_s.tolist(), strict=True) if one]
    assert run.delay_s[run.delivered] == pytest.approx(late)


def test_every_loss_has_its_reason() -> None:
    spec = ChannelSpec("x", rate_bps=300, queue_bytes=60, mtu_bytes=30, outages_s=((10, 20),), loss=0.2)
    run = run_channel(spec, 200, packet_ms=500)
    assert set(run.fate) == {"", "lost", "outage", "queue full"}
    assert set(run_channel(spec, 5, n_bytes=31).fate) == {"too long"}
    text = "\n".join(summary(run))
    assert "outage: " in text
    assert "in a row: mean" in text


def test_bursts_are_runs_of_packets_lost() -> None:
    run = run_channel(ChannelSpec("x", outages_s=((1.0, 2.5), (4.0, 4.5))), 6, packet_ms=500)
    assert run.bursts.tolist() == [3, 1]


@pytest.mark.parametrize(("loss", "mean_burst"), [(0.1, 2.0), (0.2, 8.0), (0.3, None)])
def test_bursts_of_gilbert_elliott_follow_theory(loss: float, mean_burst: float | None) -> None:
    spec = ChannelSpec("x", loss=loss, mean_burst=mean_burst)
    bursts = run_channel(spec, 20_000, packet_ms=500).bursts
    lengths = np.arange(1, 5)
    theory = burst_theory(spec, lengths)
    assert theory is not None
    found = [np.mean(bursts == length) for length in lengths]
    assert found == pytest.approx(theory, abs=0.03)


def test_there_is_no_theory_where_other_things_lose_too() -> None:
    assert burst_theory(ChannelSpec("x", loss=0.1, model=LutzModel()), np.arange(3)) is None
    assert burst_theory(ChannelSpec("x"), np.arange(3)) is None


def test_probing_agrees_with_theory() -> None:
    model = LutzModel()
    values = probe_snr(model, 600, 1)
    for snr_db in (-10.0, 0.0, 5.0, 12.0):
        assert np.mean(values <= snr_db) == pytest.approx(model.snr_cdf(np.array([snr_db]))[0], abs=0.03)


def test_nobody_plots_for_a_year() -> None:
    with pytest.raises(ValueError, match="packets are too many"):
        run_channel(ChannelSpec("x"), 1e7, packet_ms=1)
