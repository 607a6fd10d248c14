"""Standard error while a library has sent descriptor 2 away, as sounddevice does each time PortAudio starts."""

from __future__ import annotations

import subprocess
import sys

import pytest

AWAY = "import os; os.dup2(os.open(os.devnull, os.O_WRONLY), 2)\n"
LOG = 'from gateway.logs import configure_logging; configure_logging("info", "console")\n'
LINE = 'import structlog; structlog.get_logger().info("station ready"); print("a trace", file=sys.stderr)\n'


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", "import sys\n" + program], capture_output=True, text=True, check=False)


def test_lines_go_on_while_descriptor_2_is_away() -> None:
    done = run("from gateway.cli.stderr import keep_stderr; keep_stderr()\n" + LOG + AWAY + LINE)
    assert done.returncode == 0
    assert "station ready" in done.stderr
    assert "a trace" in done.stderr


def test_without_it_they_are_lost() -> None:
    assert run(LOG + AWAY + LINE).stderr == ""


def test_no_line_is_lost_while_portaudio_starts_over_and_over() -> None:
    """The real library; without keep_stderr some 7 of 100 lines came through."""
    done = run(
        "from gateway.cli.stderr import keep_stderr; keep_stderr()\n"
        'from gateway.logs import configure_logging; configure_logging("debug", "console")\n'
        "import threading, time, structlog, sounddevice as sd\n"
        "ended = threading.Event()\n"
        "def start_again():\n"
        "    while not ended.is_set():\n"
        "        while sd._initialized: sd._terminate()\n"
        "        sd._initialize()\n"
        "starting = threading.Thread(target=start_again); starting.start()\n"
        "for _ in range(100): structlog.get_logger().info('a line'); time.sleep(0.002)\n"
        "ended.set(); starting.join()\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("a line") == 100


def test_a_second_time_does_nothing() -> None:
    done = run(
        "from gateway.cli.stderr import keep_stderr\n"
        "keep_stderr(); first = sys.stderr; keep_stderr()\n"
        "print(sys.stderr is first, first.fileno() != 2, first.line_buffering, first.errors)"
    )
    assert done.stdout.split() == ["True", "True", "True", "backslashreplace"]


@pytest.mark.parametrize("gone", ["sys.stderr = None", "sys.stderr.close()", "import io; sys.stderr = io.StringIO()"])
def test_no_standard_error_is_no_error(gone: str) -> None:
    done = run(
        f"{gone}\nfrom gateway.cli.stderr import keep_stderr; was = sys.stderr; keep_stderr()\nprint(sys.stderr is was)"
    )
    assert done.stdout == "True\n"


def test_every_command_has_it() -> None:
    program = (
        "import gateway.cli.root as root\n"
        "root.keep_stderr = lambda: print('kept')\n"
        "sys.argv = ['clarilink', 'airtime', '--help']\n"
        "root.main()"
    )
    assert run(program).stdout.startswith("kept\n")
