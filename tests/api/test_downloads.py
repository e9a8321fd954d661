"""https://www.rfc-editor.org/rfc/rfc9110#name-range-requests"""

from __future__ import annotations

import pytest

from api.downloads import Unsatisfiable, part_asked, safety_headers
from domain.blobs import Span

TAG = '"blob"'


@pytest.mark.parametrize(
    ("asked", "span"),
    [
        (None, None),
        ("bytes=0-0", Span(0, 1)),
        ("bytes=5-", Span(5, 10)),
        ("bytes=-3", Span(7, 10)),
        ("bytes=-30", Span(0, 10)),
        ("bytes=2-99", Span(2, 10)),
        ("bytes=0-1,3-4", None),
        ("lines=0-1", None),
        ("bytes=4-2", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
    ],
)
def test_a_range_is_understood_or_ignored(asked: str | None, span: Span | None) -> None:
    assert part_asked(asked, None, size=10, tag=TAG) == span


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=-0", "bytes=999999999999999999-"])
def test_a_range_behind_the_end_is_told(asked: str) -> None:
    with pytest.raises(Unsatisfiable):
        part_asked(asked, None, size=10, tag=TAG)


def test_a_part_of_another_version_is_never_given() -> None:
    assert part_asked("bytes=0-1", '"other"', size=10, tag=TAG) is None
    assert part_asked("bytes=0-1", TAG, size=10, tag=TAG) == Span(0, 2)


def test_what_runs_in_a_browser_is_a_download() -> None:
    assert safety_headers("text/html", "x")["content-disposition"] == 'attachment; filename="x.html"'
    assert safety_headers("application/pdf", "x")["content-disposition"] == 'inline; filename="x.pdf"'
