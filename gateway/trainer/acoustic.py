"""The acoustic codec, mel to bits to mel: what is kept is what a recogniser needs to get the words.

Rule: everything of a batch that is random is drawn before the compiled part, whose shapes never change.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from gateway.codec.ear import relative_l1
from gateway.codec.model import CodecModel
from gateway.codec.quantizer import Quantized, unit_moments_loss
from gateway.trainer.augment import ClipSource
from gateway.trainer.channel import Damage, apply_damage, draw_damage
from gateway.trainer.finder import DigitFinder
from gateway.trainer.hearing import Hearing, Transcripts
from gateway.trainer.loader import to_device
from gateway.trainer.losses import balance_loss
from gateway.trainer.policy import Rollout, log_probability
from gateway.trainer.recipe import TrainRecipe
from gateway.trainer.tasks import CODEC, Turn
from gateway.trainer.words import ALPHABET, as_whisper_hears, spelling_loss

FEATURES_A_LATENT = 4
"""Whisper's features are at 50 Hz, latents at 12.5 Hz."""
SPELLINGS_A_LATENT = 2
"""Characters come at up to 20 a second: the CTC head runs at 25 Hz."""


class Elder(nn.Module):
    """What makes the digits in the codec that a run began with: a copy that stays, and that checkpoints hold."""

    def __init__(self, codec: CodecModel) -> None:
        super().__init__()
        self.encoder, self.quantizer = copy.deepcopy(codec.encoder), copy.deepcopy(codec.quantizer)
        self.requires_grad_(False)

    @torch.no_grad()
    def forward(self, mel: Tensor, gates: Tensor) -> Quantized:
        """Mels (batch, frames, 80) to digits."""
        quantized: Quantized = self.quantizer(self.encoder.train_path(mel, gates))
        return quantized


class AcousticNets(nn.Module):
    """The codec plus heads that only training needs."""

    def __init__(self, codec: CodecModel, whisper_width: int, elder: bool) -> None:
        super().__init__()
        self.codec = codec
        self.elder = Elder(codec) if elder else None
        width = codec.spec.widths[2]
        self.semantic = nn.Linear(width, FEATURES_A_LATENT * whisper_width)
        self.spelling = nn.Linear(width, SPELLINGS_A_LATENT * (1 + len(ALPHABET)))


class Clips(NamedTuple):
    """What one step draws: samples (batch, samples) heard and wanted, lookahead gates (2,), damage of the digits."""

    heard: Tensor
    clean: Tensor
    gates: Tensor
    damage: Damage


class ClipsDraw:
    """Draws `Clips`."""

    def __init__(self, data: Path, recipe: TrainRecipe) -> None:
        self._source, self._recipe = ClipSource(data, recipe.augment, recipe.clip_frames), recipe

    def __call__(self, rng: np.random.Generator) -> Clips:
        """The next batch."""
        recipe = self._recipe
        heard, clean = self._source.batch(recipe.batch, rng)
        lookahead = int(rng.choice(3, p=np.array(recipe.lookahead_chances)))
        gates = torch.tensor([1.0 if k < lookahead else 0.0 for k in range(2)])
        damage = draw_damage(recipe.channel, recipe.batch, recipe.clip_frames, rng)
        return Clips(torch.from_numpy(heard), torch.from_numpy(clean), gates, damage)


class AcousticBatch(NamedTuple):
    """What one step works on: mels (batch, frames, 80) heard and wanted, samples wanted (batch, samples), lookahead
    gates (2,), damage of the digits, and the recogniser's layers for the wanted mels (empty when it is not asked)."""

    heard: Tensor
    clean: Tensor
    pcm: Tensor
    gates: Tensor
    damage: Damage
    target: list[Tensor]


class Outcome(NamedTuple):
    """What the networks made of a batch: loss terms by name, mels, the recogniser's last layer for them, CTC
    log-probabilities."""

    terms: dict[str, Tensor]
    decoded: Tensor
    last: Tensor
    spelling: Tensor


