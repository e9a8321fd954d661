"""Limits on requests that hold over all processes and machines, at no round trip for most requests.

A counter in the database covers the last minute in slots of ten seconds. A process spends an allowance of its own and
reports what it spent when half of it is gone; the allowance is the 64th part of what is left of the limit, so that it
shrinks to single requests before the limit is reached. For W processes: a request is refused only when the limit is spent,
and at most W times a 64th more than the limit pass. Nothing is reserved, so nothing is lost when a process does not use
what it may spend (`domain/DECISIONS.md`).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import NamedTuple, Protocol

from domain.errors import DomainError, Throttled

SLOT_SECONDS, SLOTS = 10, 7
"""Six slots are a minute; the seventh is the part of the oldest one that is still within it."""
WINDOW_SECONDS = 60
_SHARE = 64


class Policy(NamedTuple):
    """At most `limit` requests a minute. `strict`: nothing passes before the counter was asked. `name` is told to clients."""

    name: str
    limit: int
    strict: bool = False


class Charged(NamedTuple):
    """What the counter says: how many of the requests that wait may pass, how many are spent in the last minute with
    them, and in how many seconds the oldest of those no longer count."""

    granted: int
    spent: int
    reset_seconds: float


class Counters(Protocol):
    """Counters shared by all processes. Implemented by `storage.mongo.throttling`."""

    async def charge(self, policy: Policy, name: str, *, used: int, wanted: int) -> Charged:
        """Count `used` requests that passed, and as many of `wanted` as the limit leaves, in one step.

        Raises `Unavailable` when the database does not answer."""
        ...


class Standing(NamedTuple):
    """Where a caller stands after a request, as far as this process knows."""

    policy: Policy
    remaining: int
    reset_seconds: int


class _Account:
    """What one process knows of one name under one policy."""

    __slots__ = (
        "allowance",
        "asking",
        "blocked_until",
        "fresh_until",
        "low",
        "remaining",
        "reset_at",
        "used",
        "waiting",
    )

    def __init__(self, limit: int) -> None:
        self.allowance = 0
        self.low = 0
        self.used = 0
        self.waiting = 0
        self.remaining = limit
        self.reset_at = 0.0
        self.fresh_until = 0.0
        self.blocked_until = 0.0
        self.asking: asyncio.Task[DomainError | None] | None = None


class Throttle:
    """The limits of one process. Remembers at most `names` names; `clock` counts seconds."""

    def __init__(self, counters: Counters, clock: Callable[[], float], *, names: int = 50_000) -> None:
        self._counters = counters
        self._clock = clock
        self._names = names
        self._accounts: dict[tuple[str, str], _Account] = {}
        self._tasks: set[asyncio.Task[DomainError | None]] = set()

    async def close(self) -> None:
        """Wait for what is being reported."""
        await asyncio.gather(*self._tasks)

    async def admit(self, policy: Policy, name: str) -> Standing:
        """Let one request of `name` pass. Raises `Throttled` when the limit is spent, `Unavailable` when nobody knows."""
        account = self._account(policy, name)
        while True:
            now = self._clock()
            if account.blocked_until > now:
                raise Throttled("Too many requests", retry_after=max(1, math.ceil(account.blocked_until - now)))
            if account.fresh_until <= now:
                self._begin(account, policy, now)
            if account.allowance > 0:
                account.allowance -= 1
                account.used += 1
                account.remaining -= 1
                if account.allowance <= account.low and account.asking is None:
                    self._ask(account, policy, name)
                return Standing(policy, max(0, account.remaining), max(1, math.ceil(account.reset_at - now)))
            await self._wait(account, policy, name)

    def _account(self, policy: Policy, name: str) -> _Account:
        key = (policy.name, name)
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = _Account(policy.limit)
            if len(self._accounts) > self._names:
                del self._accounts[next(iter(self._accounts))]
        return account

    def _begin(self, account: _Account, policy: Policy, now: float) -> None:
        """Nothing is known of the last seconds: one request passes while the counter is asked, unless that is too many."""
        account.allowance = 0 if policy.strict else 1
        account.low = 0
        account.used = max(0, account.used)
        account.fresh_until = now + SLOT_SECONDS
        account.reset_at = now + WINDOW_SECONDS

    def _ask(self, account: _Account, policy: Policy, name: str) -> asyncio.Task[DomainError | None]:
        account.asking = task = asyncio.create_task(self._report(account, policy, name))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _wait(self, account: _Account, policy: Policy, name: str) -> None:
        """Wait for an answer of the counter."""
        account.waiting += 1
        try:
            error = await asyncio.shield(account.asking or self._ask(account, policy, name))
        finally:
            account.waiting -= 1
        if error is not None:
            raise type(error)(error.message)

    async def _report(self, account: _Account, policy: Policy, name: str) -> DomainError | None:
        await asyncio.sleep(0)  # Who asks in this turn of the loop is counted in one step.
        used, account.used = account.used, 0
        try:
            charged = await self._counters.charge(policy, name, used=used, wanted=account.waiting)
        except DomainError as error:
            account.used += used
            return error
        finally:
            account.asking = None
        self._learn(account, policy, charged)
        return None

    def _learn(self, account: _Account, policy: Policy, charged: Charged) -> None:
        """Take the counter's word. What it granted is counted already; what goes beyond is reported when it is spent."""
        now = self._clock()
        left = max(0, policy.limit - charged.spent)
        account.remaining = left
        account.reset_at = now + charged.reset_seconds
        account.fresh_until = now + SLOT_SECONDS
        ahead = 0 if policy.strict else -(-left // _SHARE)
        account.allowance = charged.granted + max(0, ahead - account.used)
        account.used -= charged.granted
        account.low = ahead // 2
        if not left and not charged.granted:
            account.blocked_until = account.reset_at
