"""The figures of large documents are only given for bytes that came back as they went."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from api.bench.documents import MB, Content, Sender, Transfers
from api.bench.engine import Wrong
from api.bench.plain_copy import plain_server
from api.bench.processes import CpuMeter
from api.bench.report import Report, tables


async def test_what_a_plain_server_was_sent_comes_back(tmp_path: Path) -> None:
    content = Content(bytes(range(256)) * 4096, 3 * MB + 7, 1)
    async with plain_server(tmp_path) as base:
        sender = Sender(base, None)
        rate, _ = await asyncio.to_thread(sender.up, "/", content)
        assert rate > 0
        assert (tmp_path / "plain").read_bytes() == b"".join(content.pieces())
        assert await asyncio.to_thread(sender.down, "/", content) > 0
        with pytest.raises(Wrong, match="others"):
            await asyncio.to_thread(sender.down, "/", content._replace(number=2))
        sender.close()
        sender = Sender(base, None)
        with pytest.raises(Wrong, match="part 200"):
            await asyncio.to_thread(sender.part, "/", content)
        sender.close()


def test_any_part_of_a_content_is_that_part() -> None:
    content = Content(bytes(range(251)) * 4178 + b"x" * 10, 3 * MB, 1)
    block = 1 << 20
    content = content._replace(block=content.block[:block].ljust(block, b"-"))
    whole = b"".join(content.pieces())
    assert len(whole) == content.size
    for start in (8, block - 5, block, 2 * block + 77):
        assert content.part(start, start + 1000) == whole[start : start + 1000]


def test_the_shares_are_of_the_medians_and_are_shown() -> None:
    found = Transfers(
        200.0, form=(100.0, 300.0, 200.0), raw=(90.0,), download=(400.0,), plain_upload=(400.0,),
        plain_download=(800.0,), range_ms=(2.0, 9.0), grown_mb=12.0,
    )  # fmt: skip
    assert (found.of_plain("form"), found.of_plain("download")) == (0.5, 0.5)
    (table,) = tables(Report({}, (), (), documents={"base": found}))
    assert "memory grew by 12 MB" in str(table.title)


def test_memory_of_nothing_is_unknown() -> None:
    meter = CpuMeter([])
    assert meter.resident_mb(without="mongod") is None
    assert meter.peak_mb() is None
