"""Whisper's words as a loss: nothing for the same mels, more for worse ones, and it teaches."""

from __future__ import annotations

import copy
from difflib import SequenceMatcher

import pytest
import torch

from gateway.audio.files import read_audio
from gateway.codec.mel import MelFrontEnd
from gateway.samples import sample_path
from gateway.trainer.whisper import WhisperDecoder, WhisperEncoder, read_ctranslate2, tiny_en_path
from gateway.trainer.words import (
    ALPHABET,
    DYNAMIC_RANGE,
    END,
    PROMPT,
    TAIL_FRAMES,
    FastListener,
    TorchListener,
    as_whisper_hears,
    divergence,
    next_words,
    spelling_loss,
    teacher_lines,
    text_of,
    token_limit,
    unrepeated,
)

Whisper = tuple[WhisperEncoder, WhisperDecoder]


@pytest.fixture(scope="module")
def whisper() -> Whisper:
    weights = read_ctranslate2(tiny_en_path())
    return WhisperEncoder(weights), WhisperDecoder(weights)


@pytest.fixture(scope="module")
def mels() -> torch.Tensor:
    """Two stretches of the packaged sample, 3.84 s each: (2, 384, 80)."""
    pcm = torch.from_numpy(read_audio(sample_path()))
    front = MelFrontEnd()
    return torch.cat([front(pcm[None, at : at + 61_440], front.initial_state(1))[0] for at in (0, 80_000)])


@pytest.fixture(scope="module")
def features(mels: torch.Tensor, whisper: Whisper) -> torch.Tensor:
    encoder = whisper[0]
    with torch.no_grad():
        return encoder.normalised(encoder(as_whisper_hears(mels))[-1])


@pytest.fixture(scope="module")
def lines(features: torch.Tensor) -> list[list[int]]:
    return FastListener(tiny_en_path().parent, 1).lines(features)


def test_whispers_view_of_mels() -> None:
    mel = torch.randn(2, 30, 80)
    heard = as_whisper_hears(mel)
    assert heard.shape == (2, 30 + TAIL_FRAMES, 80)
    assert torch.allclose(heard.amin((1, 2)), mel.amax((1, 2)) - DYNAMIC_RANGE)


def test_the_listeners_hear_the_words(lines: list[list[int]], features: torch.Tensor, whisper: Whisper) -> None:
    assert "this is the research vessel" in text_of(lines[0])
    assert not any(END in line for line in lines)
    # The second clip breaks off in a sentence, where int8 and float32 may differ on whether to go on.
    (slowly,) = TorchListener(whisper[1]).lines(features[:1])
    assert SequenceMatcher(None, text_of(lines[0]), text_of(slowly)).ratio() > 0.85


def test_the_listener_hears_the_same_in_bfloat16(features: torch.Tensor, whisper: Whisper) -> None:
    """As on a GPU, whose recorded graph is these very calls."""
    halved = copy.deepcopy(whisper[1])
    halved.matrices_to(torch.bfloat16)
    (precisely,) = TorchListener(whisper[1]).lines(features[:1])
    with torch.autocast("cpu", torch.bfloat16):
        (quickly,) = TorchListener(halved).lines(features[:1])
    assert SequenceMatcher(None, text_of(precisely), text_of(quickly)).ratio() > 0.9


def test_the_limit_follows_the_length_of_the_clip() -> None:
    assert token_limit((384 + TAIL_FRAMES) // 2) == 28  # 3.84 s
    assert token_limit((1000 + TAIL_FRAMES) // 2) == len(PROMPT) + 1 + 65
    assert token_limit(TAIL_FRAMES // 2) == len(PROMPT) + 1


def test_what_whisper_repeats_is_cut() -> None:
    assert unrepeated([[11, 12, 13, 11, 12], [7] * 5, []], limit=8) == [[11, 12, 13, 11, 12], [7] * 5, []]
    endless = [1, 2, 3, 4, 1, 2, 3, 4]
    assert unrepeated([endless, [5] * 25, list(range(9))], limit=8) == [[1, 2, 3, 4], [5], list(range(9))]


def test_what_counts_is_words_and_end_of_lines_that_end() -> None:
    lines = [[11, 12, 13], [21], [], []]
    taught = teacher_lines(lines)
    assert taught.tokens.tolist() == [
        [*PROMPT, 11, 12, 13],
        [*PROMPT, 21, END, END],
        [*PROMPT, END, END, END],
        [*PROMPT, END, END, END],
    ]
    assert taught.counts.sum(dim=1).tolist() == [4, 2, 0, 0]
    assert next_words(taught).tolist() == [11, 12, 13, END, 21, END]
    assert teacher_lines([[], []]).counts.sum() == 0


def test_the_decoder_predicts_what_it_is_taught(
    lines: list[list[int]], features: torch.Tensor, whisper: Whisper
) -> None:
    taught = teacher_lines(lines)
    with torch.no_grad():
        guess = whisper[1].logits(whisper[1](features, taught.tokens)[taught.counts]).argmax(-1)
    assert (guess == next_words(taught)).float().mean() > 0.85  # int8 against float


def test_divergence_grows_with_damage_and_reaches_the_mels(
    mels: torch.Tensor, lines: list[list[int]], whisper: Whisper
) -> None:
    encoder, decoder = whisper
    taught = teacher_lines(lines)

    def logits(mel: torch.Tensor) -> torch.Tensor:
        heard = encoder.normalised(encoder(as_whisper_hears(mel))[-1])
        return torch.as_tensor(decoder.logits(decoder(heard, taught.tokens)[taught.counts]))

    clean = logits(mels).detach()
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(mels.shape, generator=generator)
    damaged = (mels + 0.5 * noise).requires_grad_()
    little, much = divergence(logits(mels + 0.05 * noise), clean), divergence(logits(damaged), clean)
    assert divergence(clean, clean).item() == pytest.approx(0.0, abs=1e-5)
    assert 0 < little.item() < much.item()
    much.backward()
    assert damaged.grad is not None
    assert torch.isfinite(damaged.grad).all()
    assert float(damaged.grad.abs().sum()) > 0


def test_no_words_no_loss() -> None:
    empty = torch.zeros(0, 51_864, requires_grad=True)
    loss = divergence(empty, empty.detach())
    loss.backward()
    assert loss.item() == 0.0


def test_spelling_is_cheapest_for_the_right_characters(lines: list[list[int]]) -> None:
    text = text_of(lines[0])
    assert set(text) <= set(ALPHABET)

    def spelt(said: str) -> torch.Tensor:
        """A head that is sure of `said`, a blank after every character."""
        scores = torch.full((1, 2 * len(text), 1 + len(ALPHABET)), -5.0)
        for place in range(len(text)):
            scores[0, 2 * place, ALPHABET.index(said[place]) + 1] = 5.0
            scores[0, 2 * place + 1, 0] = 5.0
        return scores.log_softmax(-1)

    right, wrong = spelling_loss(spelt(text), lines[:1]), spelling_loss(spelt(text[::-1]), lines[:1])
    assert right.item() < 0.1 < wrong.item()
    assert spelling_loss(spelt(text), [[]]).item() == 0.0
    too_long = torch.zeros(1, 3, 1 + len(ALPHABET)).log_softmax(-1)
    assert spelling_loss(too_long, lines[:1]).item() == 0.0
