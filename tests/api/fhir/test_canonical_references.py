"""What is named by its canonical URL is followed like any other reference: https://hl7.org/fhir/R4/references.html#canonical"""

from __future__ import annotations

import httpx
import pytest

from api.settings import Settings
from api.tokens import mint
from domain.interactions import by_url
from tests.api.fhir.graph import Json, ask, load, names

SLEEP, ASTHMA = "http://forms.example/sleep", "http://forms.example/asthma"


def questionnaire(name: str, url: str, version: str, title: str) -> Json:
    described = {"url": url, "version": version, "title": title, "status": "active"}
    return {"resourceType": "Questionnaire", "id": name, **described}


def response(name: str, questionnaire: str, status: str = "completed") -> Json:
    return {"resourceType": "QuestionnaireResponse", "id": name, "status": status, "questionnaire": questionnaire}


FORMS = [
    questionnaire("sleep1", SLEEP, "1", "How do you sleep?"),
    questionnaire("sleep2", SLEEP, "2", "How well do you sleep?"),
    questionnaire("asthma", ASTHMA, "1", "Breathing"),
    response("old", f"{SLEEP}|1"),
    response("any", SLEEP, "in-progress"),
    response("wheeze", f"{ASTHMA}|1", "amended"),
    response("here", "Questionnaire/asthma"),
    response("foreign", "http://elsewhere.example/form"),
    {
        "resourceType": "PlanDefinition",
        "id": "plan",
        "status": "active",
        "relatedArtifact": [{"type": "depends-on", "resource": ASTHMA}],
    },
]
INCLUDED = (
    ("QuestionnaireResponse?_id=old&_include=QuestionnaireResponse:questionnaire", "old", "sleep1"),
    ("QuestionnaireResponse?_id=any&_include=QuestionnaireResponse:questionnaire", "any", "sleep1 sleep2"),
    ("QuestionnaireResponse?_id=old,wheeze&_include=QuestionnaireResponse:*", "old wheeze", "asthma sleep1"),
    ("QuestionnaireResponse?_id=here&_include=QuestionnaireResponse:questionnaire", "here", "asthma"),
    ("QuestionnaireResponse?_id=foreign&_include=QuestionnaireResponse:questionnaire", "foreign", ""),
    ("PlanDefinition?_id=plan&_include=PlanDefinition:depends-on", "plan", "asthma"),
    ("PlanDefinition?_id=plan&_include=PlanDefinition:depends-on:Measure", "plan", ""),
    ("Questionnaire?_id=asthma&_revinclude=QuestionnaireResponse:questionnaire", "asthma", "here wheeze"),
    (
        "PlanDefinition?_id=plan&_include=PlanDefinition:depends-on&_revinclude:iterate=QuestionnaireResponse:questionnaire",
        "plan",
        "asthma here wheeze",
    ),
)
SELECTED = (
    ("QuestionnaireResponse?questionnaire.title=breathing", "here wheeze"),
    ("QuestionnaireResponse?questionnaire:Questionnaire.title=how%20well", "any old"),
    ("QuestionnaireResponse?questionnaire.title=nothing", ""),
    ("Questionnaire?_has:QuestionnaireResponse:questionnaire:status=completed", "asthma sleep1"),
    ("Questionnaire?_has:QuestionnaireResponse:questionnaire:status=in-progress", "sleep1 sleep2"),
    ("PlanDefinition?depends-on.title=breathing", "plan"),
)


async def test_what_is_named_by_url_comes_along(fhir: httpx.AsyncClient) -> None:
    await load(fhir, FORMS)
    for query, matched, included in INCLUDED:
        bundle = await ask(fhir, query)
        assert (query, sorted(names(bundle))) == (query, matched.split())
        assert (query, sorted(names(bundle, "include"))) == (query, included.split())


async def test_conditions_lead_through_urls(fhir: httpx.AsyncClient) -> None:
    await load(fhir, FORMS)
    for query, expected in SELECTED:
        assert (query, sorted(names(await ask(fhir, query)))) == (query, expected.split())


async def test_a_url_leads_nobody_to_what_they_may_not_read(fhir: httpx.AsyncClient, settings: Settings) -> None:
    await load(fhir, FORMS)
    narrow = f"Bearer {mint(settings, scopes='system/QuestionnaireResponse.rs', lifetime_seconds=60)}"
    query, _, _ = INCLUDED[0]
    bundle = await ask(fhir, query, authorization=narrow)
    assert (names(bundle), names(bundle, "include")) == (["old"], [])
    await ask(fhir, "QuestionnaireResponse?questionnaire.title=breathing", 403, authorization=narrow)


async def test_a_chain_that_would_open_too_much_is_refused(
    fhir: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await load(fhir, FORMS)
    monkeypatch.setattr(by_url, "MOST_NAMED", 1)
    outcome = await ask(fhir, "QuestionnaireResponse?questionnaire.title=how", 400)
    assert (outcome["issue"][0]["code"], outcome["issue"][0]["expression"]) == ("too-costly", ["questionnaire"])
