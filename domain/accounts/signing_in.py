"""Logging in: something known, and for staff something held; the same function for every page and every program.

The order is what keeps it safe: an attempt is counted before it is tried, so that parallel guesses count; the slow hash
runs for unknown addresses too, so that time tells nothing; a code is used by storing its step with compare and swap, so
that it is good once. Strangers who fail only slow strangers down: an owner on a device or network that logged in before
has a count of their own (ASVS 6.1.1, NIST SP 800-63B-4 section 3.2.2).
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
import secrets
from contextlib import suppress

import msgspec

from domain.accounts.account import Account, Credentials, folded_email
from domain.accounts.people import STEP_LIFETIME, People
from domain.accounts.ports import Limit, Ticket
from domain.accounts.second_factors import Proof, SecondFactor, proven, ways_of
from domain.errors import Forbidden, Throttled, Unauthenticated, VersionConflict

FREE_HERE, FREE_ANYWHERE = 5, 20
MOST_FAILURES = 100
"""In a row, from places the owner never logged in from: https://pages.nist.gov/800-63-4/sp800-63b.html#throttle"""
MOST_KNOWN = 20
_NOBODY = "nobody"


class Place(msgspec.Struct, frozen=True):
    """Where an attempt comes from: the peer's address, and the secret a device got at an earlier login."""

    network: str | None = None
    device: str | None = None

    def __repr__(self) -> str:
        return "Place(…)"


NOWHERE = Place()


class SignedIn(msgspec.Struct, frozen=True):
    """A proven identity. Times are seconds since 1970; `device` is a secret to present next time from this device."""

    account: Account
    authenticated_at: float
    second_factor_at: float | None
    device: str

    def __repr__(self) -> str:
        return f"SignedIn({self.account.id})"


class SecondFactorRequired(Unauthenticated):
    """The password was right, and that is not enough. `ticket` continues this login for ten minutes, by one of `ways`;
    without any a second factor has to be set up first, with the same ticket."""

    def __init__(self, *, account: str, ticket: str, ways: tuple[SecondFactor, ...]) -> None:
        super().__init__(
            "A second factor is required", reason="second_factor_required" if ways else "enrolment_required"
        )
        self.account = account
        self.ticket = ticket
        self.ways = ways


class WrongLogin(Unauthenticated):
    """Not proven. `account` is whose login was tried, for the audit alone."""

    def __init__(self, account: str | None, sentence: str = "The address or the password is wrong") -> None:
        super().__init__(sentence, reason="invalid_credentials")
        self.account = account


async def sign_in(
    people: People, email: str, password: str, *, proof: Proof | None = None, place: Place = NOWHERE
) -> SignedIn:
    """Log somebody in by address and password, with the `proof` of a second factor if they have one at hand.

    Raises `WrongLogin`, `Throttled`, `SecondFactorRequired`, and `Forbidden` for an account that may not log in (yet),
    which only its owner learns.
    """
    async with people.passwords.turn():
        return await _signed_in_by_password(people, email, password, proof, place)


async def _signed_in_by_password(
    people: People, email: str, password: str, proof: Proof | None, place: Place
) -> SignedIn:
    account = await people.accounts.by_email(email)
    credentials = await people.accounts.credentials(account.id if account else _NOBODY)
    limits = _limits(email, credentials, place)
    await _begin(people, limits)
    verdict = await people.passwords.check(password, credentials.password if credentials else None)
    if account is None or credentials is None or not verdict.right:
        raise WrongLogin(account.id if account else None)
    _require_usable(account)
    if verdict.renewed is not None:
        credentials = await _renewed(people, credentials, verdict.renewed)
    if needs_second_factor(account, credentials):
        if proof is None or not credentials.second_factor:
            await people.attempts.succeeded([limit.name for limit in limits])
            raise await _asked_for_more(people, account, credentials)
        credentials = await _second(people, credentials, proof)
    await people.attempts.succeeded([limit.name for limit in limits])
    return await _signed_in(people, account, credentials, place, second=needs_second_factor(account, credentials))


async def go_on(people: People, ticket: str, proof: Proof, *, place: Place = NOWHERE) -> SignedIn:
    """The second step of a login that raised `SecondFactorRequired`. Raises `WrongLogin`, `Throttled`, `Forbidden`."""
    account, credentials = await waiting(people, ticket)
    credentials = await _second(people, credentials, proof)
    return await finish(people, ticket, account, credentials, place=place)


async def finish(people: People, ticket: str, account: Account, credentials: Credentials, *, place: Place) -> SignedIn:
    """End a login in two steps whose second factor has just been proven. The ticket is good for one login."""
    if await people.tickets.redeem("second-factor", ticket) is None:
        raise WrongLogin(account.id, "This login has been finished or has taken too long")
    return await _signed_in(people, account, credentials, place, second=True)


async def waiting(people: People, ticket: str) -> tuple[Account, Credentials]:
    """Whose login the ticket continues. Raises `WrongLogin` for one that is not good, `Forbidden` as `sign_in`."""
    found = await people.tickets.look("second-factor", ticket)
    account = await people.accounts.find(found.account) if found and found.account else None
    credentials = await people.accounts.credentials(account.id) if account else None
    if account is None or credentials is None:
        raise WrongLogin(None, "This login has been finished or has taken too long")
    _require_usable(account)
    return account, credentials


