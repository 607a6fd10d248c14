"""`clarilink waveform`: the software modem and sets of impulse responses from the command line.

Rule: as for the other commands, arguments in, one call, lines out; errors are the caller's to word.
"""

from __future__ import annotations

import math
from pathlib import Path

import click

from gateway.cli.group import CommandGroup

PATH = click.Path(path_type=Path)
MAX_LEVELS = 100


def levels(text: str) -> tuple[float, ...]:
    """`5:20:3` (from, to, step), or values with commas between. Raises click.BadParameter."""
    try:
        if ":" in text:
            low, high, step = (float(part) for part in text.split(":"))
            count = math.floor((high - low) / step + 1e-9) + 1
            found = tuple(round(low + i * step, 9) for i in range(count)) if step > 0 and count <= MAX_LEVELS else ()
        else:
            found = tuple(float(part) for part in text.split(","))
    except (ValueError, ZeroDivisionError, OverflowError):
        found = ()
    if not 1 <= len(found) <= MAX_LEVELS or not all(-20 <= level <= 60 for level in found):
        raise click.BadParameter(
            f"{text!r}; needed: FROM:TO:STEP or values with commas between, -20 to 60 dB, {MAX_LEVELS} at most"
        )
    return found


cir_option = click.option(
    "--cir", type=PATH, help="Impulse responses: .mat, .npz, .txt(.gz), or a Watermark folder; still water without."
)
tap_rate_option = click.option(
    "--tap-rate-hz", type=click.FloatRange(1, 1e7), help="Taps a second, where the file does not tell."
)
snapshot_rate_option = click.option(
    "--snapshot-rate-hz", type=click.FloatRange(1e-6, 1e6), help="Snapshots a second, where the file does not tell."
)
coding_option = click.option(
    "--coding",
    type=click.Choice(["convolutional", "none"]),
    default="convolutional",
    show_default=True,
    help="Error correction.",
)
centre_option = click.option(
    "--centre-hz", type=click.FloatRange(2000, 1e6), default=12_000.0, show_default=True, help="Middle of the band."
)


@click.group(cls=CommandGroup)
def waveform() -> None:
    """Packets as sound through water: a software modem, and channels given as impulse responses."""


@waveform.command()
@cir_option
@tap_rate_option
@snapshot_rate_option
@click.option(
    "--snr-db",
    default="0:8:1",
    show_default=True,
    callback=lambda ctx, param, text: levels(text),
    help="FROM:TO:STEP, or values.",
)
@click.option("--packets", type=click.IntRange(1, 1_000_000), default=200, show_default=True, help="At each level.")
@click.option("--bytes", "n_bytes", type=click.IntRange(1, 255), default=34, show_default=True, help="Of a packet.")
@coding_option
@click.option("--every-ms", type=click.FloatRange(1, 3.6e6), help="From packet to packet; one after another without.")
@click.option("--speed-m-s", type=click.FloatRange(-9, 9), default=0.0, show_default=True, help="The ends draw near.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of what is drawn at random.")
@click.option("-o", "--output", type=PATH, help="The table as CSV.")
@click.option("--trace", type=PATH, help="Every packet as a trace.")
@click.option("--plot", type=PATH, help="Curves and spectrograms (PNG, PDF, SVG).")
@click.option("--wav", type=PATH, help="The first packet at each level as the hydrophone hears it (48 kHz).")
def run(
    cir: Path | None,
    tap_rate_hz: float | None,
    snapshot_rate_hz: float | None,
    snr_db: tuple[float, ...],
    packets: int,
    n_bytes: int,
    coding: str,
    every_ms: float | None,
    speed_m_s: float,
    seed: int,
    output: Path | None,
    trace: Path | None,
    plot: Path | None,
    wav: Path | None,
) -> None:
    """Send packets at several noise levels; count bit and packet errors, with 95 % intervals, against theory."""
    from gateway.errors import GatewayError
    from gateway.tools.waveform_report import HEAD, fitted_curve, plot_run, run_trial, write_table
    from gateway.waveform.figures import Coding, airtime_s
    from gateway.waveform.responses import Rates
    from gateway.waveform.trial import Plan
    from gateway.waveform.water import Water

    for path in (output, plot, wav):
        if path is not None and not path.absolute().parent.is_dir():  # said before the work, not after it
            raise GatewayError(f"{path}: cannot write: no such folder")
    water = Water.of(cir, Rates(tap_rate_hz, snapshot_rate_hz), speed_m_s)
    plan = Plan(n_bytes, Coding(coding), packets, None if every_ms is None else every_ms / 1000, seed)
    took_s = airtime_s(n_bytes, plan.coding)
    click.echo(
        f"{n_bytes} bytes on the air for {1000 * took_s:.0f} ms: {8 * n_bytes / took_s:.0f} bit/s, preamble included"
    )
    click.echo(HEAD)
    rows = run_trial(water, plan, snr_db, trace=trace, sound=wav, say=click.echo)
    curve = fitted_curve(rows)
    if curve is not None:
        click.echo(
            f"packet curve: half_db = {curve.half_db:.2f}, width_db = {curve.width_db:.2f} (10 to 90 %, logistic)"
        )
    if output is not None:
        write_table(output, rows)
    if plot is not None:
        where = "still water" if cir is None else cir.name
        plot_run(plot, rows, plan, water, f"{n_bytes} bytes, coding {coding}, {where}, {packets} packets a level")


