"""MongoDB's own fail points: makes the real server fail the way servers fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pymongo import MongoClient

Admin = MongoClient[dict[str, Any]]


@contextmanager
def failing(admin: Admin, command: str, *, times: int | None = None, **how: Any) -> Iterator[None]:
    """`command` of the program fails `times` times (always by default), as `how` says: errorCode, closeConnection …"""
    mode: Any = "alwaysOn" if times is None else {"times": times}
    data = {"failCommands": [command], "appName": "chartvault", **how}
    admin.admin.command("configureFailPoint", "failCommand", mode=mode, data=data)
    try:
        yield
    finally:
        admin.admin.command("configureFailPoint", "failCommand", mode="off")
