"""C2: a practitioner probes the record of somebody they do not treat, in every way there is. Nothing may come back."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest
from litestar import Litestar

from tests.api.fhir.callers import admit, client_of, person
from tests.api.fhir.ward import (
    Json,
    actor,
    build,
    callers,
    care_team,
    consent,
    labelled,
    observation,
    of_type,
    profile,
    ref,
    when,
)

pytestmark = pytest.mark.slow

SECRET, CANARY = "Secretforeign", "Innerforeign"
"""What questions name, and what only an answer could tell."""


class Ward(msgspec.Struct):
    """Clients of the people involved, and what the stranger's record holds."""

    doctor: httpx.AsyncClient
    program: httpx.AsyncClient
    app: Litestar
    theirs: dict[str, str]
    mine: dict[str, str]


@pytest.fixture
async def ward(app: Litestar) -> AsyncIterator[Ward]:
    known = callers()
    known["other"] = person("a-other", "DOCTOR", profiles=(profile("DOCTOR"),), organizations=("Organization/clinic",))
    admit(app, known)
    async with client_of(app, "program") as program, client_of(app, "DOCTOR") as doctor:
        await build(program)
        found = Ward(doctor, program, app, {"Patient": "Patient/foreign"}, {"Patient": "Patient/team"})
        for patient, into in (("foreign", found.theirs), ("team", found.mine)):
            for kind in ("Condition", "Observation-vitals", "MedicationRequest", "DocumentReference"):
                body = of_type(kind, patient)
                answer = await program.post(body["resourceType"], json=body)
                assert answer.status_code == 201
                into[body["resourceType"]] = f"{body['resourceType']}/{answer.json()['id']}"
        link = {"resourceType": "List", "id": "both", "status": "current", "mode": "working", "entry": []}
        link["entry"] = [{"item": ref(name)} for name in (*found.theirs.values(), *found.mine.values())]
        assert (await program.put("List/both", json=link)).status_code == 201
        yield found


def names(bundle: Json) -> set[str]:
    return {f"{row['resource']['resourceType']}/{row['resource'].get('id')}" for row in bundle.get("entry", [])}


def leaks(answer: httpx.Response) -> bool:
    """Whether an answer holds anything of the stranger that the question did not name."""
    return CANARY in answer.text


UNKNOWN = "00000000-0000-7000-8000-000000000000"


@pytest.mark.parametrize("path", ["", "/_history", "/_history/1"])
async def test_a_strangers_resource_answers_as_one_that_never_was(ward: Ward, path: str) -> None:
    for kind, name in ward.theirs.items():
        if path and kind in ("Patient", "DocumentReference"):
            continue
        stranger = await ward.doctor.get(f"{name}{path}")
        unknown = await ward.doctor.get(f"{kind}/{UNKNOWN}{path}")
        assert (stranger.status_code, unknown.status_code) == (404, 404)
        assert stranger.text.replace(name, "X") == unknown.text.replace(f"{kind}/{UNKNOWN}", "X")


@pytest.mark.parametrize(
    "query",
    [
        "Patient?_id=foreign",
        f"Patient?family={SECRET}",
        f"Patient?family={SECRET}&_total=accurate&_summary=count",
        "Condition?patient=Patient/foreign",
        "Condition?subject:Patient.family=Secretforeign",
        "Condition?patient.family=Secretforeign&_summary=count",
        f"Observation?patient.family={SECRET}",
        "Patient?_has:Condition:patient:code=x1&_id=foreign",
        f"Patient?family={SECRET}&_revinclude=Condition:patient",
        "Patient?name:contains=etforeig",
        "Patient/foreign/Condition",
        "Patient/foreign/*",
        "Observation/$lastn?patient=Patient/foreign",
        "?_type=Patient,Condition&_id=foreign",
    ],
)
async def test_no_search_finds_or_counts_a_stranger(ward: Ward, query: str) -> None:
    answer = await ward.doctor.get(query)
    assert answer.status_code in (200, 404), answer.text
    assert not leaks(answer)
    if answer.status_code == 200:
        assert not [row for row in answer.json().get("entry", []) if row["search"]["mode"] != "outcome"]
        assert answer.json().get("total", 0) == 0
    assert (await ward.program.get(query)).json().get("total", 1) > 0  # there is something to be found


async def test_totals_and_pages_count_only_what_may_be_seen(ward: Ward) -> None:
    total = (await ward.doctor.get("Condition?_summary=count")).json()["total"]
    page = (await ward.doctor.get("Condition?_count=1&_total=accurate")).json()
    assert total == page["total"] == 1
    assert not [link for link in page["link"] if link["relation"] == "next"]
    assert (await ward.program.get("Condition?_summary=count")).json()["total"] == 2


