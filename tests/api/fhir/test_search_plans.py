"""No search looks at much more than it answers, however common its values are: plans of 120 shapes, on Synthea data.

https://hl7.org/fhir/R4/search.html. Every shape is asked over HTTP, and what the database looked at for it is read from the
database: an index in every step (chains solved before, candidates, counts, inclusions), at most three documents for each one
returned or counted, and a hundred; at most four index entries, and a thousand.
A sample of the data is loaded; `CHARTVAULT_PLANS` names a data folder into which all of it was imported, see the README.
"""

from __future__ import annotations

import os
import re
import statistics
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient
from pymongo.database import Database

from api.loading.parcels import Parcel, parcels_of
from api.loading.sources import documents
from api.settings import Settings
from domain.interactions.pacing import side_by_side
from storage.embedded import EmbeddedMongo
from storage.mongo.search import BOUNDED_TOTAL
from tests.api.fhir.graph import Json, ask
from tests.api.fhir.plans import Looked, looked, profiled
from tests.api.fhir.search_shapes import NEVER, SAMPLES, SHAPES

FOLDER = os.environ.get("CHARTVAULT_PLANS")
CHARTS = 36
"""Patients of the sample; with hospitals and practitioners about 13,000 resources."""
LEADS = 2
TIMES = 5


@pytest.fixture
def server(embedded_mongo: EmbeddedMongo) -> Iterator[EmbeddedMongo]:
    """The server of the data: that of the tests, or that of the folder."""
    if FOLDER is None:
        yield embedded_mongo
        return
    own = EmbeddedMongo(Path(FOLDER) / "mongodb")
    own.start()
    yield own
    own.stop()


@pytest.fixture
def settings(tmp_path: Path, server: EmbeddedMongo, database: str) -> Settings:
    if FOLDER is not None:
        return Settings(data_dir=Path(FOLDER), mongodb_uri=server.uri, log_level="error")
    keys = f"{database}_keys"
    return Settings(data_dir=tmp_path, mongodb_uri=server.uri, database=database, keys_database=keys, log_level="error")


@pytest.fixture
def watched(server: EmbeddedMongo, settings: Settings) -> Iterator[Database[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](server.admin_uri) as client:
        yield client[settings.database]


async def sample(fhir: httpx.AsyncClient, shared: Path) -> None:
    """Hospitals, practitioners, and a few patients with all they have."""
    source = documents([shared / "data" / "synthea-615.tar.zst"])
    for document in islice(source, LEADS):
        await send(fhir, document)
    await side_by_side(lambda document: send(fhir, document), list(islice(source, CHARTS)), at_once=4)


async def send(fhir: httpx.AsyncClient, document: Any) -> None:
    with document.open() as stream:
        for parcel in parcels_of(document.kind, stream):
            assert isinstance(parcel, Parcel)
            answer = await fhir.request(parcel.method, f"/{parcel.path}", content=parcel.body)
            assert answer.status_code == 200, answer.text[:500]


async def sampled(fhir: httpx.AsyncClient) -> dict[str, str]:
    """The values of the placeholders."""
    values: dict[str, str] = {}
    for name, (query, path) in SAMPLES.items():
        value: Any = (await ask(fhir, query))["entry"][0]["resource"]
        for step in path.split("."):
            value = value[int(step)] if step.isdigit() else value[step]
        values[name] = value
    return values


def filled(shape: str, values: dict[str, str]) -> str:
    """`{family}` and `{family[1:4]}` replaced by what was sampled."""

    def value(found: re.Match[str]) -> str:
        start, end = found[2] or 0, found[3] or None
        return values[found[1]][int(start) : int(end) if end else None]

    return re.sub(r"\{(\w+)(?:\[(\d+):(\d+)\])?\}", value, shape)


async def asked(fhir: httpx.AsyncClient, watched: Database[dict[str, Any]], query: str) -> tuple[Json, Looked, float]:
    """The answer, what was looked at, and the median of milliseconds over HTTP (of the full run)."""
    times = []
    for _ in range(TIMES if FOLDER else 0):
        start = time.perf_counter()
        await ask(fhir, query)
        times.append((time.perf_counter() - start) * 1_000)
    with profiled(watched) as steps:
        bundle = await ask(fhir, query)
    found = looked(steps, bundle.get("total", BOUNDED_TOTAL + 1))
    return bundle, found, statistics.median(times) if times else 0.0


@pytest.mark.slow
async def test_a_search_looks_at_little_more_than_it_answers(
    fhir: httpx.AsyncClient, watched: Database[dict[str, Any]], shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if FOLDER is None:
        await sample(fhir, shared)
    values = await sampled(fhir)
    wasteful: list[str] = []
    surprising: list[str] = []
    for family, shape in ((family, shape) for family, shapes in SHAPES.items() for shape in shapes):
        bundle, found, milliseconds = await asked(fhir, watched, filled(shape, values))
        hits = len(bundle.get("entry", ()))
        row = f"{found.documents:6} {found.keys:6} {found.answered:6} {milliseconds:7.1f} {hits:5}  {family}: {shape}"
        if FOLDER is not None:
            with capsys.disabled():
                print(f"\n{row}", end="")
        if found.wasteful:
            wasteful.append(row)
        never = any(value in shape for value in NEVER)
        if (hits and never) or not (hits or never or FOLDER is None):
            surprising.append(row)
    assert wasteful == []
    assert surprising == []
