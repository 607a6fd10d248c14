"""The training loop: steps, schedule, EMA, checkpoints.

Rule: step n draws everything from a generator seeded by (seed, n), so interrupted-and-resumed equals uninterrupted.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gateway.codec.model import CodecModel
from gateway.errors import ConfigError
from gateway.trainer.checkpoint import load_parts, read_run, spec_of
from gateway.trainer.data import Corpus
from gateway.trainer.distributed import any_of, average_gradients, least_of, take_place, together
from gateway.trainer.journal import Journal
from gateway.trainer.loader import drawn
from gateway.trainer.recipe import TrainRecipe
from gateway.trainer.tasks import CODEC, Task, build_task, thaw, trained_parts

CHECKPOINT = "last.pt"


def schedule(step: int, recipe: TrainRecipe) -> float:
    """Warm-up, constant, then a linear fall to zero over the last `decay_steps`: factor of the learning rate.

    The constant part makes a run extendable: more steps may be added before the fall (WSD, arXiv 2404.06395).
    """
    warm = min(1.0, (step + 1) / max(1, recipe.warmup_steps))
    left = recipe.steps - step
    fall = min(1.0, left / recipe.decay_steps) if recipe.decay_steps else 1.0
    return warm * fall


@dataclass(frozen=True, slots=True)
class Deadline:
    """The end of a machine's loan, the learning rate at zero by then; `end`, `fall` and what `now` tells in seconds."""

    end: float
    fall: float
    now: Callable[[], float] = time.monotonic

    @classmethod
    def after(cls, minutes: float, recipe: TrainRecipe, now: Callable[[], float] = time.monotonic) -> Deadline:
        """From now on; the fall takes the share of the time that the recipe gives it of the steps."""
        return cls(now() + 60 * minutes, 60 * minutes * recipe.decay_steps / recipe.steps, now)

    def factor(self) -> float:
        """Of the learning rate: 1, then down to 0 at the end."""
        left = self.end - self.now()
        return max(0.0, min(1.0, left / self.fall if self.fall else float(left > 0)))


