"""Decimals that come back as they were sent: https://hl7.org/fhir/R4/datatypes.html#decimal

FHIR makes the digits of a decimal part of its meaning. `Decimal` keeps `1.00`, but prints `1.0e3` as `1.0E+3` and
`0.0000001` as `1E-7`. `exact` gives a plain `Decimal` where that prints the same text, else a `WrittenDecimal`: the
same number in every computation, written with the text it was read from.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec


class WrittenDecimal(Decimal):
    """A decimal that prints the text it was made from. Results of arithmetic are plain decimals."""

    _text: str

    def __new__(cls, text: str | Decimal) -> WrittenDecimal:
        made = super().__new__(cls, text)
        made._text = str(text)
        return made

    def __str__(self) -> str:
        return self._text


def exact(text: str) -> Decimal:
    """The decimal that `text`, a JSON number, denotes and that is written as `text` again."""
    plain = Decimal(text)
    return plain if str(plain) == text else WrittenDecimal(text)


def write(value: Any) -> Any:
    """Encoding hook for msgspec, which knows `Decimal` but none of its subclasses."""
    if isinstance(value, WrittenDecimal):
        return msgspec.Raw(str(value).encode())
    raise NotImplementedError(f"{type(value).__name__} is not FHIR JSON")
