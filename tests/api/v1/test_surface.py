"""What every endpoint of `/api/v1` gets from the surface, shown with endpoints made for it, over HTTP and a real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import httpx
import pytest
from litestar import Litestar
from msgspec import Meta
from pymongo import MongoClient

import api.surfaces
from api.settings import Settings
from api.tokens import mint
from api.v1.endpoint import Endpoint, Form, Outcome, View, Visit
from api.v1.service import Service
from domain.errors import Conflict, NotFound
from tests.api.conftest import started

Entries = Callable[[], list[dict[str, Any]]]
ORIGIN = "http://127.0.0.1:8000"


class NewThing(Form, frozen=True, kw_only=True):
    display_name: Annotated[str, Meta(min_length=1, max_length=5)]
    inner: list[int] = []


class ThingView(View, frozen=True, kw_only=True):
    id: str
    display_name: str


class ThingsWanted(Form, frozen=True, kw_only=True):
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: str | None = None


async def make(service: Service, visit: Visit, body: NewThing) -> Outcome:
    visit.concerns(f"Thing/{service.parts.new_id()}")
    if body.display_name == "taken":
        raise Conflict("This name is taken", reason="name_taken")
    return Outcome(ThingView(id=service.parts.new_id(), display_name=body.display_name), 201, version=1)


async def show(_: Service, visit: Visit) -> Outcome:
    visit.concerns(f"Thing/{visit.params['id']}", patients=("7",))
    if visit.params["id"] == "none":
        raise NotFound("There is no such thing")
    if visit.params["id"] == "bad":
        raise RuntimeError("Chalmers")
    return Outcome(ThingView(id=visit.params["id"], display_name="x"), version=3)


async def change(_: Service, visit: Visit, body: NewThing) -> Outcome:
    visit.require_match(3, required=visit.params["id"] == "strict")
    return Outcome(status=204)


async def list_(service: Service, visit: Visit, query: ThingsWanted) -> Outcome:
    after = service.cursors.read(query.cursor, of="/things", subject=visit.caller.subject)
    return Outcome(service.cursors.write(after + "x", of="/things", subject=visit.caller.subject).encode())


async def stream(_: Service, visit: Visit) -> Outcome:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"abc"

    return Outcome(pieces(), headers={"content-type": "application/octet-stream"})


ENDPOINTS = (
    Endpoint("POST", "/things", "thing-create", make, ThingView, 201, replays=True),
    Endpoint("GET", "/things", "thing-list", list_),
    Endpoint("GET", "/things/{id}", "thing-read", show, ThingView),
    Endpoint("PUT", "/things/{id}", "thing-update", change, status=204),
    Endpoint("GET", "/open", "thing-stream", stream, public=True),
)


@pytest.fixture(scope="module")
async def things(installation: Settings) -> AsyncIterator[Litestar]:
    """One application for all tests here: they share nothing but the audit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api.surfaces, "TABLE", ENDPOINTS)
        async with started(installation) as app:
            yield app


@pytest.fixture
async def web(things: Litestar, installation: Settings) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {mint(installation, scopes='system/*.cruds', lifetime_seconds=600)}"}
    transport = httpx.ASGITransport(things)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url=f"{ORIGIN}/api/v1", headers=headers) as client:
        yield client


@pytest.fixture
def entries(mongo_admin: MongoClient[dict[str, Any]], installation: Settings) -> Callable[[], list[dict[str, Any]]]:
    """The audit entries of this test, in order."""
    audit = mongo_admin[installation.database]["audit"]
    before = audit.count_documents({})
    return lambda: list(audit.find(sort=[("_id", 1)]))[before:]


async def test_an_answer_is_recorded_before_it_leaves_with_what_it_was_about(
    web: httpx.AsyncClient, entries: Entries
) -> None:
    answer = await web.get("/things/a", headers={"x-request-id": "mine"})
    assert (answer.status_code, answer.json()) == (200, {"id": "a", "displayName": "x"})
    assert answer.headers["etag"] == 'W/"3"'
    assert answer.headers["cache-control"] == "no-store"
    (entry,) = entries()
    assert (entry["interaction"], entry["status"], entry["targets"]) == ("thing-read", 200, ["Thing/a"])
    assert (entry["patients"], entry["request_id"], entry["subject"]) == (["7"], "mine", "cli")


async def test_nobody_is_answered_without_a_token_and_the_refusal_is_recorded(
    web: httpx.AsyncClient, entries: Entries
) -> None:
    answer = await web.get("/things/a", headers={"authorization": "Bearer no"})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["code"] == "invalid_token"
    (entry,) = entries()
    assert (entry["subject"], entry["status"]) == ("anonymous", 401)


