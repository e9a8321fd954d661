"""Promises in seconds that need the limits of the product, or a clock that is finer than a busy machine allows."""

from __future__ import annotations

import os
import time

import msgspec
import pytest

from domain.documents.sniffing import sniff
from domain.errors import Unavailable
from storage.blobs.s3 import S3BlobStore
from tests.contracts.blob_store import MB, new_name, pieces
from tests.s3_faults import FaultyProxy
from tests.s3_servers import new_bucket

HOSTILE = [
    b"<!--" * 1024, b"<!doctype [" * 400, b"<? ?>" * 800, b" " * 4096, b"<!-- -->" * 512, b"<a" * 2048, b"[" * 4096,
]  # fmt: skip


@pytest.mark.parametrize("head", HOSTILE, ids=lambda head: repr(head[:12]))
def test_no_document_makes_looking_slow(head: bytes) -> None:
    began = time.perf_counter()
    sniff(head)
    assert time.perf_counter() - began < 0.05


@pytest.mark.parametrize("size", [1_000, 20 * MB])
async def test_a_bucket_that_hangs_is_given_up_within_15_seconds(moto: str, proxy: FaultyProxy, size: int) -> None:
    store = S3BlobStore(msgspec.structs.replace(new_bucket(moto), endpoint=proxy.address))
    proxy.break_("hang")
    began = time.monotonic()
    with pytest.raises(Unavailable) as refused:
        await store.put(new_name(), pieces(os.urandom(size)))
    assert time.monotonic() - began < 15
    assert refused.value.issues[0].code == "timeout"
    proxy.mend()
    await store.close()
