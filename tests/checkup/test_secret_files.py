"""Keys, tokens and certificates; no message holds a secret."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.checkup.findings import Finding, Findings, Level
from gateway.checkup.secret_files import check_certificate, check_curve, check_net_key, check_token
from gateway.checkup.surroundings import Surroundings
from gateway.config import ChannelCurveSection, CurveSection, SecuritySection
from gateway.keys import CurvePair, load_curve_secret, make_keys, save_curve
from gateway.links.sockets import curve_keypair

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def looking(check: object, *arguments: object) -> list[Finding]:
    findings = Findings(Path("x.toml"))
    check(findings, *arguments)  # type: ignore[operator]
    return findings.all


def test_the_key_of_a_net(tmp_path: Path) -> None:
    assert [one.level for one in looking(check_net_key, SecuritySection())] == [Level.OK]
    section = SecuritySection(mode="authenticate", key_file=tmp_path / "net.key")
    (found,) = looking(check_net_key, section)
    assert (found.level, found.key) == (Level.PROBLEM, "security.key_file")
    assert "clarilink keygen" in found.text
    keys = make_keys(tmp_path / "net.key")
    (found,) = looking(check_net_key, section)
    assert found.level is Level.OK
    assert keys.sends.master.hex() not in found.text
    (tmp_path / "net.key").chmod(0o640)
    (found,) = looking(check_net_key, section)
    assert (found.level, "chmod 600" in found.text) == (Level.PROBLEM, True)


def test_curve_keys(tmp_path: Path) -> None:
    pair = CurvePair(*curve_keypair())
    save_curve(tmp_path / "a.curve", pair)
    mine = ChannelCurveSection(secret_key=tmp_path / "a.curve", server_key=pair.public)
    assert [one.level for one in looking(check_curve, "link.curve", mine)] == [Level.OK]
    lonely = CurveSection(secret_key=tmp_path / "a.curve")
    assert [(one.level, one.key) for one in looking(check_curve, "curve", lonely)] == [(Level.WARNING, "curve.allow")]
    lost = CurveSection(secret_key=tmp_path / "b.curve")
    assert [(one.level, one.key) for one in looking(check_curve, "curve", lost)] == [
        (Level.PROBLEM, "curve.secret_key")
    ]
    assert looking(check_curve, "curve", None) == []
    assert load_curve_secret(tmp_path / "a.curve").secret not in str(looking(check_curve, "curve", lonely))


@pytest.mark.parametrize(
    ("content", "level"),
    [
        ("a-long-token-of-many-signs\n", Level.OK),
        ("aPq7\n", Level.PROBLEM),
        ("", Level.PROBLEM),
        ("a\nb", Level.PROBLEM),
    ],
)
def test_tokens(tmp_path: Path, content: str, level: Level) -> None:
    path = tmp_path / "token"
    path.write_text(content)
    path.chmod(0o600)
    (found,) = looking(check_token, path)
    assert found.level is level
    assert content.strip() == "" or content.strip() not in str(found).replace(str(path), "")
    path.chmod(0o644)
    assert looking(check_token, path)[0].level is Level.PROBLEM


def certificate(folder: Path, *, days: int, name: str = "c") -> tuple[Path, Path]:
    """A self-signed one that is valid from 10 days before NOW for so many days after it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "station")])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(NOW - timedelta(days=10))
        .not_valid_after(NOW + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    paths[1].chmod(0o600)
    return paths


@pytest.mark.parametrize(
    ("days", "at", "level"),
    [
        (300, NOW, Level.OK),
        (10, NOW, Level.WARNING),
        (-1, NOW, Level.PROBLEM),
        (300, NOW - timedelta(days=99), Level.PROBLEM),
    ],
)
def test_certificates_and_time(tmp_path: Path, days: int, at: datetime, level: Level) -> None:
    around = Surroundings(calendar=at.timestamp)
    found = looking(check_certificate, *certificate(tmp_path, days=days), around)
    assert [(one.level, one.key) for one in found] == [(level, "web.certificate"), (Level.OK, "web.private_key")]


def test_certificates_that_cannot_be(tmp_path: Path) -> None:
    around = Surroundings(calendar=NOW.timestamp)
    good, key = certificate(tmp_path, days=300)
    _, other = certificate(tmp_path, days=300, name="other")
    assert looking(check_certificate, good, other, around)[1].level is Level.PROBLEM
    assert looking(check_certificate, tmp_path / "none", key, around)[0].level is Level.PROBLEM
    assert looking(check_certificate, good, tmp_path / "none", around)[1].level is Level.PROBLEM
    (tmp_path / "text").write_text("hello")
    assert looking(check_certificate, tmp_path / "text", key, around)[0].level is Level.PROBLEM
    key.chmod(0o644)
    assert [one.level for one in looking(check_certificate, good, key, around)] == [
        Level.OK,
        Level.WARNING,
        Level.OK,
    ]
