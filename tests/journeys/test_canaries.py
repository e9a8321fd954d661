"""A stolen disk shows nobody: real patients go in over HTTP, are read and searched, and nothing of them is found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx
import msgspec
import pytest
from pymongo import MongoClient

from tests.journeys.canaries import Canaries, Json, Search, canaries
from tests.journeys.processes import Served

PLAIN = "Quetzalcoatlus Northropi"
"""Stored plainly, for control: what is there is found."""
FORM = {"content-type": "application/x-www-form-urlencoded"}


class Thief(NamedTuple):
    """What somebody finds who has the folder of a server and, while it runs, all rights on its database."""

    wanted: Canaries
    generic: set[str]
    database: Search
    documents: Mapping[str, int]
    files: Search


@pytest.fixture(scope="module")
def thief(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Thief:
    """Looks before anybody was there, after the patients have come and been treated, and after a clean stop."""
    paths = sorted((shared / "data" / "synthea-5").glob("*.json"))
    bundles = [msgspec.json.decode(path.read_bytes()) for path in paths]
    wanted = canaries(bundles)
    folder = tmp_path_factory.mktemp("disk")
    served = Served(folder, log_level="debug")
    served.start()
    try:
        before, database, files = (Search({*wanted.values, *wanted.words, PLAIN}) for _ in range(3))
        before.database(served.admin_uri())
        before.files(folder)
        with httpx.Client(base_url=served.base, headers=served.headers(), timeout=60, trust_env=False) as client:
            for bundle in bundles:
                use(client, bundle)
        with MongoClient[Any](served.admin_uri()) as admin:
            admin["chartvault"]["control"].insert_one({"_id": 1, "name": PLAIN})
        documents = database.database(served.admin_uri())
        assert served.stop() == 0
        files.files(folder)
    finally:
        served.stop()
    return Thief(wanted, set(before.found), database, documents, files)


def use(client: httpx.Client, bundle: Json) -> None:
    """What a clinic does with a patient, in ways that could leave traces: in queries, conditions, failures, versions."""
    assert client.post("", json=bundle).status_code == 200
    patient = bundle["entry"][0]["resource"]
    name, number = patient["name"][0], patient["identifier"][-1]
    queries = [
        {"name": name["family"]},
        {"family:exact": name["family"], "given": name["given"][0]},
        {"identifier": f"{number['system']}|{number['value']}"},
        {"birthdate": patient["birthDate"]},
        {"telecom": patient["telecom"][0]["value"]},
        {"address": patient["address"][0]["line"][0]},
    ]
    for query in queries:
        page = client.get("Patient", params=query).json()
        assert page["total"] >= 1, query
        posted = client.post("Patient/_search", content=urlencode(query), headers=FORM).json()
        assert posted["total"] == page["total"]
    (found,) = [entry["resource"] for entry in page["entry"] if entry["search"]["mode"] == "match"]
    changed = {**found, "active": True}
    assert client.put(f"Patient/{found['id']}", json=changed).status_code == 200
    twice = client.post("Patient", json=patient, headers={"if-none-exist": f"identifier={number['value']}"})
    assert twice.status_code == 200
    wrong = {**patient, "birthDate": f"{patient['birthDate']}x", name["family"]: name["given"][0]}
    assert client.post("Patient", json=wrong).status_code == 400
    assert client.get("Patient", params={name["family"]: "x"}).status_code in (200, 400)
    assert client.get(f"Patient/{found['id']}/_history").json()["total"] == 2


def test_there_is_something_to_find(thief: Thief) -> None:
    assert len(thief.wanted.values) >= 5 * 8
    assert len(thief.wanted.words - thief.generic) >= 5
    assert thief.generic <= thief.wanted.words
    assert thief.documents["chartvault.revisions"] == 526 + 5
    assert {"chartvault.audit", "chartvault.resources", "chartvault_keys.patient_keys", "local.oplog.rs"} <= set(
        thief.documents
    )


def test_what_is_stored_plainly_is_found_in_the_database_the_oplog_and_the_files(thief: Thief) -> None:
    assert thief.database.found[PLAIN] == {"chartvault.control", "local.oplog.rs"}
    assert any(where.startswith("data/mongodb/data/") for where in thief.files.found[PLAIN])
    assert any("journal" in where for where in thief.files.found[PLAIN])


def test_nothing_of_the_patients_is_found_in_any_document(thief: Thief) -> None:
    assert found(thief.database, thief) == {}


def test_nothing_of_the_patients_is_found_in_files_journal_or_logs(thief: Thief) -> None:
    assert found(thief.files, thief) == {}


def found(search: Search, thief: Thief) -> dict[str, set[str]]:
    return {what: where for what, where in search.found.items() if what not in thief.generic | {PLAIN}}
