"""What is sent and shown when people register, log in and out."""

from __future__ import annotations

from typing import Literal

import msgspec

from api.v1.endpoint import Form, View
from api.v1.forms import Code, Date, Email, Name, Password, RecoveryCode, Token, UserView
from domain.access import Role
from domain.accounts.second_factors import SecondFactor


class Registration(Form, frozen=True, kw_only=True):
    email: Email
    password: Password
    first_name: Name
    last_name: Name
    role: Role = "PATIENT"
    birth_date: Date | None = None


class RegisteredUser(View, frozen=True, kw_only=True):
    """What was asked for; no word about whether the address was free."""

    email: str
    first_name: str
    last_name: str
    roles: tuple[Role, ...]
    status: Literal["PENDING_EMAIL", "PENDING_APPROVAL"]


class RegisteredView(View, frozen=True, kw_only=True):
    user: RegisteredUser


class LoginForm(Form, frozen=True, kw_only=True):
    """Address and password, with the second factor at once if it is at hand; or `mfaToken` and the second factor."""

    email: Email | None = None
    password: Password | None = None
    mfa_token: Token | None = None
    otp: Code | None = None
    recovery_code: RecoveryCode | None = None
    passkey: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)
    passkey_token: Token | None = None
    device: Token | None = None


class LoginView(View, frozen=True, kw_only=True, omit_defaults=True):
    """Tokens; or, when something is missing, `mfaRequired` with the ways there are, or `enrolmentRequired`."""

    user: UserView | None = None
    access_token: str | None = None
    refresh_token: str | None = None
    expires_in: int | None = None
    session_id: str | None = None
    device: str | None = None
    mfa_required: bool = False
    enrolment_required: bool = False
    mfa_token: str | None = None
    methods: tuple[SecondFactor, ...] = ()


class RefreshForm(Form, frozen=True, kw_only=True):
    refresh_token: Token


class TokensView(View, frozen=True, kw_only=True):
    access_token: str
    refresh_token: str
    expires_in: int


class TokenForm(Form, frozen=True, kw_only=True):
    token: Token


class EmailForm(Form, frozen=True, kw_only=True):
    email: Email


class ResetForm(Form, frozen=True, kw_only=True):
    token: Token
    password: Password


class ChangeForm(Form, frozen=True, kw_only=True):
    old_password: Password
    new_password: Password


class ChallengeForm(Form, frozen=True, kw_only=True):
    """`mfaToken` for the passkeys of a login under way; without it a passkey is the whole login."""

    mfa_token: Token | None = None


class ChallengeView(View, frozen=True, kw_only=True):
    """`options` go to `navigator.credentials`, `passkeyToken` comes back with its answer."""

    options: msgspec.Raw
    passkey_token: str
