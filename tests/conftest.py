"""What every test can ask for: a real MongoDB, a database of its own, the shared test data.

One embedded MongoDB per test process (so per xdist worker), in a temporary folder that goes with it.
"""

from __future__ import annotations

import asyncio
import io
import os
import secrets
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import structlog
import uvloop
from pymongo import MongoClient

from storage.embedded import EmbeddedMongo
from tests.databases import Databases
from tests.witness import leaked, shapes_of

PROJECT = Path(__file__).resolve().parent.parent


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop the server uses."""
    return {"uvloop": uvloop.new_event_loop}


def pytest_configure(config: pytest.Config) -> None:
    """One seed for every random test of a run and all its processes, so that a run can be repeated."""
    os.environ.setdefault("CHARTVAULT_SEED", str(secrets.randbelow(2**32)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"CHARTVAULT_SEED={os.environ['CHARTVAULT_SEED']}")


MEASURED_EXAMPLES = 2
"""Of a test with many examples, these measure coverage: the others run the same lines."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests, and further examples of one test, run the same lines over and over: others measure their coverage, which
    takes two thirds of the time. Journeys come first: they wait for servers while other processes compute."""
    items.sort(key=lambda item: "journeys" not in item.path.parts)
    seen: Counter[str] = Counter()
    for item in items:
        name = item.nodeid.partition("[")[0]
        seen[name] += 1
        if item.get_closest_marker("slow") or seen[name] > MEASURED_EXAMPLES:
            item.add_marker("no_cover")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Processes that a test marked `no_cover` starts are not measured either."""
    with pytest.MonkeyPatch.context() as patch:
        if item.get_closest_marker("no_cover"):
            patch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        return (yield)


LOGGED = io.BytesIO()
"""What the program logged since the last test, whatever pytest captures."""


@pytest.fixture(scope="session", autouse=True)
def logs() -> Iterator[None]:
    """All logs of this process go to `LOGGED`, and to standard error where the command that runs is asked for them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structlog, "BytesLoggerFactory", lambda _file: lambda *_: structlog.BytesLogger(LOGGED))
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test after which something that was sent stands in what was logged or printed."""
    report = yield
    logged, printed = LOGGED.getvalue().decode("utf-8", "replace"), "".join(text for _, text in report.sections)
    LOGGED.seek(0)
    LOGGED.truncate()
    found = leaked(logged + printed)
    if found and report.outcome == "passed":
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: what was sent is in what was logged or printed: {shapes_of(found)}"
    return report


@pytest.fixture(scope="session")
def embedded_mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedMongo]:
    """The server of this test process, with MongoDB's test commands (fail points)."""
    server = EmbeddedMongo(tmp_path_factory.mktemp("mongodb"), test_commands=True)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def mongo_uri(embedded_mongo: EmbeddedMongo) -> str:
    """How the program itself would connect, with no more rights than it has."""
    return embedded_mongo.uri


@pytest.fixture(scope="session")
def mongo_admin(embedded_mongo: EmbeddedMongo) -> Iterator[MongoClient[dict[str, Any]]]:
    """A synchronous client with all rights: fail points, looking at what is stored."""
    with MongoClient[dict[str, Any]](embedded_mongo.admin_uri) as client:
        yield client


@pytest.fixture(scope="session")
def databases(mongo_admin: MongoClient[dict[str, Any]]) -> Databases:
    """All of this process."""
    return Databases(mongo_admin)


@pytest.fixture
def database(databases: Databases) -> Iterator[str]:
    """The name of an empty database; it and its key vault (`<name>_keys`) are emptied or dropped after the test."""
    with databases.one() as name:
        yield name


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared test data: `CHARTVAULT_SHARED`, or `../shared` beside the project."""
    folder = Path(os.environ.get("CHARTVAULT_SHARED", PROJECT.parent / "shared"))
    if folder.is_dir():
        return folder
    if os.environ.get("CI"):
        pytest.fail(f"CI needs the shared test data: {folder} is not a folder")
    pytest.skip("the shared test data is not here (CHARTVAULT_SHARED)")
