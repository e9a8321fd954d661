"""Page links: opaque, bound to a caller and a path, expiring."""

from datetime import UTC, datetime

import pytest

from api import sealed_tokens
from api.fhir.paging import HistoryPlace, PageLinks, SearchPlace
from domain.errors import Gone, InvalidRequest
from domain.history_query import HistoryKey
from domain.search import PageKey

NOW = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
PLACE = SearchPlace((("name", "Zelenka"), ("_count", "2")), PageKey("p-9", NOW))


@pytest.fixture
def links() -> PageLinks:
    return PageLinks(b"k" * 32)


def test_a_link_leads_back_to_its_place(links: PageLinks) -> None:
    token = links.write(PLACE, path="Patient", subject="ann")
    assert links.read(token, SearchPlace, path="Patient", subject="ann") == PLACE


def test_a_history_link_leads_back_to_its_place(links: PageLinks) -> None:
    place = HistoryPlace((("_count", "1"),), HistoryKey(NOW, "Patient/1/2"))
    token = links.write(place, path="Patient/1/_history", subject="ann")
    assert links.read(token, HistoryPlace, path="Patient/1/_history", subject="ann") == place


def test_nothing_can_be_read_in_a_link(links: PageLinks) -> None:
    token = links.write(PLACE, path="Patient", subject="ann")
    assert "Zelenka" not in token
    assert links.write(PLACE, path="Patient", subject="ann") != token


@pytest.mark.parametrize(("path", "subject"), [("Observation", "ann"), ("Patient", "bob")])
def test_a_link_is_refused_elsewhere(links: PageLinks, path: str, subject: str) -> None:
    token = links.write(PLACE, path="Patient", subject="ann")
    with pytest.raises(InvalidRequest):
        links.read(token, SearchPlace, path=path, subject=subject)


@pytest.mark.parametrize(
    "change", [lambda t: t[:-2], lambda t: "A" + t[1:], lambda t: t + "AA", lambda t: "", lambda t: "é"]
)
def test_an_altered_link_is_refused(links: PageLinks, change: object) -> None:
    token = links.write(PLACE, path="Patient", subject="ann")
    with pytest.raises(InvalidRequest):
        links.read(change(token), SearchPlace, path="Patient", subject="ann")  # type: ignore[operator]


def test_a_search_link_is_no_history_link(links: PageLinks) -> None:
    token = links.write(PLACE, path="Patient", subject="ann")
    with pytest.raises(InvalidRequest):
        links.read(token, HistoryPlace, path="Patient", subject="ann")


def test_an_expired_link_is_gone(links: PageLinks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed_tokens, "LIFETIME_SECONDS", -1)
    token = links.write(PLACE, path="Patient", subject="ann")
    with pytest.raises(Gone):
        links.read(token, SearchPlace, path="Patient", subject="ann")
