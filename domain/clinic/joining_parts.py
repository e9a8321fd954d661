"""The parts of an upload put together and published as one document, once, whatever dies over it.

One process at a time has the turn, for as long as it says so again: another one goes on half a minute after it has died. That
a document is not published twice does not rest on that: the write keeps a receipt under the upload's name, and who comes later
gets the document that is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta

import msgspec

from domain.blobs import Blob
from domain.clinic.document_cards import DocumentForm, DocumentRecords
from domain.clinic.documents import Put, publish
from domain.documents.streams import closing
from domain.errors import Conflict, DomainError
from domain.interactions.parts import Occasion, Parts, Retryable
from domain.interactions.receiving import receive
from domain.vouchers import Voucher, Vouchers

TURN = timedelta(seconds=30)
RENEWED_SECONDS = 10.0
RELEASE_SECONDS = 2.0


class Upload(msgspec.Struct, frozen=True):
    """An upload under way: `offset` of `length` bytes have arrived, in `parts`. `document` is what became of it.

    `joining` is until when one process has the turn to put the parts together.
    """

    id: str
    subject: str
    patient: str
    length: int
    expires: datetime
    form: DocumentForm
    declared: str | None = None
    offset: int = 0
    parts: tuple[str, ...] = ()
    joining: datetime | None = None
    document: str | None = None

    def __repr__(self) -> str:
        return f"Upload({self.offset} of {self.length} bytes)"

    @property
    def told(self) -> int:
        """How many bytes a client is told have arrived: all of them only when the document is there."""
        return self.offset if self.document is not None else min(self.offset, self.length - 1)


class Known(msgspec.Struct, frozen=True):
    """An upload as it was read at one turn of its voucher."""

    upload: Upload
    turn: int


async def change(vouchers: Vouchers, known: Known, upload: Upload) -> bool:
    """Store `upload` in place of what was read; false when somebody else was faster."""
    return await vouchers.change("upload", upload.id, Voucher(msgspec.json.encode(upload), known.turn))


async def joined(
    parts: Parts, records: DocumentRecords, vouchers: Vouchers, occasion: Occasion, known: Known
) -> tuple[Upload, Put | None]:
    """Publish the whole. Raises `Conflict` while somebody else does, and what `receive` and `publish` raise."""
    if known.upload.joining is not None and known.upload.joining > parts.clock():
        raise Conflict("The parts are being put together", reason="joining")
    async with _turn(parts, vouchers, known) as turn:
        upload = turn.known.upload
        blobs = await blobs_of(parts, upload)
        received = await receive(
            parts, _pieces(parts, blobs), patient=upload.patient, declared=upload.declared, title=upload.form.title
        )
        once = Retryable(f"upload|{upload.id}", received.blob.sha256)
        made = await publish(parts, records, msgspec.structs.replace(occasion, retryable=once), upload.form, received)
        done = await turn.end(made.card.id)
    await parts.blobs.discard(blobs)
    return done, made


async def blobs_of(parts: Parts, upload: Upload) -> list[Blob]:
    """The parts that have arrived, in order."""
    return [await parts.blobs.stat(each, patient=upload.patient) for each in upload.parts]


async def _pieces(parts: Parts, blobs: Sequence[Blob]) -> AsyncIterator[bytes]:
    for blob in blobs:
        async with closing(await parts.blobs.open(blob)) as pieces:
            async for piece in pieces:
                yield piece


class _Turn:
    """The right to put the parts together, kept by saying so again in time."""

    def __init__(self, parts: Parts, vouchers: Vouchers, known: Known) -> None:
        self._clock = parts.clock
        self._vouchers = vouchers
        self._renewing: asyncio.Task[None] | None = None
        self._storing = asyncio.Lock()
        self.known = known

    async def take(self) -> None:
        """Raises `Conflict` when somebody else has it."""
        await self._store(joining=self._clock() + TURN)
        self._renewing = asyncio.create_task(self._renew())

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEWED_SECONDS)
            async with self._storing:
                with suppress(DomainError):  # who has lost it ends all the same: what is published has a receipt
                    await self._store(joining=self._clock() + TURN)

    async def end(self, document: str) -> Upload:
        """The document is there."""
        await self._still()
        await self._store(joining=None, document=document, parts=())
        return self.known.upload

    async def give_up(self) -> None:
        """Let others try at once, if that can be said in a moment; never raises."""
        await self._still()
        with suppress(DomainError, TimeoutError):
            async with asyncio.timeout(RELEASE_SECONDS):
                await self._store(joining=None)

    async def _still(self) -> None:
        if self._renewing is not None:
            async with self._storing:
                self._renewing.cancel()
            await asyncio.wait([self._renewing])

    async def _store(self, **fields: object) -> None:
        upload = msgspec.structs.replace(self.known.upload, **fields)
        if not await change(self._vouchers, self.known, upload):
            raise Conflict("Somebody else has gone on with this upload", reason="wrong_offset")
        self.known = Known(upload, self.known.turn + 1)


@asynccontextmanager
async def _turn(parts: Parts, vouchers: Vouchers, known: Known) -> AsyncIterator[_Turn]:
    turn = _Turn(parts, vouchers, known)
    await turn.take()
    try:
        yield turn
    except BaseException:
        await turn.give_up()
        raise
