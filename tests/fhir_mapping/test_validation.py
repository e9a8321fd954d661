"""Bodies in, checked resources or named problems out. https://hl7.org/fhir/R4/json.html"""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidContent, Issue
from domain.revision import encode
from fhir_mapping.validation import Validation

validation = Validation()

SAME = [
    b'{"resourceType":"Patient","name":[{"family":"\xf0\x9f\x98\x80 \xd8\xb4 e\xcc\x81"}]}',
    b'{"resourceType":"Patient","name":[{"text":"say \\"a\\": b"}]}',
    b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.00}}',
    b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.0e3}}',
    b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":0.0000001}}',
    b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":123456789.123456789}}',
    b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":12345678901234567890}}',
]


@pytest.mark.parametrize("body", SAME)
def test_what_is_accepted_is_written_back_the_same(body: bytes) -> None:
    assert encode(validation.decode(body, None)) == body


BAD = [
    (b'{"resourceType":"Patient","id":"a","id":"b"}', "structure", "Patient.id"),
    (b'{"resourceType":"Patient","id" :"a","id":"b"}', "structure", "Patient.id"),
    (b'{"resourceType":"Patient","name":[{"text":"\\u0022:","text":"b"}]}', "structure", "Patient.name[0].text"),
    (b'{"resourceType":"Patient","name":[{"text":"\\"\\u003a","text":"b"}]}', "structure", "Patient.name[0].text"),
    (b'{"resourceType":"Patient","name":[{"text":"a\\u0000b"}]}', "value", "Patient.name[0].text"),
    (b'{"resourceType":"Patient","name":[{"text":"a\\bb"}]}', "value", "Patient.name[0].text"),
    (b'{"resourceType":"Patient","name":[{"text":"\\ud800"}]}', "structure", None),
    (b'{"resourceType":"Patient","name":[{"text":"\xff"}]}', "structure", None),
    (b'\xef\xbb\xbf{"resourceType":"Patient"}', "structure", None),
    (b'{"resourceType":"Observation","status":"final"}', "structure", "Patient"),
    (b'{"name":[{"text":"x"}]}', "structure", "Patient"),
    (b'"Patient"', "structure", "Patient"),
    (b"[]", "structure", "Patient"),
    (b"", "structure", None),
    (b'{"resourceType":"Patient"} x', "structure", None),
    (b"[" * 100_000, "too-costly", None),
    (b'{"resourceType":"Patient","name":' + b"[" * 200 + b"]" * 200 + b"}", "structure", "Patient.name[0]"),
    (b'{"resourceType":"Patient","multipleBirthInteger":1.0}', "structure", "Patient.multipleBirth"),
    (b'{"resourceType":"Patient","multipleBirthInteger":18446744073709551616}', "value", "Patient.multipleBirth"),
    (b'{"resourceType":"Patient","multipleBirthInteger":' + b"1" * 5000 + b"}", "value", None),
    (b'{"resourceType":"Patient","multipleBirthInteger":NaN}', "structure", None),
]


@pytest.mark.parametrize(("body", "code", "expression"), BAD)
def test_a_bad_body_is_refused(body: bytes, code: str, expression: str | None) -> None:
    with pytest.raises(InvalidContent) as refused:
        validation.decode(body, "Patient")
    assert (code, expression) in [(issue.code, issue.expression) for issue in refused.value.issues]


@pytest.mark.parametrize("number", ["1e400", "1e-400", "1." + "1" * 34, "1" * 35, "1e99999999999999999999", "-1E+309"])
def test_a_number_no_decimal128_holds_is_refused(number: str) -> None:
    body = b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":%b}}'
    with pytest.raises(InvalidContent):
        validation.decode(body % number.encode(), "Observation")


def test_a_resource_built_here_is_held_to_the_same_rules() -> None:
    validation.check({"resourceType": "Patient", "active": True})
    for bad in ({"active": 1}, {"name": [{"text": "a\0b"}]}, {"name": [{"text": "\ud800"}]}):
        with pytest.raises(InvalidContent):
            validation.check({"resourceType": "Patient", **bad})


def test_no_message_quotes_a_value() -> None:
    body = b'{"resourceType":"Patient","secretkey":"Canary","birthDate":"Canary","gender":"Canary","id":"Can ary"}'
    with pytest.raises(InvalidContent) as refused:
        validation.decode(body, "Patient")
    assert "anary" not in str(refused.value) + "".join(issue.message for issue in refused.value.issues)
    assert len(refused.value.issues) == 4


def test_at_most_fifty_issues_are_reported() -> None:
    content = {"resourceType": "Patient", "name": [{"family": 1}] * 200}
    with pytest.raises(InvalidContent) as refused:
        validation.check(content)
    assert len(refused.value.issues) == 50


def test_the_second_opinion_warns_and_knows_its_limits() -> None:
    assert validation.second_opinion({"resourceType": "Patient", "active": True}) == []
    (warning,) = validation.second_opinion({"resourceType": "Patient", "birthDate": "Canary"})
    assert (warning.severity, warning.expression) == ("warning", "Patient.birthDate")
    assert "Canary" not in warning.message
    (unknown,) = validation.second_opinion({"resourceType": "MedicinalProduct"})
    assert unknown.severity == "information"


@given(st.binary(max_size=200))
def test_any_bytes_are_a_patient_or_an_invalid_content(body: bytes) -> None:
    with suppress(InvalidContent):
        assert validation.decode(body, "Patient")["resourceType"] == "Patient"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.sampled_from(["name", "active", "contained", "_birthDate", "text", "extension", "meta", "link"]), json_values)
def test_any_json_in_a_place_is_a_resource_or_an_invalid_content(name: str, value: object) -> None:
    issues: tuple[Issue, ...] = ()
    try:
        validation.check({"resourceType": "Patient", name: value})
    except InvalidContent as refused:
        issues = refused.issues
    assert all(issue.expression and issue.expression.startswith("Patient") for issue in issues)
