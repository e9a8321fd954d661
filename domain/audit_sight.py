"""Who may see which entries, and what of them. The accounting of disclosures of 45 CFR 164.528.

ACCESS.md section 1, row AuditEvent: super administrators see what concerns no patient, administrators what people of their
organisations did (who belongs to none has no such people, and sees nothing), people who treat patients their own accesses, a
patient every access to their own record, a program what its scopes grant. The raw query may hold names: besides programs only
whoever asked it sees it again. A patient sees of an entry nothing that is about somebody else. Compiled into the filter before
any limit, like every rule of access.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from domain.access import Caller, Role, require_scope
from domain.audit import READ_ONLY
from domain.audit_reading import EVERYTHING, AuditPage, AuditQuery, AuditReading, AuditRecord, Opening, Scope
from domain.errors import Forbidden

OWN_ACCESSES: frozenset[Role] = frozenset({"DOCTOR", "NURSE", "DIETICIAN"})


class Sight(NamedTuple):
    """What a caller may see of the audit: the entries of `scopes`, and of each what `shown` leaves."""

    subject: str
    everything: bool
    patients: frozenset[str]
    organizations: frozenset[str]
    system: bool
    own: bool

    def scopes(self, query: AuditQuery) -> tuple[Scope, ...]:
        """The reasons to see entries, narrow enough that no filter of `query` tells what `shown` would hide."""
        if self.everything:
            return (EVERYTHING,)
        found: list[Scope] = []
        if self.own:
            found.append(Scope(subject=self.subject))
        if self.organizations:
            found.append(Scope(organizations=tuple(sorted(self.organizations))))
        if self.system:
            found.append(Scope(system=True))
        mine = self.patients if query.patients is None else self.patients & set(query.patients)
        if mine:
            found.append(Scope(patients=tuple(sorted(mine)), alone=query.targets is not None))
        return tuple(found)

    def opening(self, record: AuditRecord) -> Opening:
        if self.everything or (self.own and record.subject == self.subject):
            return Opening(query=True, network=True)
        return Opening(query=False, network=self._administers(record))

    def shown(self, record: AuditRecord) -> AuditRecord:
        """The entry without what is about other patients than the caller's own, for who sees it for that reason alone."""
        if self.everything or (self.own and record.subject == self.subject) or self._administers(record):
            return record
        mine = tuple(patient for patient in record.patients if patient in self.patients)
        alone = len(mine) == len(record.patients)
        return msgspec.structs.replace(record, patients=mine, targets=record.targets if alone else ())

    def _administers(self, record: AuditRecord) -> bool:
        return bool(self.organizations & set(record.organizations)) or (self.system and not record.patients)


def sight_of(caller: Caller) -> Sight:
    """What the caller may see. Raises `Forbidden` for who may see nothing by rule."""
    if caller.account is None:
        return Sight(caller.subject, True, frozenset(), frozenset(), False, False)
    themselves = [name.removeprefix("Patient/") for name in caller.profiles if name.startswith("Patient/")]
    sight = Sight(
        caller.subject,
        everything=False,
        patients=frozenset(themselves) if "PATIENT" in caller.roles else frozenset(),
        organizations=frozenset(caller.organizations) if "ADMIN" in caller.roles else frozenset(),
        system="SUPER_ADMIN" in caller.roles,
        own=bool(caller.roles & OWN_ACCESSES),
    )
    if not (sight.patients or sight.organizations or sight.system or sight.own):
        if "ADMIN" in caller.roles:
            raise Forbidden("An administrator sees the audit of an organisation: this account belongs to none")
        raise Forbidden("This account may not read the audit")
    return sight


async def find_entries(reading: AuditReading, caller: Caller, query: AuditQuery) -> AuditPage:
    """One page of what the caller may see of the entries `query` asks for, opened as far as they may.

    Raises `Forbidden` for who may see none by rule, or whose token does not allow it.
    """
    require_scope(caller, "s" if query.ids is None else "r", READ_ONLY)
    sight = sight_of(caller)
    if caller.account is not None and caller.patient is not None:
        # An app that was launched for one patient learns of no other.
        within = {caller.patient} if query.patients is None else {caller.patient} & set(query.patients)
        query = msgspec.structs.replace(query, patients=tuple(within))
    scopes = sight.scopes(query)
    if not scopes:
        return AuditPage((), total=0 if query.total else None)
    page = await reading.find(msgspec.structs.replace(query, scopes=scopes))
    opened = await reading.open(page.records, [sight.opening(record) for record in page.records])
    return msgspec.structs.replace(page, records=[sight.shown(record) for record in opened])
