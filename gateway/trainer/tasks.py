"""What one training step computes: the acoustic codec (mel to bits to mel) and the vocoder (mel to wave).

Rule: a task draws its batch from a generator handed in and returns loss terms; the runner owns steps and files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from gateway.codec.model import CodecModel
from gateway.codec.quantizer import unit_moments_loss
from gateway.codec.spec import SYNTHESIS_DELAY
from gateway.trainer.augment import ClipSource
from gateway.trainer.channel import Damage, apply_damage, draw_damage
from gateway.trainer.losses import log_stft_loss, relative_l1
from gateway.trainer.recipe import TrainRecipe
from gateway.trainer.whisper import WhisperDecoder, WhisperEncoder, read_ctranslate2, tiny_en_path
from gateway.trainer.words import PROMPT, Listener, as_whisper_hears, divergence

FEATURE_LAYERS = (1, 2, 3)
"""Whisper layers whose outputs are compared (0-based; tiny has 4): middle to last."""


class Task(Protocol):
    """A trainable thing."""

    @property
    def module(self) -> nn.Module:
        """What learns; its parameters are the optimiser's."""
        ...

    def step(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """Loss terms of one batch; 'loss' is what is minimised."""
        ...


class AcousticNets(nn.Module):
    """The codec plus heads that only training needs."""

    def __init__(self, codec: CodecModel, whisper_width: int) -> None:
        super().__init__()
        self.codec = codec
        # Whisper's features are at 50 Hz, latents at 12.5 Hz: four features from each latent.
        self.semantic = nn.Linear(codec.spec.widths[2], 4 * whisper_width)


class AcousticTask:
    """Step A: L1 on log-mels, frozen Whisper features of decoded against original mels, digit usage."""

    def __init__(self, codec: CodecModel, recipe: TrainRecipe, data: Path) -> None:
        self.recipe = recipe
        self.source = ClipSource(data, recipe.augment, recipe.clip_frames)
        weights = read_ctranslate2(tiny_en_path())
        self.whisper = WhisperEncoder(weights).eval()
        self.module = AcousticNets(codec, self.whisper.width)
        self.codec = codec
        # Without these terms Whisper is not run at all: a step then costs less than half.
        self.listens = max(recipe.loss.features, recipe.loss.semantic, recipe.loss.words) > 0
        self.listener = Listener(tiny_en_path().parent, recipe.threads) if recipe.loss.words > 0 else None
        self.decoder = WhisperDecoder(weights).eval() if recipe.loss.words > 0 else None
        self._forward = torch.compile(self.forward, dynamic=False) if recipe.compile else self.forward
        self._features = torch.compile(self.features, dynamic=False) if recipe.compile else self.features

    def features(self, mel: Tensor) -> list[Tensor]:
        """Whisper layers compared, of mels (batch, frames, 80)."""
        outputs = self.whisper(mel)
        return [outputs[i] for i in FEATURE_LAYERS]

    def forward(
        self, heard: Tensor, clean: Tensor, target: list[Tensor], gates: Tensor, damage: Damage
    ) -> tuple[Tensor, ...]:
        """All loss terms of a batch of mels."""
        quantized = self.codec.encode_mels(heard, gates)
        received = apply_damage(quantized.digits, quantized.values, damage)
        latent = self.codec.quantizer.restore(received, damage.doubt)
        decoded, _ = self.codec.decoder(latent, self.codec.decoder.initial_state(heard.shape[0]))
        decoded = decoded.float()
        mel = (decoded - clean).abs().mean()
        usage = unit_moments_loss(quantized.projections)
        if not target:
            zero = mel.new_zeros(())
            return mel, zero, zero, usage, zero
        heard_again = self.features(as_whisper_hears(decoded))
        features = relative_l1(heard_again, target)
        guess = self.module.semantic(latent)
        batch, frames, _ = guess.shape
        semantic = relative_l1([guess.view(batch, frames * 4, -1)], [target[-1][:, : frames * 4]])
        return mel, features, semantic, usage, heard_again[-1]

    def step(self, rng: np.random.Generator) -> dict[str, Tensor]:
        heard_pcm, clean_pcm = self.source.batch(self.recipe.batch, rng)
        lookahead = int(rng.choice(3, p=np.array(self.recipe.lookahead_chances)))
        gates = torch.tensor([1.0 if k < lookahead else 0.0 for k in range(2)])
        damage = draw_damage(self.recipe.channel, self.recipe.batch, self.recipe.clip_frames, rng)
        with torch.no_grad():
            heard = self.codec.mels(torch.from_numpy(heard_pcm))
            clean = self.codec.mels(torch.from_numpy(clean_pcm))
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.recipe.bf16):
            with torch.no_grad():
                target = self._features(as_whisper_hears(clean)) if self.listens else []
            mel, features, semantic, usage, last = self._forward(heard, clean, target, gates, damage)
            terms = {"mel": mel, "features": features, "semantic": semantic, "usage": usage}
            if self.decoder is not None and self.listener is not None:
                tokens, counts = self.listener.tokens(as_whisper_hears(clean))
                counted = counts.any(dim=0).sum() + len(PROMPT) - 1  # no more than the longest line needs
                tokens, counts = tokens[:, :counted], counts[:, :counted]
                with torch.no_grad():
                    wanted = self.decoder.logits(self.decoder(target[-1], tokens)[counts])
                got = self.decoder.logits(self.decoder(last, tokens)[counts])
                terms["words"] = divergence(got, wanted)
        weights = self.recipe.loss.model_dump()
        return {"loss": sum((weights[name] * term for name, term in terms.items()), mel.new_zeros(())), **terms}


class VocoderTask:
    """Mel to wave by multi-resolution log-STFT; a share of the mels may come through the frozen codec."""

    def __init__(self, codec: CodecModel, recipe: TrainRecipe, data: Path) -> None:
        self.recipe = recipe
        self.codec = codec
        self.module = codec.vocoder
        self.source = ClipSource(data, recipe.augment, recipe.clip_frames)
        self._wave = torch.compile(self.wave, dynamic=False) if recipe.compile else self.wave

    def wave(self, mel: Tensor) -> Tensor:
        """Mels (batch, frames, 80) to samples (batch, 160 frames) on a fresh state."""
        return torch.as_tensor(self.codec.vocoder(mel, self.codec.vocoder.initial_state(mel.shape[0]))[0])

    def step(self, rng: np.random.Generator) -> dict[str, Tensor]:
        _, clean_pcm = self.source.batch(self.recipe.batch, rng)
        pcm = torch.from_numpy(clean_pcm)
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.recipe.bf16):
            mel = self.codec.mels(pcm)
            through = round(self.recipe.batch * self.recipe.decoded_share)
            if through:
                quantized = self.codec.encode_mels(mel[:through], torch.ones(2))
                decoded = self.codec.decode_values(quantized.values, torch.zeros_like(quantized.values))
                mel = torch.cat([decoded.float(), mel[through:]])
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.recipe.bf16):
            wave = self._wave(mel)
        # The vocoder's stream lags by the window's overlap; compare it with speech delayed as much.
        loss = log_stft_loss(wave[:, SYNTHESIS_DELAY:].float(), pcm[:, :-SYNTHESIS_DELAY])
        return {"loss": loss}
