"""Who may say that somebody works somewhere: https://hl7.org/fhir/R4/practitionerrole.html

Whoever works at an organization, by a PractitionerRole, is seen there with everything that names them: appointments, invoices,
patients. So such a statement opens what others have written. Invariant: an organization takes on by itself only people whom
the writer has put in, or who work there and nowhere else; anybody else is taken on by those who may write every role.
Updates that open nothing (hours, an earlier end) ask nothing here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from domain.errors import Forbidden
from domain.identity import ResourceKey
from domain.interactions.parts import Parts, opened
from domain.policy.sight import PolicySight
from domain.revision import Change, Stored
from domain.ties import Tie

_ROLE = "PractitionerRole"
_MOST_ROLES = 100


async def require_belonging(parts: Parts, sight: PolicySight, change: Change, fresh: Collection[ResourceKey]) -> None:
    """Raise `Forbidden` unless the caller may open what this role opens. `fresh` are resources that the same write creates."""
    me, described, key = sight.standing, change.description, change.revision.key
    if key.type != _ROLE or me is None or described is None or _unbounded(sight):
        return
    before = await _ties(parts, change.base)
    added = [tie for tie in described.ties if not any(_covers(old, tie) for old in before)]
    if any(tie.bond == "place" and tie.actor not in me.organizations for tie in added):
        raise Forbidden("You may not say who works at this organization", reason="foreign_organization")
    for name in _people(added):
        person = ResourceKey("Practitioner", name)
        if person not in fresh and not await is_of(parts, person, me.organizations, me.subject, but=key):
            raise Forbidden("They are not of your organization, or not of yours alone", reason="works_elsewhere")


def _unbounded(sight: PolicySight) -> bool:
    return any(rule.relations == ("any",) for rule in sight.rules("u", _ROLE))


async def _ties(parts: Parts, base: Stored | None) -> Collection[Tie]:
    """What the version that is replaced says."""
    if base is None or base.head.deleted:
        return ()
    content = parts.reading.decoded(await opened(parts, base))
    return parts.describe.describe(content, base.head.key).ties


def _covers(old: Tie, new: Tie) -> bool:
    """Whether the new tie gives nothing that the old one does not."""
    same = (old.actor, old.bond, old.about) == (new.actor, new.bond, new.about)
    starts = old.low is None or (new.low is not None and new.low >= old.low)
    ends = old.high is None or (new.high is not None and new.high <= old.high)
    return same and starts and ends


def _people(ties: Iterable[Tie]) -> Iterable[str]:
    named = (tie.about if tie.bond == "place" else tie.actor for tie in ties)
    return dict.fromkeys(name.partition("/")[2] for name in named if name.startswith("Practitioner/"))


async def is_of(
    parts: Parts, person: ResourceKey, organizations: frozenset[str], subject: str, *, but: ResourceKey | None = None
) -> bool:
    """Whether a Practitioner was put in by `subject`, or works at these organizations; and nowhere else, `but` aside.

    A role without an organization counts as one elsewhere; so does one that ended without being set inactive.
    """
    pairs = [("practitioner", str(person)), ("active:not", "false"), ("_total", "none")]
    query = msgspec.structs.replace(parts.search.parse(_ROLE, pairs, strict=True).query, count=_MOST_ROLES)
    roles = [role for role in (await parts.store.find(query)).matches if role.head.key != but]
    places = [{name for name in role.head.facets if name.startswith("Organization/")} for role in roles]
    here = [bool(names) and names <= organizations for names in places]
    stored = await parts.store.newest(person)
    made = stored is not None and stored.head.source == subject
    return all(here) and len(roles) < _MOST_ROLES and (bool(here) or made)
