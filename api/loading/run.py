"""One import: documents in order, several on their way at a time, nothing stored twice.

Documents start in the order given. A document that others refer to (`leads`) goes alone, before what follows it. Any
other may travel beside its predecessors; what is refused then is sent once more when all predecessors have arrived, so
order decides only where it must.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from api.http_client import Client
from api.loading.delivery import deliver
from api.loading.ledger import Ledger
from api.loading.parcels import Parcel, Unreadable, parcels_of
from api.loading.sources import DAMAGE, Document, SourceError


class Problem(NamedTuple):
    """One thing that was not stored: the document, the entry in it (from 0), HTTP status (0: never sent) and why."""

    document: str
    entry: int | None
    status: int
    reason: str

    def __str__(self) -> str:
        place = self.document if self.entry is None else f"{self.document}, entry {self.entry}"
        return f"{place}: {self.reason}" if not self.status else f"{place}: {self.status} {self.reason}"


class Watcher(Protocol):
    """Who is told how an import goes on."""

    def advanced(self, position: int, resources: int) -> None:
        """`resources` more are settled; the import has come to byte `position` of its files."""
        ...

    def failed(self, problem: Problem) -> None: ...


class Summary:
    """The sums of one import."""

    def __init__(self) -> None:
        self.documents = 0
        self.created = 0
        self.present = 0
        self.skipped = 0
        self.failed = 0


class _Turn:
    """The place of a document in the order: `before` is set when everything before it has arrived, `after` with it."""

    def __init__(self, before: asyncio.Event) -> None:
        self.before = before
        self.after = asyncio.Event()


class Import:
    """Sends documents through `client`, at most `jobs` at a time, and tells `watcher`."""

    def __init__(self, client: Client, ledger: Ledger, watcher: Watcher, *, jobs: int) -> None:
        self._client = client
        self._ledger = ledger
        self._watcher = watcher
        self._jobs = jobs
        self._position = 0
        self.summary = Summary()

    async def run(self, documents: Iterable[Document]) -> Summary:
        """Raises `NotAllowed` and `ServerLost`; everything else ends up in the summary."""
        slots = asyncio.Semaphore(self._jobs)
        source = iter(documents)
        arrived = asyncio.Event()
        arrived.set()
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    await slots.acquire()
                    document = await self._next(source)
                    if document is None:
                        break
                    turn = _Turn(arrived)
                    arrived = turn.after
                    if document.leads:
                        await turn.before.wait()
                    task = group.create_task(self._one(document, turn, slots))
                    if document.leads:
                        await asyncio.wait([task])
        except* Exception as errors:
            raise errors.exceptions[0] from None
        return self.summary

    async def _next(self, source: Iterator[Document]) -> Document | None:
        """The next document; unpacking happens in a thread, so that requests on their way are not held up."""
        return await asyncio.to_thread(next, source, None)

    async def _one(self, document: Document, turn: _Turn, slots: asyncio.Semaphore) -> None:
        try:
            await self._document(document, turn)
        finally:
            slots.release()
        self.summary.documents += 1
        self._advanced(document.position, 0)
        await turn.before.wait()
        turn.after.set()

    async def _document(self, document: Document, turn: _Turn) -> None:
        try:
            with await asyncio.to_thread(document.open) as stream:
                parcels = parcels_of(document.kind, stream)
                while (parcel := await asyncio.to_thread(next, parcels, None)) is not None:
                    if isinstance(parcel, Unreadable):
                        self._problem(Problem(document.name, parcel.entry, 0, parcel.reason))
                    else:
                        await self._parcel(document, parcel, turn)
        except SourceError as error:
            self._problem(Problem(document.name, None, 0, str(error)))
        except DAMAGE as error:
            self._problem(Problem(document.name, None, 0, f"Cannot be read ({type(error).__name__})"))

    async def _parcel(self, document: Document, parcel: Parcel, turn: _Turn) -> None:
        count = len(parcel.indexes)
        if parcel.key in self._ledger:
            self.summary.skipped += count
            self._advanced(self._position, count)
            return
        early = not turn.before.is_set()
        delivery = await deliver(self._client, parcel)
        if delivery.failures and early:
            await turn.before.wait()
            delivery = await deliver(self._client, parcel)
        self.summary.created += delivery.created
        self.summary.present += delivery.present
        for failure in delivery.failures:
            index = parcel.indexes[failure.place] if failure.place is not None and failure.place < count else None
            self._problem(Problem(document.name, index, failure.status, failure.diagnostics))
        if not delivery.failures:
            self._ledger.add(parcel.key)
        self._advanced(self._position, count)

    def _advanced(self, position: int, resources: int) -> None:
        self._position = max(self._position, position)
        self._watcher.advanced(self._position, resources)

    def _problem(self, problem: Problem) -> None:
        self.summary.failed += 1
        self._watcher.failed(problem)
