"""Second factors: codes from an app, passkeys, and recovery codes for the day the telephone is lost.

A proof is used by storing what it leaves behind (the step of a code, the count of a passkey, one recovery code less) with
compare and swap on the credentials: of two who present the same proof at once, one succeeds.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

from domain.access import Caller
from domain.accounts import letters
from domain.accounts.account import Account, Credentials, Totp
from domain.accounts.people import STEP_LIFETIME, People
from domain.accounts.ports import Ticket
from domain.errors import (
    Conflict,
    InvalidFields,
    NotFound,
    StepUpRequired,
    Unauthenticated,
    VersionConflict,
)

SecondFactor: TypeAlias = Literal["totp", "passkey", "recovery"]

RECOVERY_CODES, MOST_PASSKEYS = 10, 10
_ATTEMPTS = 4


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """One of: a code from an app, a recovery code, or what a browser answered to a passkey's challenge (with the
    challenge itself, or the ticket that remembers it)."""

    code: str | None = None
    recovery: str | None = None
    passkey: bytes | None = None
    challenge: bytes | None = None
    ticket: str | None = None

    def __repr__(self) -> str:
        return "Proof(…)"

    @property
    def user_handle(self) -> str | None:
        """Whose passkey the browser says it is; nothing is proven by it."""
        try:
            answer = msgspec.json.decode(self.passkey or b"{}", type=_Assertion)
            handle = answer.response.user_handle if answer.response else None
            return base64.urlsafe_b64decode(handle + "=" * (-len(handle) % 4)).decode() if handle else None
        except (msgspec.MsgspecError, ValueError):
            return None


class _Response(msgspec.Struct, rename="camel"):
    user_handle: str | None = None


class _Assertion(msgspec.Struct):
    response: _Response | None = None


class Enrolment(msgspec.Struct, frozen=True):
    """What somebody needs to set up an app: the secret, as text and as the content of a QR code."""

    secret: str
    uri: str

    def __repr__(self) -> str:
        return "Enrolment(…)"


def ways_of(credentials: Credentials) -> tuple[SecondFactor, ...]:
    """How this person can prove a second factor; nothing when none is set up."""
    ways: list[SecondFactor] = []
    if credentials.totp is not None and credentials.totp.confirmed:
        ways.append("totp")
    if credentials.passkeys:
        ways.append("passkey")
    if ways and credentials.recovery:
        ways.append("recovery")
    return tuple(ways)


async def proven(people: People, credentials: Credentials, proof: Proof) -> Credentials:
    """The credentials after this proof was used. Raises `Unauthenticated` for one that is wrong or was used before."""
    challenge = await _challenge_of(people, credentials, proof)
    for _ in range(_ATTEMPTS):
        used = _used(people, credentials, proof, challenge)
        try:
            await people.accounts.replace_credentials(used)
            return used
        except VersionConflict:
            newest = await people.accounts.credentials(credentials.account)
            if newest is None:
                break
            credentials = newest
    raise _wrong()


async def _challenge_of(people: People, credentials: Credentials, proof: Proof) -> bytes:
    if proof.passkey is None or proof.challenge is not None:
        return proof.challenge or b""
    ticket = await people.tickets.redeem("passkey", proof.ticket or "")
    if ticket is None or ticket.account != credentials.account:
        raise _wrong()
    return ticket.data


def _used(people: People, credentials: Credentials, proof: Proof, challenge: bytes) -> Credentials:
    serial = credentials.serial + 1
    totp = credentials.totp
    if proof.code is not None and totp is not None and totp.confirmed:
        step = people.codes.step_of(totp.secret, proof.code, people.clock())
        if step is not None and step > totp.last_step:
            return msgspec.structs.replace(credentials, totp=Totp(totp.secret, True, step), serial=serial)
    elif proof.recovery is not None and (mark := _recovery_mark(proof.recovery)) in credentials.recovery:
        left = tuple(each for each in credentials.recovery if each != mark)
        return msgspec.structs.replace(credentials, recovery=left, serial=serial)
    elif proof.passkey is not None:
        claimed = people.passkeys.credential_id(proof.passkey)
        for passkey in credentials.passkeys:
            if passkey.id == claimed:
                after = people.passkeys.asserted(proof.passkey, challenge, passkey)
                keys = tuple(after if each.id == claimed else each for each in credentials.passkeys)
                return msgspec.structs.replace(credentials, passkeys=keys, serial=serial)
    raise _wrong()


FRESH_SECONDS = 300


def require_fresh(caller: Caller, credentials: Credentials, now: datetime) -> None:
    """Raise `StepUpRequired` unless the caller has just logged in, with the second factor if there is one: a token found
    somewhere must not be enough to change how its owner logs in."""
    _require_since(caller.second_factor_at if credentials.second_factor else caller.authenticated_at, now)


def require_recent(caller: Caller, now: datetime) -> None:
    """Raise `StepUpRequired` unless the caller proved a second factor a moment ago."""
    _require_since(caller.second_factor_at, now)


def _require_since(at: float | None, now: datetime) -> None:
    if at is None or now.timestamp() - at > FRESH_SECONDS:
        raise StepUpRequired("Log in again first: this changes how somebody logs in", reason="login_again")


async def enrol(people: People, account: Account, credentials: Credentials) -> Enrolment:
    """Begin to set up an app; it proves nothing before `confirm`. Raises `Conflict` when one is set up already."""
    if credentials.totp is not None and credentials.totp.confirmed:
        raise Conflict("An app is set up already; remove it first", reason="mfa_already_enrolled")
    secret = people.codes.new_secret()
    await people.accounts.replace_credentials(
        msgspec.structs.replace(credentials, totp=Totp(secret), serial=credentials.serial + 1)
    )
    return Enrolment(secret, people.codes.uri(secret, account.email))


async def confirm(
    people: People, account: Account, credentials: Credentials, code: str
) -> tuple[Credentials, tuple[str, ...]]:
    """Finish setting up an app with its first code: the credentials, and the recovery codes, shown this once.

    Raises `Conflict` when nothing was begun, `InvalidFields` for a wrong code.
    """
    totp = credentials.totp
    if totp is None or totp.confirmed:
        raise Conflict("No app is being set up", reason="mfa_not_started")
    step = people.codes.step_of(totp.secret, code, people.clock())
    if step is None:
        raise InvalidFields("The code is wrong; is the clock of the device right?", expression="code")
    codes, marks = _new_recovery_codes()
    after = msgspec.structs.replace(
        credentials, totp=Totp(totp.secret, True, step), recovery=marks, serial=credentials.serial + 1
    )
    await people.accounts.replace_credentials(after)
    await _note(people, account, after)
    return after, codes


async def passkey_challenge(people: People, credentials: Credentials | None) -> tuple[str, str]:
    """Begin to prove a passkey, of anybody or of one person: what the browser is given, and the ticket of the challenge."""
    ceremony = people.passkeys.assertion(credentials.passkeys if credentials else ())
    ticket = Ticket(credentials.account if credentials else None, ceremony.challenge)
    return ceremony.options, await people.tickets.issue("passkey", ticket, STEP_LIFETIME)


async def begin_passkey(people: People, account: Account, credentials: Credentials) -> tuple[str, str]:
    """Begin to add a passkey: what the browser is given, and the ticket of the challenge."""
    ceremony = people.passkeys.registration(account, credentials.passkeys)
    ticket = Ticket(account.id, ceremony.challenge)
    return ceremony.options, await people.tickets.issue("enrolment", ticket, STEP_LIFETIME)


async def add_passkey(
    people: People, account: Account, credentials: Credentials, *, ticket: str, answer: bytes, label: str
) -> tuple[Credentials, tuple[str, ...]]:
    """Add the passkey the browser made; with the first second factor come recovery codes.

    Raises `Unauthenticated` for an answer that is wrong, `Conflict` beyond `MOST_PASSKEYS`.
    """
    challenge = await people.tickets.redeem("enrolment", ticket)
    if challenge is None or challenge.account != account.id:
        raise Unauthenticated("The passkey was not accepted", reason="passkey_refused")
    made = people.passkeys.registered(answer, challenge.data, label=label, now=people.clock())
    if len(credentials.passkeys) >= MOST_PASSKEYS or made.id in {each.id for each in credentials.passkeys}:
        raise Conflict(f"A passkey is added once, and {MOST_PASSKEYS} at most", reason="too_many_passkeys")
    codes, marks = ((), credentials.recovery) if credentials.second_factor else _new_recovery_codes()
    after = msgspec.structs.replace(
        credentials, passkeys=(*credentials.passkeys, made), recovery=marks, serial=credentials.serial + 1
    )
    await people.accounts.replace_credentials(after)
    await _note(people, account, after)
    return after, codes


async def remove(people: People, account: Account, credentials: Credentials, *, passkey: bytes | None = None) -> None:
    """Remove the app, or one passkey. Raises `Conflict` (`mfa_required`) for the last one of who needs one."""
    if passkey is None:
        after = msgspec.structs.replace(credentials, totp=None)
    else:
        left = tuple(each for each in credentials.passkeys if each.id != passkey)
        if len(left) == len(credentials.passkeys):
            raise NotFound("There is no such passkey")
        after = msgspec.structs.replace(credentials, passkeys=left)
    if not after.second_factor:
        if account.is_staff or credentials.short:
            raise Conflict("A second factor is required for this account", reason="mfa_required")
        after = msgspec.structs.replace(after, recovery=())
    await people.accounts.replace_credentials(msgspec.structs.replace(after, serial=credentials.serial + 1))
    await _note(people, account, after)


async def clear(people: People, account: Account) -> None:
    """Remove every second factor, for somebody who lost theirs; an administrator's decision. Ends all sessions."""
    credentials = await people.accounts.credentials(account.id)
    if credentials is None:
        raise NotFound("There is no such account")
    after = msgspec.structs.replace(credentials, totp=None, passkeys=(), recovery=(), serial=credentials.serial + 1)
    await people.accounts.replace_credentials(after)
    await people.sessions.end_all(account.id)
    await _note(people, account, after)


async def _note(people: People, account: Account, credentials: Credentials) -> None:
    """Show on the account whether a second factor is set up, and tell its owner of the change."""
    await people.mail.post(letters.second_factor_changed(account))
    if account.second_factor != credentials.second_factor:
        changed = msgspec.structs.replace(
            account, second_factor=credentials.second_factor, version=account.version + 1, updated=people.clock()
        )
        await people.accounts.replace(changed)


def _new_recovery_codes() -> tuple[tuple[str, ...], tuple[bytes, ...]]:
    """Codes of 120 random bits, to print, and what is stored of them."""
    codes = tuple(base64.b32encode(secrets.token_bytes(15)).decode() for _ in range(RECOVERY_CODES))
    return tuple("-".join(code[at : at + 4] for at in range(0, 24, 4)) for code in codes), tuple(
        map(_recovery_mark, codes)
    )


def _recovery_mark(code: str) -> bytes:
    """What is stored of a code. Enough random bits that a fast hash is as good as a slow one (NIST: 112)."""
    return hashlib.sha256(code.replace("-", "").replace(" ", "").upper().encode()).digest()


def _wrong() -> Unauthenticated:
    return Unauthenticated("The code or passkey was not accepted", reason="invalid_second_factor")
