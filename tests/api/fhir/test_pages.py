"""Pages of every order there is, through the links that a client gets: https://hl7.org/fhir/R4/http.html#paging"""

from __future__ import annotations

import httpx
import pytest

from tests.api.fhir.graph import Json, ask, link, load, names, observation

CODE = "8302-2"
QUERIES = (
    "Observation?patient=anna",
    f"Observation?code={CODE}",
    "Observation?_sort=-_lastUpdated",
    "Observation?date=ge2001",
    "Observation?date=ne2001&_sort=date",
    "Observation?_sort=-value-quantity",
    "Observation?value-quantity=gt10",
    "Observation?value-quantity=gt10||cm",
    f"Observation?code-value-quantity={CODE}$gt10",
    "Observation?patient.name:contains=nn",
)


def measured(number: int) -> Json:
    quantity = {"value": 100 + number % 3, "unit": "cm", "system": "http://unitsofmeasure.org", "code": "cm"}
    moment = f"2002-03-{number + 1:02d}T08:00:00Z"
    return observation(f"o{number}", CODE, "Patient/anna", valueQuantity=quantity, effectiveDateTime=moment)


@pytest.mark.parametrize("query", QUERIES)
async def test_links_lead_through_all_matches(fhir: httpx.AsyncClient, query: str) -> None:
    anna = {"resourceType": "Patient", "id": "anna", "name": [{"family": "Annan"}]}
    await load(fhir, [anna, *map(measured, range(5))])
    found, following = list[str](), f"{query}&_count=2"
    while following:
        page = await ask(fhir, following)
        found += names(page)
        following = link(page, "next") or ""
    assert sorted(found) == [f"o{number}" for number in range(5)]
