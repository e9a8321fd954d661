"""Security labels that decide access: https://hl7.org/fhir/R4/security-labels.html

A label is written `system|code`. `R` (restricted) and the sensitivities need a treating relation, `V` (very restricted) an
explicit grant: a Consent that permits, or emergency access.
"""

from __future__ import annotations

_CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
_ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


def sensitive(code: str) -> str:
    """The label of a sensitivity: PSY, ETH, HIV, SEX, SDV."""
    return f"{_ACT_CODE}|{code}"


RESTRICTED = f"{_CONFIDENTIALITY}|R"
VERY_RESTRICTED = f"{_CONFIDENTIALITY}|V"
NEED_TEAM = frozenset({RESTRICTED, *map(sensitive, ("PSY", "ETH", "HIV", "SEX", "SDV"))})
NEED_GRANT = frozenset({VERY_RESTRICTED})
