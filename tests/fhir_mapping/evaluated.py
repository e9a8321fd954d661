"""What searches a resource must answer to, told from its JSON by fhirpathpy and plain arithmetic, without the index.

http://hl7.org/fhirpath/N1/, https://hl7.org/fhir/R4/search.html. Shares no code with the product. fhirpathpy does not resolve
references and takes `as` of a collection for an error, so those two are written in its words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from fhirpathpy import compile as fhirpath_oracle
from fhirpathpy.models import models

from tests.contracts.search_oracle import moment

REWRITES = [
    (r"resolve\(\) is (\w+)", r"reference.startsWith('\1/') or reference.contains('/\1/') or type = '\1'"),
    (r"\(([\w.\[\]]+) as (\w+)\)", r"\1.ofType(\2)"),
    (r"\.as\((\w+)\)", r".ofType(\1)"),
]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Ends = tuple[int | Decimal | None, int | Decimal | None]


@cache
def oracle(expression: str, resource_type: str) -> Callable[[Any], list[Any]]:
    """A function from a resource to the values of an expression."""
    for pattern, replacement in REWRITES:
        expression = re.sub(pattern, replacement, expression)
    expression = re.sub(r"^Resource\.", f"{resource_type}.", expression)
    compiled: Callable[[Any], list[Any]] = fhirpath_oracle(expression, models["r4"])
    return compiled


def component(path: str, expression: str, resource_type: str, content: Any) -> list[Any]:
    """The values of a composite's component in the instance at `path`."""
    if "%resource." in expression:
        return oracle(expression.replace("%resource.", f"{resource_type}."), resource_type)(content)
    parts = [f"{path}.{part.strip()}" for part in expression.split("|")]
    return oracle(" | ".join(parts), resource_type)(content)


def instances(expression: str, resource_type: str, content: Any) -> list[str]:
    """The path of each instance of a composite, with its number where there may be several."""
    found = []
    for part in map(str.strip, expression.split("|")):
        count = len(oracle(part, resource_type)(content))
        found += [part] if part == resource_type else [f"{part}[{number}]" for number in range(count)]
    return found


def escaped(text: str) -> str:
    return re.sub(r"([\\|,$])", r"\\\1", text)


def date_ends(value: Any) -> Ends | None:
    """The half-open interval of a date, Period or Timing in microseconds; `None` for a text (`January 2012`)."""
    if isinstance(value, str):
        return microseconds(*moment(value)) if re.match(r"\d{4}", value) else None
    if "event" in value or "repeat" in value:
        bounds = value.get("repeat", {}).get("boundsPeriod")
        found = [date_ends(each) for each in (*value.get("event", ()), *([bounds] if bounds else []))]
        known = [each for each in found if each is not None]
        lows, highs = [low for low, _ in known], [high for _, high in known]
        return None if not known else (least(lows), most(highs))
    start, end = value.get("start"), value.get("end")
    if not (start or end):
        return None
    low = microseconds(*moment(start))[0] if start else None
    high = microseconds(*moment(end))[1] if end else None
    if low is not None and high is not None and high <= low:
        return microseconds(*moment(start))
    return low, high


def least(ends: list[Any]) -> Any:
    return None if None in ends else min(ends)


def most(ends: list[Any]) -> Any:
    return None if None in ends else max(ends)


def microseconds(low: datetime, high: datetime) -> tuple[int, int]:
    unit = timedelta(microseconds=1)
    return (low - EPOCH) // unit, (high - EPOCH) // unit


def number_ends(value: Any) -> Ends | None:
    """The closed interval of a number, Quantity, Money or Range; an open end leaves out the number it names."""
    if not isinstance(value, dict):
        return Decimal(value), Decimal(value)
    if "low" in value or "high" in value:
        ends = [value.get(name, {}).get("value") for name in ("low", "high")]
        low, high = (None if end is None else Decimal(end) for end in ends)
        return None if low is None and high is None else (low, high)
    if "value" not in value:
        return None
    amount = Decimal(value["value"])
    comparator = value.get("comparator", "")
    return (None if "<" in comparator else amount), (None if ">" in comparator else amount)


def searches(code: str, kind: str, value: Any) -> Iterator[str]:
    """Search values of a parameter that must find a resource with this value."""
    yield from (_phonetic if code == "phonetic" else _SEARCHES[kind])(value)


def _token(value: Any) -> Iterator[str]:
    if isinstance(value, bool):
        yield str(value).lower()
    elif isinstance(value, str):
        yield escaped(value)
    elif isinstance(value, dict):
        for coding in value.get("coding", [value]):
            code, system = coding.get("code", coding.get("value")), coding.get("system")
            if isinstance(code, str):
                yield escaped(code)
                if system and ":" in system:
                    yield f"{escaped(system)}|{escaped(code)}"


def _string(value: Any) -> Iterator[str]:
    parts = [value] if isinstance(value, str) else list(value.values()) if isinstance(value, dict) else []
    for text in (text for part in parts for text in (part if isinstance(part, list) else [part])):
        # The use of a name is none of its texts, and nothing is found by signs alone.
        about = () if isinstance(value, str) else (value.get("use"), value.get("type"))
        if isinstance(text, str) and text not in about and any(map(str.isalnum, text)):
            yield escaped(text[:60].strip())


def _phonetic(value: Any) -> Iterator[str]:
    """https://hl7.org/fhir/R4/patient.html#search: "a portion of either family or given name"."""
    named = isinstance(value, dict)
    yield from _string({name: value[name] for name in ("family", "given") if name in value} if named else value)


def _reference(value: Any) -> Iterator[str]:
    if isinstance(value, dict) and "resourceType" in value:
        text = f"{value['resourceType']}/{value['id']}" if "id" in value else None
    else:
        text = value.get("reference", value.get("url")) if isinstance(value, dict) else value
    if isinstance(text, str) and not text.startswith("#"):
        yield escaped(text)


def _date(value: Any) -> Iterator[str]:
    if isinstance(value, str) and re.match(r"\d{4}", value):
        yield f"eq{value}"


def _number(value: Any) -> Iterator[str]:
    if not isinstance(value, dict):
        yield str(value)


def _quantity(value: Any) -> Iterator[str]:
    if isinstance(value, dict) and "value" in value and not value.get("comparator"):
        yield str(value["value"])
        if value.get("system") and value.get("code"):
            yield f"{value['value']}|{escaped(value['system'])}|{escaped(value['code'])}"
        if value.get("unit"):
            yield f"{value['value']}||{escaped(value['unit'])}"


def _special(value: Any) -> Iterator[str]:
    if isinstance(value, dict) and "latitude" in value:
        yield f"{value['latitude']}|{value['longitude']}|1|km"


def _uri(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield escaped(value)


_SEARCHES: dict[str, Callable[[Any], Iterator[str]]] = {
    "token": _token,
    "string": _string,
    "reference": _reference,
    "date": _date,
    "number": _number,
    "quantity": _quantity,
    "special": _special,
    "uri": _uri,
}
