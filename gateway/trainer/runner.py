"""The training loop: steps, schedule, EMA, checkpoints, curves.

Rule: step n draws everything from a generator seeded by (seed, n), so interrupted-and-resumed equals uninterrupted.
"""

from __future__ import annotations

import csv
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gateway.codec.model import CodecModel
from gateway.codec.spec import CodecSpec
from gateway.errors import ConfigError
from gateway.trainer.checkpoint import load_codec_state, read_run
from gateway.trainer.recipe import TrainRecipe
from gateway.trainer.tasks import AcousticTask, Task, VocoderTask

CHECKPOINT = "last.pt"


def schedule(step: int, recipe: TrainRecipe) -> float:
    """Warm-up, constant, then a linear fall to zero over the last `decay_steps`: factor of the learning rate.

    The constant part makes a run extendable: more steps may be added before the fall (WSD, arXiv 2404.06395).
    """
    warm = min(1.0, (step + 1) / max(1, recipe.warmup_steps))
    left = recipe.steps - step
    fall = min(1.0, left / recipe.decay_steps) if recipe.decay_steps else 1.0
    return warm * fall


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices only."""
    matrices = [p for p in module.parameters() if p.requires_grad and p.ndim >= 2]
    others = [p for p in module.parameters() if p.requires_grad and p.ndim < 2]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


class Run:
    """One run folder: last.pt, curve.csv, run.json-like text files."""

    def __init__(
        self, recipe: TrainRecipe, data: Path, folder: Path, start: Path | None = None, vocoder: Path | None = None
    ) -> None:
        """A run resumed from `folder`, or begun with the weights of `start` and the vocoder of `vocoder`."""
        torch.set_num_threads(recipe.threads)
        torch.manual_seed(recipe.seed)
        self.recipe, self.folder = recipe, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.codec = CodecModel(CodecSpec())
        self.task: Task = (
            AcousticTask(self.codec, recipe, data)
            if recipe.task == "acoustic"
            else VocoderTask(self.codec, recipe, data)
        )
        self.module = self.task.module
        if recipe.task == "vocoder":
            for part in (self.codec.encoder, self.codec.quantizer, self.codec.decoder):
                part.requires_grad_(False)
        else:
            self.codec.vocoder.requires_grad_(False)
            for name in ("encoder", "quantizer", "decoder") if recipe.train_parts else ():
                getattr(self.codec, name).requires_grad_(name in recipe.train_parts)
        self.step = 0
        self.seconds = 0.0
        if not (folder / CHECKPOINT).is_file():
            if start is not None:
                self.codec.load_state_dict(load_codec_state(start))
            if vocoder is not None:
                state = load_codec_state(vocoder)
                parts = {name: value for name, value in state.items() if name.startswith("vocoder.")}
                self.codec.load_state_dict(parts, strict=False)
        self.trained = [p for p in self.module.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            parameter_groups(self.module, recipe.weight_decay), lr=recipe.learning_rate, betas=(0.9, 0.98), fused=True
        )
        self.ema = [p.detach().clone() for p in self.trained]
        if (folder / CHECKPOINT).is_file():
            self._resume(folder / CHECKPOINT)

    def _resume(self, path: Path) -> None:
        saved = read_run(path)
        if saved["task"] != self.recipe.task:
            raise ConfigError(f"{path}: holds a run of task {saved['task']}, the recipe says {self.recipe.task}")
        self.codec.load_state_dict(saved["codec_live"])
        self.module.load_state_dict(saved["module"])
        self.optimizer.load_state_dict(saved["optimizer"])
        for mean, value in zip(self.ema, saved["ema"], strict=True):
            mean.copy_(value)
        self.step, self.seconds = int(saved["step"]), float(saved["seconds"])

    def averaged_codec(self) -> dict[str, Tensor]:
        """State of the codec with the trained parameters replaced by their running means."""
        means = {id(p): m for p, m in zip(self.trained, self.ema, strict=True)}
        state = {name: value.detach().clone() for name, value in self.codec.state_dict().items()}
        for name, parameter in self.codec.named_parameters():
            if id(parameter) in means:
                state[name] = means[id(parameter)].clone()
        return state

    def save(self) -> None:
        """Write last.pt atomically."""
        content = {
            "task": self.recipe.task,
            "recipe": self.recipe.model_dump_json(),
            "spec": self.codec.spec.to_json(),
            "step": self.step,
            "seconds": self.seconds,
            "codec": self.averaged_codec(),
            "codec_live": self.codec.state_dict(),
            "module": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "ema": self.ema,
        }
        temporary = self.folder / (CHECKPOINT + ".new")
        torch.save(content, temporary)
        temporary.replace(self.folder / CHECKPOINT)

    def train_step(self) -> dict[str, float]:
        """One optimiser step; returns the loss terms as numbers."""
        factor = schedule(self.step, self.recipe)
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate * factor
        terms = self.task.step(np.random.default_rng([self.recipe.seed, self.step]))
        self.optimizer.zero_grad(set_to_none=True)
        terms["loss"].backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.trained, self.recipe.gradient_clip)
        if torch.isfinite(norm):
            self.optimizer.step()
        decay = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(self.ema, [p.detach() for p in self.trained], 1.0 - decay)
        self.step += 1
        return {**{name: float(value.detach()) for name, value in terms.items()}, "norm": float(norm)}

    def train(self, report_every: int = 50) -> None:
        """Run to the recipe's last step, or until SIGTERM or SIGINT; always leaves a checkpoint."""
        stop = False

        def ask_stop(*_: object) -> None:
            nonlocal stop
            stop = True

        handlers = {s: signal.signal(s, ask_stop) for s in (signal.SIGTERM, signal.SIGINT)}
        (self.folder / "recipe.json").write_text(self.recipe.model_dump_json(indent=2))
        (self.folder / "revision.txt").write_text(git_revision())
        sums: dict[str, float] = {}
        started = saved = time.monotonic()
        before = self.seconds
        try:
            with (self.folder / "curve.csv").open("a", newline="") as file:
                writer = csv.writer(file)
                while self.step < self.recipe.steps and not stop:
                    for name, value in self.train_step().items():
                        sums[name] = sums.get(name, 0.0) + value / report_every
                    now = time.monotonic()
                    self.seconds = before + now - started
                    if self.step % report_every == 0:
                        if file.tell() == 0:
                            writer.writerow(["step", "seconds", *sums])
                        writer.writerow([self.step, round(self.seconds), *(f"{v:.5f}" for v in sums.values())])
                        file.flush()
                        shown = "  ".join(f"{name} {value:.4f}" for name, value in sums.items())
                        print(f"{self.step:7d}/{self.recipe.steps}  {self.seconds:7.0f} s  {shown}", flush=True)
                        sums = {}
                    if now - saved > self.recipe.checkpoint_minutes * 60:
                        self.save()
                        saved = now
        finally:
            self.save()
            for number, handler in handlers.items():
                signal.signal(number, handler)


def git_revision() -> str:
    """The checkout's revision, or 'unknown' outside one."""
    result = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"
