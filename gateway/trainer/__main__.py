"""`python -m gateway.trainer`: from speech to weights and their card.

Rule: arguments only; the work is done beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from gateway.config import load_toml
from gateway.errors import ConfigError, GatewayError
from gateway.trainer.layouts import LAYOUTS, Layout
from gateway.trainer.prepare import PrepareOptions, prepare
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
@click.argument("speech", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--noise", type=click.Path(path_type=Path), help="Folder of noise recordings for augmentation.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the prepared data.")
@click.option("--layout", type=click.Choice(LAYOUTS), help="Of all SPEECH folders; found out if not given.")
@click.option(
    "--dev-share",
    type=click.FloatRange(0, 0.5),
    default=0.02,
    show_default=True,
    help="Of talkers, for folders that have no dev split of their own.",
)
@click.option("--workers", type=click.IntRange(0), default=0, help="Decoding processes; 0, the default: one a core.")
def prepare_command(
    speech: tuple[Path, ...], noise: Path | None, out: Path, layout: Layout | None, dev_share: float, workers: int
) -> None:
    """Decode SPEECH folders into OUT: LibriSpeech, LibriTTS(-R), Common Voice, plain sound files (a folder for each
    talker), or a manifest.tsv with tar slices."""
    report = prepare(speech, out, PrepareOptions(layout, dev_share, workers, noise))
    for line in report.lines():
        click.echo(line)
    if report.up_to_date:
        click.echo(f"{out}: is up to date; nothing was done")


@main.command("synthesise")
@click.option("--texts", type=click.Path(path_type=Path), required=True, help="English text file, a clip a line.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for `prepare` to read.")
@click.option("--talkers", type=click.IntRange(1, 1000), default=50, show_default=True, help="The one voice, warped.")
@click.option("--each", type=click.IntRange(1), default=1, show_default=True, help="Talkers for each line.")
def synthesise_command(texts: Path, out: Path, talkers: int, each: int) -> None:
    """Speak the lines of a text file by made-up talkers, as further training speech."""
    from gateway.trainer.synthesise import make_talkers, read_texts, synthesise

    lines = read_texts(texts)
    clips, hours = synthesise(lines, out, make_talkers(talkers), each)
    click.echo(f"{out}: {clips} clips by {min(talkers, clips)} talkers, {hours:.2f} h")
    silent = len(lines) - clips // min(each, talkers)
    if silent:
        click.echo(f"{silent} lines left out: nothing in them that the English voice can speak")


def _run_options(command: Callable[..., None]) -> Callable[..., None]:
    """What `train` and `rl` both take."""
    path = click.Path(path_type=Path)
    for decorate in (
        click.option(
            "--minutes",
            type=click.FloatRange(0, min_open=True),
            help="Train for no longer, the rate having fallen by then, and save: for machines lent by the minute.",
        ),
        click.option("--vocoder", type=path, help="Begin with the vocoder of another one of those."),
        click.option("--start", type=path, help="A last.pt or .safetensors to begin from."),
        click.option("--run", "folder", type=path, required=True, help="Run folder; resumed if it exists."),
        click.option("--data", type=path, required=True, help="Prepared folder."),
        click.argument("recipe", type=path),
    ):
        command = decorate(command)
    return command


def _train(
    recipe: TrainRecipe, data: Path, folder: Path, start: Path | None, vocoder: Path | None, minutes: float | None
) -> None:
    from gateway.trainer.runner import Deadline, Run

    deadline = None if minutes is None else Deadline.after(minutes, recipe)
    run = Run(recipe, data, folder, start, vocoder)
    run.deadline = deadline
    run.train()


@main.command("train")
@_run_options
def train_command(
    recipe: Path, data: Path, folder: Path, start: Path | None, vocoder: Path | None, minutes: float | None
) -> None:
    """Train as RECIPE (TOML) says; interrupting leaves a checkpoint, the same command goes on.

    Under torchrun, on as many GPUs or processes as it starts.
    """
    _train(load_toml(recipe, TrainRecipe), data, folder, start, vocoder, minutes)


@main.command("rl")
@_run_options
def rl_command(
    recipe: Path, data: Path, folder: Path, start: Path | None, vocoder: Path | None, minutes: float | None
) -> None:
    """Stage 2: as `train`, for a RECIPE of task reinforce, on a codec that speaks already (--start)."""
    from gateway.trainer.runner import CHECKPOINT

    chosen = load_toml(recipe, TrainRecipe)
    if chosen.task != "reinforce":
        raise ConfigError(f"{recipe}: trains task {chosen.task}; `rl` needs a recipe of task reinforce")
    if start is None and not (folder / CHECKPOINT).is_file():
        raise ConfigError("rl: nothing to reinforce; give --start a last.pt or .safetensors")
    _train(chosen, data, folder, start, vocoder, minutes)


@main.command("evaluate")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Prepared folder.")
@click.option("--clips", type=click.IntRange(1), default=40, show_default=True)
@click.option("--source", default="cv", show_default=True, help="Dev clips whose source begins so.")
@click.option("--lookahead", type=click.IntRange(0, 2), default=2, show_default=True)
@click.option(
    "--decoder", type=click.Path(path_type=Path), help="Whose decoder and vocoder listen, if not CHECKPOINT's own."
)
def evaluate_command(
    checkpoint: Path, data: Path, clips: int, source: str, lookahead: int, decoder: Path | None
) -> None:
    """Words kept by a CHECKPOINT (last.pt or .safetensors) on dev, judged on decoded mels and on sound."""
    from gateway.trainer.checkpoint import load_codec
    from gateway.trainer.data import Corpus
    from gateway.trainer.evaluate import choose_clips, evaluate_mels

    model = load_codec(checkpoint).eval()
    listening = model if decoder is None else load_codec(decoder).eval()
    corpus = Corpus(data)
    figures = evaluate_mels(model, corpus, choose_clips(corpus, clips, source), lookahead, listening)
    click.echo(
        f"{figures.clips} clips, lookahead {lookahead}: dWER (tiny.en) {100 * figures.dwer:.1f} % at 300 bit/s, "
        f"{100 * figures.dwer_stage_one:.1f} % at 150 bit/s; as sound {100 * figures.dwer_sound:.1f} % at 300 bit/s; "
        f"mel L1 {figures.mel:.4f}"
    )


@main.command("compare")
@click.argument("checkpoints", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Prepared folder.")
@click.option("--clips", type=click.IntRange(1), default=60, show_default=True)
@click.option("--source", default="cv", show_default=True, help="Dev clips whose source begins so.")
@click.option("--lookahead", type=click.IntRange(0, 2), default=2, show_default=True)
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
def compare_command(
    checkpoints: tuple[Path, ...], data: Path, clips: int, source: str, lookahead: int, threads: int
) -> None:
    """Which CHECKPOINTS (last.pt or .safetensors) keep words better than the first: how probable the words of the
    original stay on decoded mels, by base and tiny.en. Finer than counting words (`evaluate`): small steps show."""
    import torch
    from tqdm import tqdm

    from gateway.trainer.checkpoint import load_codec
    from gateway.trainer.compare import compare, compared_as_text
    from gateway.trainer.data import Corpus
    from gateway.trainer.evaluate import choose_clips

    torch.set_num_threads(threads)
    codecs = {str(path): load_codec(path).eval() for path in checkpoints}
    corpus = Corpus(data)
    clip_by_clip = tqdm(choose_clips(corpus, clips, source), "listening", unit="clip", disable=None)
    click.echo(compared_as_text(compare(codecs, corpus, clip_by_clip, lookahead, threads)))


@main.command("export")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--vocoder", type=click.Path(path_type=Path), help="Take the vocoder of this last.pt or .safetensors.")
@click.option("--lookahead", type=click.IntRange(0, 2), help="Default lookahead of these weights, in frames of 80 ms.")
@click.option("--blend", type=click.Path(path_type=Path), help="Average with the weights that the run began with.")
@click.option("--share", type=click.FloatRange(0, 1), help="Of the run's weights in --blend; 0.5 if not given.")
def export_command(
    checkpoint: Path, out: Path, vocoder: Path | None, lookahead: int | None, blend: Path | None, share: float | None
) -> None:
    """Write a run's averaged weights as the safetensors file the gateway loads."""
    from gateway.trainer.export import Blend, export

    if share is not None and blend is None:
        raise click.UsageError("--share: of nothing; --blend names what the run began with")
    parts = None if blend is None else Blend(blend, 0.5 if share is None else share)
    click.echo(f"{out}: {export(checkpoint, out, vocoder, lookahead, parts) / 1e6:.2f} MB")


