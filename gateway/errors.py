"""Every error clarilink raises on purpose; the message names what was got, what was needed and where.

Damage on the air is not an error: it becomes `Dropped(reason)` and a counter (gateway.protocol.packets).
"""

from __future__ import annotations

from typing import ClassVar


class GatewayError(Exception):
    """Base of all errors that the command line turns into one line and a non-zero exit."""

    exit_code: ClassVar[int] = 1


class ConfigError(GatewayError):
    """A configuration file is missing, malformed, or holds a wrong key or value."""


class AudioError(GatewayError):
    """A sound device or audio file cannot be used."""


class CheckpointError(GatewayError):
    """Codec weights are missing, damaged, or of a version this program cannot run."""


class EvaluationError(GatewayError):
    """Something that an evaluation needs is not there."""


class TraceError(GatewayError):
    """A recorded trace cannot be read or written."""


class SecurityError(GatewayError):
    """Keys or the memory of used counters are missing, damaged, or open to others."""


class KeyingError(GatewayError):
    """A transmitter cannot be keyed or unkeyed, or the operator's key cannot be read."""


class RequestError(GatewayError):
    """A console or a program asked for something that is no request, or that cannot be done."""


class LinkError(GatewayError):
    """A link cannot carry packets."""


class LinkClosed(LinkError):
    """The link was closed, here or by the other side."""


class LinkTimeout(LinkError):
    """The link did not become ready in the time allowed."""


class RestartWanted(GatewayError):
    """The program ended itself, in order, so that who looks after it starts it anew."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h


class ProtocolError(GatewayError):
    """A rule of the air protocol or of a file format was broken."""


class LocalProtocolError(ProtocolError):
    """This program was asked to send something the protocol forbids."""


class RemoteProtocolError(ProtocolError):
    """Input from elsewhere (a file, a peer) does not follow the format."""
