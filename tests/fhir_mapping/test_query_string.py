"""https://hl7.org/fhir/R4/search.html: query strings to conditions, and what is refused or ignored."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidRequest, TooCostly
from domain.ranking import in_order
from domain.search import AnyTerm, Having, IdIn, Inclusion, Linked, OfPatients, SearchQuery, Updated
from fhir_mapping import query_string
from fhir_mapping.query_string import QueryStrings
from fhir_mapping.search_names import shown
from fhir_mapping.search_parameters import parameters_of

PARSER = QueryStrings("https://emr.example/fhir", lambda: datetime(2021, 1, 1, tzinfo=UTC))


def query(resource_type: str, *pairs: tuple[str, str]) -> SearchQuery:
    parsed = PARSER.parse(resource_type, pairs, strict=True)
    assert parsed.applied == pairs
    return parsed.query


def test_repeating_is_and_a_comma_is_or() -> None:
    found = query("Patient", ("given", "peter"), ("given", "james,jim")).conditions
    assert found == (
        AnyTerm(("given|p|peter",), rank=4),
        AnyTerm(("given|p|james", "given|p|jim"), rank=7),
    )


def test_ids_and_times_are_conditions_of_their_own() -> None:
    found = query("Patient", ("_id", "a,b"), ("_id:not", "c"), ("_lastUpdated", "ge2020"), ("_lastUpdated", "lt2021"))
    assert found.conditions == (
        IdIn(("a", "b")),
        IdIn(("c",), negated=True),
        Updated(datetime(2020, 1, 1, tzinfo=UTC), None),
        Updated(None, datetime(2021, 1, 1, tzinfo=UTC)),
    )


def test_missing_works_for_every_kind() -> None:
    for code in ("gender", "birthdate", "name", "organization"):
        assert query("Patient", (f"{code}:missing", "true")).conditions == (
            AnyTerm((f"{code}|present|",), negated=True, rank=9, shelf="marks"),
        )
    assert query("Observation", ("value-quantity:missing", "false")).conditions == (
        AnyTerm(("value-quantity|present|",), rank=9, shelf="marks"),
    )
    for bad in ("maybe", "true,false", "TRUE"):
        with pytest.raises(InvalidRequest):
            query("Patient", ("gender:missing", bad))


def test_a_chain_asks_the_target_first() -> None:
    (chain,) = query("Observation", ("patient.identifier", "urn:w|x")).conditions
    assert isinstance(chain, Linked)
    (target,) = chain.targets
    assert (chain.parameter, target.type) == ("patient", "Patient")
    assert target.conditions == (AnyTerm(("identifier|sc|urn:w x",), rank=0),)


def test_a_chain_follows_every_type_that_has_the_parameter_or_the_one_it_names() -> None:
    (chain,) = query("Observation", ("subject:Patient.name", "peter")).conditions
    assert isinstance(chain, Linked)
    assert [target.type for target in chain.targets] == ["Patient"]
    (chain,) = query("Observation", ("subject.identifier", "x")).conditions
    assert isinstance(chain, Linked)
    assert [target.type for target in chain.targets] == ["Device", "Group", "Location", "Patient"]


def test_a_value_that_is_bad_for_every_target_of_a_chain_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        query("Observation", ("subject.identifier:missing", "maybe"))


def test_has_asks_for_the_resources_that_point_here() -> None:
    (has,) = query("Patient", ("_has:Observation:patient:code", "http://loinc.org|1234-5")).conditions
    assert isinstance(has, Having)
    assert (has.parameter, has.source.type, has.owned) == ("patient", "Observation", "patient|present|")
    assert has.source.conditions == (AnyTerm(("code|sc|http://loinc.org 1234-5",), rank=5),)
    (other,) = query("Practitioner", ("_has:Observation:performer:status", "final")).conditions
    assert isinstance(other, Having)
    assert other.owned is None


@pytest.mark.parametrize(
    "name",
    [
        "_has:Observation",
        "_has:Observation:patient:",
        "_has:Nothing:patient:code",
        "_has:Observation:code:code",
        "_has:Observation:device:code",
        "_has:Observation:patient:_has:Provenance:target:_has:X:y:_id",
    ],
)
def test_a_has_that_cannot_be_meant_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest):
        query("Patient", (name, "x"))


def test_inclusions_name_what_to_follow() -> None:
    pairs = [
        ("_include", "Observation:subject:Patient"),
        ("_revinclude:iterate", "Provenance:target"),
        ("_include", "*"),
    ]
    assert PARSER.parse("Observation", pairs, strict=True).inclusions == (
        Inclusion("Observation", ("subject",), "Patient"),
        Inclusion("Provenance", ("target",), reverse=True, iterate=True),
        Inclusion(None, None),
    )


@pytest.mark.parametrize(
    "pair",
    [
        ("_include", "Observation"),
        ("_include", "Observation:code"),
        ("_include", "Observation:subject:Medication"),
        ("_include:recurse", "Observation:subject"),
        ("_include", "Nothing:x"),
        ("_revinclude", "*"),
        ("_contained", "true"),
        ("_contained", "maybe"),
        ("_filter", "x"),
        ("_query", "x"),
        ("_list", "a b"),
    ],
)
def test_what_would_change_the_answer_is_refused_rather_than_ignored(pair: tuple[str, str]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        PARSER.parse("Observation", [pair], strict=False)
    assert pair[0].split(":")[0] in (refused.value.issues[0].expression or "")


def test_chains_of_several_hops_are_followed_to_a_limit() -> None:
    (chain,) = query("Observation", ("patient.organization.name:exact", "Gastro")).conditions
    assert isinstance(chain, Linked)
    (inner,) = chain.targets[0].conditions
    assert isinstance(inner, Linked)
    assert inner.targets[0].conditions == (AnyTerm(("name|e|Gastro",), rank=3),)
    with pytest.raises(TooCostly):
        query("Observation", ("patient.organization.partof.partof.name", "x"))


def test_only_one_target_that_has_the_parameter_needs_no_type() -> None:
    (chain,) = query("Observation", ("subject.birthdate:missing", "true")).conditions
    assert isinstance(chain, Linked)
    assert [target.type for target in chain.targets] == ["Patient"]


UNKNOWN = ["bogus", "identifier[$gt]", "_id[$regex]", "gender[$exists]", "$where", "", "name..x"]
NO_CHAIN = ["gender.name", "organization.bogus"]


@pytest.mark.parametrize("name", [*UNKNOWN, *NO_CHAIN])
def test_what_has_no_effect_is_named_or_with_strict_handling_refused(name: str) -> None:
    pairs = [("gender", "male"), (name, "2020")]
    lenient = PARSER.parse("Patient", pairs, strict=False)
    assert lenient.applied == (("gender", "male"),)
    assert lenient.ignored == (name,)
    assert len(lenient.query.conditions) == 1
    with pytest.raises(InvalidRequest) as refused:
        PARSER.parse("Patient", pairs, strict=True)
    assert refused.value.issues[0].expression == name


def test_an_empty_value_never_widens_a_strict_search() -> None:
    for value in ("", ",", ",,"):
        assert PARSER.parse("Patient", [("identifier", value)], strict=False).ignored == ("identifier",)
        with pytest.raises(InvalidRequest):
            PARSER.parse("Patient", [("identifier", value)], strict=True)


@pytest.mark.parametrize(
    ("resource_type", "name", "value"),
    [
        ("Patient", "gender:bogus", "male"),
        ("Patient", "birthdate:exact", "1982"),
        ("Patient", "birthdate", "garbage"),
        ("Patient", "birthdate", "2001-02-29"),
        ("Patient", "birthdate", "xx1982"),
        ("Patient", "gender:exact", "x"),
        ("Patient", "name:not", "x"),
        ("Condition", "code:in", "http://a,http://b"),
        ("Condition", "code:below", "44054006"),
        ("Patient", "name:", "x"),
        ("Patient", "name", "..."),
        ("Patient", "name", "a\0b"),
        ("Patient", "name", "\ud800"),
        ("Patient", "_id:exact", "x"),
        ("Patient", "_lastUpdated:missing", "true"),
        ("Patient", "_lastUpdated", "2020,2021"),
        ("Patient", "_count", "abc"),
        ("Patient", "_count", "-1"),
        ("Patient", "_count", "１"),
        ("Patient", "_total", "some"),
        ("Patient", "organization:Patient", "1"),
        ("Patient", "organization:Patient.name", "x"),
        ("Nonsense", "name", "x"),
    ],
)
def test_bad_values_and_modifiers_are_refused_however_lenient(resource_type: str, name: str, value: str) -> None:
    with pytest.raises(InvalidRequest):
        PARSER.parse(resource_type, [(name, value)], strict=False)


def test_a_message_never_repeats_the_value() -> None:
    for name, value in (
        ("birthdate", "canary"),
        ("_count", "canary"),
        ("gender:missing", "canary"),
        ("name", "\0canary"),
    ):
        with pytest.raises(InvalidRequest) as refused:
            PARSER.parse("Patient", [(name, value)], strict=True)
        assert "canary" not in str(refused.value.issues)


def test_result_parameters_shape_the_page() -> None:
    found = query("Patient", ("_count", "7"), ("_sort", "-_lastUpdated"), ("_total", "none"), ("_summary", "text"))
    assert (found.count, found.sort, found.total, found.conditions) == (7, "-_lastUpdated", "none", ())
    assert query("Patient", ("_count", "0")).count == 0
    assert query("Patient", ("_count", "5000")).count == query_string.MAX_COUNT
    assert PARSER.parse("Patient", [("_sort", "bogus")], strict=False).ignored == ("_sort",)


@pytest.mark.parametrize(
    "pairs",
    [
        [("_id", "x")] * (query_string.MAX_PARAMETERS + 1),
        [("_id", "x" * (query_string.MAX_VALUE_BYTES + 1))],
        [("_id", ",".join(str(n) for n in range(query_string.MAX_ALTERNATIVES + 1)))],
        [("x" * (query_string.MAX_VALUE_BYTES + 1), "x")],
        [("x" + ".x" * 2000, "x")],
    ],
)
def test_limits_are_refused_by_name_or_harmless(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        PARSER.parse("Patient", pairs, strict=True)
    assert len(refused.value.message) < 300


def test_what_is_offered_works_and_what_is_not_offered_does_not() -> None:
    """The capability statement lists the indexed parameters: each must be accepted, and no other."""
    texts = {"date": "2020", "token": "x", "string": "x", "reference": "x", "uri": "x"}
    for resource_type in ("Patient", "Observation", "ValueSet", "Bundle"):
        for code, parameter in parameters_of(resource_type).items():
            if code == "_query":  # Refused always, since it would mean another search.
                continue
            value = "$".join(texts.get(kind, "1") for _, kind, _ in parameter.components)
            pairs = [(code, value or texts.get(parameter.kind, "1"))]
            assert (code in PARSER.parse(resource_type, pairs, strict=False).ignored) is not parameter.indexed


def test_five_hundred_ids_are_one_condition() -> None:
    (found,) = query("Patient", ("_id", ",".join(f"x{n}" for n in range(500)))).conditions
    assert isinstance(found, IdIn)
    assert len(found.ids) == 500


def test_the_rarest_condition_comes_first() -> None:
    found = query("Observation", ("status", "final"), ("code", "8867-4"), ("patient", "1"), ("identifier", "urn:w|1"))
    ranked = [
        each.terms[0].split("|")[0] for each in in_order(found.conditions) if isinstance(each, AnyTerm | OfPatients)
    ]
    assert ranked == ["identifier", "&", "status"]  # The patient and the code are one look-up.


NAMES = st.sampled_from(
    ["name", "identifier", "_id", "gender", "organization", "general-practitioner.name", "link", "_tag"]
)
MODIFIERS = st.sampled_from(
    ["", ":exact", ":not", ":missing", ":identifier", ":Practitioner", ":of-type", ":below", ":x"]
)


@given(
    st.lists(
        st.tuples(st.tuples(NAMES, MODIFIERS).map("".join) | st.text(max_size=12), st.text(max_size=20)), max_size=4
    )
)
def test_any_query_is_parsed_or_refused_as_bad(pairs: list[tuple[str, str]]) -> None:
    try:
        parsed = PARSER.parse("Patient", pairs, strict=False)
    except InvalidRequest:
        return
    applied = {name for name, _ in parsed.applied}
    assert all(name in applied or shown(name) in parsed.ignored for name, _ in pairs)
