"""Fetching a client's keys without being turned against ourselves: `api/oauth/key_sets.py`"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from api.oauth.fetching import FetchFailed
from api.oauth.key_sets import KeySets, is_public_address, kept_seconds
from domain.clients import Client

HOST = "keys.example.org"


@dataclass
class Site:
    """A real TLS server on this machine; `head` and `keys` are what it answers."""

    port: int
    trusted: ssl.SSLContext
    status: str = "200 OK"
    head: str = "Cache-Control: max-age=60\r\n"
    keys: list[dict[str, str]] = field(default_factory=lambda: [{"kid": "a", "kty": "EC"}])
    body: bytes | None = None
    asked: int = 0
    resolved: Sequence[str] = ("127.0.0.1",)
    now: float = 1000.0

    def client(self, uri: str | None = None) -> Client:
        return Client(
            id="lab",
            name="Lab",
            proof="private_key_jwt",
            grants=("client_credentials",),
            scope="system/*.rs",
            created=datetime.now(UTC),
            created_by="cli",
            jwks_uri=uri or f"https://{HOST}:{self.port}/jwks",
        )

    def key_sets(self, *, guarded: bool = False) -> KeySets:
        async def resolve(host: str, port: int) -> Sequence[str]:
            return self.resolved

        allowed = None if guarded else lambda address: address in ("127.0.0.1",)
        return KeySets(resolve=resolve, allowed=allowed, tls=self.trusted, clock=lambda: self.now)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.asked += 1
            body = self.body if self.body is not None else json.dumps({"keys": self.keys}).encode()
            writer.write(f"HTTP/1.1 {self.status}\r\n{self.head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, secret = tmp_path / "cert.pem", tmp_path / "key.pem"
    pem.write_bytes(certificate.public_bytes(Encoding.PEM))
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(pem, secret)
    site = Site(0, ssl.create_default_context(cafile=str(pem)))
    server = await asyncio.start_server(lambda r, w: site.serve(r, w), "127.0.0.1", 0, ssl=serving)
    site.port = server.sockets[0].getsockname()[1]
    yield site
    server.close()
    await server.wait_closed()


async def test_keys_are_fetched_once_for_as_long_as_the_client_allows(site: Site) -> None:
    sets, client = site.key_sets(), site.client()
    for _ in range(3):
        assert [key["kid"] for key in await sets.candidates(client, "a")] == ["a"]
    assert site.asked == 1
    site.now += 61
    await sets.candidates(client, "a")
    assert site.asked == 2


async def test_those_who_wait_share_one_fetch(site: Site) -> None:
    sets, client = site.key_sets(), site.client()
    await asyncio.gather(*[sets.candidates(client, "a") for _ in range(20)])
    assert site.asked == 1


async def test_an_unknown_key_is_looked_for_again_but_not_at_every_request(site: Site) -> None:
    sets, client = site.key_sets(), site.client()
    await sets.candidates(client, "a")
    site.keys.append({"kid": "b", "kty": "EC"})
    assert await sets.candidates(client, "b") == []
    site.now += 31
    assert len(await sets.candidates(client, "b")) == 1
    assert site.asked == 2


@pytest.mark.parametrize("head", ["Cache-Control: no-store\r\n", "Cache-Control: private, no-cache\r\n"])
async def test_keys_that_may_not_be_kept_are_not(site: Site, head: str) -> None:
    site.head = head
    sets, client = site.key_sets(), site.client()
    await sets.candidates(client, "a")
    await sets.candidates(client, "a")
    assert site.asked == 2


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 300),
        ("max-age=60", 60),
        ("public, max-age=10", 10),
        ('max-age="20"', 20),
        ("max-age=999999999", 3600),
        ("no-store, max-age=60", 0),
        ("s-max-age=5", 300),
    ],
)
def test_how_long_an_answer_is_kept(header: str | None, seconds: float) -> None:
    assert kept_seconds(header) == seconds


@pytest.mark.parametrize(
    ("status", "head", "body"),
    [
        ("302 Found", "Location: https://127.0.0.1/\r\n", b""),
        ("404 Not Found", "", b"{}"),
        ("200 OK", "", b"x" * 70_000),
        ("200 OK", "", b"[]"),
        ("200 OK", "", b'{"keys": {}}'),
        ("200 OK", "", b'{"keys": [1]}'),
        ("200 OK", "Content-Encoding: gzip\r\n", b"\x1f\x8b"),
    ],
)
async def test_what_is_no_key_set_is_refused(site: Site, status: str, head: str, body: bytes) -> None:
    site.status, site.head, site.body = status, head, body
    with pytest.raises(FetchFailed):
        await site.key_sets().candidates(site.client(), "a")


async def test_another_certificate_is_refused(site: Site) -> None:
    site.trusted = ssl.create_default_context()
    with pytest.raises(FetchFailed):
        await site.key_sets().candidates(site.client(), "a")
    assert site.asked == 0


@pytest.mark.parametrize("resolved", [["127.0.0.1"], ["93.184.216.34", "10.0.0.1"], []])
async def test_a_name_with_any_address_of_ours_is_never_called(site: Site, resolved: list[str]) -> None:
    site.resolved = resolved
    with pytest.raises(FetchFailed, match="not public"):
        await site.key_sets(guarded=True).candidates(site.client(), "a")
    assert site.asked == 0


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "2002:7f00:1::",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "not an address",
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public_address(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"])
def test_addresses_that_are_public(address: str) -> None:
    assert is_public_address(address)
