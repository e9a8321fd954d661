"""Accounts for the demonstration: one of each role, linked to the practice and to one of its patients."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, get_args

import msgspec

from api.commands.operating import operating, operator_entry
from api.demo.bundles import demo_bundles
from domain.access import Role
from domain.accounts.operating import made
from domain.accounts.registering import Applicant

DOMAIN = "demo.example"
_PRACTITIONERS: tuple[Role, ...] = ("DOCTOR", "NURSE", "DIETICIAN")


class DemoAccount(NamedTuple):
    """How to log in as one of them; the password is shown once."""

    role: Role
    email: str
    password: str


async def demo_accounts(data_dir: Path, *, patients: int = 20, seed: int = 1) -> list[DemoAccount]:
    """Make the accounts that are missing and say how to log in; nothing for those that exist already."""
    practice, first, *_ = demo_bundles(patients, seed)
    names = [entry["request"]["url"] for entry in practice["entry"]]
    organization = next(name for name in names if name.startswith("Organization/"))
    people = iter(name for name in names if name.startswith("Practitioner/"))
    profiles: dict[Role, str] = {role: next(people) for role in _PRACTITIONERS}
    profiles["PATIENT"] = next(
        entry["request"]["url"] for entry in first["entry"] if entry["request"]["url"].startswith("Patient/")
    )
    new: list[DemoAccount] = []
    async with operating(data_dir) as parts:
        for role in get_args(Role):
            email = f"{role.lower().replace('_', '-')}@{DOMAIN}"
            if await parts.accounts.by_email(email) is not None:
                continue
            person = Applicant(email=email, first_name="Demo", last_name=role.replace("_", " ").title(), role=role)
            profile = (profiles[role],) if role in profiles else ()
            account = await made(parts.people, person, profiles=profile, organizations=(organization,))
            entry = operator_entry(parts, "user-create")
            await parts.trail.record(msgspec.structs.replace(entry, targets=(f"User/{account.account.id}",)))
            await parts.accounts.add(account.account, account.credentials)
            new.append(DemoAccount(role, email, account.password))
    return new
