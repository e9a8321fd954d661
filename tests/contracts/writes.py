"""Builders of writes for the contract suites: small resources with terms, as the domain would make them."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

from domain.audit import AuditEntry
from domain.cells import Cell
from domain.identity import ResourceKey
from domain.notices import Notice
from domain.revision import (
    Change,
    Claim,
    Description,
    Receipt,
    Stored,
    Write,
    next_revision,
    tombstone,
)
from domain.search import IndexTerm, term

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
_numbers = itertools.count(1)


def new_key(resource_type: str = "Observation") -> ResourceKey:
    return ResourceKey(resource_type, f"t{next(_numbers):06d}")


def entry(interaction: str = "create", *, targets: tuple[str, ...] = (), query: str | None = None) -> AuditEntry:
    return AuditEntry(
        recorded=START,
        interaction=interaction,
        status=200,
        subject="user/1",
        client="client-1",
        token_id="token-1",
        request_id=f"request-{next(_numbers)}",
        targets=targets,
        network="192.0.2.7",
        query=query,
    )


def change(
    key: ResourceKey,
    base: Stored | None = None,
    *,
    text: str = "hello",
    terms: tuple[IndexTerm, ...] = (),
    scoped: tuple[IndexTerm, ...] = (),
    patient: str | None = None,
    patients: tuple[str, ...] | None = None,
    labels: tuple[str, ...] = (),
    now: datetime | None = None,
    found: frozenset[str] = frozenset(),
) -> Change:
    content = {"resourceType": key.type, "text": text}
    revision = next_revision(key, content, method="PUT" if base else "POST", base=base, now=now or datetime.now(UTC))
    members = patients if patients is not None else () if patient is None else (patient,)
    described = Description(terms=terms, scoped=scoped, patient=patient, patients=members, labels=labels, found=found)
    return Change(revision, described, base)


def deletion(key: ResourceKey, base: Stored, *, now: datetime | None = None) -> Change:
    return Change(tombstone(key, base=base, now=now or datetime.now(UTC)), None, base)


def write(
    *changes: Change,
    claims: tuple[Claim, ...] = (),
    receipt: Receipt | None = None,
    cells: tuple[Cell, ...] = (),
    notices: tuple[Notice, ...] = (),
) -> Write:
    targets = tuple(one.revision.key.at(one.revision.version) for one in changes)
    return Write(changes, entry(targets=targets), claims, receipt, cells=cells, notices=notices)


def at(minutes: float) -> datetime:
    """A moment of the suites' own calendar."""
    return START + timedelta(minutes=minutes)


def code(value: str) -> IndexTerm:
    return term("code", "token", value)