@main.command("ear")
@click.argument("out", type=click.Path(path_type=Path))
def ear_command(out: Path) -> None:
    """Write the recogniser's encoder that the codec's search listens with: Whisper tiny.en's, with 8 bits a weight."""
    from gateway.codec.ear import save_ear
    from gateway.trainer.whisper import read_ctranslate2, tiny_en_path

    save_ear(out, read_ctranslate2(tiny_en_path()))
    click.echo(f"{out}: {out.stat().st_size / 1e6:.2f} MB")


@main.command("card")
@click.argument("weights", type=click.Path(path_type=Path))
@click.option("--run", "runs", type=click.Path(path_type=Path), multiple=True, help="Run folder; repeat in order.")
@click.option("--data", type=click.Path(path_type=Path), help="Prepared folder.")
@click.option("--evaluation", type=click.Path(path_type=Path), help="report.json of `clarilink evaluate --out`.")
@click.option("--template", type=click.Path(path_type=Path), help="MODEL_CARD.template.md beside WEIGHTS if not given.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Markdown file to write.")
def card_command(
    weights: Path, runs: tuple[Path, ...], data: Path | None, evaluation: Path | None, template: Path | None, out: Path
) -> None:
    """Write the model card of WEIGHTS from what is on disk."""
    from gateway.trainer.card import CardInputs, model_card

    text = model_card(CardInputs(weights, runs, data, evaluation, template))
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{out}: cannot write: {error.strerror or error}") from error
    click.echo(f"{out}: written")


if __name__ == "__main__":
    main()
