"""Servers for the journeys: real processes over the MongoDB of this test process, or over one of their own."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage.embedded import EmbeddedMongo
from tests.journeys.evidence import Admin
from tests.journeys.processes import Served

Serve = Callable[..., Served]


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


@pytest.fixture(scope="module")
def serve_two(
    tmp_path_factory: pytest.TempPathFactory, embedded_mongo: EmbeddedMongo, mongo_admin: Admin
) -> Iterator[Serve]:
    """Starts servers with two workers over the MongoDB of this test process, each with databases of its own."""
    started: list[Served] = []

    def start(**settings: str) -> Served:
        name = f"journeys_{secrets.token_hex(6)}"
        own = {"mongodb_uri": embedded_mongo.uri, "database": name, "keys_database": f"{name}_keys"}
        started.append(Served(tmp_path_factory.mktemp("served"), "--workers", "2", **own, **settings))
        started[-1].start()
        return started[-1]

    yield start
    for served in started:
        served.stop()
        for dropped in (served.database, f"{served.database}_keys"):
            mongo_admin.drop_database(dropped)


@pytest.fixture(scope="module")
def two_workers(serve_two: Serve) -> Served:
    """One such server for all journeys of a module that leave it as it is."""
    return serve_two()
