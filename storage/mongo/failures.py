"""The driver's failures in our words, so that nothing above storage knows pymongo.

Write errors of the driver quote the documents they were about: those are cut off with `from None`, and never logged.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pymongo.errors import OperationFailure, PyMongoError

from domain.errors import Unavailable

WRITE_CONFLICT, NO_SUCH_TRANSACTION, DUPLICATE_KEY, MAX_TIME_EXPIRED = 112, 251, 11000, 50


@contextmanager
def translated(sentence: str, failure: type[Unavailable] = Unavailable) -> Iterator[None]:
    """Raise `failure` with `sentence` for whatever the driver raises inside."""
    try:
        yield
    except OperationFailure as error:
        if error.code == MAX_TIME_EXPIRED:
            raise failure(f"{sentence} in time", code="timeout") from None
        raise failure(f"{sentence} (MongoDB error {error.code})") from None
    except PyMongoError as error:
        raise failure(f"{sentence} ({type(error).__name__})") from None
