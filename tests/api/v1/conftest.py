"""An installation that a whole module of tests shares: starting one takes a second."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import msgspec
import pytest
from aiosmtpd.smtp import SMTP
from pymongo import MongoClient

from api.settings import Settings
from api.tokens import mint
from tests.api.conftest import started
from tests.api.providers import Provider, provider
from tests.api.v1.clinic import ORIGIN, Clinic, Mailbox
from tests.api.v1.practice import Practice
from tests.api.v1.sharing_world import World
from tests.api.v1.sync_world import Office, Shared
from tests.api.v1.ward import Ward


@pytest.fixture(scope="module")
def installation(
    tmp_path_factory: pytest.TempPathFactory, mongo_uri: str, mongo_admin: MongoClient[dict[str, Any]]
) -> Iterator[Settings]:
    """Settings of an installation of its own; its databases are dropped after the module."""
    name = f"test_{secrets.token_hex(6)}"
    yield Settings(
        data_dir=tmp_path_factory.mktemp("installation"),
        mongodb_uri=mongo_uri,
        database=name,
        keys_database=f"{name}_keys",
        log_level="error",
        rate_limit_sign_in=100_000,
    )
    for dropped in (name, f"{name}_keys"):
        mongo_admin.drop_database(dropped)


@pytest.fixture(scope="module")
async def clinic(installation: Settings) -> AsyncIterator[Clinic]:
    """The application of this module, with a mail server."""
    mailbox = Mailbox()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(mailbox), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = msgspec.structs.replace(installation, smtp_url=f"smtp+insecure://127.0.0.1:{port}", rate_limit_sign_in=0)
    async with started(settings) as app:
        clinic = Clinic(app, mailbox)
        async with clinic.web:
            yield clinic
    server.close()


@pytest.fixture
def program(installation: Settings) -> str:
    """The token of a program that may do everything."""
    return mint(installation, scopes="system/*.cruds", lifetime_seconds=600)


@pytest.fixture
async def web(clinic: Clinic, program: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=clinic.app)  # type: ignore[arg-type]
    return httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1:8000", headers={"authorization": f"Bearer {program}"}
    )


@pytest.fixture
async def patient(web: httpx.AsyncClient) -> str:
    name = f"p{secrets.token_hex(5)}"
    answer = await web.put(f"/fhir/Patient/{name}", json={"resourceType": "Patient", "id": name})
    assert answer.status_code == 201, answer.text
    return name


@pytest.fixture
async def world(clinic: Clinic, program: str) -> World:
    found = World(clinic, program)
    await found.fill()
    return found


@pytest.fixture
async def nobody(clinic: Clinic) -> httpx.AsyncClient:
    """A client without a token."""
    transport = httpx.ASGITransport(clinic.app)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url=ORIGIN)


@pytest.fixture
async def ward(clinic: Clinic, program: str) -> Ward:
    found = Ward(clinic, program)
    await found.fill()
    return found


@pytest.fixture
async def practice(clinic: Clinic, program: str) -> Practice:
    found = Practice(clinic, program)
    await found.fill()
    return found


@pytest.fixture(scope="module")
async def hospital(
    tmp_path_factory: pytest.TempPathFactory, installation: Settings, mongo_admin: MongoClient[dict[str, Any]]
) -> AsyncIterator[Provider]:
    """The provider's: another installation, with databases of its own."""
    name = f"test_{secrets.token_hex(6)}"
    own = {"database": name, "keys_database": f"{name}_keys", "data_dir": tmp_path_factory.mktemp("provider")}
    async with provider(msgspec.structs.replace(installation, **own)) as found:
        yield found
    for dropped in (name, f"{name}_keys"):
        mongo_admin.drop_database(dropped)


@pytest.fixture
async def both_sides(ward: Ward, hospital: Provider) -> AsyncIterator[Shared]:
    """A patient of ours who is one of the provider too."""
    office = Office(hospital)
    async with office.web:
        await office.open()
        yield Shared(ward, office)
