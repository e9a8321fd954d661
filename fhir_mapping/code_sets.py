"""Codes of ValueSets and CodeSystems, as far as the resource itself lists them.

https://hl7.org/fhir/R4/valueset.html#compositions, https://hl7.org/fhir/R4/codesystem.html#hierarchy. What would need the
contents of a code system elsewhere (a filter, a whole system) is refused by name, never treated as empty.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from domain.errors import InvalidRequest
from domain.identity import FhirJson
from domain.reading import CodeSet
from domain.search import CodesOf, IndexTerm
from fhir_mapping.search_parameters import SearchParameter
from fhir_mapping.search_values import token
from fhir_mapping.search_values.escaping import escape
from fhir_mapping.search_values.forms import terms
from fhir_mapping.sharing import answering

Code = tuple[str, str]


def codes_of(content: FhirJson, wanted: CodesOf) -> CodeSet:
    """See `domain.ports.ReadContent.codes`."""
    if wanted.source == "CodeSystem":
        return CodeSet(_related(content, wanted))
    if "compose" not in content and "expansion" in content:
        return CodeSet(list(_expanded(content["expansion"].get("contains", ()))))
    compose = content.get("compose", {})
    included = [_listed(part, wanted) for part in compose.get("include", ())]
    excluded = [_listed(part, wanted) for part in compose.get("exclude", ())]
    if any(part.value_sets for part in excluded) or any(part.value_sets and part.codes for part in included):
        raise _refused(wanted, "intersects or excludes other ValueSets")
    return CodeSet(
        [code for part in included for code in part.codes],
        [code for part in excluded for code in part.codes],
        [url for part in included for url in part.value_sets],
    )


def _listed(part: dict[str, Any], wanted: CodesOf) -> CodeSet:
    system = part.get("system")
    if "filter" in part or (system is not None and "concept" not in part):
        raise _refused(wanted, "takes codes by a filter, or a whole code system")
    urls = part.get("valueSet", ())
    if len(urls) > 1:
        raise _refused(wanted, "intersects other ValueSets")
    codes = [(str(system), concept["code"]) for concept in part.get("concept", ())]
    return CodeSet(codes, (), [url.partition("|")[0] for url in urls])


def _refused(wanted: CodesOf, why: str) -> InvalidRequest:
    return InvalidRequest(
        f"The set for '{wanted.parameter}' {why}, which needs a terminology server",
        code="not-supported",
        expression=wanted.parameter,
    )


def _expanded(rows: Sequence[dict[str, Any]]) -> Iterator[Code]:
    for row in rows:
        if "code" in row and not row.get("abstract"):
            yield row.get("system", ""), row["code"]
        yield from _expanded(row.get("contains", ()))


def _related(content: FhirJson, wanted: CodesOf) -> list[Code]:
    """The code itself and those above or below it in the hierarchy of the code system."""
    path = _path(content.get("concept", ()), wanted.code or "")
    if not path:
        raise InvalidRequest(
            f"The code for '{wanted.parameter}' is not in this code system", code="value", expression=wanted.parameter
        )
    found = [row["code"] for row in path] if wanted.above else list(_below(path[-1]))
    return [(content["url"], code) for code in found]


def _path(rows: Sequence[dict[str, Any]], code: str) -> list[dict[str, Any]]:
    """The rows from the root to the code."""
    for row in rows:
        if row["code"] == code:
            return [row]
        rest = _path(row.get("concept", ()), code)
        if rest:
            return [row, *rest]
    return []


def _below(row: dict[str, Any]) -> Iterator[str]:
    yield row["code"]
    for inner in row.get("concept", ()):
        yield from _below(inner)


def code_terms(parameter: SearchParameter, codes: Sequence[Code]) -> list[IndexTerm]:
    """See `domain.ports.ReadContent.code_terms`."""
    found: dict[IndexTerm, None] = {}
    for system, code in codes:
        forms = token.forms_asked(parameter, f"{escape(system)}|{escape(code)}")
        found.update((each, None) for name in answering(parameter) for each in terms(name, forms))
    return list(found)
