"""A change made here as a change of the provider's version: only what differs, and nothing of what each side says for itself."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_mapping.provider_edits import ProviderEdits

EDITS = ProviderEdits()
BEFORE: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "ours",
    "meta": {"source": "https://p.example/fhir/Observation/7"},
    "status": "final",
    "code": {"coding": [{"system": "s", "code": "1", "display": "One"}], "text": "one"},
    "subject": {"reference": "Patient/ours"},
    "performer": [{"reference": "https://p.example/fhir/Practitioner/3"}],
    "note": [{"text": "a"}],
}
THEIRS: dict[str, Any] = {
    **BEFORE,
    "id": "7",
    "meta": {"versionId": "3"},
    "subject": {"reference": "Patient/theirs"},
    "performer": [{"reference": "Practitioner/3"}],
}
NAMES = {"Patient/ours": "Patient/theirs", "Condition/ours": "Condition/theirs"}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, {}),
        ({"status": "amended"}, {"status": "amended"}),
        ({"note": None}, {"note": None}),
        ({"note": [{"text": "a"}, {"text": "b"}]}, {"note": [{"text": "a"}, {"text": "b"}]}),
        ({"meta": {"tag": []}, "id": "x", "text": {"div": "x"}}, {}),
        (
            {"code": {"coding": [{"system": "s", "code": "1"}], "text": "two"}},
            {"code": {"coding": [{"system": "s", "code": "1"}], "text": "two"}},
        ),
        ({"focus": [{"reference": "Condition/ours"}]}, {"focus": [{"reference": "Condition/theirs"}]}),
        ({"focus": [{"reference": "Condition/own"}]}, {"focus": [{"display": "Condition"}]}),
        ({"focus": [{"reference": "Condition/own", "display": "Asthma"}]}, {"focus": [{"display": "Asthma"}]}),
        ({"focus": [{"reference": "#c"}]}, {"focus": [{"reference": "#c"}]}),
    ],
)
def test_what_differs_is_carried_over_and_the_rest_stays_theirs(
    changed: dict[str, Any], expected: dict[str, Any]
) -> None:
    after = {name: value for name, value in {**BEFORE, **changed}.items() if value is not None}
    wanted = {name: value for name, value in {**THEIRS, **expected}.items() if value is not None}
    assert EDITS.merged(THEIRS, BEFORE, after, NAMES) == wanted
    assert EDITS.differs(BEFORE, after) is bool(expected)


def test_an_element_inside_a_list_is_changed_without_its_neighbours() -> None:
    ours = {"resourceType": "DocumentReference", "content": [{"attachment": {"title": "a", "url": "Binary/ours"}}]}
    theirs = {"resourceType": "DocumentReference", "content": [{"attachment": {"title": "a", "url": "Binary/7"}}]}
    after = {"resourceType": "DocumentReference", "content": [{"attachment": {"title": "b", "url": "Binary/ours"}}]}
    assert EDITS.merged(theirs, ours, after, {})["content"] == [{"attachment": {"title": "b", "url": "Binary/7"}}]
    assert not EDITS.brings_files(ours, after)
    other = {"resourceType": "DocumentReference", "content": [{"attachment": {"title": "a", "url": "Binary/other"}}]}
    assert EDITS.brings_files(ours, other)


@pytest.mark.parametrize(
    ("theirs", "clash"),
    [
        ([{"family": "Ward", "given": ["Wim"]}], False),
        ([{"use": "official", "family": "Ward", "given": ["Wim"], "text": "Wim Ward"}], False),
        ([{"use": "usual", "family": "Chalmers", "given": ["Wim"]}], False),
        ([{"family": "Somebody"}], True),
        ([], True),
        ([{"text": "Somebody Else"}], True),
    ],
)
def test_of_a_person_it_is_a_clash_when_they_know_neither_the_old_nor_the_new(theirs: list[Any], clash: bool) -> None:
    before = {"resourceType": "Patient", "name": [{"use": "official", "family": "Ward", "given": ["Wim"]}]}
    after = {"resourceType": "Patient", "name": [{"use": "official", "family": "Chalmers", "given": ["Wim"]}]}
    assert EDITS.clashes({"resourceType": "Patient", "name": theirs}, before, after) is clash
    assert not EDITS.clashes({"resourceType": "Patient", "gender": "male"}, before, before)
    only = {**before, "generalPractitioner": [{"reference": "Organization/1"}], "active": False}
    assert not EDITS.differs(before, only)
