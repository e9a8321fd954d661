"""What somebody was told: for themselves, for the patients they act for, and in their roles.

Who is told is decided by who somebody is now: a parent whose proxy has ended is shown nothing more of the child's.
"""

from __future__ import annotations

from domain.access import Caller, Right, require_scope
from domain.clinic.notice_ports import Told
from domain.clinic.telling import Telling
from domain.errors import Forbidden, NotFound
from domain.policy.sight import PolicySight


def recipients_of(caller: Caller, right: Right = "r") -> tuple[str, ...]:
    """Under which names a person is told. Raises `Forbidden` for a program, and for an app without scope on Communication,
    which is what notifications are in FHIR."""
    if caller.account is None:
        raise Forbidden("Notifications are for people who have logged in", reason="not_a_person")
    require_scope(caller, right, "Communication")
    sight = caller.sight
    standing = sight.standing if isinstance(sight, PolicySight) else None
    own = sorted(standing.own) if standing is not None else []
    names = (f"User/{caller.account}", *caller.profiles, *(f"Patient/{each}" for each in own))
    return tuple(dict.fromkeys((*names, *(f"Role/{role}" for role in sorted(caller.roles)))))


async def read(telling: Telling, caller: Caller, notice: str) -> Told:
    """Note that the caller has read a notification. Raises `NotFound` for somebody else's."""
    recipients = recipients_of(caller, "u")
    if not await telling.notices.read(recipients, caller.account or "", notice=notice):
        raise NotFound("There is no such notification")
    found = await telling.notices.find(recipients, caller.account or "", notice)
    if found is None:
        raise NotFound("There is no such notification")
    return found
