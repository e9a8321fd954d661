"""Which documents are found, in which order, and how damaged archives fail."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest
import zstandard

from api.loading.sources import Document, SourceError, documents, expand


def read(paths: list[Path]) -> dict[str, bytes]:
    found = {}
    for document in documents(expand(paths)):
        with document.open() as stream:
            found[document.name.rpartition("/")[2]] = stream.read()
    return found


def names(found: list[Document]) -> list[str]:
    return [document.name.rpartition("/")[2] for document in found]


def an_archive(path: Path, members: dict[str, bytes]) -> Path:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    packed = plain.getvalue()
    if path.name.endswith(".zst"):
        packed = zstandard.ZstdCompressor(
            compression_params=zstandard.ZstdCompressionParameters(window_log=27, enable_ldm=True)
        ).compress(packed)
    elif path.name.endswith(".gz"):
        packed = gzip.compress(packed)
    path.write_bytes(packed)
    return path


MEMBERS = {
    "./b.json": b"{}",
    "./practitionerInformation1.json": b"[]",
    "./a.ndjson.gz": gzip.compress(b"line"),
    "./x": b"",
}


def test_a_folder_is_read_by_name_with_leading_files_first(tmp_path: Path) -> None:
    for name in ("Zoe.json", "adam.json", "practitionerInformation1.json", "hospitalInformation1.json", "note.txt"):
        (tmp_path / name).write_text(name)
    found = list(documents(expand([tmp_path])))
    assert names(found) == ["hospitalInformation1.json", "practitionerInformation1.json", "Zoe.json", "adam.json"]
    assert [document.leads for document in found] == [True, True, False, False]


def test_paths_keep_the_order_in_which_they_are_given(tmp_path: Path) -> None:
    paths = [tmp_path / "z.json", tmp_path / "hospitalInformation.json", tmp_path / "a.ndjson"]
    for path in paths:
        path.write_text("{}")
    assert names(list(documents(expand(paths)))) == ["z.json", "hospitalInformation.json", "a.ndjson"]


def test_packed_files_are_unpacked(tmp_path: Path) -> None:
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(b"one"))
    (tmp_path / "b.ndjson.zst").write_bytes(zstandard.compress(b"two"))
    assert read([tmp_path]) == {"a.json.gz": b"one", "b.ndjson.zst": b"two"}


@pytest.mark.parametrize("name", ["x.tar", "x.tar.gz", "x.tar.zst"])
def test_the_members_of_an_archive_come_in_their_order_behind_those_that_lead(tmp_path: Path, name: str) -> None:
    path = an_archive(tmp_path / name, MEMBERS)
    found = read([path])
    assert list(found) == [f"{name}!{member}" for member in ("practitionerInformation1.json", "b.json", "a.ndjson.gz")]
    assert list(found.values()) == [b"[]", b"{}", b"line"]


def test_the_position_grows_to_the_size_of_all_files(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"x" * 10)
    archive = an_archive(tmp_path / "b.tar", MEMBERS)
    (tmp_path / "c.json").write_bytes(b"x" * 7)
    positions = []
    for document in documents(expand([tmp_path])):
        document.open().close()
        positions.append(document.position)
    assert positions[0] == 10
    assert positions[-1] == 10 + archive.stat().st_size + 7


def test_missing_and_unknown_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(SourceError, match="no such file"):
        expand([tmp_path / "none.json"])
    with pytest.raises(SourceError, match=r"not a \.json"):
        expand([tmp_path / "a.txt"])


@pytest.mark.parametrize("name", ["x.tar", "x.tar.gz", "x.tar.zst"])
def test_a_truncated_archive_is_an_error_and_not_its_end(tmp_path: Path, name: str) -> None:
    big = {f"{n}.json": bytes(str(n) * 3000, "ascii") for n in range(20)}
    path = an_archive(tmp_path / name, big)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SourceError, match="damaged"):
        read([path])


@pytest.mark.slow
def test_the_large_archive_is_read_as_a_stream(shared: Path) -> None:
    count = 0
    for document in documents([shared / "data" / "synthea-615.tar.zst"]):
        with document.open() as stream:
            count += b'"resourceType"' in stream.read(200)
    assert count == 617


def test_an_archive_cut_between_two_members_is_an_error_too(tmp_path: Path) -> None:
    path = an_archive(tmp_path / "x.tar", {f"{n}.json": b"{}" for n in range(9)})
    with tarfile.open(path) as archive:
        boundary = archive.getmembers()[4].offset
    path.write_bytes(path.read_bytes()[:boundary])
    with pytest.raises(SourceError, match="damaged"):
        read([path])
