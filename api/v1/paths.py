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
    """The table: paths without parameters by their text, others by length and first segment, which is never a parameter."""

    def __init__(self, table: Sequence[Endpoint]) -> None:
        methods: dict[str, dict[str, Endpoint]] = {}
        for endpoint in table:
            methods.setdefault(endpoint.path, {})[endpoint.method] = endpoint
        self._literal = {path: Found(endpoints, {}) for path, endpoints in methods.items() if "{" not in path}
        self._patterns: dict[tuple[int, str], list[tuple[list[str], Mapping[str, Endpoint]]]] = {}
        for path in sorted(methods.keys() - self._literal.keys(), key=lambda path: path.count("{")):
            segments = path.split("/")
            self._patterns.setdefault((len(segments), segments[1]), []).append((segments, methods[path]))

    def find(self, path: str) -> Found | None:
        """What answers `path` (still percent-encoded, below the base); `None` when nothing does."""
        found = self._literal.get(path)
        if found is not None:
            return found
        given = path.split("/")
        if len(given) < 2:
            return None
        for segments, endpoints in self._patterns.get((len(given), given[1]), ()):
            params: dict[str, str] = {}
            for segment, text in zip(segments, given, strict=True):
                if segment.startswith("{"):
                    params[segment[1:-1]] = unquote(text)
                elif segment != text:
                    break
            else:
                return Found(endpoints, params)
        return None
