"""Numbers as closed intervals, and what every prefix asks of them.

https://hl7.org/fhir/R4/search.html#number, #prefix. A stored number is exactly what it says; a search for `100` means
[99.5, 100.5), `100.00` [99.995, 100.005): half a unit of the last digit given. For `1e2` R4 says [95, 105), a tenth of
that; every number with an exponent is read so. The other prefixes compare with exactly 100. All arithmetic is on
decimals of 34 digits, as many as are accepted and as MongoDB compares.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import NamedTuple

from domain.errors import InvalidRequest
from domain.ranges import Box
from fhir_mapping.search_values.date import split_prefix
from fhir_mapping.search_values.escaping import unescape

EXACT = Context(prec=34, rounding=ROUND_HALF_EVEN, Emin=-6143, Emax=6144)
_NUMBER = re.compile(r"[+-]?\d{1,34}(?:\.\d{1,34})?(?:[eE][+-]?\d{1,3})?", re.ASCII)


class Asked(NamedTuple):
    """A number of a query: the prefix, the number itself, and the range `[low, high)` its digits stand for."""

    prefix: str
    number: Decimal
    low: Decimal
    high: Decimal


def asked(code: str, text: str) -> Asked:
    """Raises `InvalidRequest` naming the parameter for what is no number."""
    prefix, digits = split_prefix(unescape(text))
    if _NUMBER.fullmatch(digits) is None:
        raise InvalidRequest(f"'{code}' takes a number such as 100, 5.40 or 1e2", code="value", expression=code)
    number = EXACT.create_decimal(digits)
    last_digit = Decimal((0, (1,), int(number.as_tuple().exponent)))
    half = EXACT.divide(last_digit, Decimal(20 if "e" in digits.lower() else 2))
    if prefix == "ap":
        half = max(half, EXACT.divide(abs(number), Decimal(10)))
    return Asked(prefix, number, EXACT.subtract(number, half), EXACT.add(number, half))


def after(number: Decimal) -> Decimal:
    """The next number: `x > n` is `x >= after(n)` among numbers of 34 digits."""
    return EXACT.next_plus(number)


def boxes(prefix: str, number: Decimal, low: Decimal, high: Decimal) -> tuple[Box, ...]:
    """What a prefix asks of a closed interval: one box of the union must hold it."""
    match prefix:
        case "eq":
            return (Box(low_from=low, high_to=high),)
        case "ne":
            return Box(low_to=low), Box(high_from=high)
        case "gt":
            return (Box(high_from=after(number)),)
        case "lt":
            return (Box(low_to=number),)
        case "ge":
            return (Box(high_from=number),)
        case "le":
            return (Box(low_to=after(number)),)
        case "sa":
            return (Box(low_from=after(number)),)
        case "eb":
            return (Box(high_to=number),)
        case _:  # ap: they overlap
            return (Box(low_to=after(high), high_from=low),)
