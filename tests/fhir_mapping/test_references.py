"""https://hl7.org/fhir/R4/http.html#trules, https://hl7.org/fhir/R4/references.html"""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain.identity import ResourceKey
from fhir_mapping.references import ResourceLinks, references_of

OLD = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
TARGETS = {OLD: "Patient/7", "https://old.example/fhir/Patient/x": "Patient/8", "Patient?identifier=s|1": "Patient/9"}


def rewritten(content: dict[str, Any], targets: dict[str, str] = TARGETS) -> dict[str, Any]:
    ResourceLinks().rewrite(content, targets)
    return content


def test_references_are_replaced_at_every_depth_and_in_contained_resources() -> None:
    content = rewritten(
        {
            "resourceType": "Observation",
            "subject": {"reference": OLD, "display": "stays"},
            "performer": [{"reference": "https://old.example/fhir/Patient/x"}, {"reference": "Practitioner/1"}],
            "component": [{"extension": [{"url": "http://x", "valueReference": {"reference": OLD}}]}],
            "contained": [{"resourceType": "Provenance", "target": [{"reference": "Patient?identifier=s|1"}]}],
            "_status": {"extension": [{"url": "http://x", "valueReference": {"reference": OLD}}]},
        }
    )
    assert content["subject"] == {"reference": "Patient/7", "display": "stays"}
    assert [p["reference"] for p in content["performer"]] == ["Patient/8", "Practitioner/1"]
    assert content["component"][0]["extension"][0]["valueReference"]["reference"] == "Patient/7"
    assert content["contained"][0]["target"][0]["reference"] == "Patient/9"
    assert content["_status"]["extension"][0]["valueReference"]["reference"] == "Patient/7"


def test_uri_url_oid_and_uuid_elements_are_replaced() -> None:
    content = rewritten(
        {
            "resourceType": "DocumentReference",
            "content": [{"attachment": {"url": OLD}}],
            "extension": [
                {"url": "http://x", "valueUri": OLD},
                {"url": "http://x", "valueUuid": OLD},
                {"url": "http://x", "valueUrl": OLD},
            ],
            "_docStatus": {"extension": [{"url": "http://x", "valueUri": OLD}]},
        }
    )
    assert content["content"][0]["attachment"]["url"] == "Patient/7"
    values = [next(v for k, v in e.items() if k != "url") for e in content["extension"]]
    assert values == ["Patient/7"] * 3
    assert content["_docStatus"]["extension"][0]["valueUri"] == "Patient/7"


def test_lists_of_uris_are_replaced_item_by_item() -> None:
    content = rewritten({"resourceType": "CarePlan", "instantiatesUri": [OLD, "http://other"]})
    assert content["instantiatesUri"] == ["Patient/7", "http://other"]


def test_canonicals_strings_and_codes_are_never_replaced() -> None:
    content = {
        "resourceType": "CarePlan",
        "meta": {"profile": [OLD]},
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": OLD}],
        "instantiatesCanonical": [OLD],
        "title": OLD,
        "note": [{"text": OLD}],
        "extension": [{"url": "http://x", "valueCanonical": OLD}, {"url": "http://x", "valueString": OLD}],
    }
    before = copy.deepcopy(content)
    assert rewritten(content) == before


def test_one_name_is_a_uri_in_one_type_and_a_canonical_in_another() -> None:
    uri = rewritten({"resourceType": "MedicationAdministration", "instantiates": [OLD]})
    canonical = rewritten({"resourceType": "CapabilityStatement", "instantiates": [OLD]})
    assert (uri["instantiates"], canonical["instantiates"]) == (["Patient/7"], [OLD])


def test_links_in_the_narrative_are_replaced_in_a_and_img_only() -> None:
    div = (
        f'<div xmlns="http://www.w3.org/1999/xhtml"><a title="t" href="{OLD}">{OLD}</a>'
        f"<img alt='' src='{OLD}#part'/><a href=\"http://other\">x</a><span title=\"{OLD}\"/></div>"
    )
    content = rewritten({"resourceType": "Patient", "text": {"status": "generated", "div": div}})
    assert content["text"]["div"] == (
        f'<div xmlns="http://www.w3.org/1999/xhtml"><a title="t" href="Patient/7">{OLD}</a>'
        f"<img alt='' src='Patient/7#part'/><a href=\"http://other\">x</a><span title=\"{OLD}\"/></div>"
    )


