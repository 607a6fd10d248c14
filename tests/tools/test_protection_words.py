"""Words kept by protection: the right pairs are asked for, and the difference to the codec without loss is shown."""

from __future__ import annotations

from pathlib import Path

from gateway.channel.spec_file import load_channel
from gateway.evaluation.report import EvaluationReport, Interval, Row
from gateway.protocol.protection_file import load_protection
from gateway.tools.protection_words import words_options, words_table


def test_words_are_asked_for_on_every_lossy_channel() -> None:
    options = words_options(Path("speech"), 3, ("tiny.en",), None, None, 1)
    assert ("loss-10-burst-2", "robust-packet") in options.protected
    assert ("loss-10-burst-8", "none") in options.protected
    assert ("bit-errors-1pct", "robust-transparent") in options.protected
    for channel, tool in options.protected:
        assert load_channel(channel).name == channel
        load_protection(tool)
    behind = {"tiny.en": Interval(0.013, -0.01, 0.03)}
    rows = (Row("ours through x, y", "", 300, behind, {}, {}, {"ours-300": behind}),)
    assert "ours through x, y, tiny.en: +1.3 (-1.0..+3.0)" in words_table(EvaluationReport("all", 1, 1, 1.0, rows))
