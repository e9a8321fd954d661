"""Lists: pages with a cursor, fields on request. `/api/v1` of PRODUCT 2.10.

A cursor is bound to its list, its filters and its caller; what a page shows is named in the audit.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Protocol, TypeVar

import msgspec
from msgspec import Meta

from api.v1.endpoint import Form, Outcome, View, Visit
from api.v1.occasions import page_place, page_text
from api.v1.service import Service
from domain.errors import InvalidFields
from domain.search import PageKey


class Card(Protocol):
    """What lists know of what they show."""

    @property
    def id(self) -> str: ...


C = TypeVar("C", bound=Card)

Fetch = Callable[[PageKey | None, int], Awaitable[tuple[Sequence[C], PageKey | None]]]
"""`(after, count)` to cards and where the next page begins."""


class Listing(Form, frozen=True, kw_only=True):
    """The query of a list; filters are fields of subclasses. `fields` are those of an item to show, separated by commas."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: Annotated[str, Meta(max_length=1_000)] | None = None
    fields: Annotated[str, Meta(max_length=500)] | None = None

    @property
    def filters(self) -> str:
        """Which list this is, wherever in it one is: what a cursor is bound to."""
        pairs = {name: getattr(self, name) for name in self.__struct_fields__ if name not in Listing.__struct_fields__}
        return msgspec.json.encode(pairs).decode()


class Page(View, frozen=True, kw_only=True):
    """Some items, and the cursor of the next page."""

    items: tuple[Any, ...]
    next: str | None


async def page(
    service: Service,
    visit: Visit,
    query: Listing,
    fetch: Fetch[C],
    view: Callable[[C], View],
    *,
    of: str,
    kind: str | None = None,
) -> Outcome:
    """The page of a list that `query` asks for. `of` is the list's path, `kind` the resource type of its items, which the
    audit names. Raises `InvalidFields` for fields the items do not have."""
    name = f"{of}?{query.filters}"
    after = page_place(service.cursors.read(query.cursor, of=name, subject=visit.caller.subject))
    cards, following = await fetch(after, query.limit)
    if kind is not None:
        visit.concerns(*(f"{kind}/{card.id}" for card in cards))
    cursor = (
        None
        if following is None
        else service.cursors.write(page_text(following), of=name, subject=visit.caller.subject)
    )
    return Outcome(Page(items=narrowed([view(card) for card in cards], query.fields), next=cursor))


def narrowed(views: Sequence[View], fields: str | None) -> tuple[Any, ...]:
    """The views, or of each only these fields. Raises `InvalidFields` for one they do not have."""
    if fields is None:
        return tuple(views)
    wanted = [each.strip() for each in fields.split(",")]
    shown: list[dict[str, Any]] = []
    for view in views:
        known: dict[str, Any] = msgspec.to_builtins(view)
        missing = next((name for name in wanted if name not in known), None)
        if missing is not None:
            raise InvalidFields(f"The fields are {', '.join(known)}", expression="?fields")
        shown.append({name: known[name] for name in wanted})
    return tuple(shown)
