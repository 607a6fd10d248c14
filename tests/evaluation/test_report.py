"""The report: intervals by speaker, a table that fits a screen, files that programs read."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gateway.evaluation.pictures import draw
from gateway.evaluation.report import EvaluationReport, Interval, Row, interval, table, write_report

FIGURE = Interval(0.445, 0.337, 0.578)


def row(system: str, condition: str = "", rate: int | None = 300) -> Row:
    both = dict.fromkeys(("base", "tiny.en", "moonshine"), FIGURE)
    return Row(
        system, condition, rate, both, both, {"stoi": Interval(0.784, 0.7, 0.8), "pesq": Interval(1.3, 1.2, 1.4)}
    )


def report(*rows: Row) -> EvaluationReport:
    return EvaluationReport("cv-native", 100, 20, 585.0, rows, notes=("something was left out",))


def test_intervals_hold_the_figure_and_follow_the_speakers() -> None:
    speakers = ["a", "a", "b", "b"]
    sizes = np.full(4, 10.0)
    same = interval(speakers, np.full(4, 3.0), sizes)
    assert same == Interval(0.3, 0.3, 0.3)
    apart = interval(speakers, np.array([0.0, 0.0, 6.0, 6.0]), sizes)
    assert apart.value == pytest.approx(0.3)
    assert (apart.low, apart.high) == (0.0, 0.6)
    assert interval(["a"], np.zeros(1), np.zeros(1)) == Interval(0.0, 0.0, 0.0)


def test_the_table_fits_120_columns() -> None:
    worst = Interval(1.0, 1.0, 1.0)
    lost = replace(row("codec2-3200", "hand-microphone"), dwer=dict.fromkeys(("base", "tiny.en", "moonshine"), worst))
    long = row("ours through a-channel-with-a-long-name")
    measured = [
        replace(r, measures=r.measures | dict.fromkeys(("dnsmos", "phones"), Interval(2.6, 2.5, 2.7)))
        for r in (row("ours through lossy-satellite"), row("codec2-700C", "noise 20 dB", 700), lost, long)
    ]
    text = table(report(*measured))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 120
    assert "100 (100..100)" in text
    alone = lines.index("ours through a-channel-with-a-long-name")
    assert lines[alone + 1].split()[:2] == ["300", "44.5"]
    assert "44.5 (33.7..57.8)" in text
    second = lines[lines.index("") + 1].split()
    assert second == [
        "system",
        "bit/s",
        "WER",
        "base",
        "WER",
        "tiny.en",
        "WER",
        "moonshine",
        "STOI",
        "PESQ",
        "DNSMOS",
        "PHONES",
    ]
    assert lines[-2].split() == ["300", *["44.5"] * 3, "0.784", "1.30", "2.60", "2.60"]
    assert "codec2-700C, noise 20 dB" in text
    assert text.endswith("note: something was left out")
    behind = replace(
        row("codec2-1300", "", 1300), behind={"ours-300": {"base": Interval(-0.055, -0.145, 0.032), "tiny.en": FIGURE}}
    )
    paired = "codec2-1300 less ours-300, points of dWER: base -5.5 (-14.5..+3.2), tiny.en +44.5 (+33.7..+57.8)"
    assert paired in table(report(behind))
    since = {"dwer base": Interval(-0.055, -0.145, 0.032), "nats base": Interval(0.0125, -0.03, 0.05)}
    lines = table(report(replace(row("ours-300", "noise 5 dB"), since=since))).splitlines()
    assert "ours-300, noise 5 dB, dwer base changed by -5.5 (-14.5..+3.2)" in lines
    assert "ours-300, noise 5 dB, nats base changed by +0.013 (-0.030..+0.050)" in lines


def test_what_was_not_asked_for_has_no_table_and_what_is_absent_a_dash() -> None:
    words_only = replace(row("ours-300"), wer={}, measures={})
    assert "" not in table(report(words_only)).splitlines()
    lines = table(report(replace(row("original", "", None), dwer={}), row("ours-300"))).splitlines()
    assert lines[2].split() == ["original", "-", "-", "-", "-"]
    assert lines[lines.index("") + 2].split() == ["original", "-", *["44.5"] * 3, "0.784", "1.30"]


def test_files_hold_what_the_table_shows(tmp_path: Path) -> None:
    searched = replace(
        row("ours-300"),
        behind={"ours-300-search": {"base": Interval(0.1, 0.05, 0.2)}},
        since={"nats base": Interval(0.1, 0.05, 0.25)},
    )
    write_report(tmp_path, report(searched, Row("original", "", None, {}, {}, {})))
    with (tmp_path / "report.csv").open(newline="") as file:
        ours, original = csv.DictReader(file)
    assert (ours["behind_ours-300-search_base"], original["behind_ours-300-search_base_low"]) == ("0.1000", "")
    assert (ours["since_nats_base"], ours["since_nats_base_high"]) == ("0.1000", "0.2500")
    assert (ours["dwer_base"], ours["dwer_base_low"], ours["stoi_high"]) == ("0.4450", "0.3370", "0.8000")
    assert (original["bits_a_second"], original["dwer_base"]) == ("", "")
    assert json.loads((tmp_path / "report.json").read_text())["rows"][0]["measures"]["pesq"]["value"] == 1.3


def test_pictures_are_drawn_of_what_there_is(tmp_path: Path) -> None:
    assert draw(tmp_path, report(row("ours-300"))) == []
    drawn = draw(tmp_path, report(row("ours-300"), row("codec2-700C", "", 700)))
    assert [path.name for path in drawn] == ["rate.png"]
    drawn = draw(tmp_path, report(row("ours-300", "noise 5 dB"), row("ours-300"), row("ours through geo")))
    assert [path.name for path in drawn] == ["noise.png", "damage.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)
    assert draw(tmp_path, report(Row("original", "", None, {}, {}, {}))) == []
