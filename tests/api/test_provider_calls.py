"""Calling providers: a real one, and those that answer wrongly, slowly, without end, or to lead us elsewhere."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ssl
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from api.allowed_hosts import AllowedHosts
from api.provider_calls import Bounds, Providers
from api.provider_wire import Lines, Patience
from api.settings import Settings
from domain.clinic.provider_ports import Auth, Cause, Connection, ProviderTrouble
from tests.api import providers
from tests.api.providers import Talk, bundle, content, endless, faulty, raw, saying

HERE = "127.0.0.1, localhost"
PATIENT = {"resourceType": "Patient", "id": "r1"}
BOUNDS = Bounds(entries=2, page=1_000_000, content=100_000, pages=5)


def calls(hosts: str | None = HERE, *, seconds: float = 0.3, **given: Any) -> Providers:
    lines = Lines(AllowedHosts(hosts, given.pop("resolve", None)), patience=Patience(seconds, seconds, 2 * seconds))
    return Providers(lines, BOUNDS, **given)


async def trouble_of(talk: Talk, seconds: float = 0.3) -> ProviderTrouble:
    """What reading the Patient ends with when a provider answers so."""
    async with (
        faulty({"/Patient": talk}) as server,
        calls(seconds=seconds).open(providers.connection(server.base)) as remote,
    ):
        with pytest.raises(ProviderTrouble) as raised:
            await remote.read("Patient", "r1")
    assert server.base not in repr(raised.value)
    assert raised.value.__cause__ is None
    return raised.value


@pytest.fixture
async def hospital(settings: Settings) -> AsyncIterator[providers.Provider]:
    async with providers.provider(settings) as found:
        yield found


async def filled(hospital: providers.Provider) -> None:
    """A patient with five observations, and a document with a file."""
    file = base64.b64encode(b"%PDF-1.4 page").decode()
    document = {
        "resourceType": "DocumentReference",
        "id": "d1",
        "status": "current",
        "subject": {"reference": "Patient/r1"},
        "content": [{"attachment": {"contentType": "application/pdf", "data": file}}],
    }
    async with httpx.AsyncClient(
        base_url=hospital.base, headers={"authorization": f"Bearer {hospital.token}"}, trust_env=False
    ) as web:
        for resource in (PATIENT, {"resourceType": "Patient", "id": "r2"}, document, *map(observation, range(5))):
            answer = await web.put(f"/{resource['resourceType']}/{resource['id']}", json=resource)
            assert answer.status_code == 201, answer.text


def observation(number: int) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"o{number}",
        "status": "final",
        "code": {"text": "weight"},
        "subject": {"reference": "Patient/r1"},
    }


async def test_everything_a_real_provider_knows_comes_page_by_page_and_what_it_says_of_itself(
    hospital: providers.Provider,
) -> None:
    await filled(hospital)
    async with calls(seconds=10).open(hospital.connection("r1")) as remote:
        able = await remote.able()
        assert able.is_r4
        assert able.takes_tasks
        assert {"Patient", "Observation"} <= able.types
        found = [page async for page in remote.pages("Observation", since=None)]
        assert [len(page.resources) for page in found] == [2, 2, 1]
        assert abs(found[0].date - datetime.now(UTC)) < timedelta(minutes=1)
        assert {each["id"] for page in found for each in page.resources} == {f"o{number}" for number in range(5)}
        (page,) = [page async for page in remote.pages("Patient", since=None)]
        assert [each["id"] for each in page.resources] == ["r1"]
        later = datetime.now(UTC) + timedelta(hours=1)
        assert "Observation" in able.dated
        assert [page.resources async for page in remote.pages("Observation", since=later)] == [[]]
        (page,) = [page async for page in remote.pages("DocumentReference", since=None)]
        attachment = page.resources[0]["content"][0]["attachment"]
        bytes_ = b"".join([piece async for piece in remote.content(attachment["url"])])
        assert bytes_ == b"%PDF-1.4 page"
        assert base64.b64decode(attachment["hash"]) == hashlib.sha1(bytes_).digest()


async def test_what_is_pushed_arrives_and_never_over_a_version_we_have_not_seen(hospital: providers.Provider) -> None:
    await filled(hospital)
    async with calls(seconds=10).open(hospital.connection("r1")) as remote:
        assert await remote.update({**observation(1), "status": "amended"}, if_match="1") == "2"
        assert (await remote.read("Observation", "o1"))["status"] == "amended"
        with pytest.raises(ProviderTrouble) as raised:
            await remote.update({**observation(1), "status": "cancelled"}, if_match="1")
        assert raised.value.cause == "conflict"
        task = {"resourceType": "Task", "status": "requested", "intent": "order", "for": {"reference": "Patient/r1"}}
        named = await remote.create(task)
        assert named is not None
        assert (await remote.read(*named.split("/")))["status"] == "requested"
        with pytest.raises(ProviderTrouble) as raised:
            await remote.read("Patient", "nobody")
        assert raised.value.cause == "unknown_patient"
    async with calls(seconds=10).open(hospital.connection("r1", auth=Auth(kind="BEARER", secret="x"))) as remote:
        with pytest.raises(ProviderTrouble) as raised:
            await remote.read("Patient", "r1")
        assert raised.value.cause == "unauthorized"


BEGUN = b"HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\n"


@pytest.mark.parametrize(
    ("talk", "cause"),
    [
        (saying("401 Unauthorized"), "unauthorized"),
        (saying("403 Forbidden"), "forbidden"),
        (saying("404 Not Found"), "unknown_patient"),
        (saying("410 Gone"), "unknown_patient"),
        (saying("500 Internal Server Error"), "provider_error"),
        (saying("503 Service Unavailable"), "provider_error"),
        (saying("429 Too Many Requests"), "throttled"),
        (saying("400 Bad Request"), "bad_content"),
        (saying("302 Found", Location="http://127.0.0.1:1/"), "bad_content"),
        (saying("200 OK", b"<html>"), "bad_content"),
        (saying("200 OK", b"[1]"), "bad_content"),
        (saying("200 OK", b"[" * 50_000), "bad_content"),
        (content({"resourceType": "Basic"}), "bad_content"),
        (saying("200 OK", b"{}", Content_Encoding="gzip"), "bad_content"),
        (raw(b"220 smtp.example.org ESMTP\r\n\r\n"), "bad_content"),
        (raw(BEGUN + b"Content-Length: -3\r\n\r\n"), "bad_content"),
        (raw(BEGUN + b"Content-Length: 1000001\r\n\r\n"), "bad_content"),
        (raw(BEGUN + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n"), "bad_content"),
        (raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 10), "bad_content"),
        (raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000), "bad_content"),
        (endless(BEGUN + b"\r\n", b"x" * 50_000), "bad_content"),
        (endless(BEGUN + b"Transfer-Encoding: chunked\r\n\r\n", b"4000\r\n" + b"x" * 0x4000 + b"\r\n"), "bad_content"),
        (endless(BEGUN, b"X: " + b"y" * 5_000 + b"\r\n"), "bad_content"),
        (raw(b"", cut=True), "unreachable"),
        (raw(BEGUN[:20], cut=True), "unreachable"),
        (raw(BEGUN + b"Content-Length: 50\r\n\r\n{", cut=True), "unreachable"),
        (raw(BEGUN + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhe", cut=True), "unreachable"),
        (raw(b"", hang=True), "timeout"),
        (raw(BEGUN, hang=True), "timeout"),
        (raw(BEGUN + b"Content-Length: 50\r\n\r\n{", hang=True), "timeout"),
    ],
)
async def test_whatever_is_wrong_has_a_cause(talk: Talk, cause: Cause) -> None:
    assert (await trouble_of(talk)).cause == cause


async def test_a_body_that_drips_is_not_waited_for() -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(BEGUN + b"Content-Length: 5000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    assert (await trouble_of(drip, seconds=0.1)).cause == "timeout"


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [("120", 120, 120), ("99999999999", 86_400, 86_400), ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0)],
)
async def test_a_provider_says_how_long_to_wait(text: str, least: float, most: float) -> None:
    for status in ("429 Too Many Requests", "503 Service Unavailable"):
        trouble = await trouble_of(saying(status, Retry_After=text))
        assert trouble.cause == "throttled"
        assert trouble.retry_after is not None
        assert least <= trouble.retry_after <= most


async def test_a_host_that_is_not_there_or_speaks_no_tls_is_told_apart() -> None:
    async with faulty({}) as server:
        plain, secure = server.base, server.base.replace("http:", "https:")
        async with calls().open(providers.connection(secure)) as remote:
            with pytest.raises(ProviderTrouble) as raised:
                await remote.able()
        assert raised.value.cause in ("tls", "unreachable", "timeout")
    async with calls().open(providers.connection(plain)) as remote:
        with pytest.raises(ProviderTrouble) as raised:
            await remote.able()
    assert raised.value.cause == "unreachable"


async def test_who_cannot_prove_to_be_the_provider_is_told_nothing(tmp_path: Path) -> None:
    serving, trusting = certified(tmp_path, "clinic.example.org")

    async def of(host: str, tls: ssl.SSLContext | None) -> Cause | str:
        async def resolve(_host: str, _port: int) -> Sequence[str]:
            return ["127.0.0.1"]

        async with faulty({"/Patient": content(PATIENT)}, tls=serving) as server:
            base = server.base.replace("http:", "https:").replace("127.0.0.1", host)
            lines = Lines(AllowedHosts("clinic.example.org, other.example.org", resolve), tls=tls)
            auth = Auth(kind="BEARER", secret="secret-of-ours")
            async with Providers(lines, BOUNDS).open(providers.connection(base, auth=auth)) as remote:
                try:
                    return str((await remote.read("Patient", "r1"))["id"])
                except ProviderTrouble as trouble:
                    assert not server.asked
                    return trouble.cause

    assert await of("clinic.example.org", trusting) == "r1"
    assert await of("other.example.org", trusting) == "tls"
    assert await of("clinic.example.org", None) == "tls"


def certified(folder: Path, host: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a server of that name shows, and who trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / "cert.pem", folder / "key.pem"
    pem.write_bytes(certificate.public_bytes(Encoding.PEM))
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(pem, secret)
    return serving, ssl.create_default_context(cafile=str(pem))


@pytest.mark.parametrize(
    ("hosts", "base"),
    [
        (None, "http://clinic.example.org/fhir"),
        (None, "https://10.1.2.3/fhir"),
        (None, "https://localhost/fhir"),
        ("clinic.internal", "https://other.internal/fhir"),
        ("clinic.internal:8443", "https://clinic.internal/fhir"),
    ],
)
async def test_an_address_that_may_not_be_called_is_not(hosts: str | None, base: str) -> None:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        raise AssertionError("nothing is resolved")

    async with calls(hosts, resolve=resolve).open(providers.connection(base)) as remote:
        with pytest.raises(ProviderTrouble) as raised:
            await remote.able()
    assert raised.value.cause == "not_allowed"


async def test_a_public_name_that_is_turned_to_an_address_inside_is_not_followed() -> None:
    """DNS rebinding: the first answer is public, the next is this machine. Whatever is connected to was looked at."""
    answers = ["127.0.0.1", "127.0.0.1"]

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return [answers.pop()]

    async with calls(None, resolve=resolve).open(providers.connection("https://clinic.example.org/fhir")) as remote:
        for _ in range(2):
            with pytest.raises(ProviderTrouble) as raised:
                await remote.able()
            assert raised.value.cause == "not_allowed"
    assert not answers


async def test_links_lead_to_the_provider_only_and_not_in_circles() -> None:
    async def all_of(remote_of: Connection) -> Cause | int:
        try:
            async with calls().open(remote_of) as remote:
                return len([page async for page in remote.pages("Observation", since=None)])
        except ProviderTrouble as trouble:
            return trouble.cause

    async with faulty({}) as other, faulty({}) as server:
        reached = providers.connection(server.base)
        server.talks = {
            "/next?2": bundle(),
            "/next": bundle(following="next?2"),
            "/Observation": bundle(following="next"),
        }
        assert await all_of(reached) == 3
        server.talks = {"/Observation": bundle(following=f"{server.base}/Observation?patient=r1&_count=2")}
        assert await all_of(reached) == "bad_content"
        server.talks = {"/Observation": bundle(following=f"{other.base}/next")}
        assert await all_of(reached) == "not_allowed"
        for elsewhere in ("http://u:p@127.0.0.1/", "file:///etc/passwd", "//localhost/", "https://[", "http://a b/"):
            server.talks = {"/Observation": bundle(following=elsewhere)}
            assert await all_of(reached) in ("not_allowed", "bad_content"), elsewhere
        server.talks = {"/Observation": saying("200 OK", b'{"resourceType":"Bundle","entry":[{"resource":3}]}')}
        assert await all_of(reached) == "bad_content"
        number = iter(range(100))

        async def more(writer: asyncio.StreamWriter) -> None:
            await bundle(following=f"next?{next(number)}")(writer)

        server.talks = {"/": more}
        assert await all_of(reached) == "bad_content"
        assert next(number) == 5
        assert not other.asked


async def test_contents_come_from_elsewhere_only_if_that_is_listed_and_then_without_our_secrets() -> None:
    auth = Auth(kind="BASIC", name="us", secret="secret-of-ours")
    async with (
        faulty({"/Binary/1": saying("200 OK", b"abc", Content_Type="text/plain")}) as other,
        faulty({}) as server,
    ):
        server.talks = {
            "/Binary/1": saying("200 OK", b"home", Content_Type="text/plain"),
            "/Binary/2": content({"resourceType": "Binary", "data": "aGVsbG8="}),
            "/Binary/3": content({"resourceType": "Binary", "data": "?"}),
            "/Binary/4": endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 50_000),
        }
        port = server.base.rpartition(":")[2].removesuffix("/fhir")
        here = providers.connection(server.base, auth=auth)

        async def of(url: str, hosts: str = HERE) -> bytes | Cause:
            try:
                async with calls(hosts).open(here) as remote:
                    return b"".join([piece async for piece in remote.content(url)])
            except ProviderTrouble as trouble:
                return trouble.cause

        assert await of("Binary/1") == await of(f"{server.base}/Binary/1") == b"home"
        assert await of("Binary/2") == b"hello"
        assert await of("Binary/3") == await of("Binary/4") == "bad_content"
        assert await of(f"{other.base}/Binary/1") == b"abc"
        assert await of(f"{other.base}/Binary/1", f"127.0.0.1:{port}") == "not_allowed"
        for elsewhere in ("file:///etc/passwd", "data:text/plain,x", "gopher://127.0.0.1/"):
            assert await of(elsewhere) == "not_allowed"
        assert "Authorization: Basic " in server.asked[0]
        assert len(other.asked) == 1
        assert "Authorization" not in other.asked[0]


async def test_connections_are_kept_and_one_that_was_closed_meanwhile_is_made_anew() -> None:
    async with (
        faulty({"/Patient": content(PATIENT)}) as server,
        calls().open(providers.connection(server.base)) as remote,
    ):
        await remote.read("Patient", "r1")
        await remote.read("Patient", "r1")
        assert server.sockets == 1
        server.talks = {"/Patient": raw(b"", cut=True)}
        with pytest.raises(ProviderTrouble):
            await remote.read("Patient", "r1")
        assert (server.sockets, len(server.asked)) == (2, 4)
        server.talks = {"/Patient": content(PATIENT)}
        await remote.read("Patient", "r1")


def tokens(*given: str, lasts: int = 300) -> Talk:
    waiting = list(given)

    async def talk(writer: asyncio.StreamWriter) -> None:
        body = f'{{"access_token":"{waiting.pop(0)}","token_type":"bearer","expires_in":{lasts}}}'.encode()
        await saying("200 OK", body, Content_Type="application/json")(writer)

    return talk


def credentials(base: str) -> Connection:
    told = {"name": "us:", "secret": "a b", "token_url": f"{base}/token", "scope": "system/*.rs"}
    return providers.connection(base, auth=Auth(kind="CLIENT_CREDENTIALS", **told))


async def test_a_token_is_fetched_once_and_again_when_it_is_refused_or_over() -> None:
    async with faulty({"/token": tokens("t1", "t2"), "/Patient": content(PATIENT)}) as server:
        remotes = calls()
        for _ in range(2):
            async with remotes.open(credentials(server.base)) as remote:
                await remote.read("Patient", "r1")
        (fetched,) = server.heads("/token")
        assert "Basic " + base64.b64encode(b"us%3A:a+b").decode() in fetched
        assert fetched.endswith("grant_type=client_credentials&scope=system%2F%2A.rs")
        assert all("Authorization: Bearer t1" in each for each in server.heads("/Patient"))

        async def only_the_second(writer: asyncio.StreamWriter) -> None:
            good = "Bearer t2" in server.asked[-1]
            await (content(PATIENT) if good else saying("401 Unauthorized"))(writer)

        server.talks["/Patient"] = only_the_second
        async with remotes.open(credentials(server.base)) as remote:
            await remote.read("Patient", "r1")
        assert len(server.heads("/token")) == 2
        server.talks = {"/token": tokens("t3", "t4", lasts=20), "/Patient": content(PATIENT)}
        fresh = calls()
        async with fresh.open(credentials(server.base)) as remote:
            await remote.read("Patient", "r1")
            await remote.read("Patient", "r1")
        assert len(server.heads("/token")) == 4


@pytest.mark.parametrize(
    ("talk", "cause"),
    [
        (saying("400 Bad Request", b'{"error":"invalid_client"}'), "unauthorized"),
        (saying("500 Internal Server Error"), "provider_error"),
        (saying("302 Found", Location="/"), "bad_content"),
        (saying("200 OK", b"{}"), "bad_content"),
        (saying("200 OK", b'{"access_token":"x","token_type":"mac"}'), "bad_content"),
        (saying("200 OK", b'{"access_token":"x\\r\\ny: z"}'), "bad_content"),
        (raw(b"", hang=True), "timeout"),
    ],
)
async def test_a_token_that_cannot_be_had_has_a_cause(talk: Talk, cause: Cause) -> None:
    async with faulty({"/token": talk}) as server, calls().open(credentials(server.base)) as remote:
        with pytest.raises(ProviderTrouble) as raised:
            await remote.able()
    assert raised.value.cause == cause


def test_nothing_that_is_secret_is_printed() -> None:
    auth = Auth(kind="BASIC", name="us", secret="hidden-secret")
    shown = repr((auth, providers.connection("https://hidden.example.org", auth=auth), calls()))
    assert "hidden" not in shown
    assert "r1" not in shown
