"""What resources state about who is related to whom: care teams, proxies, orders, places of work, consents.

https://hl7.org/fhir/R4/careteam.html, https://hl7.org/fhir/R4/consent.html. A tie stands in clear beside the resource that
states it and goes when that resource changes, so that access follows at the next request. Times are microseconds since
1970, half-open, `None` is open. Nothing here is content: references, codes and times only.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Bond: TypeAlias = Literal["team", "proxy", "lab", "rx", "org", "place", "role", "consent"]
"""`team` treats, `proxy` acts for, `lab` and `rx` carry out an order for, `org` manages, `consent` is named in a consent of
the patient `about`; `place` (somebody or something at an organisation) and `role` (a PractitionerRole of somebody) are about
`Type/id`."""

EVERYBODY = "*"
"""The actor of a consent that names nobody."""


class Provision(msgspec.Struct, frozen=True, omit_defaults=True):
    """One rule of a Consent: https://hl7.org/fhir/R4/consent-definitions.html#Consent.provision

    Every list restricts it; an empty one does not. `vague` tells of a restriction that plain fields cannot decide: a
    permission then permits nothing, a denial denies without it. `exceptions` are the provisions inside.
    """

    permit: bool
    low: int | None = None
    high: int | None = None
    actors: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    letters: str = ""
    types: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    vague: bool = False
    exceptions: tuple[Provision, ...] = ()


class Tie(msgspec.Struct, frozen=True):
    """`actor` (`Practitioner/1`) stands in `bond` to `about` from `low` to `high`."""

    actor: str
    bond: Bond
    about: str
    low: int | None = None
    high: int | None = None
    rule: Provision | None = None
