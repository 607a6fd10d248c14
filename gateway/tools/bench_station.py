"""`clarilink bench --station`: a whole station as its user starts it: time to ready, memory, load while nothing happens
and while it talks. It has all that a station can have but a full-screen console and sound cards.

Rule: measured from outside, on a process of its own; medians of several starts, for machines are noisy.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from gateway.clock import SystemClock
from gateway.errors import GatewayError
from gateway.samples import sample_path

STATION = """
[station]
name = "bench"
id = 1
[audio]
input = {input}
output = "null"
[link]
kind = "memory"
mode = "parrot"
[state]
file = "bench.state"
[web]
bind = "127.0.0.1:0"
[control]
socket = "bench.sock"
[metrics]
bind = "127.0.0.1:0"
"""
STARTS = 3
IDLE_S = 10.0
TALK_S = 8.0


def station_figures() -> Mapping[str, float]:
    """Start, memory, load; takes about a minute. Raises GatewayError if the station does not start."""
    clock = SystemClock()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "station.toml"
        path.write_text(STATION.format(input=repr(f"file:{sample_path()}")))
        ready_s, memory_mb, idle, talking = [], [], [], []
        for _ in range(STARTS):
            began_s = clock.now()
            with subprocess.Popen(
                [sys.executable, "-m", "gateway", "run", "-c", str(path)],
                stdin=subprocess.PIPE,
                stderr=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                text=True,
            ) as process:
                assert process.stdin is not None
                _wait_for(process, "station ready")
                ready_s.append(clock.now() - began_s)
                idle.append(_load(process.pid, clock, IDLE_S))
                process.stdin.write("p\n")
                process.stdin.flush()
                talking.append(_load(process.pid, clock, TALK_S))
                memory_mb.append(_peak_mb(process.pid))
                process.stdin.write("q\n")
                process.stdin.flush()
                process.communicate()
    return {
        "start_to_ready_s": round(median(ready_s), 2),
        "peak_memory_mb": round(median(memory_mb), 1),
        "idle_cpu_share": round(median(idle), 4),
        "talking_cpu_share": round(median(talking), 3),
    }


def _wait_for(process: subprocess.Popen[str], told: str) -> None:
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if told in line:
            return
    raise GatewayError(f"the station did not start: {''.join(lines[-3:]).strip()}")


def _load(pid: int, clock: SystemClock, seconds: float) -> float:
    """Share of a core over `seconds`."""
    before, began_s = _cpu_s(pid), clock.now()
    clock.sleep(seconds)
    return (_cpu_s(pid) - before) / (clock.now() - began_s)


def _cpu_s(pid: int) -> float:
    """Processor time so far (proc(5): utime and stime, in ticks)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_mb(pid: int) -> float:
    """Most memory ever resident (proc(5): VmHWM)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise GatewayError(f"/proc/{pid}/status tells no memory")
