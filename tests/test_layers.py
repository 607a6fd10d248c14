"""The layers of the architecture, enforced on the source: imports go down only, and I/O stays in its places."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GATEWAY = ROOT / "gateway"
BRIDGE = ROOT / "firmware_bridge"

# Package or module of gateway -> those of ours it may import (besides itself). Absent: the top, may import anything
# but the trainer.
FOUNDATION = {
    "airtimes",
    "telling",
    "memory",
    "clock",
    "metrics",
    "config",
    "config_file",
    "ptt_config",
    "operator_config",
    "link_config",
    "errors",
    "packaged",
}
PURE = {"protocol", "channel", "traces"} | FOUNDATION
ALLOWED = {
    "airtimes": set(),
    "telling": set(),
    "memory": set(),
    "clock": set(),
    "errors": set(),
    "metrics": set(),
    "config": {"errors", "config_file", "ptt_config", "operator_config", "link_config"},
    "config_file": {"errors"},
    "ptt_config": {"config_file"},
    "operator_config": {"config_file"},
    "link_config": {"config_file"},
    "logs": {"clock"},
    "packaged": set(),
    "samples": set(),
    "protocol": FOUNDATION,
    "channel": FOUNDATION | {"traces", "waveform"},
    "waveform": {"errors"},
    "traces": FOUNDATION,
    "session": FOUNDATION,
    "codec": {"errors"},
    "audio": PURE,
    "links": PURE,
    "control": FOUNDATION | {"session"},
    "console": FOUNDATION | {"control", "session"},
    "web": FOUNDATION | {"control", "recording", "audio", "keys"},
    "service": FOUNDATION | {"control"},
    "messages": PURE,
    "recording": PURE | {"audio"},
    "notices": PURE,
    "transmit": PURE | {"codec"},
    "unwrap": PURE,
    "playout_delay": PURE,
    "heard_over": PURE | {"codec", "notices"},
    "receive": PURE | {"codec", "notices", "unwrap", "playout_delay", "heard_over"},
}
BRIDGE_PURE_FILES = {
    "driver.py",
    "profile.py",
    "registry.py",
    "sim/base.py",
    "sim/air.py",
    "sim/simulated.py",
    "sim/transparent.py",
    "sim/firmware.py",
    "messages.py",
    "device.py",
    "host.py",
}
BRIDGE_PROGRAM = "__main__.py"
"""Where the bridge process is put together: it alone reads keys, as gateway.app does for stations."""
PTT_PURE_FILES = {f"ptt/{name}.py" for name in ("keyer", "cat", "contact", "guard", "vox", "input_event")}
NOT_IN_PURE = {"time", "threading", "socket", "asyncio", "torch", "zmq", "serial", "sounddevice", "subprocess", "queue"}
ONLY_IMPORTERS = {
    "sounddevice": {"gateway/audio/portaudio.py"},
    "serial": {"firmware_bridge/port.py", "firmware_bridge/ports.py", "firmware_bridge/ptt/serial_port.py"},
    "gpiod": {"firmware_bridge/ptt/gpio.py"},
    "zmq": {
        "gateway/links/sockets.py",
        "gateway/links/zeromq.py",
        "gateway/links/router.py",
        "gateway/links/crowd.py",
        "gateway/service/control_socket.py",
        "gateway/service/client.py",
    },
    "prometheus_client": {"gateway/service/exporter.py", "gateway/service/collector.py"},
    "time": {"gateway/clock.py", "gateway/tools/bench.py", "gateway/tools/loopback.py", "gateway/trainer/runner.py"},
}


def imports(path: Path) -> set[str]:
    """Full dotted names that a module imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
        elif isinstance(node, ast.ImportFrom) and node.level:
            raise AssertionError(f"{path}: relative import; name the package")
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module":
            found |= {a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)}
    return found


MODULES = sorted(GATEWAY.rglob("*.py"))
BRIDGE_MODULES = sorted(BRIDGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_down_only(path: Path) -> None:
    part = path.relative_to(GATEWAY).with_suffix("").parts[0]
    ours = {name.split(".")[1] for name in imports(path) if name.startswith("gateway.")} - {part}
    if part != "trainer":
        assert "trainer" not in ours, "nothing imports the trainer"
    if part in ALLOWED:
        assert ours <= ALLOWED[part], f"{part} may not import {sorted(ours - ALLOWED[part])}"
    roots = {name.split(".")[0] for name in imports(path)}
    if part in {"protocol", "channel", "session", "waveform"}:
        assert not roots & NOT_IN_PURE, f"pure layers import no {sorted(roots & NOT_IN_PURE)}"
    for library, importers in ONLY_IMPORTERS.items():
        if library in roots:
            assert str(path.relative_to(ROOT)) in importers, f"{library} is imported in its own place only"


@pytest.mark.parametrize("path", BRIDGE_MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_bridge_stands_on_links_and_protocol(path: Path) -> None:
    """Modem drivers know nothing of codec, sound or station, and those without I/O keep out of it."""
    used = imports(path)
    ours = {name.split(".")[1] for name in used if name.startswith("gateway.")}
    name = path.relative_to(BRIDGE).as_posix()
    allowed = PURE | {"links", "logs"} | ({"station", "service"} if name == BRIDGE_PROGRAM else set())
    assert ours <= allowed, f"the bridge may not import {sorted(ours - allowed)}"
    roots = {name.split(".")[0] for name in used}
    is_pure = name in BRIDGE_PURE_FILES | PTT_PURE_FILES or name.startswith(("framing/", "drivers/"))
    if is_pure:
        assert not roots & NOT_IN_PURE, f"drivers and framings import no {sorted(roots & NOT_IN_PURE)}"
    for library, importers in ONLY_IMPORTERS.items():
        if library in roots and library != "time":
            assert str(path.relative_to(ROOT)) in importers, f"{library} is imported in its own place only"


def test_the_rules_speak_of_what_is_there() -> None:
    names = {p.relative_to(GATEWAY).with_suffix("").parts[0] for p in MODULES}
    assert set(ALLOWED) <= names
    assert all((ROOT / file).is_file() for files in ONLY_IMPORTERS.values() for file in files)
