"""Discovery documents and keys: `api/oauth/discovery.py`, `api/oauth/well_known.py`"""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from api.settings import Settings
from tests.api.oauth.installation import ORIGIN, Installation

SMART = "/fhir/.well-known/smart-configuration"


@pytest.mark.parametrize(
    "path", [SMART, "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"]
)
@pytest.mark.parametrize("accept", ["application/json", "text/html", "application/fhir+xml", "image/png", None])
async def test_it_is_json_whatever_is_accepted(installation: Installation, path: str, accept: str | None) -> None:
    headers = {"accept": accept} if accept else {}
    answer = await installation.http.get(path, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/json")
    body = answer.json()
    assert body["issuer"] == ORIGIN
    assert (body["authorization_endpoint"], body["token_endpoint"]) == (
        f"{ORIGIN}/oauth/authorize",
        f"{ORIGIN}/oauth/token",
    )
    assert body["code_challenge_methods_supported"] == ["S256"]
    assert "launch-standalone" in body["capabilities"]


async def test_every_endpoint_that_is_named_exists(installation: Installation) -> None:
    body = (await installation.http.get(SMART)).json()
    for name, address in body.items():
        if name.endswith("_endpoint"):
            assert (await installation.http.put(address.removeprefix(ORIGIN))).status_code == 405, name
    keys = (await installation.http.get(body["jwks_uri"].removeprefix(ORIGIN))).json()["keys"]
    assert {key["alg"] for key in keys} == {"EdDSA", "RS256"}


async def test_the_conformance_case_holds(installation: Installation, shared: Path) -> None:
    lines = (shared / "conformance" / "cases.jsonl").read_text().splitlines()
    (case,) = [case for case in map(msgspec.json.decode, lines) if case["id"] == "capability-005"]
    answer = await installation.http.get(f"/fhir{case['path']}", headers=case["headers"])
    assert answer.status_code in case["expect"]["status"]
    assert {"token_endpoint", "capabilities"} <= set(answer.json())


async def test_the_capability_statement_names_the_endpoints(installation: Installation) -> None:
    statement = (await installation.http.get("/fhir/metadata")).json()
    (extension,) = statement["rest"][0]["security"]["extension"]
    assert extension["url"].endswith("/oauth-uris")
    addresses = {each["url"]: each["valueUri"] for each in extension["extension"]}
    assert addresses["authorize"] == f"{ORIGIN}/oauth/authorize"
    assert addresses["token"] == f"{ORIGIN}/oauth/token"


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("https://a.example/fhir", "https://a.example"),
        ("https://a.example/clinic/fhir/", "https://a.example/clinic"),
        ("https://a.example:8443/r4", "https://a.example:8443"),
    ],
)
def test_our_name_follows_from_the_fhir_base(base: str, expected: str) -> None:
    assert Settings(base_url=base).public_url == expected


async def test_nothing_else_is_there(installation: Installation) -> None:
    assert (await installation.http.get("/oauth/nothing")).status_code == 404
    assert (await installation.http.get("/oauth")).status_code == 404
    assert (await installation.http.get("/fhir/.well-known/other")).status_code in (401, 404)