async def test_what_is_pointed_at_or_points_does_not_come_along(ward: Ward) -> None:
    crossing = {**of_type("Condition", "team"), "evidence": [{"detail": [ref(ward.theirs["Observation"])]}]}
    name = (await ward.program.post("Condition", json=crossing)).json()["id"]
    found = (await ward.doctor.get(f"Condition?_id={name}&_include=*")).json()
    assert ward.theirs["Observation"] not in names(found)
    assert "Patient/team" in names(found)
    pointing = {**of_type("Condition", "foreign"), "evidence": [{"detail": [ref(ward.mine["Observation"])]}]}
    assert (await ward.program.post("Condition", json=pointing)).status_code == 201
    kind, _, logical_id = ward.mine["Observation"].partition("/")
    found = (await ward.doctor.get(f"{kind}?_id={logical_id}&_revinclude=Condition:evidence-detail")).json()
    assert names(found) == {ward.mine["Observation"]}


async def test_a_record_as_a_whole_stays_closed_and_brings_nothing_of_others(ward: Ward) -> None:
    stranger = await ward.doctor.get("Patient/foreign/$everything")
    assert stranger.status_code == 404
    assert not leaks(stranger)
    whole = (await ward.doctor.get("Patient/team/$everything?_count=1000")).json()
    assert ward.mine["Condition"] in names(whole)
    assert not names(whole) & set(ward.theirs.values())


async def test_matching_finds_nobody_one_does_not_treat(ward: Ward) -> None:
    person_ = {
        "resourceType": "Patient",
        "name": [{"family": SECRET, "given": [CANARY]}],
        "birthDate": "1980-01-01",
        "gender": "male",
    }
    assert (await ward.program.put("Patient/foreign", json={**person_, "id": "foreign"})).status_code == 200
    asked = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": person_}]}
    found = await ward.doctor.post("Patient/$match", json=asked)
    assert found.status_code == 200
    assert (found.json()["total"], leaks(found)) == (0, False)
    assert (await ward.program.post("Patient/$match", json=asked)).json()["total"] == 1


async def test_a_bundle_opens_nothing_that_its_entries_would_not(ward: Ward) -> None:
    reads = [{"request": {"method": "GET", "url": url}} for url in (*ward.theirs.values(), f"Patient?family={SECRET}")]
    for kind in ("batch", "transaction"):
        answer = await ward.doctor.post("", json={"resourceType": "Bundle", "type": kind, "entry": reads})
        assert not leaks(answer), answer.text
    body = of_type("Condition", "foreign")
    for entry in (
        {"resource": body, "request": {"method": "POST", "url": "Condition"}},
        {
            "resource": {**body, "id": ward.theirs["Condition"][10:]},
            "request": {"method": "PUT", "url": ward.theirs["Condition"]},
        },
        {"request": {"method": "DELETE", "url": ward.theirs["Condition"]}},
        {"resource": body, "request": {"method": "PUT", "url": "Condition?patient=Patient/foreign"}},
    ):
        answer = await ward.doctor.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
        assert answer.status_code in (403, 404), answer.text
    assert (await ward.program.get(f"{ward.theirs['Condition']}/_history")).json()["total"] == 1


async def test_writes_by_id_do_not_tell_which_ids_there_are(ward: Ward) -> None:
    kind = "Condition"
    for name in (ward.theirs[kind], f"{kind}/{UNKNOWN}"):
        body = {**of_type(kind, "team"), "id": name.partition("/")[2]}
        patch = [{"op": "test", "path": "/code/coding/0/code", "value": "x1"}]
        headers = {"content-type": "application/json-patch+json"}
        answers = [
            await ward.doctor.put(name, json=body),
            await ward.doctor.put(name, json=body, headers={"if-match": 'W/"1"'}),
            await ward.doctor.put(name, json=body, headers={"if-none-match": "*"}),
            await ward.doctor.delete(name),
            await ward.doctor.patch(name, content=msgspec.json.encode(patch), headers=headers),
        ]
        assert {answer.status_code for answer in answers} == {404}
        assert {answer.text.replace(name, "X") for answer in answers} == {answers[0].text.replace(name, "X")}


async def test_conditions_do_not_tell_what_there_is(ward: Ward) -> None:
    asked = {"if-none-exist": "patient=Patient/foreign"}
    created = await ward.doctor.post("Condition", json=of_type("Condition", "team"), headers=asked)
    assert created.status_code == 201  # for this caller nothing matches
    body = of_type("Condition", "team")
    assert (await ward.doctor.put("Condition?patient=Patient/foreign", json=body)).status_code == 201
    assert (await ward.doctor.delete("Condition?patient=Patient/foreign")).status_code == 404
    referring = {**body, "recorder": ref(f"Patient?family={SECRET}")}
    refused = await ward.doctor.post("Condition", json=referring)
    assert refused.status_code == 400
    nobody = {**body, "recorder": ref("Patient?family=Nobodyatall")}
    assert refused.text == (await ward.doctor.post("Condition", json=nobody)).text


