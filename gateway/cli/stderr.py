"""Standard error that no library can take away.

Rule: what Python writes there goes through a descriptor of its own. sounddevice sends descriptor 2 to /dev/null, for
the whole process, whenever PortAudio starts, to be rid of what ALSA writes: again and again while a station looks for a
sound card. Lines that other threads wrote in that time were lost, "station ready" among them.
"""

from __future__ import annotations

import os
import sys

STDERR = 2


def keep_stderr() -> None:
    """Put sys.stderr on a copy of descriptor 2, which is left to libraries; nothing where it is another already."""
    was = sys.stderr
    try:
        if was.fileno() != STDERR:
            return
        copy = os.dup(STDERR)
    except (AttributeError, OSError, ValueError):  # none, closed, or no file, as in tests
        return
    was.flush()
    sys.stderr = os.fdopen(copy, "w", buffering=1, encoding=was.encoding, errors=was.errors)