class Player:
    """One side of a run: the parameters that its loss moves, their optimiser and rate."""

    def __init__(self, module: nn.Module, factor: float, recipe: TrainRecipe) -> None:
        self.parameters = [p for p in module.parameters() if p.requires_grad]
        self.factor = factor
        # Weight decay for matrices only.
        groups: list[dict[str, Any]] = [
            {"params": [p for p in self.parameters if p.ndim >= 2], "weight_decay": recipe.weight_decay},
            {"params": [p for p in self.parameters if p.ndim < 2], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate * factor, betas=(0.9, 0.98), fused=True)


class Run:
    """One run folder: last.pt, recipe.json, revision.txt, curve.csv, tensorboard/ and samples/."""

    def __init__(
        self, recipe: TrainRecipe, data: Path, folder: Path, start: Path | None = None, vocoder: Path | None = None
    ) -> None:
        """A run resumed from `folder`, or begun with the weights of `start` and the vocoder of `vocoder`."""
        torch.set_num_threads(recipe.threads)
        torch.manual_seed(recipe.seed)
        self.place = take_place(recipe.device)
        self.recipe, self.folder, self.data = recipe, folder, data
        folder.mkdir(parents=True, exist_ok=True)
        resumed = folder / CHECKPOINT if (folder / CHECKPOINT).is_file() else None
        self.codec = CodecModel(recipe.model.spec() if recipe.model else spec_of(resumed or start))
        if resumed is None:
            if start is None and recipe.elder_share > 0:
                raise ConfigError("elder_share: no codec to begin from; give --start a last.pt or .safetensors")
            if start is not None:
                load_parts(self.codec, start)
            if vocoder is not None:
                load_parts(self.codec, vocoder, "vocoder.")
        self.codec.to(self.place.device)
        self.task: Task = build_task(self.codec, recipe, data, self.place.device)
        # Optimisers hold whatever will ever learn; until then it is frozen step by step.
        thaw(self.codec, recipe, max(trained_parts(recipe).values(), default=0))
        self.players = {name: Player(module, factor, recipe) for name, (module, factor) in self.task.players.items()}
        self.trained = self.players[CODEC].parameters
        self.ema = [p.detach().clone() for p in self.trained]
        self.step = 0
        self.seconds = 0.0
        self.deadline: Deadline | None = None
        self._drawn: Iterator[tuple[Any, np.random.Generator]] | None = None
        if resumed is not None:
            self._resume(resumed)

    def _resume(self, path: Path) -> None:
        saved = read_run(path)
        if saved["task"] != self.recipe.task:
            raise ConfigError(f"{path}: holds a run of task {saved['task']}, the recipe says {self.recipe.task}")
        if set(saved["optimizers"]) != set(self.players):
            raise ConfigError(
                f"{path}: the recipe trains {', '.join(self.players)}, the run {', '.join(saved['optimizers'])}"
            )
        try:
            self.task.module.load_state_dict(saved["module"])
        except RuntimeError as error:
            raise ConfigError(f"{path}: its networks are not those of the recipe ([model], elder_share)") from error
        for name, player in self.players.items():
            try:
                player.optimizer.load_state_dict(saved["optimizers"][name])
            except ValueError as error:
                raise ConfigError(f"{path}: the recipe trains other parts of the codec than the run did") from error
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
        if not self.place.writes:
            return
        content = {
            "task": self.recipe.task,
            "recipe": self.recipe.model_dump_json(),
            "spec": self.codec.spec.to_json(),
            "step": self.step,
            "seconds": self.seconds,
            "codec": self.averaged_codec(),
            "module": self.task.module.state_dict(),
            "optimizers": {name: player.optimizer.state_dict() for name, player in self.players.items()},
            "ema": self.ema,
        }
        temporary = self.folder / (CHECKPOINT + ".new")
        torch.save(content, temporary)
        temporary.replace(self.folder / CHECKPOINT)

    def train_step(self) -> dict[str, float]:
        """One step of every player; returns the loss terms as numbers, those of others than the codec by its name."""
        if self._drawn is None:
            self._drawn = drawn(self.task.draw, self.recipe, self.place, self.step)
        content, rng = next(self._drawn)
        factor = schedule(self.step, self.recipe)
        if self.deadline is not None:
            factor = min(factor, least_of(self.deadline.factor(), self.place))
        thaw(self.codec, self.recipe, self.step)
        named: dict[str, Tensor] = {}
        for name, terms in self.task.step(content, rng, self.step):
            player = self.players[name]
            for group in player.optimizer.param_groups:
                group["lr"] = self.recipe.learning_rate * player.factor * factor
            player.optimizer.zero_grad(set_to_none=True)
            terms["loss"].backward()  # type: ignore[no-untyped-call]
            average_gradients(player.parameters, self.place)
            norm = nn.utils.clip_grad_norm_(player.parameters, self.recipe.gradient_clip)
            if torch.isfinite(norm):
                player.optimizer.step()
            for term, value in {**terms, "norm": norm}.items():
                named[term if name == CODEC else f"{name}_{term}"] = value.detach()
        decay = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(self.ema, [p.detach() for p in self.trained], 1.0 - decay)
        self.step += 1
        # In one go: a GPU is waited for once a step.
        return dict(zip(named, torch.stack([v.float() for v in named.values()]).tolist(), strict=True))

    def train(self, report_every: int = 50) -> None:
        """Run to the recipe's last step or the deadline, or until SIGTERM or SIGINT; always leaves a checkpoint."""
        stop = False

        def ask_stop(*_: object) -> None:
            nonlocal stop
            stop = True

        handlers = {s: signal.signal(s, ask_stop) for s in (signal.SIGTERM, signal.SIGINT)}
        recipe, writes = self.recipe, self.place.writes
        if writes:
            (self.folder / "recipe.json").write_text(recipe.model_dump_json(indent=2))
            (self.folder / "revision.txt").write_text(git_revision())
        started = saved = time.monotonic()
        before = self.seconds
        try:
            with contextlib.ExitStack() as stack:
                journal = None
                if writes:
                    journal = stack.enter_context(Journal(self.folder, recipe.steps, self.step, report_every))
                while self.step < recipe.steps and not any_of(stop or self.late(), self.place):
                    terms = self.train_step()
                    now = time.monotonic()
                    self.seconds = before + now - started
                    if journal is not None:
                        journal.note(self.step, self.seconds, terms)
                        if recipe.sample_steps and self.step % recipe.sample_steps == 0:
                            journal.listen(self.step, self.sounding(), Corpus(self.data))
                    if now - saved > recipe.checkpoint_minutes * 60:
                        self.save()
                        saved = now
        finally:
            self.save()
            self._drawn = None  # ends the processes that draw ahead
            for number, handler in handlers.items():
                signal.signal(number, handler)
        together(self.place)

    def late(self) -> bool:
        """Whether the deadline is over."""
        return self.deadline is not None and self.deadline.now() >= self.deadline.end

    def sounding(self) -> CodecModel:
        """A copy of the codec with the averaged weights, on the CPU, to listen to."""
        model = CodecModel(self.codec.spec)
        model.load_state_dict(self.averaged_codec())
        return model.eval().requires_grad_(False)


def git_revision() -> str:
    """The checkout's revision, or 'unknown' outside one or where there is no git."""
    try:
        result = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    except OSError:
        return "unknown"
    return result.stdout.strip() or "unknown"
