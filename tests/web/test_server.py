"""The console's thread: starts, says where it is, stops; wrong files and addresses are named."""

from __future__ import annotations

import asyncio
import datetime
import importlib.util
import socket
import ssl
import threading
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.errors import ConfigError, SecurityError
from gateway.operator_config import WebSection
from gateway.web import server
from gateway.web.server import WebConsole
from gateway.web.token import make_token
from tests.web.desk import Consoles, Desk


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(made.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(private)
    return folder / "cert.pem", folder / "key.pem"


async def health(address: str, context: ssl.SSLContext | bool = True) -> str:
    async with aiohttp.ClientSession() as session, session.get(f"{address}/healthz", ssl=context) as answer:
        return await answer.text()


def test_it_starts_says_where_it_is_and_stops(consoles: Consoles) -> None:
    before = threading.active_count()
    console = consoles.start()
    assert console.address.startswith("http://127.0.0.1:")
    assert asyncio.run(health(console.address)) == "ok\n"
    console.stop()
    console.stop()
    assert threading.active_count() == before
    with pytest.raises(aiohttp.ClientConnectionError):
        asyncio.run(health(console.address))


def test_two_consoles_stand_side_by_side(consoles: Consoles) -> None:
    one, other = consoles.start(), consoles.start()
    assert one.address != other.address
    for console in (one, other):
        assert asyncio.run(health(console.address)) == "ok\n"


def test_an_address_that_is_taken_is_named(consoles: Consoles) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"web\.bind: cannot listen at 127\.0\.0\.1:{port}: .*in use"):
            consoles.start(WebSection(bind=f"127.0.0.1:{port}"))


def test_a_console_that_does_not_come_up_is_named(consoles: Consoles, monkeypatch: pytest.MonkeyPatch) -> None:
    asked_to_end = threading.Event()

    async def never_up(_: WebConsole) -> None:
        await asyncio.to_thread(asked_to_end.wait)

    monkeypatch.setattr(WebConsole, "_serve", never_up)
    monkeypatch.setattr(server, "STARTS_WITHIN_S", 0.01)
    with pytest.raises(ConfigError, match=r"web\.bind: the console did not listen at 127\.0\.0\.1:0 within 0\.01 s"):
        consoles.start()
    asked_to_end.set()


def test_an_address_of_another_machine_is_named(consoles: Consoles, tmp_path: Path) -> None:
    make_token(tmp_path / "web.token")
    section = WebSection(bind="192.0.2.1:0", token_file=tmp_path / "web.token", insecure=True)
    with pytest.raises(ConfigError, match=r"web\.bind: cannot listen at 192\.0\.2\.1:0"):
        consoles.start(section)


def test_with_a_certificate_it_speaks_tls_only(consoles: Consoles, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    console = consoles.start(WebSection(bind="127.0.0.1:0", certificate=cert, private_key=key))
    assert console.address.startswith("https://")
    context = ssl.create_default_context(cafile=str(cert))
    context.check_hostname = False
    assert asyncio.run(health(console.address, context)) == "ok\n"
    with pytest.raises(aiohttp.ClientError):
        asyncio.run(health(console.address.replace("https", "http")))


def test_the_cookie_of_a_tls_console_travels_over_tls_only(consoles: Consoles, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    token = make_token(tmp_path / "web.token")
    section = WebSection(bind="127.0.0.1:0", certificate=cert, private_key=key, token_file=tmp_path / "web.token")
    console = consoles.start(section)

    async def log_in() -> str:
        context = ssl.create_default_context(cafile=str(cert))
        context.check_hostname = False
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{console.address}/login", data={"token": token}, ssl=context) as answer,
        ):
            return answer.headers["Set-Cookie"]

    assert "Secure" in asyncio.run(log_in())


def test_wrong_files_are_named(consoles: Consoles, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    (tmp_path / "no.pem").write_text("nothing")
    with pytest.raises(ConfigError, match=r"web\.certificate: .*gone\.pem: cannot read"):
        consoles.start(WebSection(bind="127.0.0.1:0", certificate=tmp_path / "gone.pem", private_key=key))
    with pytest.raises(ConfigError, match=r"web\.private_key: .*gone\.pem: cannot read"):
        consoles.start(WebSection(bind="127.0.0.1:0", certificate=cert, private_key=tmp_path / "gone.pem"))
    with pytest.raises(ConfigError, match=r"web\.certificate .*no\.pem"):
        consoles.start(WebSection(bind="127.0.0.1:0", certificate=tmp_path / "no.pem", private_key=key))
    with pytest.raises(SecurityError, match="clarilink token"):
        consoles.start(WebSection(bind="127.0.0.1:0", token_file=tmp_path / "gone.token"))


def test_a_key_with_a_password_is_an_error_and_no_question(consoles: Consoles, tmp_path: Path) -> None:
    cert, _ = certificate(tmp_path)
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"hunter2"),
    )
    (tmp_path / "locked.pem").write_bytes(key)
    with pytest.raises(ConfigError, match="without a password"):
        consoles.start(WebSection(bind="127.0.0.1:0", certificate=cert, private_key=tmp_path / "locked.pem"))


def test_without_the_library_the_extra_is_named(consoles: Consoles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"install clarilink\[web\]"):
        consoles.start()


def test_a_console_that_never_started_stops(desk: Desk) -> None:
    console = WebConsole(WebSection(bind="127.0.0.1:0"), desk.hub, station="x", recordings=None, config=dict, say=print)
    console.stop()
