"""A station's file: what `run` would find out one after the other, found out at once.

Rule: one function a part; each looks at the configuration and at the machine, and changes neither.
"""

from __future__ import annotations

from pathlib import Path

from gateway.checkup.addresses import check_answers, check_bind, check_socket_path
from gateway.checkup.devices import check_audio, check_keying, check_port, check_ptt
from gateway.checkup.findings import Findings
from gateway.checkup.machine import check_folder, check_package
from gateway.checkup.reading import Readable, read_all_that_is_right
from gateway.checkup.secret_files import check_certificate, check_curve, check_net_key, check_token
from gateway.checkup.surroundings import Surroundings
from gateway.config import StationConfig
from gateway.protocol.live import Fit, live_verdict
from gateway.station.link import protection_of, with_profiles_key
from gateway.station.secured import check_longest_over
from gateway.tools.airtime_table import MESSAGE_S, Plan, message_time_s, station_plan

STAND_INS = {"station": {"name": "station", "id": 1}, "link": {"kind": "memory"}}
STATE_BYTES = 1_000_000
RAW_LOG_BYTES = 100_000_000


def check_station(table: dict[str, object], findings: Findings, around: Surroundings) -> StationConfig | None:
    """Everything about a station's file; its configuration, if there is not one mistake in it."""
    read = read_all_that_is_right(table, StationConfig, STAND_INS, findings)
    config = read.config
    if config is None:
        return None
    if "link" not in read.left_out:
        with findings.looking_at("link.profile"):
            config = with_profiles_key(findings.file, config)
    _check_names(findings, config, read)
    if "security" not in read.left_out:
        check_net_key(findings, config.security)
    with findings.looking_at("ptt.time_out_s"):
        check_longest_over(config)
    if "link" not in read.left_out:
        _check_link(findings, config, around)
        _check_voice_fits(findings, config)
    if "audio" not in read.left_out:
        check_audio(findings, config.audio, around)
    _check_codec(findings, config, around)
    if "ptt" not in read.left_out:
        check_ptt(findings, config.ptt, around)
    if config.keying is not None:
        check_keying(findings, config.keying, around)
    _check_folders(findings, config, around)
    _check_consoles(findings, config, around)
    return None if read.left_out else config


def _check_names(findings: Findings, config: StationConfig, read: Readable[StationConfig]) -> None:
    names, own = config.net.names, config.station
    if not names or {"station", "net"} & read.left_out:
        return
    if own.id not in names:
        text = f"{own.id} is not in [net.names]: others show it as station {own.id}"
        findings.warn("station.id", text, f'add {own.id} = "{own.name}" there')
    elif names[own.id] != own.name:
        text = f"[net.names] calls station {own.id} {names[own.id]!r}, not {own.name!r}"
        findings.warn("station.name", text, "give it one name, the same in all files")
    if config.messages is not None and config.messages.to is not None:
        if config.messages.to == own.id:
            findings.problem("messages.to", f"{own.id} is this station itself", "give the other's id")
        elif config.messages.to not in names:
            findings.warn("messages.to", f"station {config.messages.to} is not in [net.names]", "add its name")


def _check_link(findings: Findings, config: StationConfig, around: Surroundings) -> None:
    match config.link:
        case link if link.kind == "zeromq-peers":
            check_bind(findings, "link.bind", link.bind, around)
            for address in link.connect:
                check_answers(findings, "link.connect", address, around, "start the station there; it is tried again")
            if not link.connect:
                findings.warn("link.connect", "no address: this station talks to nobody", "list the other stations")
            check_curve(findings, "link.curve", link.curve)
        case link if link.kind == "zeromq-channel":
            todo = "start the channel process (`clarilink channel -c FILE`); it is tried again"
            check_answers(findings, "link.endpoint", link.endpoint, around, todo)
            check_curve(findings, "link.curve", link.curve)
        case link if link.kind == "bridge":
            todo = "start the bridge there (`python -m firmware_bridge -c FILE`); it is tried again"
            check_answers(findings, "link.endpoint", link.endpoint, around, todo)
            check_curve(findings, "link.curve", link.curve)
        case link if link.kind == "modem":
            for address in (link.port,) if isinstance(link.port, str) else link.port:
                check_port(findings, "link.port", address, around)
            if link.raw_log is not None:
                check_folder(findings, "link.raw_log", link.raw_log.parent, RAW_LOG_BYTES, around)
        case link:
            findings.ok("link.kind", f"memory: no other station, {link.mode} only")


def _check_voice_fits(findings: Findings, config: StationConfig) -> None:
    """Profile, channel preset and protection exist, and live voice fits the link with them."""
    with findings.looking_at("protection"):
        protection_of(findings.file, config)
    with findings.looking_at("link.profile" if hasattr(config.link, "profile") else "link"):
        bare = config.link.model_copy(update={"curve": None}) if hasattr(config.link, "curve") else config.link
        plan = station_plan(findings.file, config.model_copy(update={"link": bare, "keying": None}))
        _check_verdict(findings, config, plan)
        _check_error_guard(findings, config, plan)


