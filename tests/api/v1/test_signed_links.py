"""Links that work without a login: for one document, for a while, for as long as their maker may read it."""

from __future__ import annotations

import asyncio

import httpx

from tests.api.v1.clinic import Person
from tests.api.v1.sharing_world import PDF, World


async def link(web: httpx.AsyncClient, document: str, ttl: int = 60) -> dict[str, str]:
    answer = await web.post(f"/documents/{document}/signed-url", json={"ttl": ttl})
    assert answer.status_code == 201, answer.text
    found: dict[str, str] = answer.json()
    return found


async def test_a_link_works_without_a_token_whole_and_in_part(world: World, nobody: httpx.AsyncClient) -> None:
    source = await world.doctor(world.mine)
    made = await link(source, await world.upload(source))
    assert (await nobody.get(made["url"])).content == PDF
    part = await nobody.get(made["url"], headers={"range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, PDF[:4])


async def test_a_link_works_for_no_other_document_and_not_when_changed(world: World, nobody: httpx.AsyncClient) -> None:
    source = await world.doctor(world.mine)
    document = await world.upload(source)
    files = {"file": ("b.pdf", PDF + b"2", "application/pdf")}
    other = (await source.post(f"/patients/{world.patient}/documents", files=files)).json()["id"]
    url = (await link(source, document))["url"]
    assert (await nobody.get(url.replace(document, other))).status_code == 404
    token = url.rpartition("/")[2]
    flipped = url.replace(token, token[:10] + ("A" if token[10] != "A" else "B") + token[11:])
    assert (await nobody.get(flipped)).status_code == 404


async def test_a_link_ends_when_its_time_is_over_and_when_it_is_revoked(
    world: World, nobody: httpx.AsyncClient
) -> None:
    source = await world.doctor(world.mine)
    document = await world.upload(source)
    short, long = await link(source, document, 1), await link(source, document)
    await asyncio.sleep(1.1)
    assert (await nobody.get(short["url"])).status_code == 404
    assert (await nobody.get(long["url"])).status_code == 200
    assert (await source.delete(f"/documents/{document}/signed-url/{long['id']}")).status_code == 204
    assert (await nobody.get(long["url"])).status_code == 404


async def test_a_link_ends_with_the_access_of_who_made_it(world: World, nobody: httpx.AsyncClient) -> None:
    source, second = await world.doctor(world.mine), await world.doctor(world.other)
    document = await world.upload(source)
    share = (await source.post(f"/documents/{document}/share", json={"practitionerId": world.other})).json()["shareId"]
    url = (await link(second, document))["url"]
    assert (await nobody.get(url)).status_code == 200
    await source.delete(f"/documents/{document}/share/{share}")
    assert (await nobody.get(url)).status_code == 404


async def test_a_link_ends_with_the_account_of_who_made_it(world: World, nobody: httpx.AsyncClient) -> None:
    person: Person = await world.clinic.person("DOCTOR", profiles=(f"Practitioner/{world.mine}",))
    source = world.web((await world.clinic.login(person))["accessToken"])
    url = (await link(source, await world.upload(source)))["url"]
    account = await world.clinic.people.accounts.find(person.account.id)
    assert account is not None
    fields = {name: getattr(account, name) for name in account.__struct_fields__}
    await world.clinic.people.accounts.replace(
        type(account)(**{**fields, "status": "DISABLED", "version": account.version + 1})
    )
    assert (await nobody.get(url)).status_code == 404


async def test_nobody_makes_or_ends_a_link_that_is_not_theirs(world: World) -> None:
    source, second = await world.doctor(world.mine), await world.doctor(world.other)
    document = await world.upload(source)
    made = await link(source, document)
    assert (await second.post(f"/documents/{document}/signed-url", json={})).status_code == 404
    assert (await second.delete(f"/documents/{document}/signed-url/{made['id']}")).status_code == 404
    assert (await source.post(f"/documents/{document}/signed-url", json={"ttl": 3601})).status_code == 422


async def test_making_and_using_a_link_are_both_in_the_audit(world: World, nobody: httpx.AsyncClient) -> None:
    source = await world.doctor(world.mine)
    document = await world.upload(source)
    await nobody.get((await link(source, document))["url"])
    answer = await world.admin.get("/api/v1/audit", params={"patientId": world.patient, "limit": 100})
    found = [(each["interaction"], each["who"]["id"]) for each in answer.json()["items"]]
    makers = {who for interaction, who in found if interaction == "document-create"}
    assert {who for interaction, who in found if interaction == "document-linked"} == makers
    about = await world.admin.get("/api/v1/audit", params={"interaction": "document-link", "limit": 100})
    assert any(f"DocumentReference/{document}" in each["resources"] for each in about.json()["items"])
