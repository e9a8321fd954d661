"""JSON bytes to a checked resource: the implementation of `domain.ports.Validate`.

Reading is in `json_text`, the rules of FHIR in `structure`. Everything that is stored went through here once.
"""

from __future__ import annotations

from typing import Any

from domain.errors import InvalidContent, Issue
from domain.identity import FhirJson
from domain.revision import encode
from fhir_mapping.json_text import hidden_problems, parse
from fhir_mapping.problems import Problem, issues_of
from fhir_mapping.second_opinion import second_opinion
from fhir_mapping.structure import check_resource


class Validation:
    """Stateless; one instance serves every caller."""

    def decode(self, body: bytes, resource_type: str | None) -> FhirJson:
        """The resource in `body`, checked; `resource_type` is the type it must have, `None` for any.

        Raises `InvalidContent` with an issue per problem, at most 50, each with the FHIRPath of its element.
        """
        content: Any = parse(body)
        root = resource_type or "Resource"
        if type(content) is not dict:
            raise InvalidContent("A resource is a JSON object", code="structure", expression=root)
        if resource_type is not None and content.get("resourceType") != resource_type:
            raise InvalidContent(f"A resource of type {resource_type} is expected", code="structure", expression=root)
        problems = check_resource(content) or hidden_problems(body, content)
        if problems:
            raise _invalid(content, problems)
        return content

    def check(self, content: FhirJson) -> None:
        """The same checks on a resource that was built or patched here. Raises `InvalidContent`."""
        problems = check_resource(content)
        if problems:
            raise _invalid(content, problems)
        try:
            body = encode(content)
        except UnicodeEncodeError:
            raise InvalidContent("A string is not Unicode text", code="value") from None
        if b"\\u00" in body:
            problems = hidden_problems(body, content)
            if problems:
                raise _invalid(content, problems)

    def second_opinion(self, content: FhirJson) -> list[Issue]:
        """What fhir.resources says of it, as warnings; empty when it agrees."""
        return second_opinion(content)


def _invalid(content: FhirJson, problems: list[Problem]) -> InvalidContent:
    name = content.get("resourceType")
    issues = issues_of(problems, name if isinstance(name, str) and name.isalpha() and len(name) < 64 else "Resource")
    return InvalidContent("The resource breaks the rules of FHIR", issues=issues)
