"""Dev figures on mels with the real recogniser on real clips: a codec of noise scores as one."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from gateway.codec import Codec
from gateway.errors import ConfigError
from gateway.trainer.data import Corpus, Utterance
from gateway.trainer.evaluate import choose_clips, evaluate_mels
from tests.trainer.corpora import row, speech_corpus


class Dev(Corpus):
    """A corpus of made-up rows; no audio is read."""

    def __init__(self, rows: list[Utterance]) -> None:
        self.utterances = rows


def test_clips_are_english_dev_and_spread() -> None:
    rows = [row(n) for n in range(100)] + [row(200, lang="de"), row(201, split="train"), row(202, samples=10**6)]
    chosen = choose_clips(Dev(rows), 10)
    assert len({u.id for u in chosen}) == 10
    assert all(int(u.id) < 100 for u in chosen)
    with pytest.raises(ConfigError, match="no English dev clips"):
        choose_clips(Dev([row(1, lang="de")]), 3)


@pytest.mark.speech
def test_untrained_weights_lose_every_word(speech_folder: Path, tmp_path: Path, small_codec: Codec) -> None:
    corpus = speech_corpus(speech_folder, tmp_path, 2)
    figures = evaluate_mels(small_codec.model, corpus, choose_clips(corpus, 2), lookahead=1)
    assert figures.clips == 2
    assert figures.dwer > 0.8
    assert figures.dwer_sound > 0.8
    assert figures.dwer_stage_one > 0.8
    assert figures.mel > 0.2
    silent = copy.deepcopy(small_codec.model)
    for parameter in silent.decoder.parameters():
        parameter.zero_()
    heard = evaluate_mels(small_codec.model, corpus, choose_clips(corpus, 1), 1, listening=silent)
    assert heard.mel != pytest.approx(figures.mel)
    assert heard.mel == evaluate_mels(silent, corpus, choose_clips(corpus, 1), 1).mel
