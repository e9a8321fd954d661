"""A connection with a provider as somebody asks for it, and whether it can be had.

Secrets go in and never come out: an update that leaves a secret out keeps the one there is, but only as long as it would be
sent to nobody else than before.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timedelta
from typing import Literal, TypeAlias, get_args
from urllib.parse import urlsplit

import msgspec

from domain.clinic.provider_ports import Auth, Connection, Remotes
from domain.errors import InvalidFields

Taken: TypeAlias = Literal[
    "AllergyIntolerance",
    "CarePlan",
    "ClinicalImpression",
    "Composition",
    "Condition",
    "DiagnosticReport",
    "DocumentReference",
    "Encounter",
    "FamilyMemberHistory",
    "Goal",
    "Immunization",
    "MedicationDispense",
    "MedicationRequest",
    "MedicationStatement",
    "NutritionOrder",
    "Observation",
    "Procedure",
    "ServiceRequest",
]
"""What may be taken from a provider: what happened to the patient, and nothing that decides who may see it."""
TAKEN: tuple[Taken, ...] = get_args(Taken)
_TOKEN = re.compile(r"[!-~]{1,4000}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A connection as somebody asks for it. A `secret` that is left out is the one there is."""

    name: str
    base: str
    remote_patient: str
    auth: Auth
    every: timedelta | None
    types: tuple[Taken, ...] = TAKEN

    def __repr__(self) -> str:
        return "Wish(…)"


def connection_of(now: datetime, remotes: Remotes, patient: str, wish: Wish, before: Connection | None) -> Connection:
    """The connection of a patient that a wish asks for, in place of `before`. Raises `InvalidFields` naming the field.

    Its id is the same whenever the same patient is connected with the same provider as the same person there, so that what
    came before is known again.
    """
    base = wish.base.rstrip("/")
    _require_callable(remotes, base, "endpoint")
    if urlsplit(base).query:
        raise InvalidFields("The address of a FHIR server has no query", expression="endpoint")
    auth = _auth_of(remotes, wish, base, before)
    who = f"{patient}|{base}|{wish.remote_patient}"
    return Connection(
        id=hashlib.sha256(who.encode()).hexdigest()[:32],
        patient=patient,
        name=wish.name.strip(),
        base=base,
        remote_patient=wish.remote_patient,
        auth=auth,
        every=wish.every,
        types=tuple(dict.fromkeys(wish.types)),
        updated=now,
    )


def _auth_of(remotes: Remotes, wish: Wish, base: str, before: Connection | None) -> Auth:
    """How we prove who we are, complete. Raises `InvalidFields` naming what is missing or cannot be sent."""
    auth = wish.auth
    if auth.kind == "NONE":
        return Auth()
    if auth.kind == "CLIENT_CREDENTIALS":
        _require_callable(remotes, auth.token_url, "auth.tokenUrl")
    if not auth.secret and before is not None and _unchanged(auth, base, before):
        auth = msgspec.structs.replace(auth, secret=before.auth.secret)
    if not auth.secret:
        raise InvalidFields("A secret is needed", expression="auth.secret", reason="secret_required")
    if auth.kind == "BEARER":
        if _TOKEN.fullmatch(auth.secret) is None:
            raise InvalidFields("A token is written without spaces", expression="auth.secret")
        return Auth(kind="BEARER", secret=auth.secret)
    if not auth.name or _CONTROL.search(auth.name + auth.secret):
        raise InvalidFields("A name and a secret are needed, without control characters", expression="auth.name")
    if auth.kind == "BASIC":
        if ":" in auth.name:
            raise InvalidFields("A name has no colon", expression="auth.name")
        return Auth(kind="BASIC", name=auth.name, secret=auth.secret)
    return auth


def _unchanged(auth: Auth, base: str, before: Connection) -> bool:
    """Whether a secret would go nowhere else than before: whoever changes an address must know the secret."""
    known = (before.base, before.auth.kind, before.auth.name, before.auth.token_url)
    return known == (base, auth.kind, auth.name, auth.token_url)


def _require_callable(remotes: Remotes, url: str, field: str) -> None:
    objection = remotes.objection_to(url)
    if objection is not None:
        raise InvalidFields(objection, expression=field, reason="url_not_allowed")
