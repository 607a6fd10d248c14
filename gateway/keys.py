"""Key files: the pre-shared keys of a net, and ZeroMQ CURVE key pairs, made and read.

Rule: a secret is written for its owner only, never over another one unasked, never read from a file that others can
read, and never shown in a message.

A net key file is TOML with a format number, the id of the key that sends, and all keys that are accepted. Rolling over:
`keygen --add` a key, bring the file to every station, `keygen --use` it on each, and later `keygen --drop` the old one.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from pydantic import Field

from gateway.config import CurveKey, M, StrictModel, check_curve_key, parse_toml
from gateway.errors import ConfigError, SecurityError
from gateway.protocol.security import KEY_IDS, MASTER_BYTES, NetKey, check_value

KEY_FORMAT = 1
SECRET_MODE = 0o600
PUBLIC_MODE = 0o644


@dataclass(frozen=True, slots=True)
class NetKeys:
    """What a key file holds: `sends` seals, and every key in `accepted` opens."""

    sends: NetKey
    accepted: Mapping[int, NetKey]


class _KeyTable(StrictModel):
    id: int = Field(ge=KEY_IDS[0], le=KEY_IDS[-1])
    secret: str = Field(repr=False)


class _KeyFile(StrictModel):
    format: Literal[1]
    send: int
    key: tuple[_KeyTable, ...]


class _CurveFile(StrictModel):
    format: Literal[1]
    public: CurveKey
    secret: str | None = Field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class CurvePair:
    """A CURVE key pair as ZeroMQ writes it, 40 characters of Z85 each."""

    public: str
    secret: str


def read_secret_file(path: Path, maker: str = "clarilink keygen") -> str:
    """The text of a file that only its owner can read. Raises SecurityError otherwise, saying how to mend it.

    `maker` is the command that makes such files.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise SecurityError(f"{path}: not a file")
    except FileNotFoundError as error:
        raise SecurityError(f"{path}: no such key file; `{maker} {path}` makes one") from error
    except OSError as error:
        raise SecurityError(f"{path}: cannot read the key file: {error.strerror or error}") from error
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor).st_mode
        if found & 0o077:
            raise SecurityError(
                f"{path}: a secret that others may read (mode {stat.S_IMODE(found):04o}); needed: `chmod 600 {path}`"
            )
        try:
            return file.read().decode("utf-8")
        except UnicodeDecodeError as error:
            raise SecurityError(f"{path}: not a text file in UTF-8 (byte {error.start})") from error


def load_keys(path: Path) -> NetKeys:
    """Read a net key file. Raises SecurityError or ConfigError, neither with a secret in it."""
    file = _parse(path, _KeyFile)
    keys: dict[int, NetKey] = {}
    for index, table in enumerate(file.key):
        if table.id in keys:
            raise ConfigError(f"{path}: key.{index}.id: {table.id} is there twice")
        try:
            master = bytes.fromhex(table.secret)
        except ValueError:
            master = b""
        if len(master) != MASTER_BYTES:
            raise ConfigError(f"{path}: key.{index}.secret: needs {2 * MASTER_BYTES} hexadecimal digits")
        keys[table.id] = NetKey(table.id, master)
    if file.send not in keys:
        raise ConfigError(f"{path}: send: no key {file.send} in the file; there are {_listed(keys)}")
    return NetKeys(keys[file.send], MappingProxyType(keys))


def make_keys(path: Path, *, force: bool = False) -> NetKeys:
    """A new key file with one random key. Raises SecurityError if there is a file already, unless `force`."""
    key = NetKey(secrets.choice(KEY_IDS), secrets.token_bytes(MASTER_BYTES))
    keys = NetKeys(key, {key.key_id: key})
    _write(path, _key_text(keys), SECRET_MODE, force=force)
    return keys


def add_key(path: Path) -> NetKey:
    """One more random key in a file: accepted from now on, sending as before. Returns the new one."""
    keys = load_keys(path)
    free = [number for number in KEY_IDS if number not in keys.accepted]
    if not free:
        raise SecurityError(f"{path}: all {len(KEY_IDS)} key ids are in use; drop one first")
    key = NetKey(secrets.choice(free), secrets.token_bytes(MASTER_BYTES))
    _write(path, _key_text(NetKeys(keys.sends, {**keys.accepted, key.key_id: key})), SECRET_MODE, force=True)
    return key


