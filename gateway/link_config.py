"""What a station's file says of its link: addresses, keys, modem (`[link]`)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from gateway.config_file import ConfigPath, Name, StrictModel, resolve_path


def _check_endpoint(endpoint: str) -> str:
    if re.fullmatch(r"tcp://[^\s/]+:\d{1,5}|ipc://\S+|inproc://\S+", endpoint) is None:
        raise ValueError("needs tcp://HOST:PORT, ipc://PATH or inproc://NAME")
    port = endpoint.rpartition(":")[2]
    if endpoint.startswith("tcp://") and not 0 < int(port) <= 65535:
        raise ValueError(f"port {port} is not within 1..65535")
    return endpoint


_LOOPBACK = re.compile(r"tcp://(127\.[\d.]+|localhost|lo|\[::1\]|::1):\d+|ipc://.*|inproc://.*")


def check_exposure(key: str, endpoint: str, *, is_guarded: bool, insecure: bool) -> None:
    """Raises ValueError for an address that other machines reach and nothing guards."""
    if not (is_guarded or insecure or _LOOPBACK.fullmatch(endpoint)):
        raise ValueError(
            f"{key} {endpoint} can be reached from other machines by anybody; needed: a [curve] section "
            "(`clarilink keygen --curve`), an address of this machine only (127.0.0.1), or insecure = true"
        )


def _resolve_port(address: str, info: ValidationInfo) -> str:
    if address and "://" not in address:
        return str(resolve_path(Path(address), info))
    found = re.fullmatch(r"(?:tcp|rfc2217)://(?:\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):(\d{1,5})", address)
    if found is None or not 0 < int(found[1]) <= 65535:
        raise ValueError("needs a device (/dev/...), tcp://HOST:PORT or rfc2217://HOST:PORT")
    return address


def _resolve_profile(source: str, info: ValidationInfo) -> str:
    return str(resolve_path(Path(source), info)) if "/" in source or source.endswith(".toml") else source


def check_curve_key(key: str) -> str:
    """The key itself. Raises ValueError if it is not one half of a CURVE pair in Z85."""
    if re.fullmatch(r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}", key) is None:
        raise ValueError("needs 40 characters of Z85, as in a .public file")
    return key


CurveKey = Annotated[str, AfterValidator(check_curve_key)]
"""A public key of ZeroMQ CURVE in Z85 (ZeroMQ RFC 32)."""

Endpoint = Annotated[str, AfterValidator(_check_endpoint)]
"""A ZeroMQ address."""

PortAddress = Annotated[str, AfterValidator(_resolve_port)]
"""A serial device, `tcp://HOST:PORT` or `rfc2217://HOST:PORT`."""


class CurveSection(StrictModel):
    """ZeroMQ CURVE at an address that this program binds: its `secret_key` file, and whose public keys may connect.

    `allow` lists keys, `allow_folder` holds `*.public` files.
    """

    secret_key: ConfigPath
    allow: tuple[CurveKey, ...] = ()
    allow_folder: ConfigPath | None = None


class PeersCurveSection(CurveSection):
    """`peer_keys`: the public key at each address in `connect`, in that order; they may connect here, too."""

    peer_keys: tuple[CurveKey, ...] = ()


class ChannelCurveSection(StrictModel):
    """ZeroMQ CURVE to a channel process: our `secret_key` file, its public key."""

    secret_key: ConfigPath
    server_key: CurveKey


class ZeromqPeersLink(StrictModel):
    """Stations as peers: this one listens at `bind` and sends to each address in `connect`."""

    kind: Literal["zeromq-peers"]
    bind: Endpoint
    connect: tuple[Endpoint, ...] = ()
    curve: PeersCurveSection | None = None
    insecure: bool = False

    @model_validator(mode="after")
    def _guarded(self) -> ZeromqPeersLink:
        check_exposure("bind", self.bind, is_guarded=self.curve is not None, insecure=self.insecure)
        if self.curve is not None and len(self.curve.peer_keys) != len(self.connect):
            raise ValueError(
                f"curve.peer_keys has {len(self.curve.peer_keys)} keys; needed: one for each of the "
                f"{len(self.connect)} addresses in connect"
            )
        return self


class ZeromqChannelLink(StrictModel):
    """Through a channel process at `endpoint`; `station` is the name it knows us by (default: the station's own)."""

    kind: Literal["zeromq-channel"]
    endpoint: Endpoint
    station: Name | None = None
    curve: ChannelCurveSection | None = None


class MemoryLink(StrictModel):
    """No other station: `loopback` returns each packet at once, `parrot` the whole over after its end."""

    kind: Literal["memory"]
    mode: Literal["loopback", "parrot"] = "parrot"


class ModemLink(StrictModel):
    """A modem: `profile` is a packaged one by name (configs/modem) or a file, `port` its address, or several that are
    tried in turn; `settings` override the profile's own (number to dial, remote address), `raw_log` keeps all bytes."""

    kind: Literal["modem"]
    profile: Annotated[str, Field(min_length=1), AfterValidator(_resolve_profile)]
    port: PortAddress | Annotated[tuple[PortAddress, ...], Field(min_length=1)]
    settings: dict[str, Any] = Field(default_factory=dict)
    raw_log: ConfigPath | None = None


class BridgeLink(StrictModel):
    """A modem on another machine, behind the bridge process (`python -m firmware_bridge`) at `endpoint`.

    `profile` is the modem's, as in the bridge's file: by it the stations of a net agree on the CRC. `station` is the
    name the bridge knows us by (default: the station's own).
    """

    kind: Literal["bridge"]
    endpoint: Endpoint
    profile: Annotated[str, Field(min_length=1), AfterValidator(_resolve_profile)]
    station: Name | None = None
    curve: ChannelCurveSection | None = None


LinkSection = Annotated[
    ZeromqPeersLink | ZeromqChannelLink | MemoryLink | ModemLink | BridgeLink, Field(discriminator="kind")
]
