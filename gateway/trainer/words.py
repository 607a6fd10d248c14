"""Words as a loss: Whisper says what it hears in the clean speech, then is held to it on the decoded speech.

Rule: the text is the recogniser's own, so no transcripts are needed and its spelling costs nothing; what is compared is
its distribution over the next token, given the same tokens before, for clean and for decoded mels.
"""

from __future__ import annotations

import copy
import math
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gateway.errors import CheckpointError
from gateway.trainer.whisper import WhisperDecoder, tiny_en_path

PROMPT = (50257, 50362)
"""<|startoftranscript|> and <|notimestamps|> of the English models."""
END = 50256
TOKENS_A_SECOND = 6.5
"""Speech has fewer; a line with more is Whisper repeating itself."""
TAIL_FRAMES = 64
"""Silence after the clip: Whisper hears an end of speech there, and repeats itself less."""
DYNAMIC_RANGE = 2.0
"""Whisper's floor below the loudest bin of a clip, in its units (8 decades)."""
ALPHABET = " abcdefghijklmnopqrstuvwxyz'"
"""Characters of the CTC head, numbered from 1; 0 is the blank."""


def as_whisper_hears(mel: Tensor) -> Tensor:
    """Mels (batch, frames, 80) with Whisper's floor, and silence after them: (batch, frames + 64, 80)."""
    floor = mel.amax(dim=(1, 2), keepdim=True) - DYNAMIC_RANGE
    silence = floor.expand(-1, TAIL_FRAMES, mel.shape[2])
    return torch.cat([torch.maximum(mel, floor), silence], dim=1)


def token_limit(features: int) -> int:
    """Prompt, words and end that fit into `features` encoder frames (50 a second) of a clip with its silence."""
    seconds = (features - TAIL_FRAMES // 2) / 50
    return len(PROMPT) + 1 + math.ceil(TOKENS_A_SECOND * max(0.0, seconds))


class Listener(Protocol):
    """Greedy transcripts of normalised encoder outputs (batch, frames, width), as lines of tokens."""

    def lines(self, features: Tensor) -> list[list[int]]:
        """Tokens of every clip, prompt and end left out; `unrepeated` where there was no end within `token_limit`."""
        ...


class FastWhisper:
    """Whisper tiny.en by CTranslate2 in int8: on a CPU many times faster than the same in PyTorch."""

    def __init__(self, folder: Path, threads: int) -> None:
        try:
            import ctranslate2
        except ImportError as error:
            raise CheckpointError("ctranslate2 is not installed; install clarilink[train]") from error
        self._storage = ctranslate2.StorageView.from_array
        self._model = ctranslate2.models.Whisper(str(folder), compute_type="int8", intra_threads=threads)


class FastListener(FastWhisper):
    """What it reads."""

    def lines(self, features: Tensor) -> list[list[int]]:
        array = np.ascontiguousarray(features.detach().float().cpu().numpy())
        limit = token_limit(array.shape[1])
        # It takes the encoder's output in place of mels, so the encoder need not run twice.
        found = self._model.generate(self._storage(array), [list(PROMPT)] * len(array), beam_size=1, max_length=limit)
        return unrepeated([[t for t in result.sequences_ids[0] if t != END] for result in found], limit)


class TorchListener:
    """By the PyTorch decoder, on whatever device it is: for GPUs, where a batch costs little.

    On a GPU it multiplies in bfloat16 and replays a recorded graph: the thousands of small calls that a batch takes
    would otherwise cost more than the codec's training step.
    """

    SUPPRESSED_FIRST = (220, END)
    """Whisper's rule: a line begins neither with a blank nor with its end."""

    def __init__(self, decoder: WhisperDecoder) -> None:
        self._decoder = decoder
        self._graphs: dict[torch.Size, tuple[torch.cuda.CUDAGraph, Tensor, Tensor]] = {}
        if decoder.get_buffer("positions").is_cuda:
            self._decoder = copy.deepcopy(decoder)
            self._decoder.matrices_to(torch.bfloat16)

    @torch.no_grad()
    def lines(self, features: Tensor) -> list[list[int]]:
        limit = token_limit(features.shape[1])
        tokens = self._replayed(features.float()) if features.is_cuda else self._greedy(features)
        return unrepeated([[t for t in line[len(PROMPT) :] if t != END] for line in tokens.tolist()], limit)

    def _greedy(self, features: Tensor) -> Tensor:
        """Tokens (batch, limit), prompt included, ends after the first end: the same calls whatever is heard."""
        decoder, count, limit = self._decoder, features.shape[0], token_limit(features.shape[1])
        crossed = decoder.crossed(features)
        own = [torch.zeros_like(layer[..., :1, :].expand(-1, -1, -1, limit, -1)) for layer in crossed]
        tokens = torch.full((count, limit), END, device=features.device)
        for place, token in enumerate(PROMPT):
            tokens[:, place] = token
        over = torch.zeros(count, dtype=torch.bool, device=features.device)
        for place in range(limit - 1):
            states = decoder.next(tokens[:, place], place, crossed, own)
            if place < len(PROMPT) - 1:
                continue
            logits = decoder.logits(states).float()
            logits[:, END + 1 :] = -torch.inf  # prompts and timestamps
            if place == len(PROMPT) - 1:
                for suppressed in self.SUPPRESSED_FIRST:
                    logits[:, suppressed] = -torch.inf
            following = logits.argmax(-1).masked_fill(over, END)
            tokens[:, place + 1] = following
            over = over | (following == END)
        return tokens

    def _replayed(self, features: Tensor) -> Tensor:
        """As `_greedy`, recorded at the first batch of a shape."""
        if features.shape not in self._graphs:
            mine = features.clone()
            aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside), torch.autocast("cuda", torch.bfloat16, cache_enabled=False):
                for _ in range(2):
                    self._greedy(mine)
            torch.cuda.current_stream().wait_stream(aside)
            graph = torch.cuda.CUDAGraph()
            # Thread-local: the loader's thread pins memory meanwhile.
            recording = torch.cuda.graph(graph, capture_error_mode="thread_local")
            with recording, torch.autocast("cuda", torch.bfloat16, cache_enabled=False):
                tokens = self._greedy(mine)
            self._graphs[features.shape] = graph, mine, tokens
        graph, mine, tokens = self._graphs[features.shape]
        mine.copy_(features)
        graph.replay()
        return tokens.clone()


