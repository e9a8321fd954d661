"""Fields that several forms of people share, and how an account is shown."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias

from msgspec import Meta

from api.v1.endpoint import Form, View
from domain.access import Role
from domain.accounts.account import Account, Status
from domain.revision import instant

Email: TypeAlias = Annotated[
    str,
    Meta(max_length=254, pattern=r"^\s*[^@\s<>\",;:\\]{1,64}@[^@\s<>\",;:\\]{1,189}\s*$", description="A mail address"),
]
Password: TypeAlias = Annotated[str, Meta(min_length=1, max_length=4096)]
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f<>]+$")]
Token: TypeAlias = Annotated[str, Meta(min_length=16, max_length=200)]
Code: TypeAlias = Annotated[str, Meta(pattern=r"^\s*[0-9]{3}\s?[0-9]{3}\s*$", max_length=20, description="Six digits")]
RecoveryCode: TypeAlias = Annotated[str, Meta(min_length=24, max_length=40)]
Date: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
Reference: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Z][A-Za-z]{1,63}/[A-Za-z0-9\-.]{1,64}$")]
References: TypeAlias = Annotated[tuple[Reference, ...], Meta(max_length=50)]
Roles: TypeAlias = Annotated[tuple[Role, ...], Meta(max_length=9)]


class ExternalIdForm(Form, frozen=True, kw_only=True):
    """How another system calls somebody: `{"system": "carepatron", "value": "9917"}`."""

    system: Annotated[str, Meta(min_length=1, max_length=200)]
    value: Annotated[str, Meta(min_length=1, max_length=200)]


class PreferencesForm(Form, frozen=True, kw_only=True):
    """A language such as `de-CH`, a time zone such as `Europe/Zurich`."""

    language: Annotated[str, Meta(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,8}$")] | None = None
    timezone: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_+\-]{1,32}(/[A-Za-z0-9_+\-]{1,32}){0,2}$")] | None = None


ExternalIds: TypeAlias = Annotated[tuple[ExternalIdForm, ...], Meta(max_length=20)]


class UserView(View, frozen=True, kw_only=True):
    """An account as its owner and administrators see it."""

    id: str
    version: int
    created_at: str
    updated_at: str
    email: str
    first_name: str
    last_name: str
    name: str
    roles: tuple[Role, ...]
    asked_role: Role | None
    status: Status
    email_verified: bool
    mfa: bool
    profiles: tuple[str, ...]
    organizations: tuple[str, ...]
    external_ids: tuple[ExternalIdForm, ...]
    preferences: PreferencesForm


def user_view(account: Account) -> UserView:
    return UserView(
        id=account.id,
        version=account.version,
        created_at=instant(account.created),
        updated_at=instant(account.updated),
        email=account.email,
        first_name=account.first_name,
        last_name=account.last_name,
        name=f"{account.first_name} {account.last_name}".strip(),
        roles=account.roles,
        asked_role=account.asked,
        status=account.status,
        email_verified=account.email_verified,
        mfa=account.second_factor,
        profiles=account.profiles,
        organizations=account.organizations,
        external_ids=tuple(ExternalIdForm(system=each.system, value=each.value) for each in account.external_ids),
        preferences=PreferencesForm(language=account.preferences.language, timezone=account.preferences.timezone),
    )


def seconds_of(moment: datetime) -> str:
    """A time for people's eyes, to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
