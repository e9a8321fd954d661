"""`chartvault users` over the database of a running application."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

import httpx
import pytest
import typer.testing
from click.testing import Result
from litestar import Litestar
from pymongo import MongoClient

from api.cli import app as commands
from api.demo.accounts import demo_accounts
from api.environment import environment_of
from api.settings import Settings

Run: TypeAlias = Callable[..., Coroutine[None, None, Result]]
ORIGIN = "http://127.0.0.1:8000/api/v1"


@pytest.fixture
def run(settings: Settings) -> Run:
    async def run(*arguments: str) -> Result:
        invoke = typer.testing.CliRunner().invoke
        return await asyncio.to_thread(invoke, commands, ["users", *arguments], env=environment_of(settings))

    return run


async def login(app: Litestar, email: str, password: str) -> httpx.Response:
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, timeout=30) as web:
        return await web.post("/auth/login", json={"email": email, "password": password})


async def test_the_first_administrator_gets_in_and_everything_is_recorded(
    app: Litestar, run: Run, mongo_admin: MongoClient[dict[str, Any]], database: str
) -> None:
    made = await run("add", "ana@clinic.example", "--role", "SUPER_ADMIN", "--first-name", "Ana")
    assert made.exit_code == 0, made.output
    password = made.stdout.strip()
    answer = await login(app, "ana@clinic.example", password)
    assert (answer.status_code, answer.json()["enrolmentRequired"]) == (200, True)

    again = await run("add", "Ana@clinic.example")
    assert again.exit_code == 1
    listed = (await run("list")).stdout
    assert listed.split("\t")[1:3] == ["ACTIVE", "SUPER_ADMIN"]
    assert "ana@clinic.example\tAna" in listed

    last = await run("disable", "ana@clinic.example")
    assert last.exit_code == 1
    assert "Nobody would be SUPER_ADMIN" in str(last.exception)
    await run("add", "bo@clinic.example", "--role", "SUPER_ADMIN")
    assert (await run("disable", "ana@clinic.example")).exit_code == 0
    assert (await login(app, "ana@clinic.example", password)).status_code == 403
    assert (await run("enable", "ana@clinic.example")).exit_code == 0
    assert (await run("reset-mfa", "ana@clinic.example")).exit_code == 0
    assert (await run("disable", "nobody@clinic.example")).exit_code == 1

    names = [each["interaction"] for each in mongo_admin[database]["audit"].find({"client": "chartvault-cli"})]
    assert {name: names.count(name) for name in names} == {
        "user-create": 3,
        "user-list": 1,
        "user-disable": 2,
        "user-update": 1,
        "mfa-reset": 1,
    }


async def test_who_registered_for_a_role_is_approved(app: Litestar, run: Run) -> None:
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    form = {
        "email": "doc@clinic.example",
        "password": "eight chars",
        "firstName": "D",
        "lastName": "B",
        "role": "DOCTOR",
    }
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as web:
        assert (await web.post("/auth/register", json=form)).status_code == 202
    assert "asks for DOCTOR" in (await run("list", "--status", "PENDING_APPROVAL")).stdout
    approved = await run("approve", "doc@clinic.example")
    assert approved.stdout.endswith("is PENDING_EMAIL with DOCTOR.\n")
    assert (await run("approve", "doc@clinic.example", "--role", "KING")).exit_code == 2


async def test_the_demonstration_has_an_account_of_each_role_made_once(
    app: Litestar, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment_of(settings).items():
        monkeypatch.setenv(name, value)
    made = await demo_accounts(settings.data_dir)
    assert len(made) == 9
    patient = next(each for each in made if each.role == "PATIENT")
    user = (await login(app, patient.email, patient.password)).json()["user"]
    assert user["profiles"][0].startswith("Patient/")
    assert await demo_accounts(settings.data_dir) == []
