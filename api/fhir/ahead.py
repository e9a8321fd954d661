"""Reading ahead: a look-up starts while it is still being asked whether the caller is who they were, with what they may see.

Who asks, what they may see, and the resource would be three round trips, one after the other. The caller of the last request
with this very token, from the same address, is a good guess: what that rests on (`domain/grounds.py`) is asked for together
with the resource. The reply counts only when all of it still holds, or when the caller, made out anew, turns out to be that one
with the very same sight. Else it is thrown away and made again. Only for interactions that change nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NamedTuple

from api.fhir.exchange import Exchange, Reply
from api.fhir.purposes import HEADER
from api.fhir.routes import Route
from domain.access import Caller
from domain.grounds import Grounds

_MOST = 10_000
_INTERACTIONS = frozenset({"read", "vread", "search-type"})
Answer = Callable[[Caller], Awaitable[Reply]]


class Guess(NamedTuple):
    """A caller with their sight, and what both rest on."""

    caller: Caller
    grounds: Grounds


Admit = Callable[[Guess | None], Awaitable[Caller]]


class Guesses:
    """The last caller behind each token, by a digest of it and the address: nobody takes the place of somebody else."""

    def __init__(self) -> None:
        self._guesses: OrderedDict[bytes, Guess] = OrderedDict()

    def of(self, route: Route, exchange: Exchange, network: str | None) -> Guess | None:
        """Who may be asking, for a request that may be answered ahead."""
        if route.interaction not in _INTERACTIONS or exchange.method != "GET" or exchange.segments[0] == "Binary":
            return None  # The bytes of a Binary may be a stream, which nobody would end.
        name = _name(exchange, network)
        return None if name is None else self._guesses.get(name)

    def remember(self, exchange: Exchange, network: str | None, guess: Guess) -> None:
        """For next time, when the caller is a person. What was asked for a purpose is never kept."""
        name = _name(exchange, network)
        if guess.caller.sight is None or guess.caller.account is None or guess.caller.purpose or name is None:
            return
        self._guesses[name] = guess
        self._guesses.move_to_end(name)
        if len(self._guesses) > _MOST:
            self._guesses.popitem(last=False)


def _name(exchange: Exchange, network: str | None) -> bytes | None:
    header = exchange.headers.get(b"authorization")
    if header is None or HEADER in exchange.headers:
        return None
    return hashlib.sha256(b"%b\n%b" % ((network or "").encode(), header)).digest()


async def answered_ahead(guess: Guess, admit: Admit, answer: Answer) -> tuple[Caller, Awaitable[Reply]]:
    """The caller as they are now, and their reply: the one made for the guess when that was right."""
    early = asyncio.ensure_future(answer(guess.caller))
    try:
        caller = await admit(guess)
    except BaseException:
        await _dropped(early)
        raise
    if caller is guess.caller or caller == guess.caller:
        return caller, early
    await _dropped(early)
    return caller, answer(caller)


async def _dropped(early: asyncio.Future[Reply]) -> None:
    early.cancel()
    with suppress(BaseException):
        await early
