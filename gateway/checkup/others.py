"""Files that are not a station's: modem profile, bridge, channel process, channel, protection."""

from __future__ import annotations

from gateway.channel.spec_file import load_channel, load_channel_process
from gateway.checkup.addresses import check_bind
from gateway.checkup.devices import check_keying, check_port
from gateway.checkup.findings import WHOLE_FILE, Findings
from gateway.checkup.machine import check_folder
from gateway.checkup.reading import read_all_that_is_right
from gateway.checkup.secret_files import check_curve
from gateway.checkup.station import RAW_LOG_BYTES
from gateway.checkup.surroundings import Surroundings
from gateway.errors import LocalProtocolError
from gateway.protocol.live import Fit, live_verdict
from gateway.protocol.protection_file import load_protection
from gateway.tools.airtime_table import MESSAGE_S, Plan, load_plans, message_time_s


def check_modem(findings: Findings) -> None:
    """A modem profile: it loads, its driver takes the settings, and what voice does on it."""
    with findings.looking_at(WHOLE_FILE):
        _tell_verdicts(findings)


def check_bridge(table: dict[str, object], findings: Findings, around: Surroundings) -> None:
    """The file of a bridge process."""
    from firmware_bridge.bridge import BridgeConfig

    stand_ins = {"endpoint": "inproc://none", "modem": {"profile": "transparent-9600", "port": "/dev/null"}}
    read = read_all_that_is_right(table, BridgeConfig, stand_ins, findings)
    config = read.config
    if config is None:
        return
    check_bind(findings, "endpoint", config.endpoint, around)
    check_curve(findings, "curve", config.curve)
    if "modem" not in read.left_out:
        for address in (config.modem.port,) if isinstance(config.modem.port, str) else config.modem.port:
            check_port(findings, "modem.port", address, around)
        if config.modem.raw_log is not None:
            check_folder(findings, "modem.raw_log", config.modem.raw_log.parent, RAW_LOG_BYTES, around)
    if config.keying is not None:
        check_keying(findings, config.keying, around)
    if not read.left_out:
        with findings.looking_at("modem"):
            _tell_verdicts(findings)


def check_net(findings: Findings, around: Surroundings) -> None:
    """The file of a channel process."""
    with findings.looking_at(WHOLE_FILE):
        config = load_channel_process(findings.file)
        check_bind(findings, "endpoint", config.endpoint, around)
        if config.control is not None:
            check_bind(findings, "control", config.control, around)
        check_curve(findings, "curve", config.curve)
        _tell_verdicts(findings)


def check_channel(findings: Findings) -> None:
    """A channel by itself."""
    with findings.looking_at(WHOLE_FILE):
        load_channel(findings.file)
        _tell_verdicts(findings)


def check_protection(findings: Findings) -> None:
    """A protection by itself."""
    with findings.looking_at(WHOLE_FILE):
        guard = load_protection(findings.file)
        findings.ok("protection", f"{guard.name}, repairs wait for {guard.delay_packets} packets")


def _tell_verdicts(findings: Findings) -> None:
    """What live voice does on each link of the file; a warning at most where there is none: messages may be its use."""
    told: dict[str, list[Plan]] = {}
    for plan in load_plans(findings.file):
        told.setdefault(live_verdict(plan.profile, plan.frames_per_packet, plan.always).reason, []).append(plan)
    for plan, *more in told.values():
        verdict = live_verdict(plan.profile, plan.frames_per_packet, plan.always)
        title = f"{plan.title} and {len(more)} more" if more else plan.title
        if verdict.fit is Fit.LIVE:
            findings.ok(WHOLE_FILE, f"{title}: {verdict.reason}")
        elif verdict.fitting:
            findings.warn(WHOLE_FILE, f"{title}: {verdict.reason}", "set it so in [packets] of the stations")
        else:
            findings.warn(WHOLE_FILE, f"{title}: {verdict.reason}", _message_advice(plan))


def _message_advice(plan: Plan) -> str:
    try:
        return f"{MESSAGE_S:.0f} s of speech take {message_time_s(plan, 0.0):.0f} s; stations need [messages]"
    except LocalProtocolError as error:
        return f"recorded messages do not fit either: {error}"
