"""The whole codec, samples to bits to samples: words are held against the sound that people hear.

Rule: terms of the decoded mels go on beside those of the sound, for a sender's search listens to mels.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from gateway.codec.ear import relative_l1
from gateway.codec.model import CodecModel
from gateway.trainer.acoustic import AcousticBatch, AcousticTask, Outcome
from gateway.trainer.hearing import Transcripts
from gateway.trainer.losses import balance_loss, log_stft_loss
from gateway.trainer.recipe import TrainRecipe
from gateway.trainer.words import as_whisper_hears


class Sounding(NamedTuple):
    """Sound (batch, samples), its mels, the recogniser's layers for them."""

    sound: Tensor
    mel: Tensor
    layers: list[Tensor]


class WholeTask(AcousticTask):
    """`[loss]` for decoded mels, `[sound]` for what the vocoder makes of them; every part learns from both."""

    def __init__(self, codec: CodecModel, recipe: TrainRecipe, data: Path, device: torch.device) -> None:
        super().__init__(codec, recipe, data, device)
        self.listens = True
        self._voice = torch.compile(self.voice, dynamic=False) if recipe.compile else self.voice

    def reads(self) -> bool:
        """Whether clean speech is read for its words."""
        return super().reads() or self.recipe.sound.words > 0

    def wanted(self, mel: Tensor) -> Tensor:
        """All but the last two frames, whose sound is not finished."""
        return mel[:, :-2]

    def voice(self, decoded: Tensor) -> Sounding:
        """Mels (batch, frames, 80) to sound, and what is heard in it."""
        sound = self.codec.sound(decoded).float()
        mel = self.codec.mels(sound)
        return Sounding(sound, mel, self.hearing.layers(as_whisper_hears(mel)))

    def sound_terms(self, batch: AcousticBatch, outcome: Outcome, lines: Transcripts) -> dict[str, Tensor]:
        """As the vocoder's own task has them (vocoder.py), but that they move the decoder and the encoder, too."""
        heard = self._voice(outcome.decoded)
        terms = {
            "stft": log_stft_loss(heard.sound, batch.pcm[:, : heard.sound.shape[1]]),
            "mel": (heard.mel - batch.clean).abs().mean(),
            "balance": balance_loss(heard.mel, batch.clean),
            "features": relative_l1(heard.layers, batch.target),
        }
        if self.recipe.sound.words > 0:
            terms["words"] = self.hearing.words(heard.layers[-1], batch.target, lines)
        return {f"sound_{name}": term for name, term in terms.items()}

    def weights(self) -> dict[str, float]:
        """Of all terms, by name."""
        return {**super().weights(), **{f"sound_{n}": w for n, w in self.recipe.sound.model_dump().items()}}
