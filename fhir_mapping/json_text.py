"""Reads JSON strictly: https://hl7.org/fhir/R4/json.html

Refuses what parsers let pass silently and FHIR does not allow: duplicate keys (parsers keep the last), characters that
FHIR excludes from strings, nesting without bound, numbers no Decimal128 holds. Decimals keep their text.

Duplicates are found by counting colons: the parsed value, written again, has as many as the body unless a key was
dropped. Only an escaped colon spoils the count, so a body with a backslash and `u00` (or `b` or `f`, which stand for
excluded characters) is read a second time, pair by pair; so is one whose counts differ, to name the place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import DecimalException
from typing import Any

import msgspec

from domain.decimals import exact
from domain.errors import InvalidContent
from domain.revision import encode
from fhir_mapping.problems import Problem

_decode = msgspec.json.Decoder(float_hook=exact).decode
_control = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]").search
MALFORMED = "structure"


def parse(body: bytes | msgspec.Raw, decode: Any = _decode) -> Any:
    """The JSON value of `body`. `decode` may be another msgspec decoder's method. Raises `InvalidContent`."""
    try:
        return decode(body)
    except RecursionError:
        raise InvalidContent("The JSON is nested too deep", code="too-costly") from None
    except UnicodeDecodeError:
        raise InvalidContent("The body is not UTF-8", code=MALFORMED) from None
    except DecimalException:
        raise InvalidContent("A number has more digits or exponent than can be kept", code="value") from None
    except msgspec.ValidationError:
        raise InvalidContent("A number is out of range or a value is of the wrong JSON type", code="value") from None
    except msgspec.DecodeError as error:
        raise InvalidContent(f"The body is not JSON: {error}", code=MALFORMED) from None


def hidden_problems(body: bytes, content: Any) -> list[Problem]:
    """Duplicate keys and excluded characters of `body`, of which `content` is the parsed value, with their paths."""
    escaped = b"\\" in body and (b"\\u00" in body or b"\\b" in body or b"\\f" in body)
    if not escaped and body.count(b":") == encode(content).count(b":"):
        return []
    return list(_walk(json.loads(body, object_pairs_hook=_Pairs, parse_float=str, parse_int=str)))


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it stands in the text."""


def _walk(value: Any) -> Iterator[Problem]:
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        path, each = waiting.pop()
        if isinstance(each, _Pairs):
            seen: set[str] = set()
            for name, child in each:
                if name in seen:
                    yield Problem("structure", "The key stands twice in its object", f"{path}.{name}")
                seen.add(name)
                waiting.append((f"{path}.{name}", child))
        elif type(each) is list:
            waiting.extend((f"{path}[{index}]", child) for index, child in enumerate(each))
        elif type(each) is str and _control(each):
            yield Problem("value", "A string has a control character that FHIR excludes", path)
