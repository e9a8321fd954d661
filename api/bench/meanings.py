"""What search parameters mean, on plain JSON: the independent count that answers are held to.

https://hl7.org/fhir/R4/search.html. A `Meaning` turns a value of a resource into what is compared, a value into the text of a
query, and the text of a query into a test. Nothing of the server's own search is used.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from domain.identity import FhirJson

Test = Callable[[Any], bool]
UCUM = "http://unitsofmeasure.org"


class Meaning(NamedTuple):
    """`seen`: value of a resource to what is compared, once. `text`: value to query text, `None` for an unfit one.
    `test`: query text to what tells whether a value satisfies it."""

    seen: Callable[[Any], Any]
    text: Callable[[Any], str | None]
    test: Callable[[str], Test]


# strings: without case and marks, from the start of the text or of a word of it


def folded(text: str) -> str:
    marks = unicodedata.normalize("NFKD", text.casefold())
    return "".join(sign for sign in marks if not unicodedata.combining(sign))


def _starts(text: str) -> Test:
    start, inner = folded(text), f" {folded(text)}"
    return lambda value: value.startswith(start) or inner in value


def _contains(text: str) -> Test:
    part = folded(text)
    return lambda value: part in value


def _equals(text: str) -> Test:
    return lambda value: bool(value == text)


def _same(value: Any) -> Any:
    return value


def _plain(text: str) -> str | None:
    """Words without signs whose treatment is a server's own choice."""
    return text if all(sign.isalnum() or sign == " " for sign in text) else None


def _middle(text: str) -> str | None:
    return _plain(text[2:-1]) if len(text) > 7 and " " not in text else None


STARTS = Meaning(folded, _plain, _starts)
CONTAINS = Meaning(folded, _middle, _contains)
EXACT = Meaning(_same, _plain, _equals)
SAME = Meaning(_same, _same, _equals)
"""Codes and references, compared as they are."""


def coding_text(value: FhirJson) -> str:
    """`system|code` of a Coding or Identifier."""
    return f"{value.get('system', '')}|{value.get('code', value.get('value', ''))}"


CODING = Meaning(coding_text, coding_text, _equals)


# dates: half-open intervals by precision, https://hl7.org/fhir/R4/search.html#date

Interval = tuple[datetime, datetime]
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def interval(value: Any) -> Interval:
    """A date, a dateTime with seconds or a Period."""
    if isinstance(value, dict):
        low = interval(value["start"])[0] if "start" in value else _FIRST
        return low, interval(value["end"])[1] if "end" in value else _LAST
    low = datetime.fromisoformat(value.replace("Z", "+00:00"))
    if len(value) == 10:
        return low.replace(tzinfo=UTC), low.replace(tzinfo=UTC) + timedelta(days=1)
    return low, low + (timedelta(milliseconds=1) if "." in value else timedelta(seconds=1))


def _day(value: Any) -> str | None:
    text = value.get("start") if isinstance(value, dict) else value
    return text[:10] if text and len(text) >= 10 else None


_DATES: dict[str, Callable[[Interval, Interval], bool]] = {
    "eq": lambda v, s: s[0] <= v[0] and v[1] <= s[1],
    "ne": lambda v, s: not (s[0] <= v[0] and v[1] <= s[1]),
    "gt": lambda v, s: v[1] > s[1],
    "lt": lambda v, s: v[0] < s[0],
    "ge": lambda v, s: v[1] > s[1] or (s[0] <= v[0] and v[1] <= s[1]),
    "le": lambda v, s: v[0] < s[0] or (s[0] <= v[0] and v[1] <= s[1]),
    "sa": lambda v, s: v[0] >= s[1],
    "eb": lambda v, s: v[1] <= s[0],
    "ap": lambda v, s: v[0] < s[1] and v[1] > s[0],
}
PREFIXES = tuple(_DATES)


def date(prefix: str) -> Meaning:
    """Dates compared by a prefix with a whole day. `ap` reaches a tenth of the time until now further, both ways."""

    def test(text: str) -> Test:
        low, high = interval(text.removeprefix(prefix))
        reach = abs(datetime.now(UTC) - low) / 10 if prefix == "ap" else timedelta()
        holds, asked = _DATES[prefix], (low - reach, high + reach)
        return lambda value: holds(value, asked)

    def text(value: Any) -> str | None:
        day = _day(value)
        return None if day is None else f"{prefix}{day}"

    return Meaning(interval, text, test)


def _from_to(text: str) -> Test:
    start, _, end = text.partition("&date=")
    after, before = date("ge").test(start), date("lt").test(end)
    return lambda value: after(value) and before(value)


def _month_from(value: Any) -> str | None:
    day = _day(value)
    return None if day is None else f"ge{day}&date=lt{datetime.fromisoformat(day) + timedelta(days=30):%Y-%m-%d}"


MONTH = Meaning(interval, _month_from, _from_to)
"""`date=ge…&date=lt…`: thirty days from a day on."""


# quantities: numbers with their digits, https://hl7.org/fhir/R4/search.html#quantity

Amount = tuple[Decimal, str]
_ALONE = frozenset({"mm[Hg]", "kg/m2", "Cel"})
"""Units to which nothing else in the data converts: comparing them needs no table of units."""


def amount(value: FhirJson) -> Amount:
    return Decimal(str(value["value"])), f"{value.get('system', '')}|{value.get('code', '')}"


def _amount_test(prefix: str, text: str) -> Test:
    digits, _, unit = text.removeprefix(prefix).partition("|")
    number = Decimal(digits)
    half = Decimal((0, (5,), int(number.as_tuple().exponent) - 1))
    low, high = number - half, number + half
    compare: dict[str, Test] = {
        "eq": lambda value: low <= value[0] < high,
        "gt": lambda value: bool(value[0] > number),
        "lt": lambda value: bool(value[0] < number),
    }
    compared = compare[prefix]
    return lambda value: value[1] == unit and compared(value)


def _amount_text(prefix: str, value: FhirJson) -> str | None:
    number = Decimal(str(value["value"])).normalize()
    fit = value.get("system") == UCUM and value.get("code") in _ALONE and "comparator" not in value
    return f"{prefix}{number:f}|{UCUM}|{value['code']}" if fit else None


def quantity(prefix: str) -> Meaning:
    """Quantities compared by a prefix, in a unit that converts to no other one here."""
    return Meaning(amount, lambda value: _amount_text(prefix, value), lambda text: _amount_test(prefix, text))


def coded_quantity(prefix: str) -> Meaning:
    """Composite of a code and a quantity, of pairs (Coding, Quantity): `system|code$number|system|unit`."""

    def test(text: str) -> Test:
        code, _, number = text.partition("$")
        of_number = _amount_test(prefix, number)
        return lambda value: value[0] == code and of_number(value[1])

    def text(value: tuple[FhirJson, FhirJson]) -> str | None:
        number = _amount_text(prefix, value[1])
        return None if number is None else f"{coding_text(value[0])}${number}"

    return Meaning(lambda value: (coding_text(value[0]), amount(value[1])), text, test)
