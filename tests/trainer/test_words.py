"""Whisper's words as a loss: nothing for the same mels, more for worse ones, and it teaches."""

from __future__ import annotations

import pytest
import torch

from gateway.audio.files import read_audio
from gateway.codec.mel import MelFrontEnd
from gateway.samples import sample_path
from gateway.trainer.whisper import WhisperDecoder, WhisperEncoder, read_ctranslate2, tiny_en_path
from gateway.trainer.words import DYNAMIC_RANGE, END, PROMPT, TAIL_FRAMES, Listener, as_whisper_hears, divergence


@pytest.fixture(scope="module")
def whisper() -> tuple[WhisperEncoder, WhisperDecoder]:
    weights = read_ctranslate2(tiny_en_path())
    return WhisperEncoder(weights), WhisperDecoder(weights)


@pytest.fixture(scope="module")
def mels() -> torch.Tensor:
    """Two stretches of the packaged sample, 3.84 s each: (2, 384, 80)."""
    pcm = torch.from_numpy(read_audio(sample_path()))
    front = MelFrontEnd()
    return torch.cat([front(pcm[None, at : at + 61_440], front.initial_state(1))[0] for at in (0, 80_000)])


def test_whispers_view_of_mels() -> None:
    mel = torch.randn(2, 30, 80)
    heard = as_whisper_hears(mel)
    assert heard.shape == (2, 30 + TAIL_FRAMES, 80)
    assert torch.allclose(heard.amin((1, 2)), mel.amax((1, 2)) - DYNAMIC_RANGE)


def test_the_listener_gives_the_words_and_counts_them(
    mels: torch.Tensor, whisper: tuple[WhisperEncoder, WhisperDecoder]
) -> None:
    import tokenizers

    tokens, counts = Listener(tiny_en_path().parent, 1).tokens(as_whisper_hears(mels))
    tokenizer = tokenizers.Tokenizer.from_file(str(tiny_en_path().parent / "tokenizer.json"))
    assert "this is the research vessel" in tokenizer.decode(tokens[0].tolist()).lower()
    assert tokens[:, :2].tolist() == [list(PROMPT)] * 2
    assert not counts[:, 0].any()  # the prompt is given, not predicted
    last = counts[0].nonzero().max()
    assert tokens[0, last + 1] == END

    # The PyTorch decoder, given these tokens, predicts them itself: greedy by both.
    encoder, decoder = whisper
    with torch.no_grad():
        states = decoder(encoder(as_whisper_hears(mels))[-1], tokens[:, :-1])
        agree = decoder.logits(states).argmax(-1) == tokens[:, 1:]
    assert agree[counts].float().mean() > 0.85  # int8 against float


def test_divergence_grows_with_damage_and_reaches_the_mels(
    mels: torch.Tensor, whisper: tuple[WhisperEncoder, WhisperDecoder]
) -> None:
    encoder, decoder = whisper
    tokens, counts = Listener(tiny_en_path().parent, 1).tokens(as_whisper_hears(mels))

    def logits(mel: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(decoder.logits(decoder(encoder(as_whisper_hears(mel))[-1], tokens[:, :-1])[counts]))

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
