"""What was taken from a provider and is changed here is to be told to that provider: the request for it, with the change.

A request is a notice for nobody, stored in the transaction of its cause: it is never lost, and there is none for what was not
stored. Whether there is anything to send is decided when it is carried out (`domain/clinic/provider_pushing.py`). Here only
candidates are told apart, by their ids: every update of anything comes by.
"""

from __future__ import annotations

import re

from domain.notices import Notice
from domain.revision import Change, Write

PUSH = "provider-push"
"""Its kind of notice."""
_TAKEN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
"""What came from a provider has an id like this (`domain.clinic.sync_items.Items.local_id`: a UUID of version 8)."""
_CONNECTED = b'"Organization/provider-'
"""What a Patient who is connected names (`fhir_mapping/friendly/provider_connection.py`)."""
_TAKING = "provider-sync"
"""The interaction of taking: what comes from a provider does not go back."""


def pushes(write: Write) -> tuple[Notice, ...]:
    """The requests that come with a write."""
    found = [change for change in write.changes if change.base is not None and _concerns(change)]
    if not found or write.audit.interaction == _TAKING:
        return ()
    return tuple(_request(write, change) for change in found)


def _concerns(change: Change) -> bool:
    content, described = change.revision.content, change.description
    if content is None or described is None or described.patient is None:
        return False
    if change.revision.key.type == "Patient":
        return _CONNECTED in content
    return _TAKEN.fullmatch(change.revision.key.id) is not None


def _request(write: Write, change: Change) -> Notice:
    key, audit = change.revision.key, write.audit
    return Notice(
        id=f"push/{key.at(change.revision.version)}",
        kind=PUSH,
        recipients=(),
        due=audit.recorded,
        patient=change.description.patient if change.description else None,
        about=(str(key),),
        values={"version": str(change.revision.version), "by": audit.subject if audit.roles else ""},
    )
