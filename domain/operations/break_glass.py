"""Emergency access as people use it: open it, see it, review it. Rules in `domain/break_glass.py`.

A grant is durable before anything is read with it, and every use of it is an audit entry of its own, so nothing protected
leaves unrecorded. Reviewers see the grants of their organisations; whoever was granted access never reviews it.
"""

from __future__ import annotations

from typing import NamedTuple

from domain.access import Caller
from domain.break_glass import LONGEST_NOTE, REVIEWERS, ROLES, Grant, Review, Verdict, new_grant
from domain.errors import Conflict, Forbidden, InvalidRequest, NotFound
from domain.grants import GrantBook, GrantPage
from domain.identity import ResourceKey, parse_id
from domain.interactions.parts import Parts, present


class Wish(NamedTuple):
    """What somebody asks for."""

    patient: str
    reason: str
    minutes: int | None = None


async def open_glass(parts: Parts, book: GrantBook, caller: Caller, wish: Wish, request_id: str) -> Grant:
    """A grant for the caller, from now. Raises what `new_grant` does, and `NotFound` or `Gone` for no such patient."""
    grant = new_grant(
        caller,
        grant_id=parts.new_id(),
        patient=parse_id(wish.patient),
        reason=wish.reason,
        minutes=wish.minutes,
        now=parts.clock(),
        request_id=request_id,
    )
    key = ResourceKey("Patient", grant.patient)
    present(await parts.store.newest(key), key)
    await book.add(grant)
    return grant


async def glass_for(parts: Parts, book: GrantBook, caller: Caller, wish: Wish, request_id: str) -> None:
    """See that the caller has emergency access to the patient: what is active is not opened again."""
    if caller.account is None or not await book.active(caller.account, wish.patient):
        await open_glass(parts, book, caller, wish, request_id)


async def listed(book: GrantBook, caller: Caller, *, pending: bool, after: str | None, count: int) -> GrantPage:
    """The grants the caller may see: of their organisations to review, or their own. Raises `Forbidden`."""
    if caller.account is None or not caller.roles & (REVIEWERS | ROLES):
        raise Forbidden("Emergency access is seen by who may have it and who reviews it")
    reviews = bool(caller.roles & REVIEWERS)
    organizations = None if "SUPER_ADMIN" in caller.roles or not reviews else caller.organizations
    own = None if reviews else caller.account
    return await book.page(pending=pending, organizations=organizations, account=own, after=after, count=count)


async def reviewed(parts: Parts, book: GrantBook, caller: Caller, grant_id: str, verdict: Verdict, note: str) -> Grant:
    """The grant with its review; an unjustified one ends. Raises `Forbidden` for who may not review it, `NotFound`,
    `Conflict` when it was reviewed before."""
    if caller.account is None or not caller.roles & REVIEWERS:
        raise Forbidden("Emergency access is reviewed by administrators")
    if len(note) > LONGEST_NOTE:
        raise InvalidRequest(f"A note takes up to {LONGEST_NOTE} characters", code="value", expression="note")
    grant = await book.find(grant_id)
    if grant is None or not _ours(caller, grant):
        raise NotFound("There is no such emergency access")
    if grant.account == caller.account:
        raise Forbidden("Nobody reviews their own emergency access")
    if not await book.record_review(grant_id, Review(caller.subject, parts.clock(), verdict, note)):
        raise Conflict("This emergency access was reviewed already", reason="already_reviewed")
    found = await book.find(grant_id)
    return found or grant


def _ours(caller: Caller, grant: Grant) -> bool:
    return "SUPER_ADMIN" in caller.roles or not set(caller.organizations).isdisjoint(grant.organizations)
