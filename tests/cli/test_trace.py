"""`clarilink trace` as its user types it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from gateway.audio.files import write_wav
from gateway.channel.spec_file import load_channel
from gateway.cli import main
from gateway.traces import Direction, Outcome, TraceHeader, TraceReader, TraceRecord, TraceWriter


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["trace", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    with TraceWriter(tmp_path / "day.trace", TraceHeader("alpha", 0.0, 1.7e9)) as writer:
        for number in range(500):
            lost = number % 10 in (3, 4)
            what = Outcome.LOST if lost else Outcome.DELIVERED
            delay_s = None if lost else 0.7 + number % 7 / 100
            snr_db = None if lost else 10.0 + number % 5
            row = TraceRecord(
                number / 2, Direction.TX, what, None, "alpha", "bravo", number, 1, 20, delay_s=delay_s, snr_db=snr_db
            )
            writer.write(row)
        for at_s, kind in ((100.0, "outage"), (120.0, "outage over")):
            writer.write(TraceRecord(at_s, Direction.LINK, Outcome.EVENT, kind=kind, status="modem silent"))
    return writer.path


def test_info_and_its_json(recorded: Path) -> None:
    lines = run("info", recorded).output
    assert "alpha > bravo: 500 packets of known fate in 249.5 s, 100 lost" in lines
    assert "mean burst 2" in lines
    assert "events: 1 outage, 1 outage over" in lines
    figures = json.loads(run("info", "--json", recorded).output)
    assert figures[str(recorded)]["alpha > bravo"]["lost"] == 100


def test_fit_writes_a_channel_that_loads(recorded: Path, tmp_path: Path) -> None:
    run("fit", recorded, "-o", tmp_path / "fit.toml")
    spec = load_channel(tmp_path / "fit.toml")
    assert spec.loss == pytest.approx(0.2)
    assert spec.mean_burst == pytest.approx(2)
    assert spec.delay_ms == pytest.approx(700)


def test_replay_writes_a_channel_that_loads_and_spares_other_files(recorded: Path, tmp_path: Path) -> None:
    for _ in range(2):  # its own file may be written anew
        run("replay", recorded, "--direction", "alpha>bravo", "--end", "stop", "--offset-s", "10", "--window-s", "50")
    assert load_channel(tmp_path / "day.toml").model is not None
    (tmp_path / "other.toml").write_text("loss = 0.1\n")
    assert "replays no trace" in run("replay", recorded, "-o", tmp_path / "other.toml", code=1).output
    assert "did you mean 'alpha > bravo'" in run("replay", recorded, "--direction", "alpha > brave", code=1).output
    assert "leaves nothing" in run("replay", recorded, "-o", tmp_path / "x.toml", "--offset-s", "1e6", code=1).output
    assert not (tmp_path / "x.toml").exists()
    assert "--offset-s: got 'soon'" in run("replay", recorded, "--offset-s", "soon", code=1).output


@pytest.mark.parametrize("name", ["day.png", "day.html"])
def test_plot(recorded: Path, tmp_path: Path, name: str) -> None:
    run("plot", recorded, "-o", tmp_path / name)
    data = (tmp_path / name).read_bytes()
    assert len(data) > 20_000
    assert data.startswith(b"\x89PNG" if name.endswith("png") else b"<!doctype html>")
    if name.endswith("html"):
        assert b"http" not in data.replace(b"data:image", b"")[:2000]


def test_plot_with_what_was_heard(recorded: Path, tmp_path: Path) -> None:
    write_wav(tmp_path / "call.wav", [np.sin(np.arange(16_000) / 8, dtype=np.float32)])
    for name, more in (("without.png", ()), ("with.png", ("--heard", tmp_path / "call.wav"))):
        run("plot", recorded, "-o", tmp_path / name, *more)
    heights = [int.from_bytes((tmp_path / name).read_bytes()[20:24]) for name in ("without.png", "with.png")]
    assert heights[1] > 1.15 * heights[0]
    assert "not a sound file" in run("plot", recorded, "--heard", recorded, code=1).output


def test_export_and_import_again(recorded: Path, tmp_path: Path) -> None:
    run("export", recorded, "-o", tmp_path / "day.csv")
    result = run("import", tmp_path / "day.csv", "-o", tmp_path / "again.trace")
    assert "502 records" in result.output
    assert list(TraceReader(tmp_path / "again.trace")) == list(TraceReader(recorded))
    assert run("export", recorded).output.startswith("direction,outcome,at_s")


def test_import_maps_columns_and_refuses_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("Zeit;Laufzeit\n1;250\n2;260\n")
    run("import", tmp_path / "log.txt", "-o", tmp_path / "a.trace", "--map", "at=Zeit:s", "--map", "delay=Laufzeit:ms")
    assert [row.delay_s for row in TraceReader(tmp_path / "a.trace")] == [0.25, 0.26]
    refused = run("import", tmp_path / "log.txt", "-o", tmp_path / "b.trace", code=1).output
    assert refused.count("\n") == 1
    assert "no columns that tell" in refused
    assert not (tmp_path / "b.trace").exists()
    assert "needs FIELD=COLUMN" in run("import", tmp_path / "log.txt", "-o", "x", "--map", "at", code=2).output


def test_join_of_two_logs(tmp_path: Path) -> None:
    for name, direction, outcome, zero in (
        ("alpha", Direction.TX, Outcome.SENT, 0.0),
        ("bravo", Direction.RX, Outcome.DELIVERED, 5000.7),
    ):
        with TraceWriter(tmp_path / f"{name}.trace", TraceHeader(name)) as writer:
            for number in range(50):
                if name == "alpha" or number % 5:
                    writer.write(TraceRecord(zero + number, direction, outcome, sequence=number, size=9, digest=number))
            writer.write(TraceRecord(zero + 60, Direction.LINK, Outcome.EVENT, kind="closed"))
    arguments = (tmp_path / "alpha.trace", tmp_path / "bravo.trace", "-o", tmp_path / "both.trace")
    output = run("join", *arguments, "--min-delay-ms", 700).output
    assert "offset 5000.000000 s" in output
    assert "alpha > bravo: 40 delivered" in output
    assert "alpha > bravo: 49 packets" in run("info", tmp_path / "both.trace").output or "9 lost" in output


def test_record_listens_without_a_station(tmp_path: Path) -> None:
    config = tmp_path / "station.toml"
    config.write_text('[station]\nname = "alpha"\nid = 1\n[link]\nkind = "memory"\n')
    output = run("record", "-c", config, "-o", tmp_path / "heard.trace", "--seconds", "0.3").output
    assert "0 packets heard" in output
    assert [row.kind for row in TraceReader(tmp_path / "heard.trace")] == ["opened", "closed"]
