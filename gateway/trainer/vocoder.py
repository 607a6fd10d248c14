"""The vocoder, mel to wave: spectra at several resolutions, a recogniser, and critics that tell made speech from real.

Rule: encoder, quantiser and decoder stay frozen, so the wire format does not move.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from gateway.codec.ear import relative_l1
from gateway.codec.model import CodecModel
from gateway.trainer.augment import ClipSource
from gateway.trainer.discriminators import Critics, critics_loss, deception_loss, matching_loss
from gateway.trainer.hearing import Hearing, Transcripts
from gateway.trainer.loader import to_device
from gateway.trainer.losses import balance_loss, log_stft_loss
from gateway.trainer.recipe import TrainRecipe
from gateway.trainer.tasks import CODEC, Turn
from gateway.trainer.words import as_whisper_hears

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


class Made(NamedTuple):
    """Sound (batch, samples) two mel frames short, its mels, the recogniser's layers (none where it is not asked)."""

    sound: Tensor
    mel: Tensor
    layers: list[Tensor]


class Voice:
    """The vocoder at work, and a recipe's terms of what it makes (the recogniser's with `hearing`) but for critics'."""

    def __init__(self, codec: CodecModel, recipe: TrainRecipe, hearing: Hearing | None) -> None:
        self._codec, self._recipe, self._hearing = codec, recipe.sound, hearing
        self._make = torch.compile(self.make, dynamic=False) if recipe.compile else self.make

    def make(self, mel: Tensor) -> Made:
        """Mels (batch, frames, 80) to sound and what is heard in it."""
        sound = self._codec.sound(mel).float()
        again = self._codec.mels(sound)
        return Made(sound, again, self._hearing.layers(as_whisper_hears(again)) if self._hearing else [])

    def terms(
        self, mel: Tensor, pcm: Tensor, clean: Tensor, target: list[Tensor], lines: Transcripts
    ) -> tuple[Made, dict[str, Tensor]]:
        """Sound of `mel` against samples `pcm` (batch, samples), their mels `clean` (two frames fewer than `mel`), the
        recogniser's layers `target` and words `lines` for these."""
        heard = self._make(mel)
        terms = {
            "stft": log_stft_loss(heard.sound, pcm[:, : heard.sound.shape[1]]),
            "mel": (heard.mel - clean).abs().mean(),
            "balance": balance_loss(heard.mel, clean),
        }
        if self._hearing is not None:
            terms["features"] = relative_l1(heard.layers, target)
            if self._recipe.words > 0:
                terms["words"] = self._hearing.words(heard.layers[-1], target, lines)
        return heard, terms


class VocoderTask:
    """Multi-resolution log-STFT; where the recipe gives them weight the recogniser's terms, and critics."""

    def __init__(self, codec: CodecModel, recipe: TrainRecipe, data: Path, device: torch.device) -> None:
        self.recipe, self.codec, self.device = recipe, codec, device
        contested = recipe.sound.adversarial > 0 or recipe.sound.feature_matching > 0
        self.critics = Critics(recipe.sound.discriminator_width) if contested else None
        self.module = VocoderNets(codec, self.critics).to(device)
        self.draw = SpeechDraw(data, recipe)
        listens = max(recipe.sound.features, recipe.sound.words) > 0
        self.hearing = Hearing(recipe, device, recipe.sound.words > 0) if listens else None
        self.voice = Voice(codec, recipe, self.hearing)

    @property
    def players(self) -> dict[str, tuple[nn.Module, float]]:
        if self.critics is None:
            return {CODEC: (self.codec, 1.0)}
        rate = self.recipe.sound.discriminator_rate / self.recipe.learning_rate
        return {CRITICS: (self.critics, rate), CODEC: (self.codec, 1.0)}

    def autocast(self) -> torch.autocast:
        """bfloat16 where the recipe says so."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.recipe.bf16)

    @torch.no_grad()
    def through(self, clean: Tensor) -> Tensor:
        """Clean mels (batch, frames, 80), some of which have been through the codec."""
        count = round(self.recipe.batch * self.recipe.sound.decoded_share)
        if not count:
            return clean
        quantized = self.codec.encode_mels(clean[:count], torch.ones(2, device=self.device))
        decoded = self.codec.decode_values(quantized.values, torch.zeros_like(quantized.values))
        return torch.cat([decoded.float(), clean[count:]])

    def step(self, drawn: Speech, rng: np.random.Generator, step: int) -> Iterator[Turn]:
        pcm = to_device(drawn, self.device).pcm
        hearing, sound = self.hearing, self.recipe.sound
        with self.autocast():
            with torch.no_grad():
                whole = self.codec.mels(pcm)
            clean = whole[:, :-2]
            target = hearing.target(clean) if hearing else []
            lines = hearing.lines(target) if hearing else list
            heard, terms = self.voice.terms(self.through(whole), pcm, clean, target, lines)
            made, real = heard.sound, pcm[:, : heard.sound.shape[1]]
        weights = sound.model_dump()
        loss = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
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
