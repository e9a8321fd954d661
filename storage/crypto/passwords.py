"""Hashes of passwords: argon2id (RFC 9106, https://www.rfc-editor.org/rfc/rfc9106), a few at a time.

A hash is slow and hungry on purpose, so a crowd that logs in must not starve those who read records: people take turns
before the first look-up, so that a crowd does not reach the database at once either; hashing runs in threads of its own, half
as many as there are processors, which stand back for every other thread (`nice`); a queue that is too long is refused.
Costs: `DECISIONS.md`.
"""

from __future__ import annotations

import asyncio
import os
import threading
import unicodedata
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import cache
from typing import TypeVar

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher

from domain.accounts.ports import Verdict
from domain.errors import Throttled

MEMORY_KIB, PASSES = 19_456, 2
"""https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html"""
LONGEST_QUEUE = 200
_NICE = 15

_T = TypeVar("_T")


class ArgonPasswords:
    """`domain.accounts.ports.Passwords`. `close` it in the end."""

    def __init__(self, *, threads: int | None = None, longest_queue: int = LONGEST_QUEUE) -> None:
        self._hashes = PasswordHash((Argon2Hasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=1),))
        workers = threads or max(1, (os.cpu_count() or 2) // 2)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="password", initializer=_step_back)
        self._turns = asyncio.Semaphore(workers + 1)
        self._longest = longest_queue
        self._waiting = 0
        self._nobody = _nobodys(MEMORY_KIB, PASSES)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """See `domain.accounts.ports.Passwords.turn`. One more than there are threads, so that none of them waits."""
        if self._waiting >= self._longest:
            raise Throttled("Too many people are logging in at this moment; try again in a few seconds", retry_after=5)
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turns.release()

    async def hash(self, password: str) -> str:
        return await self._aside(lambda: self._hashes.hash(_normal(password)))

    async def check(self, password: str, hashed: str | None) -> Verdict:
        """See `domain.accounts.ports.Passwords.check`."""
        return await self._aside(lambda: self._compared(_normal(password), hashed))

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _compared(self, password: str, hashed: str | None) -> Verdict:
        try:
            right, renewed = self._hashes.verify_and_update(password, hashed or self._nobody)
        except UnknownHashError:
            return Verdict(False)
        return Verdict(True, renewed) if right and hashed else Verdict(False)

    async def _aside(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)


@cache
def _nobodys(memory_kib: int, passes: int) -> str:
    """What the password of somebody unknown is compared with, at the costs of all others. There before the first is."""
    return Argon2Hasher(time_cost=passes, memory_cost=memory_kib, parallelism=1).hash("nobody has this password")


def _normal(password: str) -> str:
    """NFKC, so that a password typed on another keyboard is the same: SP 800-63B-4 section 3.1.1.2."""
    return unicodedata.normalize("NFKC", password)


def _step_back() -> None:
    """Let every other thread go first. On Linux a priority belongs to a thread; elsewhere nothing changes."""
    if hasattr(os, "setpriority") and os.uname().sysname == "Linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
