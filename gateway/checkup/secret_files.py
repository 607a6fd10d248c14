"""Keys, tokens and certificates: readable by us, by nobody else, and valid.

Rule: a secret is never shown, not even in part.
"""

from __future__ import annotations

import ssl
import stat
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from gateway.checkup.findings import Findings
from gateway.checkup.surroundings import Surroundings
from gateway.config import ChannelCurveSection, CurveSection, SecuritySection
from gateway.keys import load_keys
from gateway.protocol.security import check_value
from gateway.station.secured import open_curve
from gateway.web.token import read_token

SOON = timedelta(days=30)


def check_net_key(findings: Findings, section: SecuritySection) -> None:
    """The net's keys."""
    if section.mode == "none":
        findings.ok("security.mode", "none: anybody can hear this net and talk on it")
        return
    assert section.key_file is not None
    with findings.looking_at("security.key_file"):
        keys = load_keys(section.key_file)
        others = ", ".join(str(number) for number in sorted(keys.accepted))
        text = f"sends with key {keys.sends.key_id} (check {check_value(keys.sends)}), accepts {others}"
        findings.ok("security.key_file", text)


def check_curve(findings: Findings, key: str, section: CurveSection | ChannelCurveSection | None) -> None:
    """The ZeroMQ keys of a [curve] section."""
    if section is None:
        return
    with findings.looking_at(f"{key}.secret_key"):
        curve = open_curve(section)
        assert curve is not None
        if isinstance(section, CurveSection) and not curve.allowed:
            text = "no public key is allowed: nobody can connect"
            findings.warn(f"{key}.allow", text, "list the peers' public keys, or give allow_folder")
        else:
            findings.ok(f"{key}.secret_key", f"{section.secret_key} can be used")


def check_token(findings: Findings, path: Path) -> None:
    """The web console's token."""
    with findings.looking_at("web.token_file"):
        read_token(path)
        findings.ok("web.token_file", f"{path} can be used")


def check_certificate(findings: Findings, certificate: Path, private_key: Path, around: Surroundings) -> None:
    """The web console's certificate: readable, with its own key, valid now and for a while."""
    with findings.looking_at("web.certificate"):
        try:
            found = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
        except OSError as error:
            findings.problem("web.certificate", f"{certificate}: cannot read: {error.strerror or error}")
            return
        except ValueError:
            findings.problem("web.certificate", f"{certificate}: no certificate in PEM")
            return
        now = datetime.fromtimestamp(around.calendar(), UTC)
        until = found.not_valid_after_utc
        if now < found.not_valid_before_utc:
            text = f"{certificate}: not valid before {found.not_valid_before_utc:%Y-%m-%d}"
            findings.problem("web.certificate", text, "is this machine's clock right?")
        elif now > until:
            findings.problem("web.certificate", f"{certificate}: ended on {until:%Y-%m-%d}", "get a new one")
        elif now + SOON > until:
            findings.warn("web.certificate", f"{certificate}: ends on {until:%Y-%m-%d}", "get a new one")
        else:
            findings.ok("web.certificate", f"{certificate}: valid until {until:%Y-%m-%d}")
    with findings.looking_at("web.private_key"):
        with suppress(OSError):
            if private_key.stat().st_mode & stat.S_IROTH:
                findings.warn("web.private_key", f"{private_key}: everybody may read it", f"`chmod o-r {private_key}`")
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, private_key, password="")
        except (ssl.SSLError, OSError, ValueError) as error:
            why = getattr(error, "reason", None) or str(error)
            findings.problem("web.private_key", f"{private_key}: does not go with the certificate ({why})")
        else:
            findings.ok("web.private_key", f"{private_key} goes with the certificate")
