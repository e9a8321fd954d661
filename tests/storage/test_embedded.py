"""The embedded MongoDB: `storage/embedded.py`, with the real server."""

from __future__ import annotations

import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from domain.errors import Unavailable
from storage.embedded import EmbeddedMongo

PROJECT = Path(__file__).resolve().parents[2]
OWNER = """
import sys, time
from pathlib import Path
from storage.embedded import EmbeddedMongo
server = EmbeddedMongo(Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "mongodb"


@pytest.fixture
def server(folder: Path) -> Iterator[EmbeddedMongo]:
    server = EmbeddedMongo(folder)
    yield server
    server.stop()


def count_after_insert(uri: str) -> int:
    with MongoClient(uri) as client:
        with client.start_session() as session, session.start_transaction():
            client.chartvault.things.insert_one({}, session=session)
        return client.chartvault.things.count_documents({})


def kill_owner(folder: Path) -> int:
    """Start a server from another process, kill that process, return the server's process id."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        owner.kill()
    return pid


def runs(pid: int) -> bool:
    """Whether the process still executes (a zombie nobody reaped does not)."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_a_new_folder_gives_transactions_and_a_used_one_gives_them_back(server: EmbeddedMongo) -> None:
    assert count_after_insert(server.start()) == 1
    first = server.uri
    server.stop()
    assert server.start() == first
    assert count_after_insert(server.uri) == 2


def test_only_those_who_know_the_password_get_in(server: EmbeddedMongo) -> None:
    server.start()
    port = int(server.uri.split(":")[3].split("/")[0])
    with MongoClient("127.0.0.1", port, directConnection=True) as nobody, pytest.raises(OperationFailure):
        nobody.chartvault.things.find_one({})


def test_the_program_cannot_create_users(server: EmbeddedMongo) -> None:
    with MongoClient(server.start()) as program, pytest.raises(OperationFailure):
        program.admin.command("createUser", "intruder", pwd="x", roles=["root"])


def test_folder_and_secrets_are_readable_by_their_owner_only(server: EmbeddedMongo, folder: Path) -> None:
    server.start()
    assert folder.stat().st_mode & 0o777 == 0o700
    for name in ("keyfile", "secrets.json", "port", "lock", "log"):
        assert (folder / name).stat().st_mode & 0o077 == 0, name


def test_a_folder_in_use_is_refused_and_its_server_can_be_joined(server: EmbeddedMongo, folder: Path) -> None:
    other = EmbeddedMongo(folder)
    assert other.attach() is None
    server.start()
    with pytest.raises(Unavailable, match=r"in use by another chartvault \(process \d+\)"):
        other.start()
    joined = other.attach()
    assert joined is not None
    assert count_after_insert(joined) == 1


def test_a_killed_database_recovers_what_it_acknowledged(server: EmbeddedMongo) -> None:
    count_after_insert(server.start())
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    server.stop()
    assert count_after_insert(server.start()) == 2


def test_a_killed_program_takes_its_database_along_and_the_folder_starts_again(
    server: EmbeddedMongo, folder: Path
) -> None:
    pid = kill_owner(folder)
    server.start()
    assert not runs(pid)


def test_a_killed_database_comes_back_by_itself(server: EmbeddedMongo) -> None:
    uri, codes = server.start(), queue.Queue[int]()
    server.keep_running(codes.put)
    for n in (1, 2):
        assert count_after_insert(uri) == n
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        assert codes.get(timeout=10) == -signal.SIGKILL
    assert count_after_insert(uri) == 3
    server.stop()
    assert codes.empty()
    assert server.attach() is None


def test_the_terminal_s_ctrl_c_does_not_reach_the_database(server: EmbeddedMongo) -> None:
    server.start()
    assert server.pid is not None
    assert os.getsid(server.pid) != os.getsid(0)


def test_a_first_start_killed_before_it_did_anything_is_finished(server: EmbeddedMongo, folder: Path) -> None:
    server.start()
    taken = (folder / "port").read_text()
    server.stop()
    shutil.rmtree(folder / "data")
    assert count_after_insert(server.start()) == 1
    assert (folder / "port").read_text() == taken


def test_a_port_taken_by_a_stranger_moves_the_replica_set(server: EmbeddedMongo, folder: Path) -> None:
    count_after_insert(server.start())
    server.stop()
    taken = int((folder / "port").read_text())
    with socket.create_server(("127.0.0.1", taken)):
        assert count_after_insert(server.start()) == 2
    assert int((folder / "port").read_text()) != taken


@pytest.mark.parametrize("forgotten", ["users", "initiation"])
def test_a_set_up_that_was_interrupted_is_finished(server: EmbeddedMongo, folder: Path, forgotten: str) -> None:
    server.start()
    with MongoClient(server.admin_uri) as admin:
        admin.admin.command("dropUser", "program")
        if forgotten == "initiation":
            admin.admin.command("dropUser", "admin")
    server.stop()
    assert count_after_insert(server.start()) == 1


def test_lost_passwords_are_named_and_not_made_up_again(server: EmbeddedMongo, folder: Path) -> None:
    server.start()
    server.stop()
    (folder / "secrets.json").unlink()
    with pytest.raises(Unavailable, match=r"secrets\.json is missing"):
        server.start()


def test_a_database_that_refuses_to_start_says_why_and_frees_the_folder(server: EmbeddedMongo, folder: Path) -> None:
    server.start()
    server.stop()
    (folder / "data" / "WiredTiger.turtle").write_text("not what it was")
    with pytest.raises(Unavailable, match=r"MongoDB ended with code .*log: "):
        server.start()
    assert server.attach() is None


def test_metrics_and_slow_queries_leave_nothing_in_the_folder(server: EmbeddedMongo, folder: Path) -> None:
    with MongoClient(server.start()) as client:
        client.chartvault.things.insert_one({"name": "canary-7f3a"})
        list(client.chartvault.things.find({"$where": "sleep(300) || true", "name": "canary-7f3a"}))
    server.stop()
    assert "canary-7f3a" not in (folder / "log").read_text()
    assert not (folder / "data" / "diagnostic.data").exists()


def test_a_printed_server_shows_no_password(server: EmbeddedMongo) -> None:
    server.start()
    password = server.uri.split(":")[2].split("@")[0]
    assert password not in repr(server)
