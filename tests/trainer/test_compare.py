"""Codecs compared by how probable the words stay, with the real recognisers on real clips."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.codec import Codec
from gateway.evaluation.report import Interval
from gateway.trainer.checkpoint import load_codec
from gateway.trainer.compare import ORIGINAL, RECOGNISERS, Compared, compare, compared_as_text
from gateway.trainer.evaluate import choose_clips
from tests.trainer.corpora import speech_corpus

SHIPPED = Path(__file__).parents[2] / "gateway/codec/weights/claricodec-v1.safetensors"


@pytest.mark.speech
def test_trained_weights_keep_words_more_probable_than_untrained_ones(
    speech_folder: Path, tmp_path: Path, small_codec: Codec
) -> None:
    corpus = speech_corpus(speech_folder, tmp_path, 2)
    codecs = {"shipped": load_codec(SHIPPED).eval(), "again": load_codec(SHIPPED).eval(), "noise": small_codec.model}
    figures = compare(codecs, corpus, choose_clips(corpus, 2), lookahead=1)
    assert [by.recogniser for by in figures] == list(RECOGNISERS)
    for by in figures:
        assert by.clips == 2
        assert list(by.nats) == [ORIGINAL, *codecs]
        assert 0 < by.nats[ORIGINAL].value < by.nats["shipped"].value < by.nats["noise"].value - 1.0
        assert list(by.more) == ["again", "noise"]
        assert by.more["again"] == Interval(0.0, 0.0, 0.0)
        assert by.more["noise"].value == pytest.approx(by.nats["noise"].value - by.nats["shipped"].value)


def test_a_line_for_each_codec() -> None:
    nats = {"original": Interval(0.3, 0.2, 0.4), "a.safetensors": Interval(0.97, 0.8, 1.1), "b": Interval(0.9, 0.7, 1)}
    text = compared_as_text([Compared("base", 60, nats, {"b": Interval(-0.07, -0.1, -0.04)})])
    assert text.splitlines() == [
        "base, 60 clips, nats a token (fewer is better):",
        "  0.300  original",
        "  0.970  a.safetensors",
        "  0.900  b  -0.070 (-0.100..-0.040) to the first",
    ]
