"""`python -m firmware_bridge -c FILE`: a modem on this machine for a gateway on another (BRIDGE.md).

Rule: the one place that builds the bridge process. It loads no codec and no sound: a small machine beside the modem
suffices.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from random import Random

import click
import structlog

from firmware_bridge.bridge import BridgeProcess, load_bridge
from firmware_bridge.link import with_settings
from firmware_bridge.profile import load_profile
from firmware_bridge.ptt.keying import Keying
from firmware_bridge.registry import build_driver
from firmware_bridge.runner import ModemRunner
from gateway.clock import SystemClock
from gateway.errors import GatewayError
from gateway.logs import close_log, configure_logging
from gateway.metrics import Metrics
from gateway.service.systemd import Systemd
from gateway.station.secured import open_curve


def run_bridge(path: Path) -> None:
    """Run the bridge of a configuration file until SIGINT or SIGTERM. Raises GatewayError."""
    config = load_bridge(path)
    configure_logging(config.log.level, config.log.format)
    metrics, clock = Metrics(), SystemClock()
    profile = with_settings(load_profile(config.modem.profile), config.modem.settings)
    log = structlog.get_logger("clarilink.bridge")
    section = config.keying if config.keying is not None else profile.keying
    keying = None if section is None else Keying(section, metrics, log.warning)
    runner = ModemRunner(
        build_driver(profile, metrics, Random()),
        config.modem.port,
        clock=clock,
        metrics=metrics,
        raw_log=config.modem.raw_log,
        keyer=keying,
        key_line="rts" if keying is None else keying.line_among(config.modem.port),
    )
    process = BridgeProcess(
        config.endpoint,
        runner,
        queue_packets=profile.air.queue_packets,
        statistics_s=config.statistics_s,
        clock=clock,
        curve=open_curve(config.curve),
        metrics=metrics,
    )
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: process.stop())
    systemd = Systemd()
    systemd.ready(f"{profile.name} at {process.endpoint}")
    try:
        process.run(systemd.alive)
    finally:
        if keying is not None:
            keying.close()
        systemd.stopping()
        systemd.close()
        close_log()


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-c", "--config", type=click.Path(path_type=Path), required=True, help="Bridge file (configs/bridge.toml)."
)
def main(config: Path) -> None:
    """Join a serial modem to ZeroMQ, so that gateway and modem may be on different machines."""
    try:
        run_bridge(config)
    except GatewayError as error:
        click.echo(f"firmware_bridge: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
