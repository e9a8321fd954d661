"""An installation that a whole module of tests shares: starting one takes a second."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from api.settings import Settings


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
    )
    for dropped in (name, f"{name}_keys"):
        mongo_admin.drop_database(dropped)
