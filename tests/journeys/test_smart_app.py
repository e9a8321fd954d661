"""A SMART client that others wrote completes a standalone launch against a running server.

The client is the Python package `fhirclient` of the SMART project; the person sits at a real browser (Chromium without a
window, script switched off) where there is one, and at one of our own that only fills in forms.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fhirclient.client import FHIRClient
from fhirclient.server import FHIRUnauthorizedException
from playwright.async_api import async_playwright

from storage.embedded import EmbeddedMongo
from tests.api.oauth.browser import Browser
from tests.journeys.accounts import PASSWORD, add_account, origin_of
from tests.journeys.processes import Served

BACK = "http://127.0.0.1:9/back"
SCOPE = "openid fhirUser offline_access patient/*.rs user/*.rs"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


async def in_chromium(address: str, email: str) -> str:
    """Log in and agree with the keyboard alone; the address the app is called back at."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            context = await browser.new_context(java_script_enabled=False)
            page = await context.new_page()
            problems: list[str] = []
            page.on("console", lambda message: problems.append(message.text))
            called: asyncio.Future[str] = asyncio.get_running_loop().create_future()

            async def called_back(route: Any) -> None:
                called.set_result(route.request.url)
                await route.fulfill(status=200, body="back in the app")

            await page.route(f"{BACK}**", called_back)
            await page.goto(address)
            assert await page.title() == "Log in – Chartvault"
            await page.keyboard.type(email)
            await page.keyboard.press("Tab")
            await page.keyboard.type(PASSWORD)
            await page.keyboard.press("Enter")
            await page.wait_for_selector("text=Allow access?")
            await page.get_by_role("button", name="Allow").press("Enter")
            found = await asyncio.wait_for(called, 30)
            assert problems == []
            return found
        finally:
            await browser.close()


async def in_forms(address: str, email: str) -> str:
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        split = urlsplit(address)
        browser = await Browser(http, f"{split.scheme}://{split.netloc}").go(address)
        await browser.fill(email=email, password=PASSWORD)
        await browser.fill("allow")
        assert browser.went is not None, browser.page.text
        return browser.went


def register(served: Served) -> str:
    grants = ("--grant", "authorization_code", "--grant", "refresh_token")
    done = served.command(
        "clients", "add", "My Health", "--redirect-uri", BACK, *grants, "--scope", f"launch/patient {SCOPE}"
    )
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["client_id"])


@pytest.mark.parametrize("person", [pytest.param(in_chromium, id="chromium"), pytest.param(in_forms, id="forms")])
async def test_fhirclient_completes_a_standalone_launch(
    two_workers: Served, embedded_mongo: EmbeddedMongo, person: Any
) -> None:
    if person is in_chromium and CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    async with two_workers.client() as client:
        created = await client.post("/Patient", json={"resourceType": "Patient", "name": [{"family": "Meier"}]})
    patient = created.json()["id"]
    email = await add_account(two_workers, embedded_mongo.uri, "PATIENT", f"Patient/{patient}")
    app = FHIRClient(
        {"app_id": register(two_workers), "api_base": two_workers.base, "redirect_uri": BACK, "scope": SCOPE}
    )
    app.server.session.trust_env = False

    def begin() -> str:
        app.prepare()
        return str(app.authorize_url)

    called_back = await person(await asyncio.to_thread(begin), email)
    assert parse_qs(urlsplit(called_back).query)["iss"] == [origin_of(two_workers)]
    await asyncio.to_thread(app.handle_callback, called_back)
    assert app.ready
    assert app.patient_id == patient
    found = await asyncio.to_thread(lambda: app.patient)
    assert found.name[0].family == "Meier"
    before = app.server.auth.access_token
    assert await asyncio.to_thread(app.reauthorize)
    assert app.server.auth.access_token != before
    assert (await asyncio.to_thread(app.server.request_json, f"Patient/{patient}"))["id"] == patient
    secrets = [before, app.server.auth.access_token, app.server.auth.refresh_token, app.server.auth.code_verifier]
    secrets += [email, PASSWORD, *parse_qs(urlsplit(called_back).query)["code"]]
    assert "request" in two_workers.printed
    assert not [secret for secret in secrets if secret in two_workers.printed]
    done = two_workers.command("clients", "remove", app.app_id)
    assert done.returncode == 0, done.stderr
    with pytest.raises(FHIRUnauthorizedException):
        await asyncio.to_thread(app.server.request_json, f"Patient/{patient}")