@pytest.mark.parametrize(
    ("body", "status", "errors"),
    [
        (b"{", 400, []),
        (b'{"displayName": "\xff"}', 400, []),
        (b"[" * 5000, 422, []),
        (b"{}", 422, ["displayName"]),
        (b'{"displayName": ""}', 422, ["displayName"]),
        (b'{"displayName": "toolong"}', 422, ["displayName"]),
        (b'{"displayName": 7}', 422, ["displayName"]),
        (b'{"displayName": "x", "roles": ["ADMIN"]}', 422, ["roles"]),
        (b'{"displayName": "x", "inner": [1, "Chalmers"]}', 422, ["inner[1]"]),
        (b'{"displayName": "taken"}', 409, []),
        (b'{"displayName": "' + b"x" * 70_000 + b'"}', 413, []),
    ],
)
async def test_a_body_that_is_wrong_is_refused_with_the_path_of_what_is_wrong(
    web: httpx.AsyncClient, entries: Entries, body: bytes, status: int, errors: list[str]
) -> None:
    answer = await web.post("/things", content=body, headers={"content-type": "application/json"})
    problem = answer.json()
    assert (answer.status_code, problem["status"]) == (status, status)
    assert [each["path"] for each in problem["errors"]] == errors
    assert problem["requestId"] == answer.headers["x-request-id"]
    assert "Chalmers" not in answer.text
    assert [entry["status"] for entry in entries()] == [status]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", "/things", {"content-type": "text/plain"}, 415),
        ("GET", "/things/a", {"accept": "text/html"}, 406),
        ("GET", "/things/none", {}, 404),
        ("GET", "/things/%00", {}, 422),
        ("GET", "/things/a?x=1", {}, 422),
        ("GET", "/things?limit=101", {}, 422),
        ("GET", "/things?limit=1&limit=2", {}, 400),
        ("GET", "/things?cursor=abc", {}, 400),
        ("DELETE", "/things/a", {}, 405),
        ("GET", "/thing", {}, 404),
        ("GET", "/things/a/b/c", {}, 404),
        ("GET", "/things/a%2Fb", {}, 422),
        ("GET", "/things/bad", {}, 500),
    ],
)
async def test_each_refusal_has_its_status_and_one_audit_entry(
    web: httpx.AsyncClient, entries: Entries, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    answer = await web.request(method, path, headers=headers)
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert "Chalmers" not in answer.text
    assert [entry["status"] for entry in entries()] == [status]
    if status == 405:
        assert answer.headers["allow"] == "GET, PUT"


@pytest.mark.parametrize(
    ("path", "tag", "status"),
    [
        ("a", None, 204),
        ("a", 'W/"3"', 204),
        ("a", "*", 204),
        ("a", 'W/"2"', 412),
        ("strict", None, 428),
        ("a", "x y", 400),
    ],
)
async def test_a_stale_if_match_is_refused(web: httpx.AsyncClient, path: str, tag: str | None, status: int) -> None:
    headers = {} if tag is None else {"if-match": tag}
    answer = await web.put(f"/things/{path}", json={"displayName": "x"}, headers=headers)
    assert answer.status_code == status


async def test_a_cursor_goes_on_for_its_caller_only(web: httpx.AsyncClient, installation: Settings) -> None:
    cursor = (await web.get("/things")).text
    assert (await web.get("/things", params={"cursor": cursor})).status_code == 200
    other = {"authorization": f"Bearer {mint(installation, scopes='system/*.r', lifetime_seconds=60, subject='other')}"}
    assert (await web.get("/things", params={"cursor": cursor}, headers=other)).status_code == 400


async def test_a_repeated_key_gets_the_first_answer_and_another_request_with_it_is_refused(
    web: httpx.AsyncClient, entries: Entries
) -> None:
    async def post(name: str, key: str) -> httpx.Response:
        return await web.post("/things", json={"displayName": name}, headers={"idempotency-key": key})

    first, again = await post("x", "k"), await post("x", "k")
    assert (again.status_code, again.json(), again.headers["etag"]) == (201, first.json(), first.headers["etag"])
    assert (await post("y", "k")).status_code == 422
    assert (await post("x", "other")).json()["id"] != first.json()["id"]
    assert (await post("taken", "failed")).status_code == 409
    assert (await post("taken", "failed")).status_code == 409
    assert (await post("x", "a b")).status_code == 400
    assert len(entries()) == 7


async def test_of_requests_with_one_key_at_once_one_is_carried_out(web: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(
        *(web.post("/things", json={"displayName": "x"}, headers={"idempotency-key": "k"}) for _ in range(8))
    )
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1


async def test_a_public_endpoint_needs_no_token_and_streams(web: httpx.AsyncClient, entries: Entries) -> None:
    answer = await web.get("/open", headers={"authorization": ""})
    assert answer.content == b"abcabcabc"
    head = await web.head("/open")
    assert (head.status_code, head.content) == (200, b"")
    assert [entry["subject"] for entry in entries()] == ["anonymous", "anonymous"]


async def test_the_description_names_every_endpoint_with_its_form_and_view(web: httpx.AsyncClient) -> None:
    described = (await web.get(f"{ORIGIN}/api/openapi.json")).json()
    assert "/fhir/{type}/{id}" in described["paths"]
    from api.v1.openapi import paths_and_schemas

    paths, schemas = paths_and_schemas(ENDPOINTS)
    made = paths["/api/v1/things"]["post"]
    assert made["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/NewThing"}
    assert schemas["NewThing"]["properties"]["displayName"]["maxLength"] == 5
    assert [each["name"] for each in paths["/api/v1/things"]["get"]["parameters"]] == ["limit", "cursor"]
    assert "type" not in paths["/api/v1/open"]["get"]["responses"]["200"]
    assert paths["/api/v1/open"]["get"]["security"] == []
