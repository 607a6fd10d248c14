"""`python -m gateway.trainer`: prepare, train, evaluate, export. Arguments only; the work is done beside it."""

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
@click.option("--vocoder", type=click.Path(path_type=Path), help="Begin with the vocoder of another one of those.")
def train_command(recipe: Path, data: Path, folder: Path, start: Path | None, vocoder: Path | None) -> None:
    """Train as RECIPE (TOML) says; interrupting leaves a checkpoint, the same command goes on."""
    from gateway.trainer.runner import Run

    Run(load_toml(recipe, TrainRecipe), data, folder, start, vocoder).train()


@main.command("evaluate")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Prepared folder.")
@click.option("--clips", type=click.IntRange(1), default=40, show_default=True)
@click.option("--source", default="cv", show_default=True, help="Dev clips whose source begins so.")
@click.option("--lookahead", type=click.IntRange(0, 2), default=2, show_default=True)
def evaluate_command(checkpoint: Path, data: Path, clips: int, source: str, lookahead: int) -> None:
    """Words kept by a run's CHECKPOINT (last.pt) on dev, judged on decoded mels without the vocoder."""
    from gateway.trainer.checkpoint import load_codec
    from gateway.trainer.data import Corpus
    from gateway.trainer.evaluate import choose_clips, evaluate_mels

    model = load_codec(checkpoint).eval()
    corpus = Corpus(data)
    figures = evaluate_mels(model, corpus, choose_clips(corpus, clips, source), lookahead)
    click.echo(
        f"{figures.clips} clips, lookahead {lookahead}: dWER (tiny.en) {100 * figures.dwer:.1f} % at 300 bit/s, "
        f"{100 * figures.dwer_stage_one:.1f} % at 150 bit/s; mel L1 {figures.mel:.4f}"
    )


@main.command("export")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--vocoder", type=click.Path(path_type=Path), help="Take the vocoder from another run's last.pt.")
@click.option("--lookahead", type=click.IntRange(0, 2), help="Default lookahead of these weights, in frames of 80 ms.")
def export_command(checkpoint: Path, out: Path, vocoder: Path | None, lookahead: int | None) -> None:
    """Write a run's averaged weights as the safetensors file the gateway loads."""
    from gateway.trainer.export import export

    click.echo(f"{out}: {export(checkpoint, out, vocoder, lookahead) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
