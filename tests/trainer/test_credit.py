"""Words' advantages reach the frames in which the words are said, and no others."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gateway.audio.files import read_audio
from gateway.codec.mel import MelFrontEnd
from gateway.samples import sample_path
from gateway.trainer.credit import AFTER, BEFORE, Aligner, by_frame
from gateway.trainer.whisper import WhisperEncoder, read_ctranslate2, tiny_en_path
from gateway.trainer.words import FastListener, as_whisper_hears, text_of

SPANS = np.array([[40, 79], [80, 99]])
"""Two words in features at 50 Hz: code frames 10 to 19 and 20 to 24."""


def test_a_words_frames_answer_for_it_alone() -> None:
    words = torch.zeros(1, 2, 2)
    words[0, 1, 1] = -3.0  # the second rollout loses the second word
    credit = by_frame(words, [SPANS], 48)
    first, last = 20 - BEFORE, 24 + AFTER
    assert bool((credit[0, 1, first : last + 1] < 0).all())
    assert bool((credit[0, 0, first : last + 1] > 0).all())
    assert credit[..., :first].abs().max().item() == 0
    assert credit[..., last + 1 :].abs().max().item() == 0


def test_advantages_are_about_zero_in_a_group_and_of_size_one() -> None:
    words = torch.randn(3, 8, 2, generator=torch.Generator().manual_seed(1))
    credit = by_frame(words, [SPANS] * 3, 30)
    assert torch.allclose(credit.mean(dim=1), torch.zeros(3, 30), atol=1e-5)
    assert credit.square().mean().item() == pytest.approx(1.0, abs=0.01)


def test_frames_between_two_words_answer_for_both() -> None:
    words = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])  # each rollout keeps the word that the other one loses
    credit = by_frame(words, [SPANS], 48)
    assert credit[0, 0, 12].item() > 0
    assert credit[0, 0, 24].item() < 0
    assert credit[0, 0, 20].item() == 0


def test_clips_without_words_and_groups_that_agree_teach_nothing() -> None:
    credit = by_frame(torch.full((2, 4, 2), -1.0), [SPANS, np.zeros((0, 2), np.int64)], 48)
    assert credit.tolist() == torch.zeros(2, 4, 48).tolist()


def test_words_at_the_ends_of_a_clip_stay_in_it() -> None:
    credit = by_frame(torch.tensor([[[1.0], [0.0]]]), [np.array([[0, 191]])], 48)
    assert bool((credit[0, 0] > 0).all())


def test_the_aligner_knows_when_words_are_said() -> None:
    """Two stretches of one recording: what both hold is said as much earlier as the second begins later."""
    pcm = torch.from_numpy(read_audio(sample_path()))
    front = MelFrontEnd()
    later = 6_400  # 0.4 s
    mels = torch.cat([front(pcm[None, at : at + 61_440], front.initial_state(1))[0] for at in (0, later)])
    encoder = WhisperEncoder(read_ctranslate2(tiny_en_path()))
    with torch.no_grad():
        features = encoder.normalised(encoder(as_whisper_hears(mels))[-1])
    line = FastListener(tiny_en_path().parent, 1).lines(features[:1])[0]
    assert "research vessel" in text_of(line)
    aligner = Aligner(tiny_en_path().parent, 1)
    first, none, again = aligner.spans(features[[0, 0, 1]], [line, [], line], 192)
    assert first.shape == again.shape == (len(line), 2)
    assert none.shape == (0, 2)
    assert bool((np.diff(first.ravel()) >= 0).all())  # one after the other
    assert 0 <= first.min() <= first.max() < 192
    middle = slice(len(line) // 3, 2 * len(line) // 3)
    shift = (first[middle, 0] - again[middle, 0]) / 50
    assert np.median(shift) == pytest.approx(0.4, abs=0.1)
