"""`python -m gateway.trainer`: prepare, train, evaluate, export. Arguments only; the work is in the modules beside it."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.config import load_toml
from gateway.errors import GatewayError
from gateway.trainer.data import prepare, prepare_noise
from gateway.trainer.recipe import TrainRecipe


class _Group(click.Group):
    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except GatewayError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Group)
def main() -> None:
    """Make codec weights from speech."""


@main.command("prepare")
@click.argument("speech", type=click.Path(path_type=Path))
@click.option("--noise", type=click.Path(path_type=Path), help="Folder of noise recordings for augmentation.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the prepared data.")
def prepare_command(speech: Path, noise: Path | None, out: Path) -> None:
    """Decode SPEECH (a folder with manifest.tsv and tar slices, or plain sound files) into OUT."""
    index = prepare(speech, out)
    hours = {s: sum(u.samples for u in index if u.split == s) / 16000 / 3600 for s in ("train", "dev")}
    click.echo(f"{len(index)} clips; train {hours['train']:.2f} h, dev {hours['dev']:.2f} h")
    if noise is not None:
        click.echo(f"noise {prepare_noise(noise, out) / 16000:.0f} s")


@main.command("train")
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Prepared folder.")
@click.option(
    "--run", "folder", type=click.Path(path_type=Path), required=True, help="Run folder; resumed if it exists."
)
@click.option("--start", type=click.Path(path_type=Path), help="A last.pt or .safetensors to begin from.")
def train_command(recipe: Path, data: Path, folder: Path, start: Path | None) -> None:
    """Train as RECIPE (TOML) says; interrupting leaves a checkpoint, the same command goes on."""
    from gateway.trainer.runner import Run

    Run(load_toml(recipe, TrainRecipe), data, folder, start).train()


if __name__ == "__main__":
    main()
