"""`chartvault users`: people who log in, for whoever runs the server; how the first administrator gets in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import msgspec
import typer
import uvloop

from api.commands.operating import operating, operator_entry, operator_name
from api.commands.options import DataDir
from domain.access import Role
from domain.accounts import managing, second_factors
from domain.accounts.account import Account, Status
from domain.accounts.operating import made, operator, selected
from domain.accounts.ports import AccountQuery
from domain.accounts.registering import Applicant

if TYPE_CHECKING:
    from api.wiring import Opened

PAGE = 100
Who = Annotated[str, typer.Argument(help="Mail address or id of the account.")]
Many = list[str] | None


def add(
    email: Annotated[str, typer.Argument(help="Mail address; logs in with it.")],
    role: Annotated[str, typer.Option(help="SUPER_ADMIN, ADMIN, DOCTOR, NURSE, PATIENT …")] = "PATIENT",
    first_name: Annotated[str, typer.Option(help="First name.")] = "",
    last_name: Annotated[str, typer.Option(help="Last name.")] = "",
    profile: Annotated[Many, typer.Option(help="Who it is in the records: Practitioner/1; repeatable.")] = None,
    organization: Annotated[Many, typer.Option(help="Where they work: Organization/1; repeatable.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Make an account and print its initial password, shown this once."""
    if "@" not in email:
        raise typer.BadParameter("a mail address is expected")
    applicant = Applicant(
        email=email, first_name=first_name or email.partition("@")[0], last_name=last_name, role=_role(role)
    )
    managing.require_profiles(profile or ())
    account, password = uvloop.run(_add(applicant, tuple(profile or ()), tuple(organization or ()), data_dir))
    typer.echo(f"Made {account.id} ({', '.join(account.roles)}).", err=True)
    if account.is_staff:
        typer.echo("An authenticator app or a passkey is set up at the first login.", err=True)
    typer.echo(password)


def list_(
    role: Annotated[str | None, typer.Option(help="Only those with this role.")] = None,
    status: Annotated[str | None, typer.Option(help="PENDING_EMAIL, PENDING_APPROVAL, ACTIVE or DISABLED.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Show the accounts, one line each: id, status, roles, what they wait for, address, name."""
    if status is not None and status not in get_args(Status):
        raise typer.BadParameter(f"{status} is no status")
    query = AccountQuery(role=_role(role) if role else None, status=status)  # type: ignore[arg-type]
    for account in uvloop.run(_list(query, data_dir)):
        asked = f"asks for {account.asked}" if account.asked else "-"
        roles = ",".join(account.roles) or "-"
        name = f"{account.first_name} {account.last_name}".strip()
        typer.echo("\t".join((account.id, account.status, roles, asked, account.email, name)))


def approve(
    who: Who,
    role: Annotated[Many, typer.Option(help="Role to give instead of the one asked for; repeatable.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Let in somebody who registered for a role."""
    roles = tuple(map(_role, role)) if role else None
    account = uvloop.run(_approve(who, roles, data_dir))
    typer.echo(f"{account.id} is {account.status} with {', '.join(account.roles) or 'no role'}.")


def disable(who: Who, data_dir: DataDir = None) -> None:
    """Take somebody's access away; every login of theirs ends now, on every worker."""
    uvloop.run(_change(who, "DISABLED", "user-disable", data_dir))
    typer.echo("Disabled.")


def enable(who: Who, data_dir: DataDir = None) -> None:
    """Give access back to somebody who was disabled."""
    uvloop.run(_change(who, "ACTIVE", "user-update", data_dir))
    typer.echo("Enabled.")


def reset_mfa(who: Who, data_dir: DataDir = None) -> None:
    """Remove the second factors of somebody who lost theirs. Make sure who is asking: this is what a thief would want."""
    uvloop.run(_reset_mfa(who, data_dir))
    typer.echo("Removed; a new one is set up at the next login.")


def _role(text: str) -> Role:
    if text not in get_args(Role):
        raise typer.BadParameter(f"{text} is no role; one of {', '.join(get_args(Role))}")
    return text  # type: ignore[return-value]


async def _add(
    applicant: Applicant, profiles: tuple[str, ...], organizations: tuple[str, ...], data_dir: Path | None
) -> tuple[Account, str]:
    async with operating(data_dir) as parts:
        new = await made(parts.people, applicant, profiles=profiles, organizations=organizations)
        await _record(parts, "user-create", new.account)
        await parts.accounts.add(new.account, new.credentials)
        return new.account, new.password


async def _list(query: AccountQuery, data_dir: Path | None) -> list[Account]:
    found: list[Account] = []
    async with operating(data_dir) as parts:
        await parts.trail.record(operator_entry(parts, "user-list"))
        while page := await parts.accounts.page(query, after=found[-1].id if found else "", count=PAGE):
            found += page
    return found


async def _approve(who: str, roles: tuple[Role, ...] | None, data_dir: Path | None) -> Account:
    async with operating(data_dir) as parts:
        account = await selected(parts.people, who)
        await _record(parts, "user-approve", account)
        return await managing.approved(parts.people, operator(operator_name(), parts.parts.clock()), account, roles)


async def _change(who: str, status: Status, interaction: str, data_dir: Path | None) -> None:
    async with operating(data_dir) as parts:
        account = await selected(parts.people, who)
        await _record(parts, interaction, account)
        changes = managing.Changes(status=status)
        await managing.changed(parts.people, operator(operator_name(), parts.parts.clock()), account, changes)


async def _reset_mfa(who: str, data_dir: Path | None) -> None:
    async with operating(data_dir) as parts:
        account = await selected(parts.people, who)
        await _record(parts, "mfa-reset", account)
        await second_factors.clear(parts.people, account)


async def _record(parts: Opened, interaction: str, account: Account) -> None:
    """Durable before anything is done: what cannot be recorded does not happen."""
    entry = operator_entry(parts, interaction)
    await parts.trail.record(msgspec.structs.replace(entry, targets=(f"User/{account.id}",)))
