"""[console], [web], [control], [metrics] and [state]: how operators and programs reach a station.

Rule: values and their limits only. What other machines can reach needs a guard, or somebody who says `insecure`.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from gateway.config_file import ConfigPath, StrictModel

_LOOPBACK = re.compile(r"(127\.[\d.]+|localhost|\[::1\]):\d+")


def _check_bind(address: str) -> str:
    found = re.fullmatch(r"(?:\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):(\d{1,5})", address)
    if found is None or int(found[1]) > 65535:
        raise ValueError("needs HOST:PORT, for example 127.0.0.1:8300 (0.0.0.0:8300: all networks)")
    return address


BindAddress = Annotated[str, AfterValidator(_check_bind)]
"""HOST:PORT to listen at; port 0 takes any that is free and says which."""


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches `address` (HOST:PORT)."""
    return _LOOPBACK.fullmatch(address) is not None


class ConsoleSection(StrictModel):
    """What the terminal shows: "full" a screen, "lines" log lines with single keys, "auto" the screen where there is a
    terminal and the extra `console` is installed. Where [ptt] source is "none" there is neither."""

    kind: Literal["auto", "full", "lines"] = "auto"


class WebSection(StrictModel):
    """The web console at `bind`; beyond this machine it needs the token in `token_file` (one line, `clarilink token`),
    and `certificate` with `private_key` (PEM) for HTTPS, or `insecure`: then the token travels in the clear.

    `origins`: other addresses that the page may have come from (behind a proxy), as https://HOST[:PORT].
    """

    bind: BindAddress = "127.0.0.1:8300"
    token_file: ConfigPath | None = None
    certificate: ConfigPath | None = None
    private_key: ConfigPath | None = None
    insecure: bool = False
    origins: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _guarded(self) -> WebSection:
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("certificate and private_key go together")
        if not is_loopback(self.bind):
            if self.token_file is None:
                raise ValueError(f"bind {self.bind} can be reached from other machines; needed: token_file")
            if self.certificate is None and not self.insecure:
                raise ValueError(
                    f"bind {self.bind} can be reached from other machines; needed: certificate and private_key, or "
                    "insecure = true (the token then travels in the clear)"
                )
        return self


class ControlSection(StrictModel):
    """The control socket for `clarilink ctl` and other programs: a socket file that only its owner (and, with `group`
    true, its group) can use."""

    socket: ConfigPath
    group: bool = False


class MetricsSection(StrictModel):
    """Prometheus metrics at http://BIND/metrics."""

    bind: BindAddress = "127.0.0.1:9310"
    insecure: bool = False

    @model_validator(mode="after")
    def _guarded(self) -> MetricsSection:
        if not (self.insecure or is_loopback(self.bind)):
            raise ValueError(f"bind {self.bind} can be reached from other machines; needed: insecure = true to mean it")
        return self


class StateSection(StrictModel):
    """What a restart keeps (last heard, texts, overs, levels of speaker and talker): `file`, written at most every
    `every_s`."""

    file: ConfigPath
    every_s: float = Field(default=5.0, ge=0.5, le=3600)
