"""A standalone launch from beginning to end, and everything that may go wrong on the way.

https://hl7.org/fhir/smart-app-launch/app-launch.html
"""

from __future__ import annotations

import asyncio
from typing import Any

import jwt
import pytest

from api.oauth.pending import device_cookie
from api.settings import Settings
from api.surfaces import oauth_service
from tests.api.oauth.installation import ORIGIN, Installation
from tests.api.oauth.people import BACK, FHIR, PASSWORD, App, add, add_patient, add_person, add_to_team, get, parameters


async def claims_of(installation: Installation, token: str) -> dict[str, Any]:
    """As an app would check an identity token: by the published keys."""
    keys = (await installation.http.get("/oauth/jwks")).json()
    kid = jwt.get_unverified_header(token)["kid"]
    (jwk,) = [jwk for jwk in keys["keys"] if jwk["kid"] == kid]
    audience = jwt.decode(token, options={"verify_signature": False})["aud"]
    found: dict[str, Any] = jwt.decode(
        token, jwt.PyJWK(jwk).key, algorithms=["RS256"], audience=audience, issuer=ORIGIN
    )
    return found


async def test_a_patient_launches_an_app_on_their_own_record(installation: Installation, app: App) -> None:
    patient = await add_patient(installation, "Meier")
    person = await add_person(installation, "PATIENT", profiles=(f"Patient/{patient}",))
    browser = await app.browser().go(app.address())
    assert (browser.page.heading, browser.page.language) == ("Log in", "en")
    await browser.fill(email=person.email, password=PASSWORD)
    assert browser.page.heading == "Allow access?"
    assert "Jo Meier" in browser.page.text
    assert "Read and search all records of the patient you choose" in browser.page.text
    await browser.fill("allow")
    assert browser.went is not None
    assert browser.went.startswith(f"{BACK}?")
    given = parameters(browser.went)
    assert (given["state"], given["iss"]) == (app.state, ORIGIN)
    answer = await app.exchange(given["code"])
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
    tokens = answer.json()
    assert (tokens["token_type"], tokens["patient"], tokens["scope"]) == ("Bearer", patient, app.scope)
    assert tokens["expires_in"] <= 600
    claims = await claims_of(installation, tokens["id_token"])
    assert (claims["sub"], claims["nonce"], claims["aud"]) == (person.id, app.nonce, app.id)
    assert claims["fhirUser"] == f"{FHIR}/Patient/{patient}"
    session = jwt.decode(tokens["access_token"], options={"verify_signature": False})["sid"]
    present = await installation.parts.sessions.present(session, person.id)
    assert present is not None
    assert present.session.login.patient == patient


async def test_staff_prove_a_second_factor_and_name_a_patient(installation: Installation, app: App) -> None:
    patient = await add_patient(installation, "Meier")
    person = await add_person(installation, "DOCTOR", profiles=("Practitioner/9",), second_factor=True)
    app.scope = "openid fhirUser user/*.rs"
    tokens = await app.launch(person)
    claims = await claims_of(installation, tokens["id_token"])
    assert (claims["fhirUser"], claims["acr"]) == (f"{FHIR}/Practitioner/9", "2")
    assert "patient" not in tokens
    assert "refresh_token" not in tokens
    assert await get(installation, "/Organization/none", tokens) == 404
    app.scope = "launch/patient patient/*.rs"
    own = await add_patient(installation, "Doctor")
    profiles = (f"Patient/{own}", "Practitioner/9")  # who is a patient here too still works with others
    person = await add_person(installation, "DOCTOR", profiles=profiles, second_factor=True)
    browser = await app.browser().go(app.address())
    await browser.fill(email=person.email, password=PASSWORD)
    await browser.fill(code=person.code)
    assert browser.page.heading == "Choose a patient"
    for wrong in ("none", "../x", "Patient/", patient):
        await browser.fill(patient=wrong)
        assert "no such patient" in browser.page.message
    await add_to_team(installation, patient, "Practitioner/9")
    await browser.fill(patient=patient)
    assert "Jo Meier" in browser.page.text
    await browser.fill("allow")
    assert browser.went is not None
    assert (await app.exchange(parameters(browser.went)["code"])).json()["patient"] == patient


