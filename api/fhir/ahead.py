"""Reading ahead: a look-up starts while it is still being asked who the caller is and what they may see now.

A person's request asks for their session, for their relations and for the resource. One after the other that would be three
round trips. The caller of the last request with this very token is a good guess, so all three go at once; the reply counts
only when the caller turns out to be that one, with the very same sight. Else it is thrown away and made again. Only for
interactions that change nothing.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress

from api.fhir.exchange import Exchange, Reply
from api.fhir.purposes import HEADER
from api.fhir.routes import Route
from domain.access import Caller

_MOST = 10_000
_INTERACTIONS = frozenset({"read", "vread", "search-type"})
Answer = Callable[[Caller], Awaitable[Reply]]
Admit = Callable[[Caller | None], Awaitable[Caller]]


class Guesses:
    """The last caller behind each token. Keyed by a hash of it: a wrong guess costs time and nothing else."""

    def __init__(self) -> None:
        self._callers: OrderedDict[int, Caller] = OrderedDict()

    def of(self, route: Route, exchange: Exchange) -> Caller | None:
        header = exchange.header(b"authorization")
        if route.interaction not in _INTERACTIONS or exchange.method != "GET" or header is None:
            return None
        if exchange.segments[0] == "Binary":
            return None  # Its bytes may be a stream, which nobody would end.
        return None if exchange.header(HEADER) is not None else self._callers.get(hash(header))

    def remember(self, exchange: Exchange, caller: Caller) -> None:
        """For next time, when the caller is a person."""
        header = exchange.header(b"authorization")
        if caller.sight is None or caller.account is None or header is None:
            return
        self._callers[hash(header)] = caller
        self._callers.move_to_end(hash(header))
        if len(self._callers) > _MOST:
            self._callers.popitem(last=False)


async def answered_ahead(guess: Caller, admit: Admit, answer: Answer) -> tuple[Caller, Awaitable[Reply]]:
    """The caller as they are now, and their reply: the one made for the guess when that was right."""
    early = asyncio.ensure_future(answer(guess))
    try:
        caller = await admit(guess)
    except BaseException:
        await _dropped(early)
        raise
    if caller == guess:
        return caller, early
    await _dropped(early)
    return caller, answer(caller)


async def _dropped(early: asyncio.Future[Reply]) -> None:
    early.cancel()
    with suppress(BaseException):
        await early
