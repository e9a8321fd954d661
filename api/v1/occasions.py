"""A visit as an occasion for the interactions of records: who asks with what they may see and do now.

Page keys of searches go into cursors as text.
"""

from __future__ import annotations

import base64

import msgspec

from api.v1.endpoint import Visit
from api.v1.service import Service
from domain.interactions.parts import Occasion
from domain.search import PageKey


async def asked(service: Service, visit: Visit, interaction: str) -> Occasion:
    """The occasion of a request about records. Raises `Unavailable` when relations cannot be looked up."""
    visit.caller = await service.resolve(visit.caller)
    return Occasion(visit.caller, visit.request_id, interaction)


def page_text(key: PageKey) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(key)).decode()


def page_place(text: str) -> PageKey | None:
    """The key that `page_text` wrote; `None` for the beginning."""
    return msgspec.msgpack.decode(base64.urlsafe_b64decode(text), type=PageKey) if text else None