class AcousticTask:
    """Step A: L1 on log-mels, Whisper's features and words, digit usage, and guesses from the latents."""

    def __init__(self, codec: CodecModel, recipe: TrainRecipe, data: Path, device: torch.device) -> None:
        self.recipe, self.codec, self.device = recipe, codec, device
        self.draw = ClipsDraw(data, recipe)
        loss = recipe.loss
        # Without these terms Whisper is not run at all: a step then costs less than half.
        reads = self.reads()
        self.listens = reads or max(loss.features, loss.semantic) > 0
        self.hearing = Hearing(recipe, device, reads)
        self.module = AcousticNets(codec, self.hearing.width, recipe.elder_share > 0).to(device)
        faster = torch.compile(dynamic=False) if recipe.compile else lambda function: function
        self._encode, self._receive = faster(self.encode), faster(self.receive)
        self._finder = DigitFinder(recipe.search, faster(self.likeness)) if recipe.search.share > 0 else None

    @property
    def players(self) -> dict[str, tuple[nn.Module, float]]:
        return {CODEC: (self.module, 1.0)}

    def reads(self) -> bool:
        """Whether clean speech is read for its words."""
        return max(self.recipe.loss.words, self.recipe.loss.spelling) > 0

    def weights(self) -> dict[str, float]:
        """Of all terms, by name."""
        return self.recipe.loss.model_dump()

    def autocast(self) -> torch.autocast:
        """bfloat16 where the recipe says so."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.recipe.bf16)

    @torch.no_grad()
    def place(self, drawn: Clips) -> AcousticBatch:
        """What was drawn, as mels on the device, and what the recogniser makes of the clean ones."""
        clips: Clips = to_device(drawn, self.device)
        heard, clean = self.codec.mels(clips.heard), self.wanted(self.codec.mels(clips.clean))
        with self.autocast():
            target = self.hearing.target(clean) if self.listens else []
        return AcousticBatch(heard, clean, clips.clean, clips.gates, clips.damage, target)

    def wanted(self, mel: Tensor) -> Tensor:
        """The part of a clip's mels (batch, frames, 80) that is compared: all of it."""
        return mel

    def encode(self, mel: Tensor, gates: Tensor) -> tuple[Tensor, Quantized]:
        """Mels (batch, frames, 80) to latents and digits."""
        latent = self.codec.encoder.train_path(mel, gates)
        return latent, self.codec.quantizer(latent)

    def decode(self, values: Tensor, doubt: Tensor) -> tuple[Tensor, Tensor]:
        """Level values and doubt (batch, t, 8) to latents and mels in float32."""
        latent = self.codec.quantizer.restore(values, doubt)
        decoded, _ = self.codec.decoder(latent, self.codec.decoder.initial_state(latent.shape[0]))
        return latent, decoded.float()

    def likeness(self, values: Tensor, clean: Tensor, target: list[Tensor]) -> Tensor:
        """What search makes small, of undamaged values (clips, t, 8)."""
        decoded = self.wanted(self.decode(values, torch.zeros_like(values))[1])
        features = relative_l1(self.hearing.layers(as_whisper_hears(decoded)), target)
        return (decoded - clean).abs().mean() + self.recipe.search.features * features

    def receive(self, batch: AcousticBatch, digits: Tensor, values: Tensor) -> Outcome:
        """Digits of a batch through channel, decoder and, where it is asked, the recogniser."""
        received = apply_damage(digits, values, batch.damage)
        latent, decoded = self.decode(received, batch.damage.doubt)
        mel = self.wanted(decoded)
        terms = {"mel": (mel - batch.clean).abs().mean(), "balance": balance_loss(mel, batch.clean)}
        nothing = decoded.new_zeros(())
        if not batch.target:
            return Outcome(terms, decoded, nothing, nothing)
        heard_again = self.hearing.layers(as_whisper_hears(mel))
        terms["features"] = relative_l1(heard_again, batch.target)
        clips, frames, _ = latent.shape
        guess = self.module.semantic(latent).view(clips, frames * FEATURES_A_LATENT, -1)
        terms["semantic"] = relative_l1([guess], [batch.target[-1][:, : frames * FEATURES_A_LATENT]])
        spelling = self.module.spelling(latent).view(clips, frames * SPELLINGS_A_LATENT, -1)
        return Outcome(terms, decoded, heard_again[-1], spelling.float().log_softmax(-1))

    def acoustic_terms(self, batch: AcousticBatch, lines: Transcripts) -> tuple[dict[str, Tensor], Quantized]:
        """All terms of a batch but 'loss'; `lines` gives what Whisper hears in the clean mels."""
        latent, quantized = self._encode(batch.heard, batch.gates)
        digits, values, found = quantized.digits, quantized.values, None
        if self.module.elder is not None:
            mine = len(digits) - round(self.recipe.elder_share * len(digits))
            old = self.module.elder(batch.heard[mine:], batch.gates)
            digits, values = torch.cat([digits[:mine], old.digits]), torch.cat([values[:mine], old.values])
        if self._finder is not None:
            found = self.find(batch, digits)
            digits = torch.cat([found.digits, digits[len(found.digits) :]])
            values = torch.cat([found.values, values[len(found.values) :]])
        outcome = self._receive(batch, digits, values)
        terms = {**outcome.terms, "usage": unit_moments_loss(quantized.projections)}
        terms |= self.sound_terms(batch, outcome, lines)
        if found is not None and self.recipe.loss.found > 0:
            aims = latent[: len(found.digits)].float()
            chances = log_probability(self.codec.quantizer, aims, found, self.recipe.policy.sharpness)
            terms["found"] = -chances.mean()
        if self.recipe.loss.words > 0:
            terms["words"] = self.hearing.words(outcome.last, batch.target, lines)
        if self.recipe.loss.spelling > 0:
            terms["spelling"] = spelling_loss(outcome.spelling, lines())
        return terms, quantized

    def sound_terms(self, batch: AcousticBatch, outcome: Outcome, lines: Transcripts) -> dict[str, Tensor]:
        """Of what the vocoder makes of the decoded mels: none, it is not asked."""
        return {}

    def find(self, batch: AcousticBatch, digits: Tensor) -> Rollout:
        """Better digits for the first clips of a batch, by search from the encoder's."""
        assert self._finder is not None
        clips = max(1, round(self.recipe.search.share * len(digits)))
        learning = [p for p in self.codec.parameters() if p.requires_grad]
        for parameter in learning:
            parameter.requires_grad_(False)
        try:
            return self._finder.find(digits[:clips], batch.clean[:clips], [layer[:clips] for layer in batch.target])
        finally:
            for parameter in learning:
                parameter.requires_grad_(True)

    def weighed(self, terms: dict[str, Tensor]) -> Tensor:
        """The sum of terms by the recipe's weights."""
        weights = self.weights()
        return torch.stack([weights[name] * term for name, term in terms.items()]).sum()

    def step(self, drawn: Clips, rng: np.random.Generator, step: int) -> Iterator[Turn]:
        batch = self.place(drawn)
        with self.autocast():
            lines = self.hearing.lines(batch.target)
            terms, _ = self.acoustic_terms(batch, lines)
        yield CODEC, {"loss": self.weighed(terms), **terms}
