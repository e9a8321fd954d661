"""Authorization codes and what they give: `api/oauth/codes.py`, `api/oauth/token.py`, `api/oauth/token_state.py`"""

from __future__ import annotations

import asyncio
import secrets

import pytest

from tests.api.oauth.installation import Installation
from tests.api.oauth.people import App, Person, add_patient, add_person, get


@pytest.fixture
async def person(installation: Installation) -> Person:
    patient = await add_patient(installation, "Meier")
    return await add_person(installation, "PATIENT", profiles=(f"Patient/{patient}",))


WHERE = "/Organization/none"


@pytest.mark.parametrize(
    "change",
    [
        {"code_verifier": secrets.token_urlsafe(48)},
        {"code_verifier": ""},
        {"code_verifier": "short"},
        {"redirect_uri": "com.example.app:/back"},
        {"redirect_uri": ""},
        {"code": "made-up"},
        {"code": "x" * 1000},
    ],
)
async def test_a_code_is_worth_nothing_without_what_it_was_asked_with(
    installation: Installation, app: App, person: Person, change: dict[str, str]
) -> None:
    code = await app.code(person)
    answer = await app.exchange(**{"code": code, **change})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


async def test_a_code_of_another_client_is_refused(installation: Installation, app: App, person: Person) -> None:
    other, _ = await installation.register(
        "Thief", scope="openid", token_endpoint_auth_method="none", redirect_uris=["https://app.example/back"]
    )
    answer = await app.exchange(await app.code(person), client_id=other)
    assert answer.json()["error"] == "invalid_grant"


