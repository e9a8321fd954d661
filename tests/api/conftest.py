"""The application over a real MongoDB, and a client that speaks HTTP to it in the same event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import msgspec
import pytest
from litestar import Litestar

from api.app import Application, create_app
from api.metrics import exposition
from api.settings import Settings
from api.tokens import mint
from storage.crypto import passwords
from tests.witness import Witness, leaked, shapes_of

BASE = "http://127.0.0.1:8000/fhir"


@pytest.fixture(scope="session", autouse=True)
def cheap_hashes() -> Iterator[None]:
    """Passwords of these tests are hashed like all others, but with little effort: they protect nobody."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "MEMORY_KIB", 256)
        patch.setattr(passwords, "PASSES", 1)
        yield


@pytest.fixture
def settings(tmp_path: Path, mongo_uri: str, database: str) -> Settings:
    """Settings of an installation of its own."""
    return Settings(
        data_dir=tmp_path,
        mongodb_uri=mongo_uri,
        database=database,
        keys_database=f"{database}_keys",
        log_level="error",
        rate_limit_sign_in=100_000,
    )


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[Litestar]:
    """The application, started."""
    async with started(settings) as app:
        yield app


@asynccontextmanager
async def started(settings: Settings) -> AsyncIterator[Litestar]:
    """An application over these settings, while it runs. Each of its requests left one audit entry, and no trace of what
    was sent in errors and metrics (`tests/witness.py`)."""
    app = create_app(msgspec.structs.replace(settings, log_level="debug"))
    assert isinstance(app, Application)
    witness = Witness(app.front)
    app.front = witness  # type: ignore[assignment]
    running, done = asyncio.Event(), asyncio.Event()

    async def live() -> None:  # one task from beginning to end: cancel scopes must be left where they were entered
        async with app.lifespan():
            running.set()
            await done.wait()

    life = asyncio.create_task(live())
    waiting = asyncio.create_task(running.wait())
    await asyncio.wait([life, waiting], return_when=asyncio.FIRST_COMPLETED)
    if life.done():
        life.result()
    yield app
    done.set()
    await life
    witness.compare(settings)
    found = leaked(exposition().decode())
    assert not found, f"metrics show what was sent: {shapes_of(found)}"


@pytest.fixture
def token(settings: Settings) -> str:
    """A token that may do everything."""
    return mint(settings, scopes="system/*.cruds", lifetime_seconds=600)


@pytest.fixture
async def fhir(app: Litestar, token: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the FHIR base with that token."""
    headers = {"authorization": f"Bearer {token}", "content-type": "application/fhir+json"}
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url=BASE, headers=headers, timeout=30) as client:
        yield client
