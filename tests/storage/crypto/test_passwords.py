"""Hashes of passwords: argon2id, a few at a time, in threads that stand back."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator

import pytest
from pwdlib.hashers.argon2 import Argon2Hasher

from domain.errors import Throttled
from storage.crypto.passwords import MEMORY_KIB, PASSES, ArgonPasswords


@pytest.fixture
async def passwords() -> AsyncIterator[ArgonPasswords]:
    passwords = ArgonPasswords(threads=1, longest_queue=3)
    yield passwords
    passwords.close()


async def test_a_hash_is_argon2id_with_the_stated_costs_and_never_the_same_twice(passwords: ArgonPasswords) -> None:
    first, second = await passwords.hash("a password"), await passwords.hash("a password")
    assert first.startswith(f"$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p=1$")
    assert first != second
    assert await passwords.check("a password", first) == (True, None)
    assert await passwords.check("a passwore", first) == (False, None)


@pytest.mark.parametrize("hashed", [None, "", "plain", "$2b$12$abcdefghijklmnopqrstuv"])
async def test_without_a_hash_nothing_is_right(passwords: ArgonPasswords, hashed: str | None) -> None:
    assert await passwords.check("nobody has this password", hashed) == (False, None)


async def test_a_hash_of_older_costs_is_renewed_on_login(passwords: ArgonPasswords) -> None:
    old = Argon2Hasher(time_cost=1, memory_cost=8_192, parallelism=1).hash("a password")
    verdict = await passwords.check("a password", old)
    assert verdict.right
    assert verdict.renewed is not None
    assert await passwords.check("a password", verdict.renewed) == (True, None)
    assert (await passwords.check("wrong", old)).renewed is None


async def test_only_a_few_have_their_turn_and_a_queue_that_is_too_long_is_refused(passwords: ArgonPasswords) -> None:
    inside, most = 0, 0
    done = asyncio.Event()

    async def log_in() -> None:
        nonlocal inside, most
        async with passwords.turn():
            inside += 1
            most = max(most, inside)
            await done.wait()
            inside -= 1

    crowd = [asyncio.create_task(log_in()) for _ in range(8)]
    await asyncio.sleep(0.05)
    done.set()
    results = await asyncio.gather(*crowd, return_exceptions=True)
    assert most == 2
    assert [type(result) for result in results if result is not None] == [Throttled] * 3
    async with passwords.turn():
        pass


async def test_who_gives_up_waiting_leaves_the_queue(passwords: ArgonPasswords) -> None:
    async with passwords.turn(), passwords.turn():
        waiting = asyncio.create_task(passwords.turn().__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with passwords.turn(), passwords.turn():
        pass


@pytest.mark.skipif(
    not hasattr(os, "sched_yield") or os.uname().sysname != "Linux", reason="threads have no priority here"
)
async def test_threads_that_hash_stand_back_for_the_others(passwords: ArgonPasswords) -> None:
    def priority() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    assert await passwords._aside(priority) > priority()
