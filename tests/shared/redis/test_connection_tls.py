"""rediss://, with a certificate made for the test."""

import asyncio
import datetime as dt
import ipaddress
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared.ports import free_port
from shared.redis.connection import RedisUnavailable, connect, connect_async
from shared.redis.embedded import EmbeddedServer


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for localhost, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    names: list[x509.GeneralName] = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return cert_file, key_file


@pytest.fixture
def tls_port(redis_server: EmbeddedServer, relay_to: Callable[..., Any], certificate: tuple[Path, Path]) -> int:
    """TLS in front of the embedded server, whose build speaks none itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    port: int = relay_to(redis_server.port, context).port
    return port


def answers(url: str) -> bool:
    with connect(url) as client:
        return bool(client.ping())


async def answers_async(url: str) -> bool:
    client = await connect_async(url)
    try:
        return bool(await client.ping())
    finally:
        await client.aclose()


def test_a_trusted_certificate_lets_both_clients_in(tls_port: int, certificate: tuple[Path, Path]) -> None:
    url = f"rediss://127.0.0.1:{tls_port}?ssl_ca_certs={certificate[0]}"
    assert answers(url)
    assert asyncio.run(answers_async(url))


def test_an_unknown_certificate_is_refused_and_named(tls_port: int) -> None:
    with pytest.raises(RedisUnavailable, match=r"(?i)certificate.verify.failed"):
        connect(f"rediss://127.0.0.1:{tls_port}")


def test_a_plain_client_at_a_tls_port_is_one_line(tls_port: int) -> None:
    with pytest.raises(RedisUnavailable, match=r"cannot be reached|not as a Redis server"):
        connect(f"redis://127.0.0.1:{tls_port}", timeout_s=2.0)


def test_a_tls_client_at_a_plain_port_is_one_line(redis_server: EmbeddedServer) -> None:
    with pytest.raises(RedisUnavailable):
        connect(f"rediss://127.0.0.1:{redis_server.port}", timeout_s=1.0)


def test_a_certificate_file_that_is_not_there_is_one_line(tls_port: int) -> None:
    with pytest.raises(RedisUnavailable, match="No such file"):
        connect(f"rediss://127.0.0.1:{tls_port}?ssl_ca_certs=/nowhere/ca.pem")


def test_a_server_with_tls_of_its_own_is_spoken_to(
    other_redis: Path, start_redis: Callable[..., int], certificate: tuple[Path, Path]
) -> None:
    cert, key = map(str, certificate)
    port = free_port()
    files = ("--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert)
    start_redis("--tls-port", str(port), *files, "--tls-auth-clients", "no", executable=other_redis)
    url = f"rediss://localhost:{port}?ssl_ca_certs={cert}"
    assert answers(url)
    assert asyncio.run(answers_async(url))


def made(
    folder: Path, name: str, signer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None
) -> Path:
    """A certificate and its key in one file, signed by ``signer`` or by itself; gives the file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if signer is None else signer[0].subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key if signer is None else signer[1], hashes.SHA256())
    )
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file = folder / f"{name}.pem"
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(*form))
    return file


@pytest.fixture
def mutual_port(
    redis_server: EmbeddedServer, relay_to: Callable[..., Any], certificate: tuple[Path, Path], tmp_path: Path
) -> int:
    """TLS that lets nobody in without a certificate that ``tmp_path/known.pem`` has signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    context.load_verify_locations(made(tmp_path, "known"))
    context.verify_mode = ssl.CERT_REQUIRED
    port: int = relay_to(redis_server.port, context).port
    return port


def test_a_client_that_shows_a_known_certificate_gets_in(
    mutual_port: int, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    shown = tmp_path / "known.pem"
    url = (
        f"rediss://127.0.0.1:{mutual_port}?ssl_ca_certs={certificate[0]}&ssl_certfile={shown}&ssl_keyfile={shown}"
    )
    assert answers(url)
    assert asyncio.run(answers_async(url))


@pytest.mark.parametrize("name", ["", "stranger"])
def test_a_client_without_a_known_certificate_is_refused_in_one_line(
    mutual_port: int, certificate: tuple[Path, Path], tmp_path: Path, name: str
) -> None:
    shown = f"&ssl_certfile={made(tmp_path, name)}&ssl_keyfile={tmp_path / name}.pem" if name else ""
    with pytest.raises(RedisUnavailable) as refused:
        connect(f"rediss://127.0.0.1:{mutual_port}?ssl_ca_certs={certificate[0]}{shown}", timeout_s=5.0)
    assert len(str(refused.value).splitlines()) == 1


def test_a_server_of_another_authority_is_refused_in_one_line(tls_port: int, tmp_path: Path) -> None:
    other = made(tmp_path, "other-authority")
    with pytest.raises(RedisUnavailable, match=r"(?i)certificate.verify.failed") as refused:
        connect(f"rediss://127.0.0.1:{tls_port}?ssl_ca_certs={other}")
    assert len(str(refused.value).splitlines()) == 1
