"""The web console's token: what lets a phone in that does not sit at this machine.

Rule: as for keys, it is read from a file that only its owner can read, and only the command that makes it shows it.
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from gateway.errors import ConfigError
from gateway.keys import read_secret_file, write_secret_file

MAKER = "clarilink token"
TOKEN_BYTES = 20
FEWEST_CHARACTERS = 16
MOST_CHARACTERS = 200


def make_token(path: Path, *, force: bool = False) -> str:
    """A new random token in `path`, which only its owner can read. Raises SecurityError where there is a file already,
    unless `force`."""
    token = secrets.token_hex(TOKEN_BYTES)
    # In groups, for it is typed on a phone once; the hyphens are part of it.
    token = "-".join(token[i : i + 5] for i in range(0, len(token), 5))
    write_secret_file(path, token + "\n", force=force)
    return token


def read_token(path: Path) -> str:
    """The token in `path`. Raises SecurityError or ConfigError, neither with the token in it."""
    token = read_secret_file(path, MAKER).strip()
    if not FEWEST_CHARACTERS <= len(token) <= MOST_CHARACTERS or re.fullmatch(r"[!-~]+", token) is None:
        raise ConfigError(
            f"{path}: needs one line of {FEWEST_CHARACTERS} to {MOST_CHARACTERS} visible ASCII characters; "
            f"`{MAKER} {path} --force` makes one"
        )
    return token
