"""Steps of a process at each of which it can be killed (SIGKILL), and children that are, one step later each time.

A step is everything that reaches outside: each command to MongoDB, before it is sent and after it was answered, and each call
of a function that is watched, before and after.
"""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from pymongo import monitoring


class Steps(monitoring.CommandListener):
    """Counts steps once armed, and dies at the one that was chosen."""

    def __init__(self) -> None:
        self.fatal = self.passed = 0
        self.armed = False

    def step(self) -> None:
        if self.armed:
            self.passed += 1
            if self.passed == self.fatal:
                os.kill(os.getpid(), signal.SIGKILL)

    def started(self, event: Any) -> None:
        self.step()

    succeeded = failed = started


STEPS = Steps()


def watch(module: Any, *names: str) -> None:
    """Make a step before and after each of these functions of a module."""
    for name in names:
        setattr(module, name, watched(getattr(module, name)))


def watched(function: Callable[..., Any]) -> Callable[..., Any]:
    if asyncio.iscoroutinefunction(function):

        @functools.wraps(function)
        async def waiting(*arguments: Any, **options: Any) -> Any:
            STEPS.step()
            result = await function(*arguments, **options)
            STEPS.step()
            return result

        return waiting

    @functools.wraps(function)
    def calling(*arguments: Any, **options: Any) -> Any:
        STEPS.step()
        result = function(*arguments, **options)
        STEPS.step()
        return result

    return calling


def killed_one_by_one(work: Callable[[int], None]) -> int:
    """Run `work(n)` in children that die at step 1, 2, 3 … until one ends by itself; returns how many steps there are.

    `work` sets `STEPS.fatal` to its number, and `STEPS.armed` when it begins.
    """
    monitoring.register(STEPS)
    number = 0
    while True:
        number += 1
        # Forked before anything has started a thread: each child is a process of its own, without importing again.
        child = os.fork()
        if child == 0:
            work(number)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) == 0:
            return number - 1
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            sys.exit(1)
