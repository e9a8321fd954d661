"""Token parameters: https://hl7.org/fhir/R4/search.html#token

A coded value has the forms `sc` (system and code), `c` (code, whatever the system), `s` (system), `nc` (code without a
system) and, for identifiers with a type, `ot`. Codes are compared without case, as R4 advises when in doubt, but
identifiers keep theirs: "Identifier.value SHALL be treated as case sensitive unless knowledge of the Identifier.system"
says otherwise (https://hl7.org/fhir/R4/datatypes.html#Identifier), and one patient must never be taken for another.
A `code` element has no system of its own: the one of its required binding is implied (`gender=http://…|male`).
NOTE: forms are hashed into stored tokens; changing one orphans every index entry.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from domain.errors import InvalidRequest
from domain.search import AnyOf, AnyTerm
from fhir_mapping.search_parameters import SearchParameter
from fhir_mapping.search_values.escaping import split, unescape
from fhir_mapping.search_values.forms import PRESENT, Forms, any_form
from fhir_mapping.sharing import answering

MODIFIERS = dict.fromkeys(("not", "of-type", "text", "in", "not-in", "above", "below"), True)
"""The modifiers R4 allows, and whether they work here."""

_CASE_SENSITIVE_SYSTEMS = frozenset({"http://unitsofmeasure.org"})
_LITERAL = frozenset({"Identifier", "id", "uri", "url", "oid", "uuid", "canonical"})
_WITHOUT_SYSTEM = frozenset({"code", "boolean", "string", "markdown", "id", "uri", "url", "oid", "uuid", "canonical"})
_FEW_CODES = frozenset({"category", "class", "severity", "intent", "priority"})
_FEW_VALUES = frozenset({"code", "boolean"})
_PHONE = re.compile(r"\+?[\d\s().\-/]{5,}")
_PHONE_SIGNS = re.compile(r"[^+\d]")
_BLANK = re.compile(r"\s")


def coding(value: Mapping[str, Any]) -> Forms:
    system, code = value.get("system"), value.get("code")
    if code is None:
        return [("s", system)] if system else []
    folded = code.casefold()
    if not system:
        return [("c", folded), ("nc", folded)]
    exact = code if system in _CASE_SENSITIVE_SYSTEMS else folded
    return [("sc", f"{system} {exact}"), ("c", folded), ("s", system)]  # A system is a URI: the first blank ends it.


def codeable_concept(value: Mapping[str, Any]) -> Forms:
    return [form for each in value.get("coding", ()) for form in coding(each)]


def identifier(value: Mapping[str, Any]) -> Forms:
    system, text = value.get("system"), value.get("value")
    if text is None:
        return [("s", system)] if system else []
    forms = [("sc", f"{system} {text}"), ("c", text), ("s", system)] if system else [("c", text), ("nc", text)]
    kinds = value["type"].get("coding", ()) if "type" in value else ()
    forms += [("ot", f"{k['system']} {k['code'].casefold()} {text}") for k in kinds if "system" in k and "code" in k]
    return forms


def contact_point(value: Mapping[str, Any]) -> Forms:
    """The value whatever its system, and under it (`phone|…`); telephone numbers also without their punctuation."""
    text, system = value.get("value"), value.get("system")
    if text is None:
        return []
    forms: Forms = []
    for each in dict.fromkeys((text.casefold(), _plain_number(text))):
        forms.append(("c", each))
        if system:
            forms.append(("sc", f"{system} {each}"))
    return forms


def _plain_number(text: str) -> str:
    return _PHONE_SIGNS.sub("", text) if _PHONE.fullmatch(text) else text.casefold()


def truth(value: bool) -> Forms:
    return [("c", "true" if value else "false")]


def folded(value: str) -> Forms:
    return [("c", value.casefold())]


def literal(value: str) -> Forms:
    return [("c", value)]


FORMS: dict[str, Callable[[Any], Forms]] = {
    "Coding": coding,
    "CodeableConcept": codeable_concept,
    "Identifier": identifier,
    "ContactPoint": contact_point,
    "boolean": truth,
    "code": folded,
    "string": folded,
    "markdown": folded,
    **dict.fromkeys(("id", "uri", "url", "oid", "uuid", "canonical"), literal),
}


def condition(parameter: SearchParameter, modifier: str | None, values: Sequence[str]) -> AnyTerm | AnyOf:
    """The condition of `values` (alternatives, still escaped). Raises `InvalidRequest` for what is not a token."""
    read = _of_type if modifier == "of-type" else forms_asked
    forms = [form for value in values for form in read(parameter, value)]
    rank = _rank(parameter, forms)
    return any_form(answering(parameter), forms, rank, negated=modifier == "not")


def forms_asked(parameter: SearchParameter, value: str) -> Forms:
    """The forms of one alternative. Raises `InvalidRequest` for what is not a token."""
    parts = [unescape(part) for part in split(value, "|", 1)]
    if len(parts) == 1:
        return [("c", code) for code in _spellings(parameter, parts[0])]
    system, code = parts
    if not (system or code) or _BLANK.search(system):
        raise InvalidRequest(f"'{parameter.code}' takes system|code, |code, system| or code", expression=parameter.code)
    if parameter.types <= _WITHOUT_SYSTEM and (not system or system in parameter.systems):
        return [("c", each) for each in _spellings(parameter, code)] if code else [PRESENT]
    if not code:
        return [("s", system)]
    if not system:
        return [("nc", each) for each in _spellings(parameter, code)]
    exact = system in _CASE_SENSITIVE_SYSTEMS
    return [("sc", f"{system} {each}") for each in ([code] if exact else _spellings(parameter, code))]


def _spellings(parameter: SearchParameter, code: str) -> list[str]:
    """How the text may stand in the index: as it is where case counts, folded where it does not."""
    types = parameter.types
    found = [code] if types & _LITERAL else []
    if types - _LITERAL:
        found.append(code.casefold())
    if "ContactPoint" in types:
        found.append(_plain_number(code))
    return list(dict.fromkeys(found))


def _of_type(parameter: SearchParameter, value: str) -> Forms:
    """`identifier:of-type=system|code|value`, all three given: https://hl7.org/fhir/R4/search.html#token"""
    parts = [unescape(part) for part in split(value, "|", 2)]
    if "Identifier" not in parameter.types:
        raise InvalidRequest(f"'{parameter.code}' has no identifiers, so no ':of-type'", expression=parameter.code)
    if len(parts) != 3 or not all(parts) or any(_BLANK.search(part) for part in parts[:2]):
        raise InvalidRequest(f"'{parameter.code}:of-type' takes system|code|value", expression=parameter.code)
    return [("ot", f"{parts[0]} {parts[1].casefold()} {parts[2]}")]


def _rank(parameter: SearchParameter, forms: Forms) -> int:
    """Rarest first, judged by what the parameter holds: one identifier, one code of many, one status of few."""
    types = parameter.types
    if any(name in ("s", "present") for name, _ in forms):
        return 7
    if types & {"Identifier", "ContactPoint"}:
        return 0 if all(name in ("sc", "ot") for name, _ in forms) else 1
    if types <= _FEW_VALUES:
        return 8
    few = parameter.code.startswith("_") or parameter.code.endswith("-status") or parameter.code in _FEW_CODES
    return 7 if few else 5
