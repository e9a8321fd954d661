"""The rules of the primitive types: https://hl7.org/fhir/R4/datatypes.html#primitive

One check per type, on the exact JSON type (`True` is no integer, `1` is no string). Calendar rules are checked too:
2001-02-30 is no date. Codes and URIs repeat endlessly in real data, so the good ones seen last are remembered: a set
lookup costs a sixth of the regular expression. They name systems, units and states, never people.
"""

from __future__ import annotations

import binascii
import re
from calendar import isleap
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from fhir_mapping.problems import Check, Found, Problem

MAX_STRING = 1024 * 1024
MAX_DIGITS = 34  # of a Decimal128
MAX_EXPONENT = 308  # of an IEEE double, which most readers use

_DAY = r"(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2\d))"
_YEAR = r"(?!0000)\d{4}"
_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d{1,9})?"
_ZONE = r"(?:Z|[+-](?:0\d|1[0-3]):[0-5]\d|[+-]14:00)"

_date = re.compile(rf"{_YEAR}(?:-(?:{_DAY}|0[1-9]|1[0-2]))?", re.ASCII).fullmatch
_date_time = re.compile(rf"{_YEAR}(?:-(?:{_DAY}(?:T{_TIME}{_ZONE})?|0[1-9]|1[0-2]))?", re.ASCII).fullmatch
_instant = re.compile(rf"{_YEAR}-{_DAY}T{_TIME}{_ZONE}", re.ASCII).fullmatch
_time = re.compile(_TIME, re.ASCII).fullmatch
_id = re.compile(r"[A-Za-z0-9\-.]{1,64}").fullmatch
_code = re.compile(r"[^\s]+(?:[ \t\r\n][^\s]+)*", re.ASCII).fullmatch
_oid = re.compile(r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+").fullmatch
_HEX = "[0-9a-f]"
_uuid = re.compile(rf"urn:uuid:{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}").fullmatch
_space = re.compile(r"\s", re.ASCII).search
# What a browser runs when a page makes a link of it, however it is spelled; images and documents as data: are fine.
executable = re.compile(
    r"[\x00-\x20]*(?:j\s*a\s*v\s*a\s*s\s*c\s*r\s*i\s*p\s*t|v\s*b\s*s\s*c\s*r\s*i\s*p\s*t)\s*:"
    r"|[\x00-\x20]*data\s*:[^,]*(?:html|svg|xml|script)",
    re.IGNORECASE,
).match


def check_for(type_name: str) -> Check:
    """The check of a primitive type. Raises `KeyError` for anything else."""
    return CHECKS[type_name]


def _wrong_type(value: Any, wanted: str) -> Found:
    if value == "":
        return [Problem("value", "An empty string is not a value; leave the element out")]
    if value is None:
        return [Problem("structure", f"null where {wanted} belongs; leave the element out")]
    names = {dict: "an object", list: "an array", str: "a string", bool: "true or false", int: "a number"}
    return [Problem("structure", f"{names.get(type(value), 'a number of another kind')} where {wanted} belongs")]


def boolean(value: Any, depth: int) -> Found:
    return None if value is True or value is False else _wrong_type(value, "true or false")


def string(value: Any, depth: int) -> Found:
    """Also markdown. Characters that FHIR excludes are looked for in the whole body at once, see `validation`."""
    if type(value) is not str or not value:
        return _wrong_type(value, "a string")
    if len(value) > MAX_STRING:
        return [Problem("too-long", "A string has at most 1 MiB")]
    return None


def _text(pattern: Callable[[str], Any], message: str) -> Check:
    def check(value: Any, depth: int) -> Found:
        if type(value) is not str or not value:
            return _wrong_type(value, "a string")
        return None if pattern(value) else [Problem("value", message)]

    return check


def _remembered(judge: Callable[[str], str | None], size: int = 4096) -> Check:
    """A check that asks `judge`, which gives the complaint, once per good value. Forgets all when `size` are known."""
    good: set[str] = set()

    def check(value: Any, depth: int) -> Found:
        if type(value) is not str or not value:
            return _wrong_type(value, "a string")
        if value in good:
            return None
        complaint = judge(value)
        if complaint:
            return [Problem("value", complaint)]
        if len(value) <= 128:
            if len(good) >= size:
                good.clear()
            good.add(value)
        return None

    return check


def _judge_code(value: str) -> str | None:
    return None if _code(value) else "A code has no blanks at its ends and single ones inside"


def _judge_uri(value: str) -> str | None:
    if _space(value):
        return "A URI has no blanks"
    if executable(value):
        return "A URI that runs a script is refused"
    name = value.partition("|")[0]  # a canonical may name a version
    if value.startswith("urn:uuid:") and not _uuid(name.lower()):  # official examples have upper case here
        return "urn:uuid: is followed by a UUID"
    if value.startswith("urn:oid:") and not _oid(name):
        return "urn:oid: is followed by an OID"
    return None


def _judge_oid(value: str) -> str | None:
    return None if _oid(value) else "An oid is urn:oid: and numbers joined by dots"


def _judge_uuid(value: str) -> str | None:
    return None if _uuid(value) else "A uuid is urn:uuid: and a UUID in lower case"


def exists_on_calendar(text: str) -> bool:
    """Whether a date that fits the pattern has its 29 February in a leap year."""
    return text[5:10] != "02-29" or isleap(int(text[:4]))


def _calendar(pattern: Callable[[str], Any], message: str) -> Check:
    def check(value: Any, depth: int) -> Found:
        if type(value) is not str or not value:
            return _wrong_type(value, "a string")
        if pattern(value) and exists_on_calendar(value):
            return None
        return [Problem("value", message)]

    return check


def _integer(low: int, name: str) -> Check:
    def check(value: Any, depth: int) -> Found:
        if type(value) is not int:
            return _wrong_type(value, "a whole number")
        if low <= value <= 2147483647:
            return None
        return [Problem("value", f"A {name} is a whole number from {low} to 2147483647")]

    return check


def decimal(value: Any, depth: int) -> Found:
    if type(value) is int:
        if -(10**MAX_DIGITS) < value < 10**MAX_DIGITS:
            return None
    elif not isinstance(value, Decimal):
        return _wrong_type(value, "a number")
    else:
        text = str(value)
        if len(text) <= MAX_DIGITS and text.isascii() and text.strip("-.0123456789") == "":
            return None  # the usual case; what follows takes four times as long
        if value.is_finite() and len(value.as_tuple().digits) <= MAX_DIGITS and abs(value.adjusted()) <= MAX_EXPONENT:
            return None
    return [Problem("value", "A decimal has at most 34 digits and an exponent of at most 308")]


def base64_binary(value: Any, depth: int) -> Found:
    if type(value) is not str or not value:
        return _wrong_type(value, "a string")
    try:
        compact = value if value.isascii() and not _space(value) else "".join(value.split())
        binascii.a2b_base64(compact, strict_mode=True)
        whole = len(compact) % 4 == 0  # one "=" too many passes a2b_base64
    except ValueError:  # binascii.Error is one; so is text outside ASCII
        whole = False
    return None if whole else [Problem("value", "This is not base64")]


_uri = _remembered(_judge_uri)

CHECKS: dict[str, Check] = {
    "base64Binary": base64_binary,
    "boolean": boolean,
    "canonical": _uri,
    "code": _remembered(_judge_code),
    "date": _calendar(_date, "A date is YYYY, YYYY-MM or YYYY-MM-DD, and a day of the calendar"),
    "dateTime": _calendar(_date_time, "A dateTime is a date, or a date with time to the second and zone"),
    "decimal": decimal,
    "id": _text(_id, "An id is 1 to 64 of A-Z a-z 0-9 - ."),
    "instant": _calendar(_instant, "An instant is a date with time to the second and zone"),
    "integer": _integer(-2147483648, "integer"),
    "markdown": string,
    "oid": _remembered(_judge_oid),
    "positiveInt": _integer(1, "positiveInt"),
    "string": string,
    "time": _text(_time, "A time is hh:mm:ss, without zone"),
    "unsignedInt": _integer(0, "unsignedInt"),
    "uri": _uri,
    "url": _uri,
    "uuid": _remembered(_judge_uuid),
}


def closed_code(codes: frozenset[str]) -> Check:
    """The check of a code with a required binding that can be listed."""

    def check(value: Any, depth: int) -> Found:
        if type(value) is not str or not value:
            return _wrong_type(value, "a string")
        return None if value in codes else [Problem("code-invalid", "The code is not in the value set it must be from")]

    return check
