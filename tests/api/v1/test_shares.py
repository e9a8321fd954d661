"""Sharing: the source lets somebody read one document, and they do until the share ends."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.v1.sharing_world import PDF, World

Json = dict[str, Any]


async def test_a_shared_document_is_there_from_the_share_to_its_end(world: World) -> None:
    source, second = await world.doctor(world.mine), await world.doctor(world.other)
    document = await world.upload(source)
    addresses = [f"/documents/{document}", f"/documents/{document}/content"]
    assert {(await second.get(each)).status_code for each in addresses} == {404}
    made = await source.post(f"/documents/{document}/share", json={"practitionerId": world.other})
    assert made.status_code == 201, made.text
    assert {(await second.get(each)).status_code for each in addresses} == {200}
    assert (await second.get(addresses[1])).content == PDF
    both = [
        (await each.get(f"/patients/{world.patient}/shared-documents")).json()["items"] for each in (source, second)
    ]
    assert [[row["direction"] for row in rows] for rows in both] == [["by-me"], ["with-me"]]
    again = await source.post(f"/documents/{document}/share", json={"practitionerId": world.other})
    assert (again.status_code, again.json()["code"]) == (409, "already_shared")
    ended = await source.delete(f"/documents/{document}/share/{made.json()['shareId']}")
    assert ended.status_code == 204
    assert {(await second.get(each)).status_code for each in addresses} == {404}
    assert [row["active"] for row in (await source.get(f"/documents/{document}/shares")).json()["items"]] == [False]


async def test_a_share_ends_by_itself(world: World) -> None:
    source, second = await world.doctor(world.mine), await world.doctor(world.other)
    document = await world.upload(source)
    until = datetime.now(UTC) + timedelta(seconds=3)
    body = {"practitionerId": world.other, "expiresAt": until.isoformat()}
    assert (await source.post(f"/documents/{document}/share", json=body)).status_code == 201
    assert (await second.get(f"/documents/{document}")).status_code == 200
    await asyncio.sleep(max(0.0, (until - datetime.now(UTC)).total_seconds()) + 0.05)
    assert (await second.get(f"/documents/{document}")).status_code == 404
    assert (await second.get(f"/patients/{world.patient}/shared-documents")).json()["items"] == []


async def test_who_is_not_the_source_shares_changes_and_withdraws_nothing(world: World) -> None:
    source, second = await world.doctor(world.mine), await world.doctor(world.other)
    document = await world.upload(source)
    assert (await source.post(f"/documents/{document}/share", json={"practitionerId": world.other})).status_code == 201
    address = f"/documents/{document}"
    answers = [
        await second.post(f"{address}/share", json={"practitionerId": world.mine}),
        await second.get(f"{address}/shares"),
        await second.put(address, json={"title": "Mine now"}),
        await second.delete(address),
    ]
    assert [answer.status_code for answer in answers] == [403] * 4, [answer.text for answer in answers]
    assert (await source.get(address)).json()["version"] == 1


async def test_a_share_opens_nothing_but_its_document(world: World) -> None:
    source, second = await world.doctor(world.mine), await world.doctor(world.other)
    document = await world.upload(source)
    files = {"file": ("b.pdf", PDF + b"2", "application/pdf")}
    other = (await source.post(f"/patients/{world.patient}/documents", files=files)).json()["id"]
    await source.post(f"/documents/{document}/share", json={"practitionerId": world.other})
    assert (await second.get(f"/documents/{other}")).status_code == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"practitionerId": "nobody-here"}, 422),
        ({"practitionerId": "../x"}, 422),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, 422),
        ({}, 422),
    ],
)
async def test_a_share_with_nobody_or_into_the_past_is_refused(world: World, body: Json, status: int) -> None:
    source = await world.doctor(world.mine)
    document = await world.upload(source)
    given = {"practitionerId": world.other, **body} if "expiresAt" in body else body
    assert (await source.post(f"/documents/{document}/share", json=given)).status_code == status
