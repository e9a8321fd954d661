"""A record at a glance: the timeline, the summary to hand on, and the versions of the demographics."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_mapping.friendly.timeline import STREAMS
from fhir_mapping.range_paths import is_leading
from fhir_mapping.search_parameters import parameters_of
from tests.api.v1.ward import Ward

Json = dict[str, Any]


async def fill(ward: Ward) -> None:
    """Something of every kind that the nouns write, on known days; two events of one moment among them."""
    address = f"/patients/{ward.patient}"
    for path, body in [
        ("vital-signs", {"type": "heart-rate", "value": 72, "takenAt": "2026-05-03T08:00:00Z"}),
        ("vital-signs", {"type": "body-weight", "value": 80, "takenAt": "2026-05-03T08:00:00Z"}),
        ("immunizations", {"vaccine": "Influenza", "date": "2025-10-01"}),
        ("medical-history", {"text": "Asthma", "onset": "2001-01-01"}),
        ("medical-history", {"text": "Fracture", "status": "resolved"}),
        ("allergies", {"substance": "Latex", "criticality": "high"}),
        (
            "lab-results",
            {
                "title": "Panel",
                "takenAt": "2026-05-02T08:00:00Z",
                "results": [{"name": "K", "value": 4, "unit": "mmol/L"}],
            },
        ),
    ]:
        answer = await ward.program.post(f"{address}/{path}", json=body)
        assert answer.status_code == 201, answer.text


async def pages(ward: Ward, **query: Any) -> list[Json]:
    found: list[Json] = []
    cursor: str | None = None
    while True:
        params = {**query, **({"cursor": cursor} if cursor else {})}
        answer = await ward.program.get(f"/patients/{ward.patient}/timeline", params=params)
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["items"]) <= int(query.get("limit", 50))
        found += answer.json()["items"]
        cursor = answer.json()["next"]
        if cursor is None:
            return found


async def test_everything_dated_comes_once_and_newest_first_however_it_is_paged(ward: Ward) -> None:
    await fill(ward)
    whole = await pages(ward)
    dates = [each["date"] for each in whole]
    assert dates == sorted(dates, reverse=True)
    last = [(each["kind"], each["title"]) for each in whole[-2:]]
    assert last == [("immunization", "Influenza"), ("problem", "Asthma")]
    assert {each["title"] for each in whole} >= {"Latex", "Fracture", "Heart rate", "Body weight", "Panel", "K"}
    for limit in (1, 2, 3):
        assert await pages(ward, limit=limit) == whole, limit
    kinds = await pages(ward, kinds="problem,allergy")
    assert sorted(each["title"] for each in kinds) == ["Asthma", "Fracture", "Latex"]
    window = await pages(ward, **{"from": "2025-10-01T00:00:00Z", "to": "2026-05-03T00:00:00Z"}, limit=1)
    assert {each["title"] for each in window} == {"Panel", "K", "Influenza"}
    unknown = await ward.program.get(f"/patients/{ward.patient}/timeline", params={"kinds": "war"})
    assert (unknown.status_code, unknown.json()["errors"][0]["path"]) == (422, "?kinds")


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: f"{stream.type}-{stream.parameter}")
def test_a_stream_is_read_in_the_order_of_its_index(stream: Any) -> None:
    leading = is_leading(parameters_of(stream.type)[stream.parameter])
    assert leading or any(name.endswith(":missing") for name, _ in stream.pairs)


async def test_each_role_sees_its_part_of_the_timeline(ward: Ward) -> None:
    await fill(ward)
    expected = {
        "DOCTOR": {"Latex", "Asthma", "Panel", "Heart rate"},
        "PATIENT": {"Latex", "Asthma", "Panel", "Heart rate"},
        "RECEPTIONIST": set(),
        "LAB_TECHNICIAN": {"Panel", "K"},
    }
    for role, titles in expected.items():
        answer = await (await ward.web(role)).get(f"/patients/{ward.patient}/timeline")  # type: ignore[arg-type]
        assert answer.status_code == 200, (role, answer.text)
        seen = {each["title"] for each in answer.json()["items"]}
        assert seen >= titles, role
        assert titles or not seen & {"Latex", "Asthma", "Panel"}, role
    stranger = await ward.web("DOCTOR", stranger=True)
    for view in ("timeline", "summary", "history"):
        assert (await stranger.get(f"/patients/{ward.patient}/{view}")).status_code == 404, view


def sections(bundle: Json) -> dict[str, Json]:
    composition = bundle["entry"][0]["resource"]
    assert composition["resourceType"] == "Composition"
    return {section["title"]: section for section in composition["section"]}


async def test_the_summary_is_a_valid_document_with_everything_it_refers_to(ward: Ward) -> None:
    await fill(ward)
    answer = await ward.program.get(f"/patients/{ward.patient}/summary")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/fhir+json")
    bundle = answer.json()
    await ward.valid(bundle)
    found = sections(bundle)
    assert list(found)[:3] == ["Problems", "Allergies and intolerances", "Medications"]
    assert {"Immunizations", "Results", "Vital signs", "Past illnesses"} <= set(found)
    assert found["Medications"]["emptyReason"]["coding"][0]["code"] == "unavailable"
    assert "Asthma" in found["Problems"]["text"]["div"]
    assert "Fracture" not in found["Problems"]["text"]["div"]
    addresses = {entry["fullUrl"] for entry in bundle["entry"]}
    assert len(addresses) == len(bundle["entry"])
    for section in found.values():
        assert {each["reference"] for each in section.get("entry", ())} <= addresses
    assert any(url.endswith(f"/fhir/Organization/{ward.organization}") for url in addresses)
    operation = await ward.fhir.get(f"/Patient/{ward.patient}/$summary")
    assert operation.status_code == 200
    assert {entry["fullUrl"] for entry in operation.json()["entry"]} >= {url for url in addresses if "/fhir/" in url}
    assert (await ward.fhir.get("/Patient/nobody/$summary")).status_code == 404
    assert (await ward.fhir.get(f"/Observation/{ward.patient}/$summary")).status_code == 404


async def test_an_empty_section_says_whether_nothing_is_known_or_nothing_is_shown(ward: Ward) -> None:
    doctor = sections((await (await ward.web("DOCTOR")).get(f"/patients/{ward.patient}/summary")).json())
    clerk = sections((await (await ward.web("RECEPTIONIST")).get(f"/patients/{ward.patient}/summary")).json())
    for title in ("Problems", "Allergies and intolerances", "Medications"):
        assert doctor[title]["emptyReason"]["coding"][0]["code"] == "unavailable"
        assert clerk[title]["emptyReason"]["coding"][0]["code"] == "withheld"
    assert set(doctor) == set(clerk) == {"Problems", "Allergies and intolerances", "Medications"}


async def test_versions_tell_who_wrote_them(ward: Ward) -> None:
    clerk, own = await ward.web("RECEPTIONIST"), await ward.web("PATIENT")
    address = f"/patients/{ward.patient}"
    assert (await clerk.put(address, json={"gender": "male"})).status_code == 200
    assert (await own.put(address, json={"contact": {"phone": "1"}})).status_code == 200
    items = (await own.get(f"{address}/history")).json()["items"]
    assert [each["version"] for each in items] == [3, 2, 1]
    assert items[0]["author"]["profile"] == f"Patient/{ward.patient}"
    assert items[1]["author"]["subject"] not in (items[0]["author"]["subject"], items[2]["author"]["subject"])
    assert [each["patient"]["gender"] for each in items] == ["male", "male", None]
    assert [each["patient"]["contact"]["phone"] for each in items] == ["1", None, None]
    laboratory = await ward.web("LAB_TECHNICIAN")
    assert (await laboratory.get(address)).status_code == 200
    assert (await laboratory.get(f"{address}/history")).status_code == 403