@waveform.command()
@click.argument("cir", type=PATH)
@tap_rate_option
@snapshot_rate_option
@click.option("--plot", type=PATH, help="Power over delay and time.")
def info(cir: Path, tap_rate_hz: float | None, snapshot_rate_hz: float | None, plot: Path | None) -> None:
    """What a set of impulse responses is: rates, spreads in delay and Doppler, and whether the waveform suits it."""
    from gateway.tools.waveform_report import plot_responses, responses_text
    from gateway.waveform.responses import Rates, load_responses, response_files

    files = response_files(cir)
    found = load_responses(files[0], Rates(tap_rate_hz, snapshot_rate_hz))
    click.echo(responses_text(found, len(files)))
    if plot is not None:
        plot_responses(plot, found)


@waveform.command()
@click.argument("source", type=PATH)
@click.argument("output", type=PATH)
@coding_option
@centre_option
def send(source: Path, output: Path, coding: str, centre_hz: float) -> None:
    """A file of bytes as one packet of sound (1 to 255 bytes; WAV, 48 kHz)."""
    from gateway.errors import GatewayError
    from gateway.tools.waveform_report import write_sound
    from gateway.waveform.figures import Coding
    from gateway.waveform.transmit import modulate

    try:
        data = source.read_bytes()
        signal = modulate(data, Coding(coding))
    except OSError as error:
        raise GatewayError(f"{source}: cannot read: {error.strerror or error}") from error
    except ValueError as error:
        raise GatewayError(f"{source}: {error}") from error
    write_sound(output, [signal], centre_hz)


@waveform.command()
@click.argument("source", type=PATH)
@click.argument("output", type=PATH, required=False)
@coding_option
@centre_option
def receive(source: Path, output: Path | None, coding: str, centre_hz: float) -> None:
    """The clearest packet in a recording (WAV, any rate that holds the band)."""
    from gateway.errors import GatewayError
    from gateway.tools.waveform_report import read_sound
    from gateway.waveform.figures import Coding
    from gateway.waveform.receive import Missed
    from gateway.waveform.receive import receive as read_packet

    got = read_packet(read_sound(source, centre_hz), Coding(coding), centre_hz)
    if isinstance(got, Missed):
        raise GatewayError(f"{source}: no packet read: {got.value.replace('_', ' ')}")
    click.echo(f"{len(got.data)} bytes, SNR {got.snr_db:.1f} dB, Doppler {got.doppler_hz:+.2f} Hz", err=True)
    if output is None:
        click.echo(got.data.hex())
    else:
        output.write_bytes(got.data)


@waveform.command()
@click.argument("output", type=PATH)
@click.option(
    "--range-m", type=click.FloatRange(10, 100_000), default=1000.0, show_default=True, help="Between the ends."
)
@click.option("--depth-m", type=click.FloatRange(5, 5000), default=40.0, show_default=True, help="Of the water.")
@click.option(
    "--doppler-hz", type=click.FloatRange(0, 5), default=0.4, show_default=True, help="Spread by one surface bounce."
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of what is drawn at random.")
def synthesise(output: Path, range_m: float, depth_m: float, doppler_hz: float, seed: int) -> None:
    """Make up a small set of impulse responses of shallow water (.npz)."""
    from gateway.errors import GatewayError
    from gateway.waveform.responses import save_responses
    from gateway.waveform.synthetic import ShallowWater, shallow_water

    if output.suffix != ".npz":
        raise GatewayError(f"{output}: needs a name that ends in .npz")
    water = ShallowWater(range_m, depth_m, 0.375 * depth_m, 0.625 * depth_m, doppler_hz=doppler_hz)
    save_responses(output, shallow_water(water, seed))
