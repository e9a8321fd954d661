"""Servers for the journeys: real processes over the MongoDB of this test process, or over one of their own."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storage.embedded import EmbeddedMongo
from tests.journeys.evidence import Admin
from tests.journeys.processes import Served

Serve = Callable[..., Served]
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Coverage would take the servers half of their speed, for lines that tests in the process itself run too."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker("no_cover")


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts servers, each under a folder of its own, and ends them after the test."""
    started: list[Served] = []

    def start(*arguments: str, **settings: str) -> Served:
        folder = tmp_path / str(len(started))
        folder.mkdir()
        started.append(Served(folder, *arguments, **settings))
        started[-1].start()
        return started[-1]

    yield start
    for served in started:
        served.stop()


@contextmanager
def pairs(folders: pytest.TempPathFactory, mongo: EmbeddedMongo, mongo_admin: Admin) -> Iterator[Serve]:
    """Starts servers with two workers over the MongoDB of this test process, each with databases of its own."""
    started: list[Served] = []

    def start(**settings: str) -> Served:
        name = f"journeys_{secrets.token_hex(6)}"
        own = {"mongodb_uri": mongo.uri, "database": name, "keys_database": f"{name}_keys"}
        started.append(Served(folders.mktemp("served"), "--workers", "2", **own, **settings))
        started[-1].start()
        return started[-1]

    try:
        yield start
    finally:
        for served in started:
            served.stop()
            for dropped in (served.database, f"{served.database}_keys"):
                mongo_admin.drop_database(dropped)


@pytest.fixture(scope="module")
def serve_two(
    tmp_path_factory: pytest.TempPathFactory, embedded_mongo: EmbeddedMongo, mongo_admin: Admin
) -> Iterator[Serve]:
    """Starts such servers for one module."""
    with pairs(tmp_path_factory, embedded_mongo, mongo_admin) as start:
        yield start


@pytest.fixture(scope="session")
def two_workers(
    tmp_path_factory: pytest.TempPathFactory, embedded_mongo: EmbeddedMongo, mongo_admin: Admin
) -> Iterator[Served]:
    """One such server for all journeys of this test process: each with resources of its own, at no limit of requests."""
    with pairs(tmp_path_factory, embedded_mongo, mongo_admin) as start:
        yield start(rate_limit_sign_in="0", rate_limit_network="0", rate_limit="0", log_level="debug")