async def test_an_app_sees_the_chosen_record_and_no_other(installation: Installation, app: App) -> None:
    own, child, foreign = [await add_patient(installation, name) for name in ("Meier", "Meier-Junior", "Foreign")]
    person = await add_person(installation, "PATIENT", profiles=(f"Patient/{own}", f"Patient/{child}"))
    app.scope = "launch/patient patient/*.rs"
    tokens = await app.launch(person, child)
    seen = [await get(installation, f"/Patient/{patient}", tokens) for patient in (child, own, foreign)]
    assert seen == [200, 404, 404]


async def test_a_proxy_works_on_the_record_of_whom_they_act_for(installation: Installation, app: App) -> None:
    child = await add_patient(installation, "Meier-Junior")
    parent = await add(installation, {"resourceType": "RelatedPerson", "patient": {"reference": f"Patient/{child}"}})
    person = await add_person(installation, "PATIENT", profiles=(f"RelatedPerson/{parent}",))
    app.scope = "openid fhirUser launch/patient patient/*.rs"
    tokens = await app.launch(person)
    assert tokens["patient"] == child
    assert (await claims_of(installation, tokens["id_token"]))["fhirUser"] == f"{FHIR}/RelatedPerson/{parent}"


async def test_a_parent_chooses_whose_record_it_is(installation: Installation, app: App) -> None:
    own, child = await add_patient(installation, "Meier"), await add_patient(installation, "Meier-Junior")
    person = await add_person(installation, "PATIENT", profiles=(f"Patient/{own}", f"Patient/{child}"))
    browser = await app.browser().go(app.address())
    await browser.fill(email=person.email, password=PASSWORD)
    assert browser.page.heading == "Choose a patient"
    assert {each.label for each in browser.page.fields if each.kind == "radio"} == {"Jo Meier", "Jo Meier-Junior"}
    other = await add_patient(installation, "Foreign")
    await browser.fill(patient=other)
    assert "no such patient" in browser.page.message
    await browser.fill(patient=child)
    assert "Jo Meier-Junior" in browser.page.text
    await browser.fill("allow")
    assert browser.went is not None
    assert (await app.exchange(parameters(browser.went)["code"])).json()["patient"] == child


async def test_every_step_is_recorded_with_who_and_how_it_ended(installation: Installation, app: App) -> None:
    person = await add_person(installation, "PATIENT")
    app.scope = "openid"
    audit = installation.parts.database["audit"]
    before = await audit.count_documents({})
    browser = await app.browser().go(app.address())
    await browser.fill(email=person.email, password="wrong")
    await browser.fill(email=person.email, password=PASSWORD)
    await browser.fill("allow")
    rows = await audit.find({}, sort=[("_id", 1)]).to_list()
    found = [(row["interaction"], row["status"], row["subject"]) for row in rows[before:]]
    assert ("login", 401, person.id) in found
    assert ("login", 303, person.id) in found
    assert found[-1] == ("authorize", 303, person.id)
    assert len(found) == 7  # two to begin, and a post and a get for each form, but for the last


async def test_a_wrong_password_and_an_unknown_address_look_the_same(installation: Installation, app: App) -> None:
    person = await add_person(installation, "PATIENT")
    seen = []
    for email in (person.email, "nobody@example.org"):
        browser = await app.browser().go(app.address())
        await browser.fill(email=email, password="wrong password for sure")
        seen.append((browser.page.heading, browser.page.message, browser.answer.status_code))
    assert seen[0] == seen[1]
    assert "wrong" in seen[0][1]


async def test_the_pages_need_no_script_and_allow_none(installation: Installation, app: App) -> None:
    browser = await app.browser().go(app.address())
    policy = browser.answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "form-action 'self' https://app.example;" in policy
    assert "frame-ancestors 'none'" in policy
    assert browser.page.scripts == 0
    assert "<b>" not in browser.answer.text
    assert "&lt;b&gt;Health" in browser.answer.text
    assert (await installation.http.get("/oauth/style.css")).headers["content-type"].startswith("text/css")


async def test_the_cookie_is_for_this_login_alone_and_hidden_from_script(app: App) -> None:
    browser = app.browser()
    answer = await browser.http.get(app.address())
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert f"Path={answer.headers['location'].removeprefix(ORIGIN)}" in cookie


