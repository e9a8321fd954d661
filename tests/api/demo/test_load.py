"""Loading the demonstration data into a real server: once, and completely."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.demo.bundles import demo_bundles
from api.demo.load import load_demo
from api.http_client import Client
from api.loading.delivery import deliver
from api.loading.parcels import whole
from api.local_server import started_server
from api.settings import Settings
from domain.revision import encode


async def test_the_demonstration_is_loaded_once_and_changes_are_kept(
    tmp_path: Path, mongo_uri: str, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARTVAULT_MONGODB_URI", mongo_uri)
    monkeypatch.setenv("CHARTVAULT_DATABASE", database)
    monkeypatch.setenv("CHARTVAULT_KEYS_DATABASE", f"{database}_keys")
    async with started_server(Settings(data_dir=tmp_path), client="test") as server:
        bundles = list(demo_bundles(3))
        headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/fhir+json"}
        async with Client(server.base, headers=headers) as client:
            # A start that was interrupted after the first Bundle.
            await deliver(client, whole(encode(bundles[0]), range(len(bundles[0]["entry"]))))
            assert await load_demo(server.base, server.token, patients=3) > 100
            patient = bundles[1]["entry"][0]["resource"]
            changed = await client.request("PUT", f"/Patient/{patient['id']}", encode({**patient, "active": False}))
            assert changed.status == 200
            assert await load_demo(server.base, server.token, patients=3) == 0
            answer = await client.request("GET", f"/Patient/{patient['id']}")
            assert b'"active":false' in answer.body