async def sign_in_with_passkey(people: People, ticket: str, answer: bytes, *, place: Place = NOWHERE) -> SignedIn:
    """Log in with a passkey alone, which is two factors in one. `ticket` is of `second_factors.passkey_challenge`.

    Raises `Unauthenticated` for whatever is wrong, a challenge used before among it.
    """
    challenge = await people.tickets.redeem("passkey", ticket)
    if challenge is None or challenge.account is not None:
        raise WrongLogin(None, "The passkey was not accepted")
    handle = Proof(passkey=answer).user_handle
    account = await people.accounts.find(handle) if handle else None
    credentials = await people.accounts.credentials(account.id) if account else None
    if account is None or credentials is None:
        raise WrongLogin(None, "The passkey was not accepted")
    credentials = await proven(people, credentials, Proof(passkey=answer, challenge=challenge.data))
    _require_usable(account)
    return await _signed_in(people, account, credentials, place, second=True)


def needs_second_factor(account: Account, credentials: Credentials) -> bool:
    """Staff always; others who have set one up, and whose password is too short to stand alone."""
    return account.is_staff or credentials.second_factor or credentials.short


async def _second(people: People, credentials: Credentials, proof: Proof) -> Credentials:
    """Prove a second factor, under a count of its own: who tries codes has the password already."""
    limit = Limit(f"second|{credentials.account}", FREE_HERE, MOST_FAILURES)
    await _begin(people, [limit])
    try:
        after = await proven(people, credentials, proof)
    except Unauthenticated as error:
        raise WrongLogin(credentials.account, error.message) from None
    await people.attempts.succeeded([limit.name])
    return after


async def _asked_for_more(people: People, account: Account, credentials: Credentials) -> SecondFactorRequired:
    ticket = await people.tickets.issue("second-factor", Ticket(account.id), STEP_LIFETIME)
    return SecondFactorRequired(account=account.id, ticket=ticket, ways=ways_of(credentials))


async def _begin(people: People, limits: list[Limit]) -> None:
    seconds = await people.attempts.begin(limits)
    if seconds > 0:
        raise Throttled(
            "Too many attempts; wait, or reset your password by mail",
            reason="too_many_attempts",
            retry_after=math.ceil(seconds),
        )


def _limits(email: str, credentials: Credentials | None, place: Place) -> list[Limit]:
    """Which counts an attempt falls under. A known device or network is not held up by what others do elsewhere."""
    folded, network = folded_email(email), network_of(place.network)
    known = credentials.known if credentials else ()
    if place.device is not None and _mark("device", place.device) in known:
        return [Limit(f"{folded}|device|{place.device}", FREE_HERE, MOST_FAILURES)]
    here = Limit(f"{folded}|network|{network}", FREE_HERE, MOST_FAILURES)
    if _mark("network", network) in known:
        return [here]
    return [here, Limit(folded, FREE_ANYWHERE, MOST_FAILURES)]


def _require_usable(account: Account) -> None:
    """Raise `Forbidden`, with the reason, for an account nobody may log in to. Only who proved themselves comes here."""
    if account.status == "PENDING_EMAIL":
        raise Forbidden("Confirm your address first: follow the link in the letter", reason="email_not_verified")
    if account.status == "PENDING_APPROVAL":
        raise Forbidden("An administrator has to approve this account first", reason="approval_pending")
    if account.status == "DISABLED":
        raise Forbidden("This account is disabled", reason="account_disabled")


async def _renewed(people: People, credentials: Credentials, hashed: str) -> Credentials:
    """Store the hash by today's rules; whoever was faster stored as good a one."""
    renewed = msgspec.structs.replace(credentials, password=hashed, serial=credentials.serial + 1)
    try:
        await people.accounts.replace_credentials(renewed)
    except VersionConflict:
        return credentials
    return renewed


async def _signed_in(
    people: People, account: Account, credentials: Credentials, place: Place, *, second: bool
) -> SignedIn:
    """The proven identity; the device and the network are known from now on."""
    now = people.clock().timestamp()
    device = place.device or ""
    marks = [_mark("network", network_of(place.network))]
    if not device or _mark("device", device) not in credentials.known:
        device = secrets.token_urlsafe(24)
    marks.append(_mark("device", device))
    if not set(marks) <= set(credentials.known):
        known = tuple(dict.fromkeys((*marks, *credentials.known)))[:MOST_KNOWN]
        after = msgspec.structs.replace(credentials, known=known, serial=credentials.serial + 1)
        with suppress(VersionConflict):  # somebody logs in at the same time: this place becomes known at the next login
            await people.accounts.replace_credentials(after)
    return SignedIn(account, now, now if second else None, device)


def network_of(address: str | None) -> str:
    """The network an address stands for: itself, or the /64 of an IPv6 address, which is one household."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def _mark(kind: str, text: str) -> bytes:
    return hashlib.sha256(f"{kind}|{text}".encode()).digest()[:16]
