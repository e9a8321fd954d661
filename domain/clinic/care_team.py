"""Who looks after a patient now, as the records state it: whom to tell of what nobody here has done."""

from __future__ import annotations

import msgspec

from domain.errors import DomainError
from domain.identity import ResourceKey
from domain.interactions.parts import Parts
from domain.revision import Stored

MOST_TEAMS, MOST_PEOPLE = 20, 20


async def team_of(parts: Parts, patient: str) -> tuple[str, ...]:
    """The practitioners who treat the patient, by the Patient itself and by active care teams: `Practitioner/1`, each once."""
    itself = await parts.store.newest(ResourceKey("Patient", patient))
    query = parts.search.parse("CareTeam", [("patient", patient), ("_total", "none")], strict=True).query
    teams = (await parts.store.find(msgspec.structs.replace(query, count=MOST_TEAMS))).matches
    now = int(parts.clock().timestamp() * 1_000_000)
    found: list[str] = []
    for stored in (*((itself,) if itself is not None and not itself.head.deleted else ()), *teams):
        found += await _treating(parts, stored, now)
    return tuple(dict.fromkeys(found))[:MOST_PEOPLE]


async def _treating(parts: Parts, stored: Stored, now: int) -> list[str]:
    content = (await parts.store.open([stored]))[0]
    if isinstance(content, DomainError):
        return []
    ties = parts.describe.describe(parts.reading.decoded(content), stored.head.key).ties
    return [
        tie.actor
        for tie in ties
        if tie.bond == "team"
        and tie.actor.startswith("Practitioner")
        and (tie.low is None or tie.low <= now)
        and (tie.high is None or tie.high > now)
    ]
