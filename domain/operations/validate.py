"""$validate: https://hl7.org/fhir/R4/resource-operation-validate.html

Declared for a type and an instance; input `resource`, output one OperationOutcome. Nothing is stored. The answer lists
what a write would be refused for, as errors, and what an independent model library says besides, as warnings.
"""

from __future__ import annotations

import asyncio

from domain import access
from domain.errors import InvalidContent, Issue
from domain.interactions.parts import Occasion, Parts


async def validate(parts: Parts, occasion: Occasion, resource_type: str, body: bytes) -> tuple[Issue, ...]:
    """The findings on `body` as a resource of `resource_type`; one informational issue when there are none."""
    access.require(occasion.caller, "r", resource_type)
    try:
        content = parts.validate.decode(body, resource_type)
    except InvalidContent as refused:
        return refused.issues
    doubts = await asyncio.to_thread(parts.validate.second_opinion, content)
    return tuple(doubts) or (Issue("informational", "No issues found", severity="information"),)