def _check_verdict(findings: Findings, config: StationConfig, plan: Plan) -> None:
    verdict = live_verdict(plan.profile, plan.frames_per_packet, plan.always)
    key = "packets.frames_per_packet"
    if plan.note:
        findings.ok(key, "whether live voice fits is known when the channel process has told its figures")
    elif verdict.fit is Fit.LIVE:
        findings.ok(key, verdict.reason)
    elif config.messages is None:
        todo = "set it to one of those" if verdict.fitting else "add [messages] with a spool, to send recorded speech"
        findings.problem(key, verdict.reason, f"{todo} (`clarilink airtime -c {findings.file}` has them all)")
    else:
        seconds = message_time_s(plan, 0.0)
        text = f"{verdict.reason}; {MESSAGE_S:.0f} s of speech take {seconds:.0f} s as a message"
        findings.warn(key, text)


def _check_error_guard(findings: Findings, config: StationConfig, plan: Plan) -> None:
    """What notices or mends wrong bits, which all stations of a net have to agree on."""
    if plan.note:  # the channel process tells
        return
    always = plan.always.name
    checks_itself = config.security.mode != "none" or plan.always.strong_bits or "crc" in always
    if plan.delivers_whole and plan.always.strong_bits:
        text = "mends wrong bits, but this link delivers whole packets or none"
        findings.warn("protection.kind", text, "a repeat or Reed-Solomon protection helps here")
    elif not plan.delivers_whole and not checks_itself:
        text = "off, and neither the link nor security notices wrong bits: they are heard as noise"
        findings.warn("packets.crc", text, 'say "auto", at all stations of the net')
    else:
        carried = f"packets carry {always}" if always != "none" else "packets carry neither checksum nor protection"
        findings.ok("packets.crc", f"{carried}; the same at all stations of a net")


def _check_codec(findings: Findings, config: StationConfig, around: Surroundings) -> None:
    with findings.looking_at("codec.weights"):
        from gateway.codec.checkpoint import DEFAULT_WEIGHTS

        path = DEFAULT_WEIGHTS if config.codec.weights is None else config.codec.weights
        if not around.quick:
            around.load_weights(path)
            findings.ok("codec.weights", f"{path.name} loads")
        elif not path.is_file():
            findings.problem("codec.weights", f"{path}: no such codec weights")
    with findings.looking_at("codec.search"):
        from gateway.codec.ear import DEFAULT_EAR

        if config.codec.search != "off" and not DEFAULT_EAR.is_file():
            findings.problem("codec.search", f"{DEFAULT_EAR}: missing", 'install clarilink again, or say "off"')


def _check_folders(findings: Findings, config: StationConfig, around: Surroundings) -> None:
    wanted_room: list[tuple[str, Path, int]] = []
    if config.messages is not None:
        wanted_room.append(("messages.spool", config.messages.spool, config.messages.max_bytes))
    if config.record is not None:
        room = config.record.least_free_bytes + config.record.max_bytes
        wanted_room.append(("record.folder", config.record.folder, room))
    if config.trace is not None:
        record = config.trace.record
        folder = record.parent if record.suffix == ".trace" else record
        wanted_room.append(("trace.record", folder, config.trace.max_bytes))
    if config.log.file is not None:
        wanted_room.append(("log.file", config.log.file.parent, config.log.max_bytes * (1 + config.log.keep)))
    if config.state is not None:
        wanted_room.append(("state.file", config.state.file.parent, STATE_BYTES))
    if config.security.mode != "none":
        assert config.security.key_file is not None
        beside = config.security.state_file or config.security.key_file
        wanted_room.append(("security.state_file", beside.parent, STATE_BYTES))
    for key, folder, needed in wanted_room:
        with findings.looking_at(key):
            check_folder(findings, key, folder, needed, around)


def _check_consoles(findings: Findings, config: StationConfig, around: Surroundings) -> None:
    if config.console.kind == "full" and config.ptt.source == "keyboard":
        check_package(findings, "console.kind", "textual", around, "the full screen")
    if config.web is not None:
        check_package(findings, "web", "aiohttp", around, "the web console")
        check_bind(findings, "web.bind", config.web.bind, around)
        if config.web.token_file is not None:
            check_token(findings, config.web.token_file)
        if config.web.certificate is not None and config.web.private_key is not None:
            check_certificate(findings, config.web.certificate, config.web.private_key, around)
    if config.control is not None:
        check_socket_path(findings, "control.socket", config.control.socket, around)
    if config.metrics is not None:
        check_package(findings, "metrics", "prometheus_client", around, "metrics")
        check_bind(findings, "metrics.bind", config.metrics.bind, around)
