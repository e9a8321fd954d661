"""Paths of the table to their endpoints. A literal segment wins over a parameter: `/users/me` is no user called "me".

Litestar routes no parameters to ASGI handlers (2.25: `KeyError` in its trie), so the surface is mounted and looks here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import unquote

from api.v1.endpoint import Endpoint


class Found(NamedTuple):
    """The endpoints of a path by method, and what its parameters are."""

    endpoints: Mapping[str, Endpoint]
    params: Mapping[str, str]


class Paths:
    """The table by number of segments, paths with fewer parameters first."""

    def __init__(self, table: Sequence[Endpoint]) -> None:
        methods: dict[str, dict[str, Endpoint]] = {}
        for endpoint in table:
            methods.setdefault(endpoint.path, {})[endpoint.method] = endpoint
        self._by_length: dict[int, list[tuple[tuple[str, ...], Mapping[str, Endpoint]]]] = {}
        for path in sorted(methods, key=lambda path: path.count("{")):
            segments = tuple(path.split("/")[1:])
            self._by_length.setdefault(len(segments), []).append((segments, methods[path]))

    def find(self, path: str) -> Found | None:
        """What answers `path` (still percent-encoded, below the base); `None` when nothing does."""
        given = path.split("/")[1:]
        for segments, endpoints in self._by_length.get(len(given), ()):
            params: dict[str, str] = {}
            for segment, text in zip(segments, given, strict=True):
                if segment.startswith("{"):
                    params[segment[1:-1]] = unquote(text)
                elif segment != text:
                    break
            else:
                return Found(endpoints, params)
        return None