async def test_a_code_that_comes_again_ends_what_the_first_one_got(
    installation: Installation, app: App, person: Person
) -> None:
    code = await app.code(person)
    tokens = (await app.exchange(code)).json()
    assert await get(installation, WHERE, tokens) in (403, 404)
    again = await app.exchange(code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert await get(installation, WHERE, tokens) == 401
    assert (await installation.last_entry())["status"] == 401
    refused = await installation.token(
        grant_type="refresh_token", client_id=app.id, refresh_token=tokens["refresh_token"]
    )
    assert refused.json()["error"] == "invalid_grant"


async def test_of_two_who_come_with_a_code_at_once_nobody_keeps_anything(
    installation: Installation, app: App, person: Person
) -> None:
    for _ in range(5):
        code = await app.code(person)
        answers = await asyncio.gather(*[app.exchange(code) for _ in range(2)])
        given = [answer.json() for answer in answers if answer.status_code == 200]
        assert len(given) <= 1
        for tokens in given:
            assert await get(installation, WHERE, tokens) == 401
        assert await installation.parts.sessions.of(person.id) == []


async def refresh(installation: Installation, app: App, token: str, **more: str) -> dict[str, str]:
    form = {"grant_type": "refresh_token", "client_id": app.id, "refresh_token": token, **more}
    found: dict[str, str] = (await installation.token(**form)).json()
    return found


async def test_refreshing_gives_new_tokens_for_the_same_patient_and_a_replay_ends_all(
    installation: Installation, app: App, person: Person
) -> None:
    first = await app.launch(person)
    second = await refresh(installation, app, first["refresh_token"])
    assert second["patient"] == first["patient"]
    assert second["scope"] == first["scope"]
    assert second["refresh_token"] != first["refresh_token"]
    replayed = await refresh(installation, app, first["refresh_token"])
    assert replayed["error"] == "invalid_grant"
    entry = await installation.last_entry()
    assert (entry["interaction"], entry["subject"], entry["status"]) == ("refresh-token-reuse", person.id, 400)
    assert await get(installation, WHERE, second) == 401
    assert "error" in await refresh(installation, app, second["refresh_token"])


async def test_a_lost_answer_can_be_asked_for_again_under_the_name_of_the_attempt(
    installation: Installation, app: App, person: Person
) -> None:
    tokens = await app.launch(person)
    form = {"grant_type": "refresh_token", "client_id": app.id, "refresh_token": tokens["refresh_token"]}
    headers = {"idempotency-key": "try-1"}
    answers = [(await installation.http.post("/oauth/token", data=form, headers=headers)).json() for _ in range(2)]
    assert answers[0]["refresh_token"] == answers[1]["refresh_token"]
    assert await get(installation, WHERE, answers[1]) != 401


async def test_a_refreshed_token_may_be_narrower_and_never_wider(
    installation: Installation, app: App, person: Person
) -> None:
    app.scope = "offline_access patient/Observation.rs"
    tokens = await app.launch(person)
    wider = await refresh(installation, app, tokens["refresh_token"], scope="patient/*.rs")
    assert wider["error"] == "invalid_scope"
    narrow = await refresh(installation, app, tokens["refresh_token"], scope="patient/Observation.r")
    assert narrow["scope"] == "patient/Observation.r"
    back = await refresh(installation, app, narrow["refresh_token"])
    assert back["scope"] == app.scope


async def test_revoking_either_token_ends_the_session_and_only_its_own_client_can(
    installation: Installation, app: App, person: Person
) -> None:
    other, _ = await installation.register(
        "Other", scope="openid", token_endpoint_auth_method="none", redirect_uris=["https://app.example/back"]
    )
    for kind in ("access_token", "refresh_token"):
        tokens = await app.launch(person)
        form = {"token": tokens[kind]}
        stranger = await installation.http.post("/oauth/revoke", data={**form, "client_id": other})
        assert stranger.status_code == 200
        assert await get(installation, WHERE, tokens) != 401
        for _ in range(2):
            assert (
                await installation.http.post("/oauth/revoke", data={**form, "client_id": app.id})
            ).status_code == 200
        assert await get(installation, WHERE, tokens) == 401
    unknown = await installation.http.post("/oauth/revoke", data={"token": "x", "client_id": app.id})
    assert unknown.status_code == 200
    assert (await installation.http.post("/oauth/revoke", data={"client_id": app.id})).status_code == 400


async def test_introspection_tells_a_confidential_client_of_its_own_tokens_alone(
    installation: Installation, person: Person
) -> None:
    client_id, secret = await installation.register(
        "Portal",
        scope="openid offline_access launch/patient patient/*.rs",
        grant_types=["authorization_code", "refresh_token"],
        redirect_uris=["https://app.example/back"],
    )
    portal = App(installation, client_id, scope="offline_access launch/patient patient/*.rs")
    code = await portal.code(person)
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": "https://app.example/back"}
    form["code_verifier"] = portal.verifier
    auth = (client_id, secret or "")
    tokens = (await installation.http.post("/oauth/token", data=form, auth=auth)).json()

    async def ask(token: str, who: tuple[str, str] = auth) -> dict[str, object]:
        found: dict[str, object] = (
            await installation.http.post("/oauth/introspect", data={"token": token}, auth=who)
        ).json()
        return found

    access = await ask(tokens["access_token"])
    assert (access["active"], access["sub"], access["client_id"]) == (True, person.id, client_id)
    assert (access["patient"], access["scope"]) == (tokens["patient"], portal.scope)
    assert (await ask(tokens["refresh_token"]))["active"] is True
    assert await ask("made-up") == {"active": False}
    other_id, other_secret = await installation.register("Other", scope="openid", redirect_uris=["https://o.example/"])
    assert await ask(tokens["access_token"], (other_id, other_secret or "")) == {"active": False}
    await installation.http.post("/oauth/revoke", data={"token": tokens["refresh_token"]}, auth=auth)
    assert await ask(tokens["access_token"]) == {"active": False}


async def test_a_public_client_cannot_introspect(installation: Installation, app: App, person: Person) -> None:
    tokens = await app.launch(person)
    answer = await installation.http.post(
        "/oauth/introspect", data={"token": tokens["access_token"], "client_id": app.id}
    )
    assert answer.json()["error"] == "invalid_client"


async def test_removing_a_client_logs_everybody_out_of_it(installation: Installation, app: App, person: Person) -> None:
    tokens = await app.launch(person)
    await installation.parts.clients.remove(app.id)
    assert await get(installation, WHERE, tokens) == 401
