"""A backend service, written from the specification with nothing but HTTP and a JWT, against a running server.

https://hl7.org/fhir/smart-app-launch/backend-services.html
"""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from tests.journeys.accounts import origin_of
from tests.journeys.processes import Served


async def test_a_backend_service_registers_gets_a_token_and_searches_within_its_scopes(
    two_workers: Served, tmp_path: Path
) -> None:
    served = two_workers
    key = ec.generate_private_key(ec.SECP384R1())
    jwk = json.loads(jwt.get_algorithm_by_name("ES384").to_jwk(key.public_key()))
    (tmp_path / "lab.json").write_text(json.dumps({"keys": [{**jwk, "kid": "lab-1"}]}))
    how = ("--grant", "client_credentials", "--proof", "private_key_jwt", "--jwks", str(tmp_path / "lab.json"))
    done = served.command("clients", "add", "Lab", *how, "--scope", "system/Observation.rs system/Patient.r")
    assert done.returncode == 0, done.stderr
    client_id = json.loads(done.stdout)["client_id"]
    assert client_id in served.command("clients", "list").stdout
    async with served.client() as operator:
        created = await operator.post("/Patient", json={"resourceType": "Patient"})
    patient = created.json()["id"]
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        found = (await http.get(f"{served.base}/.well-known/smart-configuration")).json()
        assert found["issuer"] == origin_of(served)
        claims = {"iss": client_id, "sub": client_id, "aud": found["token_endpoint"], "jti": str(uuid.uuid4())}
        form = {
            "grant_type": "client_credentials",
            "scope": "system/Observation.rs system/Patient.r",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": jwt.encode(
                {**claims, "exp": int(time.time()) + 300}, key, algorithm="ES384", headers={"kid": "lab-1"}
            ),
        }
        answer = (await http.post(found["token_endpoint"], data=form)).json()
        assert answer["expires_in"] <= 300
        headers = {"authorization": f"Bearer {answer['access_token']}"}
        searched = await http.get(f"{served.base}/Observation?patient={patient}", headers=headers)
        assert searched.json()["type"] == "searchset"
        assert (await http.get(f"{served.base}/Patient/{patient}", headers=headers)).status_code == 200
        assert (await http.get(f"{served.base}/Patient", headers=headers)).status_code == 403
        assert (await http.get(f"{served.base}/Condition", headers=headers)).status_code == 403
        # On either worker: what was seen once is seen by all.
        for _ in range(8):
            assert (await http.post(found["token_endpoint"], data=form)).json()["error"] == "invalid_client"