def test_an_ampersand_in_a_narrative_link_is_read_and_written_as_an_entity() -> None:
    content = {"resourceType": "Patient", "text": {"div": '<div><a href="Patient?a=1&amp;b=2">x</a></div>'}}
    assert rewritten(content, {"Patient?a=1&b=2": "Patient?c=3&d=4"})["text"]["div"] == (
        '<div><a href="Patient?c=3&amp;d=4">x</a></div>'
    )


def test_a_fragment_is_kept_and_does_not_hide_the_match() -> None:
    content = rewritten({"resourceType": "Observation", "subject": {"reference": OLD + "#name"}})
    assert content["subject"]["reference"] == "Patient/7#name"


def test_a_versioned_reference_stays_versioned() -> None:
    reference = {"reference": "https://old.example/fhir/Patient/x/_history/7"}
    content = rewritten({"resourceType": "Observation", "subject": dict(reference)})
    assert content["subject"]["reference"] == "Patient/8/_history/7"
    named = {**TARGETS, "https://old.example/fhir/Patient/x/_history": "Patient/8/_history/1"}
    content = rewritten({"resourceType": "Observation", "subject": dict(reference)}, named)
    assert content["subject"]["reference"] == "Patient/8/_history/1"


def test_part_of_a_url_is_no_match() -> None:
    content = {"resourceType": "Observation", "subject": {"reference": OLD + "0"}, "focus": [{"reference": "x" + OLD}]}
    before = copy.deepcopy(content)
    assert rewritten(content) == before


JSON = st.recursive(
    st.one_of(st.text(max_size=12), st.integers(), st.booleans(), st.sampled_from(["urn:uuid:1#x", "a/_history/2"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["reference", "div", "extension", "valueUri", "_x", "contained"]), inner),
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["subject", "text", "extension", "contained", "status"]), JSON))
def test_nothing_changes_when_nothing_matches(body: dict[str, Any]) -> None:
    content = {"resourceType": "Observation", **body}
    before = copy.deepcopy(content)
    assert rewritten(content, {"urn:uuid:never-in-the-text": "Patient/1"}) == before


@given(st.dictionaries(st.sampled_from(["subject", "note", "extension", "contained", "status"]), JSON))
def test_a_replacement_never_adds_removes_or_reorders_elements(body: dict[str, Any]) -> None:
    def shape(node: Any) -> Any:
        if isinstance(node, dict):
            return [(name, shape(value)) for name, value in node.items()]
        return [shape(item) for item in node] if isinstance(node, list) else type(node)

    content = {"resourceType": "Observation", **body}
    before = shape(content)
    assert shape(rewritten(content, {"urn:uuid:1": "Patient/1", "a": "b", "": "c"})) == before


def test_conditional_references_are_listed_once_and_only_where_references_stand() -> None:
    content = {
        "resourceType": "Encounter",
        "subject": {"reference": "Patient?identifier=s|1"},
        "participant": [
            {"individual": {"reference": "Practitioner?identifier=s|2"}},
            {"individual": {"reference": "Practitioner?identifier=s|2"}},
        ],
        "contained": [{"resourceType": "Location", "managingOrganization": {"reference": "Organization?name=x"}}],
        "reasonCode": [{"text": "Patient?identifier=s|3"}],
        "serviceProvider": {"reference": "https://other.example/Organization?name=x"},
    }
    found = ["Patient?identifier=s|1", "Practitioner?identifier=s|2", "Organization?name=x"]
    assert ResourceLinks().conditional(content) == found


def test_literal_references_are_listed_with_base_and_version() -> None:
    content = {
        "resourceType": "Observation",
        "subject": {"reference": "Patient/1"},
        "focus": [{"reference": "https://a.example/fhir/Device/2/_history/3"}, {"reference": "#inside"}],
        "performer": [{"reference": OLD}, {"reference": "Patient/1"}, {"identifier": {"value": "Patient/2"}}],
    }
    found = references_of(content)
    assert [r.key for r in found] == [ResourceKey("Patient", "1"), ResourceKey("Device", "2")]
    assert (found[1].base, found[1].version) == ("https://a.example/fhir", "3")
