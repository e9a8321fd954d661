"""Arrays, and primitives with an id or extensions: https://hl7.org/fhir/R4/json.html#primitive

`birthDate` may have a sibling `_birthDate` with the id and extensions; `given` an array `_given` of the same length, in
which null stands for "nothing to add" and beside which `given` may hold null for "no value, only extensions".
"""

from __future__ import annotations

from typing import Any

from fhir_mapping.problems import Check, Found, Problem, under

_EMPTY = Problem("structure", "An empty array is not a value; leave the element out")
_UNPAIRED = Problem("structure", "The array and the one with its extensions are of one length")
_DATA_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_NO_CODE = Problem("code-invalid", "A code of a required value set may not be absent with a reason")
_NOTHING = Problem("structure", "null stands where neither a value nor an extension is")


def many(one: Check) -> Check:
    """The check of an array of what `one` checks."""

    def check(value: Any, depth: int) -> Found:
        if type(value) is not list:
            return [Problem("structure", "An array belongs here")]
        if not value:
            return [_EMPTY]
        problems: list[Problem] | None = None
        for index, item in enumerate(value):
            found = one(item, depth + 1)
            if found is not None:
                problems = [*(problems or ()), *under(f"[{index}]", found)]
        return problems

    return check


def extended(value: Any, sibling: Any, *, repeats: bool, one: Check, element: Check, depth: int) -> list[Problem]:
    """The problems of a primitive together with its sibling `_x`; `value` is `None` when there is only the sibling.

    `one` checks a single value, `element` the object with id and extensions.
    """
    if not repeats:
        return [*((value is not None and one(value, depth)) or ()), *(element(sibling, depth) or ())]
    if type(sibling) is not list or (value is not None and type(value) is not list):
        return [Problem("structure", "An array belongs here")]
    if not sibling:
        return [_EMPTY]
    values = value if value is not None else [None] * len(sibling)
    if len(values) != len(sibling):
        return [_UNPAIRED]
    problems: list[Problem] = []
    for index, (item, more) in enumerate(zip(values, sibling, strict=True)):
        found = [_NOTHING] if item is None and more is None else []
        if item is not None:
            found += one(item, depth + 1) or ()
        if more is not None:
            found += element(more, depth + 1) or ()
        problems += under(f"[{index}]", found)
    return problems


def missing_code(sibling: Any) -> list[Problem]:
    """The problem of a code with a required binding that is absent for a reason: the value sets have codes for that.

    https://hl7.org/fhir/R4/extension-data-absent-reason.html; other extensions may stand for a code.
    """
    siblings = sibling if type(sibling) is list else [sibling]
    urls = {extension.get("url") for each in siblings if each for extension in each.get("extension", ())}
    return [_NO_CODE] if _DATA_ABSENT in urls else []
