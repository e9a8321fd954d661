"""Codes judged without a terminology server: https://hl7.org/fhir/R4/snomedct.html"""

import pytest

from fhir_mapping.known_codes import SNOMED, is_known


@pytest.mark.parametrize("code", ["38341003", "421720008 |Spray dose form|", "34552-0"])
def test_identifiers_expressions_and_a_common_slip_may_be_codes(code: str) -> None:
    assert is_known(SNOMED, code)


@pytest.mark.parametrize("code", ["T-15460", "hypertension", ""])
def test_terms_and_legacy_codes_are_none(code: str) -> None:
    assert not is_known(SNOMED, code)


def test_systems_that_are_not_judged_have_every_code() -> None:
    assert is_known("http://example.org/codes", "anything")
