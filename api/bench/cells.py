"""The workloads: create, read, update, crud36, import, tx2 and mix, each with the statuses its answers must have.

Those that search are in `searching.py` and `growth.py`.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Sequence

from api.bench.access import access_cells
from api.bench.bodies import LINKED, Linked, Pairs, Patients, charts, one_field_changed, renamed, with_id
from api.bench.engine import Cell, Session, Wrong, side_by_side
from api.bench.growth import growth_cells
from api.bench.records import Records
from api.bench.searching import search_cells
from api.http_client import Answer

POPULATION = 1_000
_SAMPLE = 50
_CHARTS = 40
_ID = re.compile(rb'"id"\s*:\s*"([A-Za-z0-9\-.]{1,64})"')


def id_of(answer: Answer, resource_type: str) -> str:
    """The id of what was created, from the Location header or, where there is none, from the body."""
    location = answer.header("location") or answer.header("content-location") or ""
    found = re.search(rf"(?:^|/){resource_type}/([A-Za-z0-9\-.]{{1,64}})(?:/|$)", location)
    if found:
        return found[1]
    inside = _ID.search(answer.body)
    if inside is None:
        raise Wrong
    return inside[1].decode()


class Create:
    """POST of a Patient of 2.1 KB with a family name and a record number of its own."""

    name, counts_resources = "create", False

    def __init__(self, patients: Patients) -> None:
        self._patients = patients
        self._created: list[str] = []

    async def prepare(self, session: Session) -> None:
        pass

    async def unit(self, session: Session, worker: int) -> None:
        answer = await session.ask("POST", "/Patient", self._patients.new(), expect=(201,))
        self._created.append(id_of(answer, "Patient"))

    async def verify(self, session: Session) -> None:
        """A sample of what was acknowledged can be read."""
        for logical_id in random.sample(self._created, min(_SAMPLE, len(self._created))):
            if (await session.client.request("GET", f"/Patient/{logical_id}")).status != 200:
                session.wrong["lost writes"] += 1
        self._created.clear()


class Population:
    """A thousand Patients that read and update work on, made once per target."""

    def __init__(self, patients: Patients) -> None:
        self._patients = patients
        self.bodies: dict[str, bytes] = {}

    async def fill(self, session: Session) -> list[str]:
        async def one(_: int) -> None:
            body = self._patients.new()
            answer = await session.ask("POST", "/Patient", body, expect=(201,))
            self.bodies[id_of(answer, "Patient")] = body

        await side_by_side(POPULATION - len(self.bodies), 16, one)
        return list(self.bodies)


class Read:
    """GET of one of a thousand Patients."""

    name, counts_resources = "read", False

    def __init__(self, population: Population) -> None:
        self._population = population
        self._paths: list[str] = []

    async def prepare(self, session: Session) -> None:
        self._paths = [f"/Patient/{logical_id}" for logical_id in await self._population.fill(session)]

    async def unit(self, session: Session, worker: int) -> None:
        await session.ask("GET", random.choice(self._paths), expect=(200,))  # noqa: S311

    async def verify(self, session: Session) -> None:
        pass


class Update:
    """PUT of one of a thousand Patients under another given name.

    Each worker has its share of them, so that no two requests meet at one resource and the last name is known.
    """

    name, counts_resources = "update", False

    def __init__(self, population: Population) -> None:
        self._population = population
        self._ids: list[str] = []
        self._written: dict[str, bytes] = {}
        self._turn = itertools.count(1)

    async def prepare(self, session: Session) -> None:
        self._ids = await self._population.fill(session)

    async def unit(self, session: Session, worker: int) -> None:
        logical_id = random.choice(self._ids[worker :: session.connections])  # noqa: S311
        turn = next(self._turn)
        body = with_id(renamed(self._population.bodies[logical_id], turn), logical_id)
        await session.ask("PUT", f"/Patient/{logical_id}", body, expect=(200,))
        self._written[logical_id] = b"Greta%d" % turn

    async def verify(self, session: Session) -> None:
        """A sample has the name that was acknowledged last."""
        for logical_id in random.sample(sorted(self._written), min(_SAMPLE, len(self._written))):
            answer = await session.client.request("GET", f"/Patient/{logical_id}")
            if self._written[logical_id] not in answer.body:
                session.wrong["lost writes"] += 1


class Crud36:
    """Nine linked creates, nine reads, nine updates of one field, nine deletes in reverse order."""

    name, counts_resources = "crud36", False

    def __init__(self, patients: Patients, linked: Linked) -> None:
        self._patients = patients
        self._linked = linked

    async def prepare(self, session: Session) -> None:
        pass

    async def unit(self, session: Session, worker: int) -> None:
        ids: dict[str, str] = {}
        bodies: dict[str, bytes] = {}
        for name in LINKED:
            bodies[name] = self._linked.body(name, ids) if name != "Patient" else self._patients.new()
            ids[name] = id_of(await session.ask("POST", f"/{name}", bodies[name], expect=(201,)), name)
        for name in LINKED:
            await session.ask("GET", f"/{name}/{ids[name]}", expect=(200,))
        for name in LINKED:
            body = with_id(one_field_changed(bodies[name]), ids[name])
            await session.ask("PUT", f"/{name}/{ids[name]}", body, expect=(200,))
        for name in reversed(LINKED):
            await session.ask("DELETE", f"/{name}/{ids[name]}", expect=(200, 204))

    async def verify(self, session: Session) -> None:
        pass


class Import:
    """Transaction Bundles of 126 to 267 entries; the figure is resources per second."""

    name, counts_resources = "import", True

    def __init__(self, bundles: list[tuple[bytes, int]] | None = None) -> None:
        self._bundles = itertools.cycle(bundles or charts(_CHARTS))

    async def prepare(self, session: Session) -> None:
        pass

    async def unit(self, session: Session, worker: int) -> None:
        body, count = next(self._bundles)
        answer = await session.ask("POST", "", body, expect=(200,), resources=count)
        if len(re.findall(rb'"status"\s*:\s*"20[01]', answer.body)) != count:
            session.wrong["entries not stored"] += 1

    async def verify(self, session: Session) -> None:
        pass


class Tx2:
    """A transaction of a Patient and an Observation linked by `urn:uuid`."""

    name, counts_resources = "tx2", False

    def __init__(self, pairs: Pairs) -> None:
        self._pairs = pairs

    async def prepare(self, session: Session) -> None:
        pass

    async def unit(self, session: Session, worker: int) -> None:
        await session.ask("POST", "", self._pairs.new(), expect=(200,), resources=2)

    async def verify(self, session: Session) -> None:
        pass


class Mix:
    """Create 10, read 60, update 25, delete 5 in a hundred, over five types in the proportions of a clinic.

    Each worker reads, updates and deletes what it made itself, so that every answer has one right status.
    """

    name, counts_resources = "mix", False
    _TYPES = ("Observation", "Patient", "Condition", "Encounter", "MedicationRequest")
    _SHARES = (50, 20, 15, 10, 5)
    _ACTIONS, _WEIGHTS = ("create", "read", "update", "delete"), (10, 60, 25, 5)

    def __init__(self, patients: Patients) -> None:
        self._patients = patients
        self._linked = Linked(self._TYPES, frozenset({"Patient"}))
        self._subject = ""
        self._own: dict[tuple[int, str], dict[str, int]] = {}

    async def prepare(self, session: Session) -> None:
        self._subject = id_of(await session.ask("POST", "/Patient", self._patients.new(), expect=(201,)), "Patient")

    async def unit(self, session: Session, worker: int) -> None:
        name = random.choices(self._TYPES, self._SHARES)[0]  # noqa: S311
        own = self._own.setdefault((worker, name), {})
        action = random.choices(self._ACTIONS, self._WEIGHTS)[0] if len(own) > 3 else "create"  # noqa: S311
        if action == "create":
            answer = await session.ask("POST", f"/{name}", self._body(name), expect=(201,))
            own[id_of(answer, name)] = 1
            return
        logical_id = random.choice(list(own))  # noqa: S311
        path = f"/{name}/{logical_id}"
        if action == "read":
            await session.ask("GET", path, expect=(200,))
        elif action == "update":
            own[logical_id] += 1
            language = b'"en-GB"' if own[logical_id] % 2 else b'"en-IE"'
            body = one_field_changed(self._body(name)).replace(b'"en-GB"', language)
            await session.ask("PUT", path, with_id(body, logical_id), expect=(200,))
        else:
            del own[logical_id]
            await session.ask("DELETE", path, expect=(200, 204))

    async def verify(self, session: Session) -> None:
        pass

    def _body(self, name: str) -> bytes:
        if name == "Patient":
            return self._patients.new()
        return self._linked.body(name, {"Patient": self._subject})


NAMES = (
    "create",
    "read",
    "update",
    "crud36",
    "import",
    "tx2",
    "mix",
    "search_name",
    "search_obs",
    "search30",
    "growth",
    "access",
    "blob",
)


def cells_of(
    names: Sequence[str],
    bundles: list[tuple[bytes, int]] | None = None,
    *,
    filled: bool = False,
    practitioner: str | None = None,
) -> list[Cell]:
    """Fresh cells for one target, in the order asked for; `bundles` take the place of the made-up charts.

    search30, growth and access are several cells each, blob is none (`api.bench.documents`); `practitioner` is the token
    that access needs. With `filled`, searches are made of what the target holds already.
    """
    patients = Patients()
    linked = Linked()
    population = Population(patients)
    made: dict[str, Cell] = {
        "create": Create(patients),
        "read": Read(population),
        "update": Update(population),
        "crud36": Crud36(patients, linked),
        "import": Import(bundles),
        "tx2": Tx2(Pairs(patients, linked)),
        "mix": Mix(patients),
    }
    made |= search_cells(Records(filled=filled)) | growth_cells()
    if any(name.startswith("access") for name in names):
        made |= access_cells(practitioner)
    return [cell for name in names for own, cell in made.items() if own == name or own.startswith(f"{name}/")]
