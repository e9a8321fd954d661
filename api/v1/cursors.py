"""Cursors of lists, and the tokens of links: where something goes on, as sealed text (`api/sealed_tokens.py`)."""

from __future__ import annotations

from api.sealed_tokens import SealedTokens


class Cursors:
    """Writes and reads cursors with one secret of 32 bytes, shared by all processes."""

    def __init__(self, secret: bytes) -> None:
        self._tokens = SealedTokens(secret, "cursor")

    def write(self, after: str, *, of: str, subject: str) -> str:
        """The cursor that goes on after `after` in the list `of` (its path and filters), for `subject`."""
        return self._tokens.write(after.encode(), place=of, subject=subject)

    def read(self, cursor: str | None, *, of: str, subject: str) -> str:
        """Where the list goes on; the beginning without a cursor. Raises `InvalidRequest` and `Gone`."""
        return "" if cursor is None else self._tokens.read(cursor, place=of, subject=subject).decode()
