"""Replica set and users of an embedded MongoDB, brought to their one state from whatever a kill has left.

Every step asks first whether it is done, so a first start that was interrupted anywhere is simply finished by the next.
https://www.mongodb.com/docs/manual/core/security-users/#localhost-exception
"""

from __future__ import annotations

import time
from typing import Any

from pymongo import MongoClient
from pymongo.errors import AutoReconnect, OperationFailure

from domain.errors import Unavailable
from storage.embedded_folder import Secrets

REPLICA_SET = "chartvault"
_PRIMARY_SECONDS = 60.0
_WAIT_MS = 10_000
_ADMIN_ROLES = ["root", "__system"]
"""`__system` may change the replica set's stored address; the key file beside the password is that right anyway."""
_PROGRAM_ROLES = ["readWriteAnyDatabase", "dbAdminAnyDatabase", "clusterMonitor"]
_MECHANISM: dict[str, Any] = {"mechanisms": ["SCRAM-SHA-256"]}
_UNAUTHORIZED = 13
_AUTHENTICATION_FAILED = 18
_ALREADY_INITIALIZED = 23


def set_up(port: int, secrets: Secrets) -> None:
    """Initiate the replica set, await its primary, create its users, each unless it is done."""
    with _client(port) as nobody:
        if "setName" not in nobody.admin.command("hello"):
            _initiate(nobody, port)
        await_primary(nobody)
    _ensure_admin(port, secrets.admin)
    with _client(port, username="admin", password=secrets.admin) as admin:
        if not admin.admin.command("usersInfo", "program")["users"]:
            admin.admin.command("createUser", "program", pwd=secrets.program, roles=_PROGRAM_ROLES, **_MECHANISM)


def move_member(port: int, secrets: Secrets) -> None:
    """Give the only member a new address in its stored configuration; the server must run outside the replica set."""
    _ensure_admin(port, secrets.admin)
    with _client(port, username="admin", password=secrets.admin) as admin:
        admin["local"]["system.replset"].update_one({}, {"$set": {"members.0.host": f"127.0.0.1:{port}"}})


def await_primary(client: MongoClient[dict[str, Any]]) -> None:
    """Return when the server takes writes. Raises `Unavailable` when it does not in time."""
    until = time.monotonic() + _PRIMARY_SECONDS
    while time.monotonic() < until:
        try:
            if client.admin.command("hello")["isWritablePrimary"]:
                return
        except AutoReconnect:  # a change of state closes connections
            pass
        time.sleep(0.01)
    raise Unavailable("MongoDB runs but did not become primary")


def _ensure_admin(port: int, password: str) -> None:
    with _client(port, username="admin", password=password) as admin:
        try:
            admin.admin.command("ping")
            return
        except OperationFailure as error:
            if error.code != _AUTHENTICATION_FAILED:
                raise
    with _client(port) as nobody:  # allowed from this machine as long as there is no user at all
        nobody.admin.command("createUser", "admin", pwd=password, roles=_ADMIN_ROLES, **_MECHANISM)


def _initiate(nobody: MongoClient[dict[str, Any]], port: int) -> None:
    try:
        member = {"_id": 0, "host": f"127.0.0.1:{port}"}
        nobody.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [member]})
    except OperationFailure as error:  # it was, and is still loading its configuration
        if error.code not in (_ALREADY_INITIALIZED, _UNAUTHORIZED):
            raise


def _client(port: int, *, username: str | None = None, password: str | None = None) -> MongoClient[dict[str, Any]]:
    return MongoClient(
        "127.0.0.1",
        port,
        directConnection=True,
        serverSelectionTimeoutMS=_WAIT_MS,
        connectTimeoutMS=_WAIT_MS,
        username=username,
        password=password,
    )
