"""What a value is indexed under: forms, and the conditions that every kind of parameter shares.

A form is `(name, text)`; with the parameter's code it makes an index term (`domain.search.term`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from domain.errors import InvalidRequest
from domain.search import AnyOf, AnyTerm, IndexTerm, term

Form: TypeAlias = tuple[str, str]
Forms: TypeAlias = list[Form]

PRESENT: Form = ("present", "")
"""Every parameter with at least one value has this form: it answers `:missing`."""


MARKS = frozenset({"present", "s", "id-s"})
"""Forms that select so much that an index entry would not pay: they only narrow what something else finds."""


def any_form(codes: Sequence[str], forms: Iterable[Form], rank: int, *, negated: bool = False) -> AnyTerm | AnyOf:
    """At least one of these forms under one of the codes, or with `negated` none, each looked for on its own shelf."""
    found = list(dict.fromkeys(forms))
    marks = [form for form in found if form[0] in MARKS]
    if not marks:
        return AnyTerm(_under(codes, found), negated=negated, rank=rank)
    plain = [form for form in found if form[0] not in MARKS]
    marked = AnyTerm(_under(codes, marks), negated=negated, rank=9, shelf="marks")
    if not plain:
        return marked
    if negated:
        raise InvalidRequest(f"'{codes[0]}:not' takes either codes or systems", code="value", expression=codes[0])
    return AnyOf((AnyTerm(_under(codes, plain), rank=rank), marked))


def _under(codes: Sequence[str], forms: Sequence[Form]) -> tuple[IndexTerm, ...]:
    if len(codes) == 1:
        return terms(codes[0], forms)
    return tuple([found for code in codes for found in terms(code, forms)])


def terms(code: str, forms: Iterable[Form]) -> tuple[IndexTerm, ...]:
    """The terms of these forms under a parameter, each once."""
    return tuple(dict.fromkeys([term(code, name, text) for name, text in forms]))


def missing(code: str, values: Sequence[str]) -> AnyTerm:
    """`:missing=true` or `false`: https://hl7.org/fhir/R4/search.html#modifiers"""
    if list(values) not in (["true"], ["false"]):
        raise InvalidRequest(f"'{code}:missing' takes true or false", code="value", expression=code)
    return AnyTerm(terms(code, [PRESENT]), negated=values[0] == "true", rank=9, shelf="marks")
