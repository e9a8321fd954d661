"""What every `Blobs` does. Inherit it and provide the fixtures `blobs`, `revisions` (the store that publishes) and `erase`."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import pytest

from domain.blobs import HEAD_BYTES, Blob, Blobs, Expected, Span
from domain.errors import Contention, Gone, InvalidContent, NotFound, TooLarge, UnsupportedMedia, VersionConflict
from domain.identity import ResourceKey
from domain.ports import RevisionStore
from tests.contracts.writes import change, new_key, write

Erase = Callable[[str], Awaitable[None]]

CHUNK = 16_384
MB = 1024 * 1024


async def stream(content: bytes, size: int = 50_000) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def received(blobs: Blobs, content: bytes, *, patient: str | None = "p1", **details: object) -> Blob:
    options = {"content_type": "application/pdf", "limit": 100 * MB, **details}
    return await blobs.receive(stream(content), patient=patient, **options)  # type: ignore[arg-type]


async def read(blobs: Blobs, blob: Blob, span: Span | None = None) -> bytes:
    return b"".join([piece async for piece in await blobs.open(blob, span)])


async def publish(store: RevisionStore, *published: Blob, key: ResourceKey | None = None) -> str:
    """Commit a Binary that names these blobs; returns the name of its version."""
    one = change(key or new_key("Binary"), patient=published[0].patient)
    name = one.revision.key.at(1)
    await store.commit(msgspec.structs.replace(write(one), blobs=tuple(blob.claim(name) for blob in published)))
    return name


class BlobsContract:
    @pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 700_001])
    async def test_what_was_received_is_what_opens(self, blobs: Blobs, size: int) -> None:
        content = os.urandom(size)
        blob = await received(blobs, content, title="Letter of Dr Huber")
        assert (blob.size, blob.content_type, blob.title) == (size, "application/pdf", "Letter of Dr Huber")
        assert (blob.sha1, blob.sha256) == (hashlib.sha1(content).digest(), hashlib.sha256(content).digest())
        assert await read(blobs, blob) == content
        found = await blobs.stat(blob.id, patient="p1")
        assert msgspec.structs.replace(found, handle=None) == msgspec.structs.replace(blob, handle=None)
        assert await read(blobs, found) == content

    async def test_any_span_opens_to_its_bytes(self, blobs: Blobs) -> None:
        content = os.urandom(700_001)
        blob = await received(blobs, content)
        edges = (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 300_000, 700_000, 700_001)
        for start in edges:
            for end in (edge for edge in edges if edge >= start):
                assert await read(blobs, blob, Span(start, end)) == content[start:end]

    @pytest.mark.parametrize("span", [Span(-1, 2), Span(3, 2), Span(0, 11), Span(11, 11)])
    async def test_a_span_outside_is_refused(self, blobs: Blobs, span: Span) -> None:
        blob = await received(blobs, b"0123456789")
        with pytest.raises(ValueError, match="span"):
            await blobs.open(blob, span)

    async def test_no_piece_is_larger_than_promised(self, blobs: Blobs) -> None:
        blob = await received(blobs, os.urandom(3 * MB))
        assert max([len(piece) async for piece in await blobs.open(blob)]) <= 256 * 1024

    async def test_a_reader_may_stop_in_the_middle(self, blobs: Blobs) -> None:
        blob = await received(blobs, os.urandom(3 * MB))
        pieces = await blobs.open(blob)
        await anext(pieces)
        await pieces.aclose()  # type: ignore[attr-defined]

    async def test_the_sniffer_sees_the_head_and_decides_the_type(self, blobs: Blobs) -> None:
        seen: list[bytes] = []

        def sniff(head: bytes) -> str:
            seen.append(head)
            return "image/png"

        for content in (os.urandom(3 * HEAD_BYTES), b"short", b""):
            blob = await received(blobs, content, sniff=sniff)
            assert blob.content_type == "image/png"
            assert seen.pop() == content[:HEAD_BYTES]
            assert await read(blobs, blob) == content

    async def test_a_refusal_of_the_sniffer_is_raised_and_nothing_remains(self, blobs: Blobs) -> None:
        def refuse(head: bytes) -> str:
            raise UnsupportedMedia("no")

        with pytest.raises(UnsupportedMedia):
            await received(blobs, b"MZ" * 9_000, sniff=refuse)
        assert await self.stored(blobs) == []

    async def test_more_than_the_limit_is_refused_as_soon_as_that_is_known(self, blobs: Blobs) -> None:
        assert (await received(blobs, b"x" * 1_000, limit=1_000)).size == 1_000
        kept = await self.stored(blobs)
        taken = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal taken
            while True:
                taken += 100
                yield b"x" * 100

        with pytest.raises(TooLarge):
            await blobs.receive(endless(), patient="p1", content_type="text/plain", limit=1_000)
        assert taken <= 1_200
        assert await self.stored(blobs) == kept

    @pytest.mark.parametrize(
        "expected", [Expected(size=4), Expected(sha1=bytes(20)), Expected(sha256=bytes(32)), Expected(3, bytes(20))]
    )
    async def test_bytes_that_were_not_announced_are_refused(self, blobs: Blobs, expected: Expected) -> None:
        with pytest.raises(InvalidContent):
            await received(blobs, b"abc", expected=expected)
        assert await self.stored(blobs) == []

    async def test_announced_bytes_are_taken(self, blobs: Blobs) -> None:
        content = os.urandom(100)
        right = Expected(100, hashlib.sha1(content).digest(), hashlib.sha256(content).digest())
        assert (await received(blobs, content, expected=right)).size == 100

    @pytest.mark.parametrize("after", [0, 10, 600_000])
    async def test_what_the_stream_raises_is_raised_and_nothing_remains(self, blobs: Blobs, after: int) -> None:
        async def broken() -> AsyncIterator[bytes]:
            yield os.urandom(after)
            raise ConnectionResetError("client went away")

        with pytest.raises(ConnectionResetError):
            await blobs.receive(broken(), patient="p1", content_type="text/plain", limit=MB)
        assert await self.stored(blobs) == []

    async def test_a_cancelled_request_leaves_nothing(self, blobs: Blobs) -> None:
        started = asyncio.Event()

        async def hanging() -> AsyncIterator[bytes]:
            yield os.urandom(600_000)
            started.set()
            await asyncio.Event().wait()

        receiving = asyncio.create_task(
            blobs.receive(hanging(), patient="p1", content_type="text/plain", limit=MB)  # type: ignore[arg-type]
        )
        await started.wait()
        receiving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await receiving
        assert await self.stored(blobs) == []

    async def stored(self, blobs: Blobs) -> list[str]:
        """The names of all objects, once what goes on in the background has ended."""
        raise NotImplementedError

    async def test_an_unknown_blob_and_another_patients_are_alike(self, blobs: Blobs) -> None:
        blob = await received(blobs, b"x", patient="p1")
        for blob_id, patient in ((blob.id, "p2"), (blob.id, None), ("0" * 32, "p1"), ("../../etc", "p1"), ("", "p1")):
            with pytest.raises(NotFound) as refused:
                await blobs.stat(blob_id, patient=patient)
            assert refused.value.message == "There is no such document"

    async def test_a_blob_is_published_with_the_version_that_names_it(
        self, blobs: Blobs, revisions: RevisionStore
    ) -> None:
        one, two = await received(blobs, b"one"), await received(blobs, b"two")
        assert (await blobs.stat(one.id, patient="p1")).resource is None
        name = await publish(revisions, one, two)
        assert [(await blobs.stat(blob.id, patient="p1")).resource for blob in (one, two)] == [name, name]
        assert await read(blobs, await blobs.stat(two.id, patient="p1")) == b"two"

    async def test_a_blob_outside_of_any_compartment_is_like_any_other(
        self, blobs: Blobs, revisions: RevisionStore
    ) -> None:
        blob = await received(blobs, b"form", patient=None)
        await publish(revisions, blob)
        assert await read(blobs, await blobs.stat(blob.id, patient=None)) == b"form"

    async def test_a_blob_is_published_once(self, blobs: Blobs, revisions: RevisionStore) -> None:
        blob = await received(blobs, b"one")
        name = await publish(revisions, blob)
        late = new_key("Binary")
        with pytest.raises(Gone):
            await publish(revisions, blob, key=late)
        assert await revisions.newest(late) is None
        assert (await blobs.stat(blob.id, patient="p1")).resource == name

    async def test_of_ten_writes_that_publish_one_blob_one_is_stored(
        self, blobs: Blobs, revisions: RevisionStore
    ) -> None:
        blob, other = await received(blobs, b"one"), await received(blobs, b"other")
        results = await asyncio.gather(
            *(publish(revisions, blob) for _ in range(10)), publish(revisions, other), return_exceptions=True
        )
        assert sorted(type(result).__name__ for result in results) == ["Gone"] * 9 + ["str"] * 2
        assert isinstance(results[-1], str)

    async def test_a_write_that_fails_publishes_nothing(self, blobs: Blobs, revisions: RevisionStore) -> None:
        taken, blob = new_key("Binary"), await received(blobs, b"one")
        await revisions.commit(write(change(taken)))
        with pytest.raises(VersionConflict):
            await publish(revisions, blob, key=taken)
        assert (await blobs.stat(blob.id, patient="p1")).resource is None
        await publish(revisions, blob)

    async def test_another_patients_blob_is_not_published(self, blobs: Blobs, revisions: RevisionStore) -> None:
        blob = await received(blobs, b"one", patient="p1")
        with pytest.raises(Gone):
            await publish(revisions, msgspec.structs.replace(blob, patient="p2"))
        assert (await blobs.stat(blob.id, patient="p1")).resource is None

    async def test_a_new_patient_and_a_blob_of_theirs_are_one_write(
        self, blobs: Blobs, revisions: RevisionStore
    ) -> None:
        patient = new_key("Patient")
        blob = await received(blobs, b"photo", patient=patient.id)
        one = change(patient, patient=patient.id)
        await revisions.commit(msgspec.structs.replace(write(one), blobs=(blob.claim(patient.at(1)),)))
        assert (await blobs.stat(blob.id, patient=patient.id)).resource == patient.at(1)

    async def test_the_same_content_is_found_again_within_a_patient_only(
        self, blobs: Blobs, revisions: RevisionStore
    ) -> None:
        content = os.urandom(50)
        first, second = await received(blobs, content), await received(blobs, content)
        other = await received(blobs, content, patient="p2")
        assert list(await blobs.duplicates(first.sha256, patient="p1")) == []
        for blob in (first, second, other):
            await publish(revisions, blob)
        assert [blob.id for blob in await blobs.duplicates(first.sha256, patient="p1")] == [first.id, second.id]
        assert [blob.id for blob in await blobs.duplicates(first.sha256, patient="p2")] == [other.id]
        assert list(await blobs.duplicates(bytes(32), patient="p1")) == []

    async def test_a_discarded_blob_is_gone_and_a_published_one_stays(
        self, blobs: Blobs, revisions: RevisionStore
    ) -> None:
        waiting, published = await received(blobs, b"one"), await received(blobs, b"two")
        await publish(revisions, published)
        await blobs.discard([waiting, published])
        await blobs.keep([waiting, published])
        with pytest.raises(NotFound):
            await blobs.stat(waiting.id, patient="p1")
        with pytest.raises(Gone):
            await publish(revisions, waiting)
        assert await read(blobs, await blobs.stat(published.id, patient="p1")) == b"two"

    async def test_an_erased_patients_blobs_are_gone_for_reading_and_writing(
        self, blobs: Blobs, revisions: RevisionStore, erase: Erase
    ) -> None:
        patient = new_key("Patient").id
        ready, pending = await received(blobs, b"one", patient=patient), await received(blobs, b"two", patient=patient)
        other = await received(blobs, b"other")
        await publish(revisions, ready)
        await erase(patient)
        for blob in (ready, pending):
            with pytest.raises(Gone):
                await blobs.stat(blob.id, patient=patient)
            with pytest.raises(Gone):
                await read(blobs, blob)
        with pytest.raises(Gone):
            await publish(revisions, pending)
        with pytest.raises(Gone):
            await received(blobs, b"three", patient=patient)
        assert await read(blobs, other) == b"other"

    async def test_a_patients_blob_takes_the_place_of_one_that_was_nobodys(
        self, blobs: Blobs, revisions: RevisionStore, erase: Erase
    ) -> None:
        patient = new_key("Patient").id
        key, old = new_key("Binary"), await received(blobs, b"form", patient=None)
        await publish(revisions, old, key=key)
        found = await blobs.stat(old.id, patient=None)
        new = await received(blobs, b"form", patient=patient)
        await self._adopt(revisions, key, new, old)
        for blob_id, owner in ((old.id, None), (new.id, patient)):
            known = await blobs.stat(blob_id, patient=owner)
            assert (known.id, known.patient, await read(blobs, known)) == (new.id, patient, b"form")
        assert list(await blobs.duplicates(old.sha256, patient=None)) == []
        with pytest.raises(NotFound):
            await blobs.stat(old.id, patient=patient)
        assert (found.id, found.patient) == (old.id, None)
        await erase(patient)
        for blob_id, owner in ((old.id, None), (new.id, patient)):
            with pytest.raises(Gone):
                await blobs.stat(blob_id, patient=owner)

    @pytest.mark.parametrize("state", ["pending", "a patient's", "unknown"])
    async def test_nothing_takes_the_place_of_what_was_not_nobodys(
        self, blobs: Blobs, revisions: RevisionStore, state: str
    ) -> None:
        key, old = new_key("Binary"), await received(blobs, b"form", patient=None if state == "pending" else "p2")
        await revisions.commit(write(change(key)))
        if state == "a patient's":
            await publish(revisions, old)
        if state == "unknown":
            old = msgspec.structs.replace(old, id="0" * 32)
        new = await received(blobs, b"form")
        with pytest.raises((Gone, Contention)):
            await self._adopt(revisions, key, new, old)
        assert (await blobs.stat(new.id, patient="p1")).resource is None
        assert (await revisions.newest(key)).head.version == 1  # type: ignore[union-attr]

    async def _adopt(self, revisions: RevisionStore, key: ResourceKey, new: Blob, old: Blob) -> None:
        """The next version of a Binary belongs to the patient of `new`, which takes the place of `old`."""
        one = change(key, base=await revisions.newest(key), patient=new.patient)
        claim = new.claim(key.at(one.revision.version), old.id)
        await revisions.commit(msgspec.structs.replace(write(one), blobs=(claim,)))

    async def test_nothing_protected_is_printed(self, blobs: Blobs) -> None:
        blob = await received(blobs, b"x", title="Letter of Dr Huber")
        assert repr(blob) == f"Blob({blob.id}, 1 bytes)"
