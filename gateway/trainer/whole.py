"""The whole codec, samples to bits to samples: words are held against the sound that people hear.

Rule: terms of the decoded mels go on beside those of the sound, for a sender's search listens to mels.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from gateway.codec.model import CodecModel
from gateway.errors import ConfigError
from gateway.trainer.acoustic import AcousticBatch, AcousticTask, Outcome
from gateway.trainer.hearing import Transcripts
from gateway.trainer.recipe import TrainRecipe
from gateway.trainer.vocoder import Voice


class WholeTask(AcousticTask):
    """`[loss]` for decoded mels, `[sound]` for what the vocoder makes of them; every part learns from both."""

    def __init__(self, codec: CodecModel, recipe: TrainRecipe, data: Path, device: torch.device) -> None:
        for name in ("adversarial", "feature_matching", "decoded_share"):
            if getattr(recipe.sound, name) > 0:
                raise ConfigError(f"[sound] {name}: not in task whole, which has no critics and decodes every clip")
        super().__init__(codec, recipe, data, device)
        self.listens = True
        self.voice = Voice(codec, recipe, self.hearing)

    def reads(self) -> bool:
        """Whether clean speech is read for its words."""
        return super().reads() or self.recipe.sound.words > 0

    def wanted(self, mel: Tensor) -> Tensor:
        """All but the last two frames, whose sound is not finished."""
        return mel[:, :-2]

    def sound_terms(self, batch: AcousticBatch, outcome: Outcome, lines: Transcripts) -> dict[str, Tensor]:
        """As the vocoder's own task has them (vocoder.py), but that they move the decoder and the encoder, too."""
        _, terms = self.voice.terms(outcome.decoded, batch.pcm, batch.clean, batch.target, lines)
        return {f"sound_{name}": term for name, term in terms.items()}

    def weights(self) -> dict[str, float]:
        """Of all terms, by name."""
        return {**super().weights(), **{f"sound_{n}": w for n, w in self.recipe.sound.model_dump().items()}}
