"""The stored shapes of people who log in; protection as in `storage/mongo/documents.py`, stated in `deploy/LEAKAGE.md`.

What a request depends on (roles, status, profiles) is plain, so that it is read without opening anything; what tells who
the person is, and everything that proves it, is one sealed value under the key "accounts". Raw collections, not Beanie:
see `DECISIONS.md`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypedDict

import msgspec

from domain.accounts.account import Account, Credentials, ExternalId, Preferences, Standing, folded_words
from storage.crypto.blind_index import TokenMaker
from storage.crypto.sealing import SealingKey, open_sealed, place, seal
from storage.mongo.client import Document

ACCOUNTS, CREDENTIALS, REPLAYS, TICKETS, ATTEMPTS = "accounts", "credentials", "replays", "tickets", "login_attempts"

LONGEST_PREFIX = 12
PLAIN = ("roles", "status", "asked", "profiles", "organizations", "version", "created", "updated")
STANDING_FIELDS = dict.fromkeys(("roles", "status", "profiles", "organizations", "version"), 1)


class AccountDocument(TypedDict, total=False):
    """`accounts`: one person who can log in."""

    _id: str  # plain: random
    email: bytes  # keyed hash of the folded address; unique
    terms: Sequence[bytes]  # tokens: beginnings of the words of the name, for lists
    roles: Sequence[str]  # plain
    status: str  # plain
    asked: str | None  # plain: the role somebody registered for; gives nothing
    profiles: Sequence[str]  # plain: "Practitioner/1", "Patient/7"
    organizations: Sequence[str]  # plain: "Organization/1"
    version: int  # plain: updates compare and swap on it
    created: datetime  # plain
    updated: datetime  # plain
    vouched: int  # plain: how often this one stood for a role that another lost, since the last change
    key: str  # plain: id of the key of the field below
    sealed: bytes  # sealed at "chartvault/1|accounts/<_id>": address, names, what other systems call them


class CredentialDocument(TypedDict):
    """`credentials`: what proves who somebody is, and nothing else."""

    _id: str  # plain: of the account
    serial: int  # plain: counts changes, updates compare and swap on it
    key: str  # plain: id of the key of the field below
    sealed: bytes  # sealed at "chartvault/1|credentials/<_id>": hash of the password, TOTP secret, passkeys, codes


class ReplayDocument(TypedDict, total=False):
    """`replays`: answers of `/api/v1` to requests with an Idempotency-Key; kept a day."""

    _id: bytes  # keyed hash of caller and key
    fingerprint: bytes  # hash of the request
    at: datetime  # plain: when the request began
    key: str  # plain: id of the key of the field below; absent while the request is under way
    sealed: bytes  # sealed at "chartvault/1|replays/<_id>": the answer


class TicketDocument(TypedDict, total=False):
    """`tickets`: tokens good once, from mails and between the steps of a login."""

    _id: bytes  # SHA-256 of kind and token: 256 random bits, so nothing can be guessed from it
    kind: str  # plain: "verify-email", "reset-password" …
    account: str | None  # plain; null when it was made for an address nobody has, to take the same time
    until: datetime  # plain: goes then
    key: str  # plain: id of the key of the field below; absent without one
    sealed: bytes  # sealed at "chartvault/1|tickets/<_id>": what has to be remembered meanwhile


class AttemptDocument(TypedDict, total=False):
    """`login_attempts`: failures in a row; gone after a day without."""

    _id: bytes  # keyed hash of an address, alone or with a network
    failures: int  # plain
    at: datetime  # plain: of the last
    until: datetime | None  # plain: until when the next is refused
    refused: datetime | None  # plain: whether the last was refused, and until when


class _Person(msgspec.Struct, array_like=True):
    email: str
    first_name: str
    last_name: str
    email_verified: bool
    second_factor: bool
    external_ids: tuple[ExternalId, ...] = ()
    preferences: Preferences = Preferences()


_PERSON = _Person.__struct_fields__


_person = msgspec.msgpack.Decoder(_Person)
_credentials = msgspec.msgpack.Decoder(Credentials)


def name_terms(words: Iterable[str]) -> list[str]:
    """The index terms of a name: every beginning of every word, from two letters on."""
    return [f"name|prefix|{word[:end]}" for word in words for end in range(2, min(len(word), LONGEST_PREFIX) + 1)]


def account_document(account: Account, *, email: bytes, tokens: TokenMaker, key: SealingKey) -> Document:
    """An account as stored; `email` is the keyed hash of its folded address."""
    person = _Person(**{name: getattr(account, name) for name in _PERSON})
    words = folded_words(account.first_name, account.last_name)
    plain: dict[str, Any] = {name: getattr(account, name) for name in PLAIN}
    for name in ("roles", "profiles", "organizations"):
        plain[name] = list(plain[name])
    return {
        "_id": account.id,
        "email": email,
        "terms": sorted(set(tokens.tokens("Account", name_terms(words)))),
        **plain,
        "key": key.id,
        "sealed": seal(key, place(f"accounts/{account.id}"), msgspec.msgpack.encode(person)),
    }


def account_of(document: Document, key: SealingKey) -> Account:
    """The account a document holds. Raises `IntegrityFailure` when it is not what was sealed there."""
    person = _person.decode(open_sealed(key, place(f"accounts/{document['_id']}"), document["sealed"]))
    plain = {name: document[name] for name in PLAIN}
    for name in ("roles", "profiles", "organizations"):
        plain[name] = tuple(plain[name])
    return Account(id=document["_id"], **plain, **{name: getattr(person, name) for name in _PERSON})


def standing_of(document: Document) -> Standing:
    """What requests depend on, from `STANDING_FIELDS`."""
    return Standing(
        document["_id"],
        document["status"],
        frozenset(document["roles"]),
        tuple(document["profiles"]),
        tuple(document["organizations"]),
        document["version"],
    )


def credential_document(credentials: Credentials, key: SealingKey) -> Document:
    name = credentials.account
    sealed = seal(key, place(f"credentials/{name}"), msgspec.msgpack.encode(credentials))
    return {"_id": name, "serial": credentials.serial, "key": key.id, "sealed": sealed}


def credentials_of(document: Document, key: SealingKey) -> Credentials:
    """The credentials a document holds. Raises `IntegrityFailure` when they are not what was sealed there."""
    opened = open_sealed(key, place(f"credentials/{document['_id']}"), document["sealed"])
    found = _credentials.decode(opened)
    return msgspec.structs.replace(found, account=document["_id"], serial=document["serial"])