@pytest.mark.parametrize("patient", ["foreign", "exteam", UNKNOWN])
async def test_nobody_writes_into_a_record_they_have_nothing_to_do_with(ward: Ward, patient: str) -> None:
    answer = await ward.doctor.post("Condition", json=of_type("Condition", patient))
    assert (answer.status_code, patient in answer.text) == (403, False)
    booked = {"status": "proposed", "resourceType": "Appointment"}
    both = [{"actor": ref(name), "status": "accepted"} for name in (f"Patient/{patient}", profile("DOCTOR"))]
    assert (await ward.doctor.post("Appointment", json={**booked, "participant": both})).status_code == 403
    moved = {**of_type("Condition", patient), "id": ward.mine["Condition"].partition("/")[2]}
    assert (await ward.doctor.put(ward.mine["Condition"], json=moved)).status_code == 403


async def test_a_page_link_is_of_use_to_its_caller_only(ward: Ward) -> None:
    page = (await ward.program.get("Condition?_count=1")).json()
    (link,) = [each["url"] for each in page["link"] if each["relation"] == "next"]
    assert (await ward.program.get(link)).status_code == 200
    stolen = await ward.doctor.get(link)
    assert (stolen.status_code, leaks(stolen)) == (400, False)


async def test_a_list_gives_only_what_may_be_seen(ward: Ward) -> None:
    answer = await ward.doctor.get("Condition?_list=both")
    assert answer.status_code in (200, 403)
    assert ward.theirs["Condition"] not in answer.text


async def test_an_ended_team_closes_the_record_at_the_next_request(ward: Ward) -> None:
    assert (await ward.doctor.get(ward.mine["Condition"])).status_code == 200
    ended = care_team("team", when(-10, -1))
    assert (await ward.program.put("CareTeam/team-team", json=ended)).status_code == 200
    assert (await ward.doctor.get(ward.mine["Condition"])).status_code == 404
    assert (await ward.doctor.get("Condition?_summary=count")).json()["total"] == 0
    again = care_team("team", when(-10, 10))
    assert (await ward.program.put("CareTeam/team-team", json=again)).status_code == 200
    assert (await ward.doctor.get(ward.mine["Condition"])).status_code == 200


async def test_a_denial_closes_and_its_end_opens_at_the_next_request(ward: Ward) -> None:
    no = consent("no", "team", "deny", actor=[actor(profile("DOCTOR"))])
    assert (await ward.program.put("Consent/no", json=no)).status_code == 201
    assert (await ward.doctor.get(ward.mine["Condition"])).status_code == 404
    async with client_of(ward.app, "NURSE") as nurse:
        assert (await nurse.get(ward.mine["Condition"])).status_code == 200  # another actor
    assert (await ward.program.put("Consent/no", json={**no, "status": "inactive"})).status_code == 200
    assert (await ward.doctor.get(ward.mine["Condition"])).status_code == 200


async def test_a_source_shares_one_document_by_consent(ward: Ward) -> None:
    other = (await ward.program.post("DocumentReference", json=of_type("DocumentReference", "foreign"))).json()["id"]
    shared = ward.theirs["DocumentReference"]
    assert (await ward.doctor.get(shared)).status_code == 404
    share = consent(
        "share",
        "foreign",
        "permit",
        actor=[actor(profile("DOCTOR"))],
        data=[{"meaning": "instance", "reference": ref(shared)}],
    )
    assert (await ward.program.put("Consent/share", json=share)).status_code == 201
    assert (await ward.doctor.get(shared)).status_code == 200
    found = (await ward.doctor.get("DocumentReference?patient=Patient/foreign&_total=accurate")).json()
    assert (names(found), found["total"]) == ({shared}, 1)
    assert (await ward.doctor.get(f"DocumentReference/{other}")).status_code == 404
    assert (await ward.doctor.get("Patient/foreign")).status_code == 404
    assert (
        await ward.doctor.put(
            shared, json={**of_type("DocumentReference", "foreign"), "id": shared[18:], "language": "de"}
        )
    ).status_code == 403


async def test_nobody_permits_themselves(ward: Ward) -> None:
    very = (await ward.program.post("Condition", json=labelled(of_type("Condition", "team"), "V"))).json()["id"]
    assert (await ward.doctor.get(f"Condition/{very}")).status_code == 404
    mine = consent("x", "team", "permit", actor=[actor(profile("DOCTOR"))])
    assert (await ward.doctor.post("Consent", json=mine)).status_code == 201
    assert (await ward.doctor.get(f"Condition/{very}")).status_code == 404
    assert (await ward.program.put("Consent/by-patient", json={**mine, "id": "by-patient"})).status_code == 201
    assert (await ward.doctor.get(f"Condition/{very}")).status_code == 200


