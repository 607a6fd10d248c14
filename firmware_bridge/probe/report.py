"""What a modem test found, as text, as JSON, and as a profile to go on with.

Rule: values to text; figures come from `firmware_bridge.probe.figures`.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from firmware_bridge.probe.figures import Figures, Notes, VoiceFit, measured_profile, voice_fit
from firmware_bridge.profile import ModemProfile
from gateway.config import parse_toml
from gateway.protocol.live import ranges
from gateway.protocol.packets import FRAME_S


def text_report(profile: ModemProfile, figures: Figures, notes: Notes, measured: ModemProfile) -> str:
    """For people."""
    air, before = figures.air, profile.air
    lines = [f"round trip   {_round_trip(figures)}"]
    if air is None:
        lines.append("air time     not measured: no burst came through")
    else:
        rate = "too fast to tell" if figures.rate_bps is None else f"{figures.rate_bps:.0f} bit/s"
        lines.append(
            f"air time     {1000 * air.fixed_s:.0f} ms + {1000 * air.byte_s:.2f} ms a byte ({rate}); "
            f"farthest from that: {1000 * air.worst_s:.0f} ms"
        )
        known = profile.link_info()
        lines.append(
            f"             by the profile {1000 * known.airtime_s(0):.0f} ms + "
            f"{0.0 if before.rate_bps is None else 8000 / before.rate_bps:.2f} ms a byte; "
            "the driver never sends faster than that"
        )
    if figures.key_up_s is None:
        lines.append(f"key-up       {before.turnaround_ms:.0f} ms by the profile; this modem does not let it be seen")
    else:
        lines.append(f"key-up       {1000 * figures.key_up_s:.0f} ms, by the profile {before.turnaround_ms:.0f} ms")
    if figures.delay_s is not None:
        lines.append(
            f"delay        {1000 * figures.delay_s:.0f} ms one way besides air time and key-up (cables, modems, way); "
            f"by the profile {before.delay_ms:.0f} ms"
        )
    if figures.throughput_bps is not None:
        lines.append(f"throughput   {figures.throughput_bps:.0f} bit/s of payload in the longest packets")
    lines.append(
        f"lost         there {_share(figures.loss_there)}, back {_share(figures.loss_back)}; {notes.damaged} damaged"
    )
    lines.append("")
    lines.append(voice_text(voice_fit(measured)))
    return "\n".join(lines)


def voice_text(fit: VoiceFit) -> str:
    """Whether live voice fits, in plain words."""
    if fit.row is None:
        return f"Live voice does not fit: {fit.verdict.reason}."
    row, sizes = fit.row, ranges(fit.verdict.fitting)
    packet_ms = round(1000 * row.frames_per_packet * FRAME_S)
    begin = "Live voice fits" if fit.verdict.fit.value == "live" else "Live voice fits in longer packets only"
    return (
        f"{begin}: frames_per_packet {sizes}. With {row.frames_per_packet} ({packet_ms} ms) it takes "
        f"{100 * row.keyed:.0f} % of the modem's time, and from mouth to ear {row.delay_s:.1f} s."
    )


def json_report(
    profile: ModemProfile, address: str, figures: Figures, notes: Notes, measured: ModemProfile
) -> dict[str, Any]:
    """All of it with stable names; times in seconds, rates in bit/s."""
    fit = voice_fit(measured)
    return {
        "port": address,
        "profile": profile.name,
        "driver": profile.driver,
        "figures": {**asdict(figures), "rate_bps": figures.rate_bps},
        "round_trips_s": [round(trip.seconds, 4) for trip in notes.round_trips],
        "bursts": [{**asdict(burst), "way": burst.way.value} for burst in notes.bursts],
        "damaged": notes.damaged,
        "live": {
            "fits": fit.row is not None,
            "verdict": fit.verdict.fit.value,
            "reason": fit.verdict.reason,
            "frames_per_packet": list(fit.verdict.fitting),
            "chosen": None if fit.row is None else fit.row.frames_per_packet,
            "delay_s": None if fit.row is None else round(fit.row.delay_s, 3),
        },
        "air": measured.air.model_dump(),
    }


def profile_text(profile: ModemProfile, figures: Figures, name: str, when: str) -> str:
    """A profile file with the measured figures; comments say which those are."""
    measured = measured_profile(profile, figures, name)
    air_measured = {"has_integrity"}
    if figures.air is not None:
        air_measured |= {"rate_bps", "overhead_bytes", "fixed_ms"}
    if figures.key_up_s is not None:
        air_measured.add("turnaround_ms")
    if figures.delay_s is not None:
        air_measured.add("delay_ms")
    lines = [
        f"# Written by `clarilink modem-test` on {when}, from profile {profile.name}. What is marked is",
        "# measured, the rest is that profile's.",
        "",
        f"name = {json.dumps(name)}",
        f"description = {json.dumps(profile.description)}",
        f"driver = {json.dumps(profile.driver)}",
        "",
        "[port]",
        *(f"{key} = {_toml(value)}" for key, value in profile.port.model_dump().items()),
        "",
        "[air]",
    ]
    for key, value in measured.air.model_dump().items():
        if value is None or value == ():
            if key == "rate_bps" and figures.air is not None:
                lines.append("# rate_bps: measured, too fast to be told from no limit")
            continue
        entry = f"{key} = {_toml(value)}"
        lines.append(f"{entry:<28}# measured" if key in air_measured else entry)
    lines += _tables("settings", profile.settings) if profile.settings else []
    text = "\n".join(lines) + "\n"
    parse_toml(text, ModemProfile, Path(f"{name}.toml"))  # never a file that cannot be read again
    return text


def _round_trip(figures: Figures) -> str:
    if figures.round_trip_s is None or figures.round_trip_max_s is None:
        return f"not measured: none of {figures.probes} probes was answered"
    return (
        f"{figures.round_trip_s:.2f} s, at most {figures.round_trip_max_s:.2f} s "
        f"({figures.voice_bytes} bytes both ways, "
        f"{figures.answered} of {figures.probes} answered)"
    )


def _share(share: float | None) -> str:
    return "not measured" if share is None else f"{100 * share:.0f} %"


def _tables(name: str, table: dict[str, Any]) -> list[str]:
    plain = {key: value for key, value in table.items() if not isinstance(value, dict)}
    lines = ["", f"[{name}]", *(f"{_key(key)} = {_toml(value)}" for key, value in plain.items())]
    for key, value in table.items():
        if isinstance(value, dict):
            lines += _tables(f"{name}.{_key(key)}", value)
    return lines


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else json.dumps(key)


def _toml(value: object) -> str:
    """A value of JSON's sort as TOML; its strings are the same in both, but for what TOML escapes besides."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_toml(one)}" for key, one in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
