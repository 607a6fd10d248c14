"""A recogniser as a loss: Whisper tiny.en, frozen, says how like two sounds are and which words it still hears.

Rule: gradients flow through it, never into it; what it hears in clean speech is the target, so no text is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from gateway.codec.ear import FEATURE_LAYERS
from gateway.trainer.recipe import TrainRecipe
from gateway.trainer.whisper import WhisperDecoder, WhisperEncoder, read_ctranslate2, tiny_en_path
from gateway.trainer.words import FastListener, Listener, TorchListener, as_whisper_hears, divergence, teacher_lines

Transcripts = Callable[[], list[list[int]]]
"""Waits for what was heard: tokens of every clip."""


class Hearing:
    """Whisper's encoder and decoder on `device`, and, where the task `reads`, a listener for its text."""

    def __init__(self, recipe: TrainRecipe, device: torch.device, reads: bool) -> None:
        weights = read_ctranslate2(tiny_en_path())
        self.device = device
        self.whisper = WhisperEncoder(weights).eval().to(device)
        self.decoder = WhisperDecoder(weights).eval().to(device)
        self.listener: Listener | None = None
        if reads:
            fast = device.type == "cpu"
            self.listener = FastListener(tiny_en_path().parent, recipe.threads) if fast else TorchListener(self.decoder)
        self._beside = ThreadPoolExecutor(1, "listener")
        self._layers = torch.compile(self.layers, dynamic=False) if recipe.compile else self.layers

    @property
    def width(self) -> int:
        """Of its features."""
        return self.whisper.width

    def layers(self, mel: Tensor) -> list[Tensor]:
        """Layers compared, of mels (batch, frames, 80) as they are."""
        outputs = self.whisper(mel)
        return [outputs[i] for i in FEATURE_LAYERS]

    @torch.no_grad()
    def target(self, clean: Tensor) -> list[Tensor]:
        """Layers of clean mels (batch, frames, 80), with its floor and silence."""
        return self._layers(as_whisper_hears(clean))

    def lines(self, target: list[Tensor]) -> Transcripts:
        """What it reads in clean mels, given their `target`; nothing if it does not read.

        On a CPU begun here and waited for where it is needed: the codec's forward pass leaves the cores idle enough.
        The thread runs CTranslate2 alone: PyTorch's autocast in two threads locks up (its cache against Python's lock).
        """
        if self.listener is None:
            return list
        with torch.no_grad():
            features = self.whisper.normalised(target[-1])
            if isinstance(self.listener, FastListener):
                return self._beside.submit(self.listener.lines, features.float()).result
            found = self.listener.lines(features)
        return lambda: found

    def words(self, last: Tensor, target: list[Tensor], lines: Transcripts) -> Tensor:
        """KL divergence of its next-token distributions, on what was decoded from those on clean mels (words.py)."""
        clean, again = self.whisper.normalised(target[-1]), self.whisper.normalised(last)
        taught = teacher_lines(lines(), self.device)
        with torch.no_grad():
            wanted = self.decoder.logits(self.decoder(clean, taught.tokens)[taught.counts])
        return divergence(self.decoder.logits(self.decoder(again, taught.tokens)[taught.counts]), wanted)