async def test_labels_follow_from_codes_and_are_never_lost(ward: Ward) -> None:
    hiv = {"coding": [{"system": "http://snomed.info/sct", "code": "86406008"}]}
    made = (await ward.doctor.post("Condition", json={**of_type("Condition", "team"), "code": hiv})).json()
    assert {label["code"] for label in made["meta"]["security"]} == {"HIV", "R"}
    bare = {**of_type("Condition", "team"), "id": made["id"]}
    kept = (await ward.doctor.put(f"Condition/{made['id']}", json=bare)).json()
    assert {label["code"] for label in kept["meta"]["security"]} == {"HIV", "R"}
    raised = labelled({**bare}, "V")
    assert (await ward.doctor.put(f"Condition/{made['id']}", json=raised)).status_code == 200
    assert (await ward.doctor.get(f"Condition/{made['id']}")).status_code == 404
    assert (await ward.doctor.get(f"Condition/{made['id']}/_history/1")).status_code == 404


async def test_an_update_may_be_bound_to_some_elements(ward: Ward) -> None:
    async with client_of(ward.app, "patient-team") as patient:
        mine = (await patient.get("Patient/team")).json()
        moved = {**mine, "telecom": [{"system": "phone", "value": "555"}]}
        assert (await patient.put("Patient/team", json=moved)).status_code == 200
        renamed = {**moved, "name": [{"family": "Other"}]}
        assert (await patient.put("Patient/team", json=renamed)).status_code == 403
        said = {**observation("team", "vitals"), "performer": [ref("Patient/team")]}
        assert (await patient.post("Observation", json=said)).status_code == 201
        assert (await patient.post("Observation", json=observation("team", "vitals"))).status_code == 403
    async with client_of(ward.app, "PHARMACIST") as pharmacist:
        order = (await pharmacist.get("MedicationRequest/rx-order")).json()
        assert (
            await pharmacist.put("MedicationRequest/rx-order", json={**order, "priority": "urgent"})
        ).status_code == 403
        assert (
            await pharmacist.put("MedicationRequest/rx-order", json={**order, "status": "on-hold"})
        ).status_code == 200


async def test_a_proxy_sees_what_the_patient_sees_until_the_period_ends(ward: Ward) -> None:
    async with client_of(ward.app, "proxy") as proxy:
        assert (await proxy.get(ward.mine["Condition"])).status_code == 200
        assert (await proxy.get(ward.theirs["Condition"])).status_code == 404
        person_ = {
            "resourceType": "RelatedPerson",
            "id": "proxy",
            "patient": ref("Patient/team"),
            "period": when(-5, -1),
        }
        assert (await ward.program.put("RelatedPerson/proxy", json=person_)).status_code == 200
        assert (await proxy.get(ward.mine["Condition"])).status_code == 404


async def test_emergency_access_opens_one_record_and_only_when_it_is_said(ward: Ward) -> None:
    fresh = msgspec.structs.replace(callers()["DOCTOR"], second_factor_at=time.time())
    admit(ward.app, {**callers(), "fresh": fresh})
    said = {"x-purpose-of-use": "BTG", "x-break-glass-reason": "unconscious, no relatives"}
    async with client_of(ward.app, "fresh") as doctor:
        assert (await doctor.get("Patient/foreign")).status_code == 404
        assert (await doctor.get("Patient/foreign", headers=said)).status_code == 200
        emergency = {"x-purpose-of-use": "BTG"}
        assert (await doctor.get(ward.theirs["Condition"], headers=emergency)).status_code == 200
        assert (await doctor.get("Patient/denied", headers=emergency)).status_code == 404
        assert (await doctor.get(ward.theirs["Condition"])).status_code == 404


async def test_scopes_with_parameters_select_and_read_alike(ward: Ward) -> None:
    from domain.access import conditional_scopes

    asked = "user/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
    narrow = msgspec.structs.replace(callers()["DOCTOR"], rights={}, scopes=conditional_scopes(asked))
    lab = (await ward.program.post("Observation", json=observation("team", "lab"))).json()["id"]
    admit(ward.app, {**callers(), "narrow": narrow})
    async with client_of(ward.app, "narrow") as client:
        assert (await client.get(f"Observation/{lab}")).status_code == 200
        assert (await client.get(ward.mine["Observation"])).status_code == 404
        assert names((await client.get("Observation?patient=Patient/team")).json()) == {f"Observation/{lab}"}
        assert (await client.get(ward.mine["Condition"])).status_code == 403
