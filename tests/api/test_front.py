"""Every answer carries its headers, other origins only read what they may, and nobody sends endless addresses."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest
from litestar import Litestar

from api.app import create_app
from api.asgi import Message, Receive, Scope, Send
from api.environment import load_settings
from api.front import Front
from api.settings import Settings, UnusableSettings

APP = "https://app.example.org"
PATHS = ("/fhir/metadata", "/fhir/Patient/1", "/fhir/nothing/at/all", "/api/v1/nothing", "/healthz", "/nowhere")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(
        settings, cors_origins=f"{APP}, https://other.example.org", base_url="https://ehr.example.org/fhir"
    )


def client(app: Litestar, **options: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", **options)


async def test_every_answer_carries_the_security_headers_once(app: Litestar) -> None:
    async with client(app) as http:
        for path in PATHS:
            answer = await http.get(path)
            for name, value in (
                ("x-content-type-options", "nosniff"),
                ("referrer-policy", "no-referrer"),
                ("x-frame-options", "DENY"),
                ("strict-transport-security", "max-age=63072000; includeSubDomains"),
                ("cache-control", "no-store"),
            ):
                assert answer.headers.get_list(name) == [value], (path, name)
            assert answer.headers["content-security-policy"].startswith("default-src 'none'"), path


async def test_a_page_keeps_the_policy_it_needs(app: Litestar) -> None:
    async with client(app) as http:
        answer = await http.get("/api/docs")
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert len(answer.headers.get_list("content-security-policy")) == 1


async def test_without_https_nobody_is_told_to_insist_on_it(settings: Settings) -> None:
    plain = create_app(msgspec.structs.replace(settings, base_url=None))
    async with client(plain) as http:
        assert "strict-transport-security" not in (await http.get("/healthz")).headers


async def test_a_page_of_a_named_origin_may_ask_and_read(app: Litestar) -> None:
    asking = {"origin": APP, "access-control-request-method": "PUT", "access-control-request-headers": "if-match"}
    async with client(app) as http:
        preflight = await http.options("/fhir/Patient/1", headers=asking)
        answer = await http.get("/fhir/metadata", headers={"origin": APP})
    assert preflight.status_code == 204
    assert "PUT" in preflight.headers["access-control-allow-methods"]
    assert "if-match" in preflight.headers["access-control-allow-headers"]
    for each in (preflight, answer):
        assert each.headers["access-control-allow-origin"] == APP
        assert "origin" in each.headers["vary"]
        assert "access-control-allow-credentials" not in each.headers
    assert "etag" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize("origin", ["https://evil.example.org", "null", "http://app.example.org", f"{APP}.evil.org"])
async def test_a_page_of_any_other_origin_may_not(app: Litestar, origin: str) -> None:
    async with client(app, headers={"origin": origin}) as http:
        preflight = await http.options("/fhir/Patient/1", headers={"access-control-request-method": "GET"})
        answer = await http.get("/fhir/metadata")
    assert preflight.status_code == 403
    assert not [name for name in (*preflight.headers, *answer.headers) if name.startswith("access-control")]


async def test_without_origins_configured_nothing_is_said_of_origins(settings: Settings) -> None:
    plain = create_app(msgspec.structs.replace(settings, cors_origins=None))
    async with client(plain, headers={"origin": APP}) as http:
        answer = await http.get("/healthz")
    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_endless_addresses_and_headers_are_refused(app: Litestar) -> None:
    async with client(app) as http:
        assert (await http.get("/fhir/Patient?name=" + "x" * 17_000)).status_code == 414
        assert (await http.get("/fhir/metadata", headers={"x-anything": "x" * 17_000})).status_code == 431
        assert (await http.get("/fhir/Patient?name=" + "x" * 9_000)).status_code == 401


@pytest.mark.parametrize(
    "variables", [{"CHARTVAULT_TRUSTED_PROXIES": "proxy.example.org"}, {"CHARTVAULT_CORS_ORIGINS": "*"}]
)
def test_settings_that_trust_anybody_stop_the_start(variables: dict[str, str]) -> None:
    with pytest.raises(UnusableSettings):
        load_settings(variables)


@pytest.mark.parametrize(("length", "pieces"), [(b"0", [b"Yes."]), (b"3", [b"Yes", b"."])])
async def test_an_answer_waits_for_a_body_only_where_there_is_one(
    settings: Settings, length: bytes, pieces: list[bytes]
) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"abc", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    async def application(_: Scope, __: Receive, answer: Send) -> None:
        await answer({"type": "http.response.start", "status": 200, "headers": []})
        await answer({"type": "http.response.body", "body": b"Yes."})

    scope = {"method": "GET", "path": "/fhir/Patient", "query_string": b"", "headers": [(b"content-length", length)]}
    await Front(settings)(application, scope, receive, send)
    assert [message["body"] for message in sent[1:]] == pieces