def use_key(path: Path, key_id: int) -> NetKey:
    """Let key `key_id` of the file send from now on."""
    keys = load_keys(path)
    if key_id not in keys.accepted:
        raise SecurityError(f"{path}: no key {key_id} in the file; there are {_listed(keys.accepted)}")
    chosen = keys.accepted[key_id]
    _write(path, _key_text(NetKeys(chosen, keys.accepted)), SECRET_MODE, force=True)
    return chosen


def drop_key(path: Path, key_id: int) -> None:
    """Accept key `key_id` no longer; the one that sends stays."""
    keys = load_keys(path)
    if key_id not in keys.accepted:
        raise SecurityError(f"{path}: no key {key_id} in the file; there are {_listed(keys.accepted)}")
    if key_id == keys.sends.key_id:
        raise SecurityError(f"{path}: key {key_id} is the one that sends; let another send first (--use)")
    left = {number: key for number, key in keys.accepted.items() if number != key_id}
    _write(path, _key_text(NetKeys(keys.sends, left)), SECRET_MODE, force=True)


def describe(keys: NetKeys) -> list[str]:
    """One line per key, without its secret."""
    return [
        f"key {key.key_id}, check {check_value(key)}: {'sends' if key == keys.sends else 'accepted'}"
        for key in keys.accepted.values()
    ]


def save_curve(path: Path, pair: CurvePair, *, force: bool = False) -> Path:
    """Write a CURVE pair: the secret at `path`, the public half beside it as `.public`; returns where that is."""
    public_path = path.with_name(path.name + ".public")
    note = "# ZeroMQ CURVE key pair of clarilink: "
    _write(
        path,
        f'{note}secret, do not copy\nformat = 1\npublic = "{pair.public}"\nsecret = "{pair.secret}"\n',
        SECRET_MODE,
        force=force,
    )
    _write(public_path, f'{note}public half\nformat = 1\npublic = "{pair.public}"\n', PUBLIC_MODE, force=True)
    return public_path


def load_curve_secret(path: Path) -> CurvePair:
    """Read a CURVE secret key file. Raises SecurityError or ConfigError."""
    file = _parse(path, _CurveFile)
    if file.secret is None:
        raise ConfigError(f"{path}: secret: missing; this is the public half")
    try:
        check_curve_key(file.secret)
    except ValueError as error:
        raise ConfigError(f"{path}: secret: {error}") from None
    return CurvePair(file.public, file.secret)


def load_curve_folder(folder: Path) -> frozenset[str]:
    """The public keys of all `*.public` files in a folder. Raises ConfigError for one that is none."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".public")
    except OSError as error:
        raise ConfigError(f"{folder}: cannot read the folder of allowed keys: {error.strerror or error}") from error
    return frozenset(map(load_curve_public, paths))


def load_curve_public(path: Path) -> str:
    """The public key in a `.public` file. Raises ConfigError."""
    try:
        return parse_toml(path.read_text(encoding="utf-8"), _CurveFile, path).public
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot read the key: {error}") from error


def _parse(path: Path, model: type[M]) -> M:
    """Read a secret file; messages name the key at fault but not the value got, for that may be the secret."""
    text = read_secret_file(path)
    try:
        return parse_toml(text, model, path)
    except ConfigError as error:
        lines = [re.sub(r": got .*; ", ": ", line) for line in str(error).split("\n")]
    raise ConfigError("\n".join(lines))


def _key_text(keys: NetKeys) -> str:
    lines = [
        "# Keys of a clarilink net: the same file on every station, readable by nobody else.",
        f"format = {KEY_FORMAT}",
        f"send = {keys.sends.key_id}   # the key that seals; all below are accepted",
    ]
    for key in keys.accepted.values():
        lines += ["", "[[key]]", f"id = {key.key_id}   # check {check_value(key)}", f'secret = "{key.master.hex()}"']
    return "\n".join(lines) + "\n"


def write_secret_file(path: Path, text: str, *, force: bool) -> None:
    """A file that only its owner can read. Raises SecurityError if there is one already, unless `force`."""
    _write(path, text, SECRET_MODE, force=force)


def _write(path: Path, text: str, mode: int, *, force: bool) -> None:
    """Put a whole file in place at once, with its mode from the first moment on."""
    if not force and os.path.lexists(path):
        raise SecurityError(f"{path}: exists already; a key that is overwritten is gone (--force does it)")
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(descriptor)
        aside.replace(path)
    except OSError as error:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
        raise SecurityError(f"{path}: cannot write: {error.strerror or error}") from error


def _listed(keys: Mapping[int, NetKey]) -> str:
    return ", ".join(str(number) for number in sorted(keys))
