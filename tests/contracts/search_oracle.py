"""What a search finds, worked out on plain JSON by brute force. Shares no code with the product.

https://hl7.org/fhir/R4/search.html, read again and written down as directly as possible: intervals of datetimes and
fractions, texts by `str` methods, one function per parameter type. Slow and simple, so that it can be believed.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any, NamedTuple

Json = dict[str, Any]
UCUM = "http://unitsofmeasure.org"
GRAMS = {"mg": Fraction(1, 1000), "g": Fraction(1), "kg": Fraction(1000), "[lb_av]": Fraction("453.59237")}
SECONDS = {"a": Fraction(31_557_600), "mo": Fraction(2_629_800)}
KNOWN = {**{c: ("mass", f) for c, f in GRAMS.items()}, **{c: ("time", f) for c, f in SECONDS.items()}}
KNOWN |= {"/min": ("rate", Fraction(1)), "mm[Hg]": ("pressure", Fraction(1))}
BARE_TARGETS = {
    "general-practitioner": ["Organization", "Practitioner", "PractitionerRole"],
    "subject": ["Device", "Group", "Location", "Patient"],
    "patient": ["Patient"],
}


# dates


def moment(text: str) -> tuple[datetime, datetime]:
    text = text.replace("Z", "+00:00")
    if len(text) == 4:
        return datetime(int(text), 1, 1, tzinfo=UTC), datetime(int(text) + 1, 1, 1, tzinfo=UTC)
    if len(text) == 7:
        year, month = int(text[:4]), int(text[5:])
        following = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
        return datetime(year, month, 1, tzinfo=UTC), following
    if len(text) == 10:
        low = datetime.fromisoformat(text).replace(tzinfo=UTC)
        return low, low + timedelta(days=1)
    low = datetime.fromisoformat(text)
    length = timedelta(milliseconds=1) if "." in text else timedelta(seconds=1)
    if re.search(r"T\d\d:\d\d(\+|-|$)", text):
        length = timedelta(minutes=1)
    return low, low + length


FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def extent(value: Any) -> tuple[datetime, datetime]:
    if isinstance(value, str):
        return moment(value)
    start, end = value.get("start"), value.get("end")
    low, high = (moment(start)[0] if start else FIRST), (moment(end)[1] if end else LAST)
    return (low, high) if high > low else moment(start)


def date_holds(value: Any, asked: str, now: datetime) -> bool:
    prefix, text = (asked[:2], asked[2:]) if asked[:2].isalpha() else ("eq", asked)
    (low, high), (start, end) = extent(value), moment(text)
    within = start <= low and high <= end
    if prefix == "ap":
        slack = abs(now - start) // 10
        return low < end + slack and high > start - slack
    return {
        "eq": within,
        "ne": not within,
        "gt": high > end,
        "lt": low < start,
        "ge": high > end or within,
        "le": low < start or within,
        "sa": low >= end,
        "eb": high <= start,
    }[prefix]


# numbers


class Amount(NamedTuple):
    low: Fraction | float
    high: Fraction | float
    low_in: bool = True
    high_in: bool = True


def amount_holds(value: Amount, prefix: str, number: Fraction, half: Fraction) -> bool:
    low, high, low_in, high_in = value
    within = low >= number - half and high < number + half
    if prefix == "ap":
        reach = max(half, abs(number) / 10)
        above = high > number - reach or (high_in and high == number - reach)
        return above and (low < number + reach or (low_in and low == number + reach))
    return {
        "eq": within,
        "ne": not within,
        "gt": high > number,
        "lt": low < number,
        "ge": high > number or (high_in and high == number),
        "le": low < number or (low_in and low == number),
        "sa": low > number or (not low_in and low == number),
        "eb": high < number or (not high_in and high == number),
    }[prefix]


def asked_number(text: str) -> tuple[str, Fraction, Fraction]:
    prefix, digits = (text[:2], text[2:]) if text[:2].isalpha() else ("eq", text)
    mantissa, _, exponent = digits.partition("e")
    places = len(mantissa.partition(".")[2])
    return prefix, Fraction(digits), Fraction(10) ** (int(exponent or 0) - places) / (20 if exponent else 2)


def amount_of(value: Any) -> Amount:
    if not isinstance(value, dict):
        return Amount(Fraction(value), Fraction(value))
    if "low" in value or "high" in value:
        low, high = value.get("low", {}).get("value"), value.get("high", {}).get("value")
        return Amount(-math.inf if low is None else Fraction(low), math.inf if high is None else Fraction(high))
    number = Fraction(value["value"])
    match value.get("comparator"):
        case "<":
            return Amount(-math.inf, number, True, False)
        case "<=":
            return Amount(-math.inf, number)
        case ">":
            return Amount(number, math.inf, False, True)
        case ">=":
            return Amount(number, math.inf)
    return Amount(number, number)


def quantity_holds(value: Any, asked: str) -> bool:
    number, _, unit = asked.partition("|")
    prefix, wanted, half = asked_number(number)
    system, _, code = unit.partition("|")
    own = {**value.get("low", {}), **value.get("high", {})} if "low" in value or "high" in value else value
    found = amount_of(value)
    if code and not system and code not in (own.get("code"), own.get("unit")):
        return False
    if system and code in KNOWN:
        if own.get("system") != UCUM or KNOWN.get(own.get("code"), ("none",))[0] != KNOWN[code][0]:
            return False
        scale, ours = KNOWN[code][1], KNOWN[own["code"]][1]
        low = found.low * ours if isinstance(found.low, Fraction) else found.low
        high = found.high * ours if isinstance(found.high, Fraction) else found.high
        reach = max(half, abs(wanted) / 10) if prefix == "ap" else half
        return amount_holds(found._replace(low=low, high=high), prefix, wanted * scale, reach * scale)
    if system and (own.get("system"), own.get("code")) != (system, code):
        return False
    return amount_holds(found, prefix, wanted, half)


# texts


def plain(text: str) -> str:
    marks = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold())
    bare = "".join(sign for sign in marks if not unicodedata.combining(sign))
    return "".join("" if sign in "'." else " " if sign in ",|$" else sign for sign in bare)


def joined(text: str) -> str:
    return " ".join(plain(text).replace("-", "").split())


def starts(value: str, asked: str) -> bool:
    wanted = joined(asked)
    words = [*joined(value).split()[1:], *plain(value).replace("-", " ").split()[1:]]
    return joined(value).startswith(wanted) or any(word.startswith(wanted) for word in words)


def text_holds(value: str, asked: str, modifier: str) -> bool:
    if modifier == "exact":
        return value == asked
    return joined(asked) in joined(value) if modifier == "contains" else starts(value, asked)


def words(text: str) -> list[str]:
    return " ".join(plain(text).replace("-", " ").split()).split()


# codes


def split(text: str, separator: str) -> list[str]:
    return re.split(rf"(?<!\\){re.escape(separator)}", text)


def meant(text: str) -> str:
    return re.sub(r"\\([\\,|$])", r"\1", text)


def pairs_of(value: Any) -> list[tuple[str | None, str, bool]]:
    """System, code, and whether case counts."""
    if isinstance(value, bool):
        return [(None, str(value).lower(), False)]
    if isinstance(value, str):
        return [("http://hl7.org/fhir/administrative-gender", value, False)]
    if "value" in value:
        return [(value.get("system"), value["value"], True)]
    return [(each.get("system"), each["code"], False) for each in value.get("coding", [value])]


def token_holds(value: Any, asked: str) -> bool:
    parts = [meant(part) for part in split(asked, "|")]
    for system, code, exact in pairs_of(value):
        same = code == parts[-1] if exact else code.casefold() == parts[-1].casefold()
        if len(parts) == 1 and same:
            return True
        if len(parts) == 2:
            right = system == parts[0] if parts[0] else system is None
            if right and (not parts[1] or same):
                return True
    return False


# parameters


def at(content: Json, *steps: str) -> list[Any]:
    found: list[Any] = [content]
    for step in steps:
        inner = [each[step] for each in found if step in each]
        found = [item for each in inner for item in (each if isinstance(each, list) else [each])]
    return found


def strings_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for inner in value.values() for text in strings_in(inner))
    elif isinstance(value, list):
        yield from (text for inner in value for text in strings_in(inner))


def near_holds(latitude: float, longitude: float, asked: str) -> bool:
    """The angle between two vectors on a sphere of 6,371.0088 km; 50 km when no distance is given."""
    parts = asked.split("|")
    kilometres = float(parts[2]) if len(parts) > 2 else 50.0
    kilometres *= {"m": 0.001, "[mi_i]": 1.609344}.get(parts[3] if len(parts) > 3 else "km", 1.0)

    def vector(lat: float, lon: float) -> tuple[float, float, float]:
        lat, lon = math.radians(lat), math.radians(lon)
        return math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)

    apart = math.dist(vector(latitude, longitude), vector(float(parts[0]), float(parts[1])))
    return 2 * math.asin(min(1.0, apart / 2)) * 6371.0088 <= kilometres


Read = Callable[[Json], list[Any]]


def path(*names: str) -> Read:
    return lambda content: [value for name in names for value in at(content, *name.split("."))]


PARAMETERS: dict[str, tuple[str, Read]] = {
    "birthdate": ("date", path("birthDate")),
    "death-date": ("date", path("deceasedDateTime")),
    "family": ("string", path("name.family")),
    "name": ("string", path("name.family", "name.given")),
    "address": ("string", path("address.city", "address.line")),
    "gender": ("token", path("gender")),
    "active": ("token", path("active")),
    "identifier": ("token", path("identifier")),
    "near": ("special", path("position")),
    "general-practitioner": ("reference", path("generalPractitioner")),
    "date": ("date", path("effectiveDateTime", "effectivePeriod")),
    "value-quantity": ("quantity", path("valueQuantity")),
    "component-value-quantity": ("quantity", path("component.valueQuantity")),
    "combo-value-quantity": ("quantity", path("valueQuantity", "component.valueQuantity")),
    "code": ("token", path("code")),
    "combo-code": ("token", path("code", "component.code")),
    "value-string": ("string", path("valueString", "valueCodeableConcept.text")),
    "status": ("token", path("status")),
    "subject": ("reference", path("subject")),
    "patient": ("reference", lambda c: [r for r in at(c, "subject") if r["reference"].startswith("Patient/")]),
    "probability": ("number", path("prediction.probabilityDecimal", "prediction.probabilityRange")),
    "onset-date": ("date", path("onsetDateTime", "onsetPeriod")),
    "recorded-date": ("date", path("recordedDate")),
    "onset-age": ("quantity", path("onsetAge", "onsetRange")),
    "url": ("uri", path("url")),
    "title": ("string", path("title")),
    "context-quantity": ("quantity", path("useContext.valueQuantity", "useContext.valueRange")),
}
COMPOSITES: dict[str, tuple[list[Read], str]] = {
    "code-value-quantity": ([lambda c: [c]], "quantity"),
    "component-code-value-quantity": ([path("component")], "quantity"),
    "combo-code-value-quantity": ([lambda c: [c], path("component")], "quantity"),
    "code-value-concept": ([lambda c: [c]], "token"),
    "component-code-value-concept": ([path("component")], "token"),
    "combo-code-value-concept": ([lambda c: [c], path("component")], "token"),
    "code-value-string": ([lambda c: [c]], "string"),
    "context-type-quantity": ([path("useContext")], "quantity"),
    "context-type-value": ([path("useContext")], "token"),
}
ELEMENTS = {
    "quantity": ("valueQuantity", "valueRange"),
    "token": ("valueCodeableConcept",),
    "string": ("valueString", "valueCodeableConcept.text"),
}


def one_holds(kind: str, value: Any, asked: str, code: str, modifier: str, now: datetime) -> bool:
    match kind:
        case "date":
            return date_holds(value, asked, now)
        case "number":
            prefix, number, half = asked_number(asked)
            return amount_holds(amount_of(value), prefix, number, half)
        case "quantity":
            return quantity_holds(value, asked)
        case "string":
            return text_holds(value, meant(asked), modifier)
        case "token" if modifier == "text":
            texts = [value.get("text"), *(each.get("display") for each in value.get("coding", ()))]
            wanted = " " + " ".join(words(meant(asked)))
            return any(wanted in " " + " ".join(words(text)) for text in texts if text)
        case "token" if modifier == "of-type":
            system, kind, text = map(meant, split(asked, "|"))
            kinds = [(each["system"], each["code"].casefold()) for each in at(value, "type", "coding")]
            return (system, kind.casefold()) in kinds and value["value"] == text
        case "token":
            return token_holds(value, asked)
        case "special":
            return near_holds(float(value["latitude"]), float(value["longitude"]), asked)
        case "reference" if modifier == "identifier":
            return "identifier" in value and token_holds(value["identifier"], asked)
        case "uri":
            below = value == asked or value.startswith(f"{asked}/")
            above = value.startswith("http") and (asked == value or asked.startswith(f"{value}/"))
            return {"below": below, "above": above}.get(modifier, value == asked)
    targets = [modifier] if modifier else BARE_TARGETS[code]
    wanted_names = [asked] if "/" in asked else [f"{target}/{asked}" for target in targets]
    return bool(value["reference"] in wanted_names)


def holds(content: Json, name: str, asked: str, now: datetime) -> bool:
    """Whether a resource satisfies one parameter of a query string."""
    code, _, modifier = name.partition(":")
    if code == "_content":
        there = {word for text in strings_in(content) for word in words(text)}
        return any(set(words(meant(each))) <= there for each in split(asked, ","))
    alternatives = split(asked, ",")
    if code in COMPOSITES:
        return any(_composite(content, code, each, now) for each in alternatives)
    kind, read = PARAMETERS[code]
    values = read(content)
    if modifier == "missing":
        return (not values) is (asked == "true")
    found = any(one_holds(kind, v, each, code, modifier, now) for v in values for each in alternatives)
    return found is not (modifier == "not")


def _composite(content: Json, code: str, asked: str, now: datetime) -> bool:
    first, second = split(asked, "$")
    owners, kind = COMPOSITES[code]
    return any(
        token_holds(instance["code"], first) and one_holds(kind, value, second, code, "", now)
        for read in owners
        for instance in read(content)
        for value in [part for element in ELEMENTS[kind] for part in at(instance, *element.split("."))]
    )
