"""Dev figures on mels with the real recogniser on real clips: a codec of noise scores as one."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from gateway.codec import Codec
from gateway.errors import ConfigError
from gateway.trainer.data import Corpus, Utterance
from gateway.trainer.evaluate import choose_clips, evaluate_mels


class Dev(Corpus):
    """A corpus of made-up rows; no audio is read."""

    def __init__(self, rows: list[Utterance]) -> None:
        self.utterances = rows


def row(number: int, **changes: object) -> Utterance:
    values: dict[str, object] = {
        "id": str(number), "offset": 0, "samples": 32_000, "level_db": -26.0, "source": "cv_x",
        "speaker": str(number), "lang": "en", "split": "dev", "text": "",
    }  # fmt: skip
    return Utterance(**{**values, **changes})  # type: ignore[arg-type]


def test_clips_are_english_dev_and_spread() -> None:
    rows = [row(n) for n in range(100)] + [row(200, lang="de"), row(201, split="train"), row(202, samples=10**6)]
    chosen = choose_clips(Dev(rows), 10)
    assert len({u.id for u in chosen}) == 10
    assert all(int(u.id) < 100 for u in chosen)
    with pytest.raises(ConfigError, match="no English dev clips"):
        choose_clips(Dev([row(1, lang="de")]), 3)


@pytest.mark.speech
def test_untrained_weights_lose_every_word(speech_folder: Path, tmp_path: Path, small_codec: Codec) -> None:
    import json
    from dataclasses import asdict

    import numpy as np

    from gateway.evaluation.speech import load_clips

    audio, rows, offset = [], [], 0
    for clip in load_clips(speech_folder, "cv-native", 2):
        samples = np.round(clip.pcm * 32767).astype("<i2")
        rows.append(row(len(rows), offset=offset, samples=len(samples)))
        audio.append(samples)
        offset += len(samples)
    np.concatenate(audio).tofile(tmp_path / "audio.i16")
    (tmp_path / "index.jsonl").write_text("".join(json.dumps(asdict(r)) + "\n" for r in rows))
    corpus = Corpus(tmp_path)
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
