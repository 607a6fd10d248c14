"""Figures clip by clip: paired with those of another system or run, and kept in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import EvaluationError
from gateway.evaluation.report import Interval
from gateway.evaluation.scores import COLUMNS, FILE_NAME, Key, Score, Scores, read_scores

OURS, THEIRS = Key("ours-300", "", "dwer base"), Key("codec2-1300", "noise 5 dB", "dwer base")


def scores(*amounts: float) -> list[Score]:
    """Of clips c0, c1 and so on, two by each speaker, ten words long."""
    return [Score(f"c{i}", f"talker, {i // 2}", amount, 10.0) for i, amount in enumerate(amounts)]


def test_a_figure_is_amounts_over_sizes_and_differences_are_paired() -> None:
    kept = Scores()
    assert kept.add(OURS, scores(0, 10, 4, 6)) == Interval(0.5, 0.5, 0.5)
    hard_for_both = kept.add(THEIRS, scores(1, 11, 5, 7))
    assert hard_for_both.value == pytest.approx(0.6)
    assert kept.less(THEIRS, OURS) == Interval(0.1, 0.1, 0.1)
    assert kept.less(OURS, Key("ours-150", "", "dwer base")) is None
    assert kept.less(Key("ours-150", "", "dwer base"), OURS) is None


def test_only_clips_that_both_have_are_compared() -> None:
    now, before = Scores({OURS: scores(2, 4, 6)}), Scores({OURS: scores(0, 3)})
    assert now.less(OURS, OURS, before) == Interval(0.15, 0.15, 0.15)
    elsewhere = Scores({OURS: [Score("another", "talker", 1.0, 1.0)]})
    assert now.less(OURS, OURS, elsewhere) is None


def test_a_file_keeps_them(tmp_path: Path) -> None:
    kept = Scores({OURS: scores(0, 3.25), THEIRS: scores(1)})
    kept.write(tmp_path / "out")
    read = read_scores(tmp_path / "out")
    for key in (OURS, THEIRS):
        assert read.less(key, key, kept) == Interval(0.0, 0.0, 0.0)
    assert read.less(OURS, OURS, Scores({OURS: scores(1, 1.25)})) == Interval(0.05, 0.05, 0.05)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"no clips\.csv there; name the --out folder"):
        read_scores(tmp_path)
    head = ",".join(COLUMNS)
    for text in ("system,condition\nours-300,\n", f"{head}\nours-300,,dwer base,c0,a,many,1\n", f"{head}\nours-300\n"):
        (tmp_path / FILE_NAME).write_text(text)
        with pytest.raises(EvaluationError, match=rf"{FILE_NAME}, line 2: no line of scores"):
            read_scores(tmp_path)
