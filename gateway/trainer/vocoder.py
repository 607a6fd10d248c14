"""The vocoder, mel to wave: spectra at several resolutions, then critics that tell made speech from real.

Rule: encoder, quantiser and decoder stay frozen, so the wire format and the words do not move.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from gateway.codec.model import CodecModel
from gateway.codec.spec import SYNTHESIS_DELAY
from gateway.trainer.augment import ClipSource
from gateway.trainer.discriminators import Critics, critics_loss, deception_loss, matching_loss
from gateway.trainer.loader import to_device
from gateway.trainer.losses import log_stft_loss
from gateway.trainer.recipe import TrainRecipe
from gateway.trainer.tasks import CODEC, Turn

CRITICS = "critics"


class VocoderNets(nn.Module):
    """The codec plus critics that only training needs."""

    def __init__(self, codec: CodecModel, critics: Critics | None) -> None:
        super().__init__()
        self.codec = codec
        self.critics = critics


class Speech(NamedTuple):
    """Samples (batch, samples)."""

    pcm: Tensor


class SpeechDraw:
    """Draws `Speech`."""

    def __init__(self, data: Path, recipe: TrainRecipe) -> None:
        self._source, self._clips = ClipSource(data, recipe.augment, recipe.clip_frames), recipe.batch

    def __call__(self, rng: np.random.Generator) -> Speech:
        """The next batch."""
        return Speech(torch.from_numpy(self._source.batch(self._clips, rng)[1]))


class VocoderTask:
    """Multi-resolution log-STFT, and critics if the recipe gives them weight."""

    def __init__(self, codec: CodecModel, recipe: TrainRecipe, data: Path, device: torch.device) -> None:
        self.recipe, self.codec, self.device = recipe, codec, device
        contested = recipe.sound.adversarial > 0 or recipe.sound.feature_matching > 0
        self.critics = Critics(recipe.sound.discriminator_width) if contested else None
        self.module = VocoderNets(codec, self.critics).to(device)
        self.draw = SpeechDraw(data, recipe)
        self._wave = torch.compile(self.wave, dynamic=False) if recipe.compile else self.wave

    @property
    def players(self) -> dict[str, tuple[nn.Module, float]]:
        if self.critics is None:
            return {CODEC: (self.codec, 1.0)}
        rate = self.recipe.sound.discriminator_rate / self.recipe.learning_rate
        return {CRITICS: (self.critics, rate), CODEC: (self.codec, 1.0)}

    def wave(self, mel: Tensor) -> Tensor:
        """Mels (batch, frames, 80) to samples (batch, 160 frames) on a fresh state."""
        return torch.as_tensor(self.codec.vocoder(mel, self.codec.vocoder.initial_state(mel.shape[0]))[0])

    def autocast(self) -> torch.autocast:
        """bfloat16 where the recipe says so."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.recipe.bf16)

    def hear(self, pcm: Tensor) -> Tensor:
        """Mels (batch, frames, 80) of samples (batch, samples), some of which have been through the codec."""
        with torch.no_grad(), self.autocast():
            mel = self.codec.mels(pcm)
            through = round(self.recipe.batch * self.recipe.sound.decoded_share)
            if through:
                quantized = self.codec.encode_mels(mel[:through], torch.ones(2, device=self.device))
                decoded = self.codec.decode_values(quantized.values, torch.zeros_like(quantized.values))
                mel = torch.cat([decoded.float(), mel[through:]])
        return mel

    def step(self, drawn: Speech, rng: np.random.Generator, step: int) -> Iterator[Turn]:
        pcm = to_device(drawn, self.device).pcm
        mel = self.hear(pcm)
        with self.autocast():
            made = self._wave(mel)
        # The vocoder's stream lags by the window's overlap; compare it with speech delayed as much.
        made, real = made[:, SYNTHESIS_DELAY:].float(), pcm[:, :-SYNTHESIS_DELAY]
        sound = self.recipe.sound
        terms = {"stft": log_stft_loss(made, real)}
        loss = sound.stft * terms["stft"]
        if self.critics is not None:
            with self.autocast():
                contest = critics_loss(self.critics(real), self.critics(made.detach()))
            yield CRITICS, {"loss": contest}
            terms["deception"] = terms["matching"] = loss.new_zeros(())
            if step >= sound.adversarial_from:
                self.critics.requires_grad_(False)
                with self.autocast():
                    of_made = self.critics(made)
                    with torch.no_grad():
                        of_real = self.critics(real)
                self.critics.requires_grad_(True)
                terms["deception"] = deception_loss(of_made)
                terms["matching"] = matching_loss(of_real, of_made)
                loss = loss + sound.adversarial * terms["deception"] + sound.feature_matching * terms["matching"]
        yield CODEC, {"loss": loss, **terms}