class Lines(NamedTuple):
    """What to teach: tokens (batch, n) from the prompt on, and which predictions count (batch, n), by place."""

    tokens: Tensor
    counts: Tensor


def unrepeated(lines: list[list[int]], limit: int) -> list[list[int]]:
    """Lines as they are where Whisper found an end below `limit` tokens; the others, in which it mostly repeats itself,
    cut before the first three tokens in a row that it has said before."""
    return [line if len(line) + len(PROMPT) + 1 <= limit else _before_repeat(line) for line in lines]


def _before_repeat(line: list[int]) -> list[int]:
    said: set[tuple[int, ...]] = set()
    for place in range(len(line) - 2):
        three = tuple(line[place : place + 3])
        if three in said:
            return line[:place]
        said.add(three)
    return line


def teacher_lines(lines: list[list[int]], device: torch.device | None = None) -> Lines:
    """Lines as decoder inputs: `tokens` lack the last end, `counts[i]` says whether predicting token i + 1 counts.

    Counted are words and end; padding and empty lines are not.
    """
    length = max(len(line) for line in lines) + len(PROMPT)
    tokens = torch.full((len(lines), length), END)
    counts = torch.zeros(len(lines), length, dtype=torch.bool)
    for row, line in enumerate(lines):
        tokens[row, : len(PROMPT) + len(line)] = torch.tensor([*PROMPT, *line])
        counts[row, len(PROMPT) - 1 : len(PROMPT) + len(line)] = bool(line)
    return Lines(tokens.to(device), counts.to(device))


def next_words(lines: Lines) -> Tensor:
    """The token each counted prediction should be: (counted,)."""
    following = torch.cat([lines.tokens[:, 1:], torch.full_like(lines.tokens[:, :1], END)], dim=1)
    return following[lines.counts]


def divergence(decoded: Tensor, clean: Tensor) -> Tensor:
    """Mean KL divergence in nats a token, from clean to decoded logits, both (n, tokens); 0 if there are none."""
    if not len(decoded):
        return decoded.sum() * 0.0
    return F.kl_div(
        F.log_softmax(decoded.float(), -1), F.log_softmax(clean.float(), -1), reduction="batchmean", log_target=True
    )


@lru_cache
def _tokenizer() -> object:
    import tokenizers

    return tokenizers.Tokenizer.from_file(str(tiny_en_path().parent / "tokenizer.json"))


def text_of(line: list[int]) -> str:
    """Tokens as text in lower case, letters, apostrophes and single spaces only."""
    text = str(_tokenizer().decode(line)).lower()  # type: ignore[attr-defined]
    return " ".join("".join(c if c in ALPHABET else " " for c in text).split())


def spelling_loss(log_probabilities: Tensor, lines: list[list[int]]) -> Tensor:
    """CTC (Graves et al. 2006) of (batch, time, 29) log-probabilities against the lines' characters, per character.

    Empty lines do not count: that Whisper hears no words does not say that there are none.
    """
    spelt = [[ALPHABET.index(c) + 1 for c in text_of(line)] for line in lines]
    lengths = torch.tensor([len(s) for s in spelt])
    flat = torch.tensor([c for s in spelt for c in s], dtype=torch.long)
    batch, time, _ = log_probabilities.shape
    losses = F.ctc_loss(
        log_probabilities.float().transpose(0, 1).cpu(),
        flat,
        torch.full((batch,), time),
        lengths,
        reduction="none",
        zero_infinity=True,  # a line too long for its time is left out
    )
    return losses[lengths > 0].sum() / max(1, int(lengths.sum()))
