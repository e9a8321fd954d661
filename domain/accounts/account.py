"""Who can log in: an account, and apart from it the proofs of its owner's identity.

`Account` is what others may see and administrators may change; `Credentials` never leave the server. Both are replaced
whole, and only when nobody else was faster (`version`, `serial`): that is what makes a code good for one use. Roles are
what somebody holds, `asked` is what they would like to hold and gives nothing. Nothing personal appears in a `repr`.

Rules: NIST SP 800-63B-4 (https://pages.nist.gov/800-63-4/sp800-63b.html).
"""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from domain.access import Role

Status: TypeAlias = Literal["PENDING_EMAIL", "PENDING_APPROVAL", "ACTIVE", "DISABLED"]

STAFF: frozenset[Role] = frozenset(
    ("SUPER_ADMIN", "ADMIN", "DOCTOR", "NURSE", "RECEPTIONIST", "PHARMACIST", "LAB_TECHNICIAN", "DIETICIAN")
)
"""Roles that log in with a second factor only."""


class Standing(NamedTuple):
    """What every request of a person depends on; readable without opening anything."""

    id: str
    status: Status
    roles: frozenset[Role]
    profiles: tuple[str, ...]
    organizations: tuple[str, ...]
    version: int

    @property
    def active(self) -> bool:
        return self.status == "ACTIVE"


class ExternalId(msgspec.Struct, frozen=True):
    """How another system calls this person."""

    system: str
    value: str

    def __repr__(self) -> str:
        return f"ExternalId({self.system})"


class Preferences(msgspec.Struct, frozen=True):
    """How somebody likes to be spoken to: a language (BCP 47) and a time zone (IANA)."""

    language: str | None = None
    timezone: str | None = None


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A person's account. `profiles` say who they are in the records (`Practitioner/1`, `Patient/7`), `organizations`
    where they work (`Organization/1`). `email` is as written; two that fold to the same text are one."""

    id: str
    email: str
    first_name: str
    last_name: str
    status: Status
    created: datetime
    updated: datetime
    roles: tuple[Role, ...] = ()
    asked: Role | None = None
    profiles: tuple[str, ...] = ()
    organizations: tuple[str, ...] = ()
    email_verified: bool = False
    second_factor: bool = False
    external_ids: tuple[ExternalId, ...] = ()
    preferences: Preferences = Preferences()
    version: int = 1

    def __repr__(self) -> str:
        return f"Account({self.id}, {self.status})"

    @property
    def standing(self) -> Standing:
        return Standing(self.id, self.status, frozenset(self.roles), self.profiles, self.organizations, self.version)

    @property
    def is_staff(self) -> bool:
        return not STAFF.isdisjoint(self.roles)


class Totp(msgspec.Struct, frozen=True):
    """A shared secret for time-based codes (RFC 6238). `last_step` is the time step of the last code that was accepted:
    no code of it or of an earlier one is accepted again. It proves nothing until `confirmed` by a first code."""

    secret: str
    confirmed: bool = False
    last_step: int = 0

    def __repr__(self) -> str:
        return "Totp(…)"


class Passkey(msgspec.Struct, frozen=True):
    """A WebAuthn credential: its id, public key (COSE) and the count of its last use (0: it does not count)."""

    id: bytes
    public_key: bytes
    sign_count: int
    label: str
    created: datetime

    def __repr__(self) -> str:
        return "Passkey(…)"


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """The proofs of one account's owner. `password` is a hash, `recovery` the hashes of unused recovery codes, `known`
    the hashes of devices and networks the owner has logged in from, newest first. `short` tells that the password is too
    short to stand without a second factor."""

    account: str
    serial: int = 1
    password: str | None = None
    totp: Totp | None = None
    recovery: tuple[bytes, ...] = ()
    passkeys: tuple[Passkey, ...] = ()
    known: tuple[bytes, ...] = ()
    short: bool = False

    def __repr__(self) -> str:
        return f"Credentials({self.account})"

    @property
    def second_factor(self) -> bool:
        """Whether a second proof is set up."""
        return bool(self.passkeys) or (self.totp is not None and self.totp.confirmed)


def folded_email(text: str) -> str:
    """The form in which addresses are compared: NFKC, without case. Local parts are compared without case too."""
    return unicodedata.normalize("NFKC", text.strip()).casefold()


def folded_words(*texts: str) -> tuple[str, ...]:
    """The words of names in the form in which people are looked for: without case and accents."""
    plain = unicodedata.normalize("NFKD", " ".join(texts)).casefold()
    letters = "".join(sign if sign.isalnum() else " " for sign in plain if not unicodedata.combining(sign))
    return tuple(dict.fromkeys(letters.split()))