def test_over_https_the_cookie_never_travels_in_clear(installation: Installation) -> None:
    service = oauth_service(Settings(base_url="https://a.example/clinic/fhir"), installation.parts)
    cookie = device_cookie(service, "secret")
    assert "Secure" in cookie
    assert "Path=/clinic/oauth" in cookie


async def test_another_browser_cannot_go_on_with_a_login(app: App) -> None:
    browser = await app.browser().go(app.address())
    stranger = await app.browser().go(browser.address)
    assert stranger.answer.status_code == 400
    assert "another browser" in stranger.page.message


@pytest.mark.parametrize("csrf", ["", "x" * 43])
async def test_a_form_from_elsewhere_is_refused(app: App, csrf: str) -> None:
    browser = await app.browser().go(app.address())
    answer = await browser.http.post(browser.address, data={"csrf": csrf, "action": "cancel"})
    assert answer.status_code == 403


async def test_who_says_no_sends_the_app_an_error_and_the_login_is_over(installation: Installation, app: App) -> None:
    browser = await app.browser().go(app.address())
    address = browser.address
    await browser.fill("cancel")
    assert browser.went is not None
    assert parameters(browser.went) == {"error": "access_denied", "state": app.state, "iss": ORIGIN}
    assert (await browser.go(address)).answer.status_code == 400


async def test_two_presses_of_the_last_button_give_one_code(installation: Installation, app: App) -> None:
    person = await add_person(installation, "PATIENT")
    app.scope = "openid"
    browser = await app.browser().go(app.address())
    await browser.fill(email=person.email, password=PASSWORD)
    form = {each.name: each.value for each in browser.page.fields} | {"action": "allow"}
    answers = await asyncio.gather(*[browser.http.post(browser.address, data=form) for _ in range(4)])
    assert sorted(answer.status_code for answer in answers) == [303, 400, 400, 400]


async def test_what_was_asked_may_be_posted_too(app: App) -> None:
    answer = await app.browser().http.post("/oauth/authorize", data=app.request())
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"{ORIGIN}/oauth/authorize/")


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "nobody"},
        {"client_id": None},
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": f"{BACK}/"},
        {"redirect_uri": f"{BACK}?x=1"},
        {"redirect_uri": None},
    ],
)
async def test_without_a_certain_app_nobody_is_sent_anywhere(app: App, change: dict[str, str | None]) -> None:
    browser = await app.browser().go(app.address(**change))
    assert (browser.answer.status_code, browser.went) == (400, None)
    assert browser.page.heading == "This does not work"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"aud": "https://evil.example/fhir"}, "invalid_request"),
        ({"aud": None}, "invalid_request"),
        ({"scope": None}, "invalid_scope"),
        ({"scope": "system/*.rs"}, "invalid_scope"),
        ({"prompt": "none"}, "login_required"),
        ({"request": "x"}, "request_not_supported"),
    ],
)
async def test_the_app_is_told_what_is_wrong_with_its_request(
    app: App, change: dict[str, str | None], error: str
) -> None:
    browser = await app.browser().go(app.address(**change))
    assert browser.went is not None
    given = parameters(browser.went)
    assert (given["error"], given["state"], given["iss"]) == (error, app.state, ORIGIN)
    assert "code" not in given


async def test_a_parameter_that_comes_twice_is_refused(app: App) -> None:
    browser = await app.browser().go(f"{app.address()}&client_id={app.id}")
    assert (browser.answer.status_code, browser.went) == (400, None)


async def test_staff_without_a_second_factor_do_not_get_in(installation: Installation, app: App) -> None:
    person = await add_person(installation, "NURSE")
    browser = await app.browser().go(app.address())
    await browser.fill(email=person.email, password=PASSWORD)
    assert browser.page.heading == "Log in"
    assert "Set one up first" in browser.page.message


async def test_one_code_of_an_app_is_good_once(installation: Installation, app: App) -> None:
    person = await add_person(installation, "DOCTOR", second_factor=True)
    app.scope = "openid"
    code = person.code
    headings = []
    for _ in range(2):
        browser = await app.browser().go(app.address())
        await browser.fill(email=person.email, password=PASSWORD)
        await browser.fill(code=code)
        headings.append(browser.page.heading)
    assert headings == ["Allow access?", "Enter your code"]
