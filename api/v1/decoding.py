"""Bodies and queries to `Form`s: malformed is 400, well-formed but wrong is 422 with the path of what is wrong.

Messages name the field and the rule, never the value: what was sent may be a password or a name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import parse_qsl

import msgspec

from api.v1.endpoint import Form
from domain.errors import InvalidFields, InvalidRequest, NotAcceptable, TooCostly, UnsupportedMedia

MAX_QUERY, MAX_PARAMETERS, MAX_DEPTH = 8192, 50, 32
_WHERE = re.compile(r" - at `\$(?P<path>[^`]*)`$")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>[^`]{1,64})`")
_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]{1,64})`")

_Form = TypeVar("_Form", bound=Form)


def decoded_body(raw: bytes, kind: type[_Form]) -> _Form:
    """The JSON body as a `kind`. Raises `InvalidRequest` for what is not JSON, `InvalidFields` for what breaks a rule."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise _wrong(str(error), "") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidRequest("The body is not JSON", code="structure") from None


def decoded_query(text: str, kind: type[_Form] | None) -> _Form | None:
    """The query string as a `kind`; without one no parameter is understood. A parameter counts once."""
    if len(text) > MAX_QUERY:
        raise TooCostly(f"The query is longer than {MAX_QUERY} characters")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    except UnicodeDecodeError:
        raise InvalidRequest("The query is not UTF-8", code="value") from None
    except ValueError:
        raise TooCostly(f"More than {MAX_PARAMETERS} parameters") from None
    values = dict(pairs)
    if len(values) < len(pairs):
        raise InvalidRequest("A parameter is given twice", code="value")
    if kind is None:
        if values:
            raise InvalidFields("This endpoint takes no parameters", expression=f"?{next(iter(values))[:64]}")
        return None
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _wrong(str(error), "?") from None


def require_json(headers: Mapping[bytes, bytes]) -> None:
    """Raise `UnsupportedMedia` unless the body is declared as uncompressed JSON."""
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if kind != b"application/json" or headers.get(b"content-encoding", b"identity") != b"identity":
        raise UnsupportedMedia("The body must be application/json")


def require_json_answer(headers: Mapping[bytes, bytes]) -> None:
    """Raise `NotAcceptable` when the client accepts no JSON."""
    accept = headers.get(b"accept")
    if accept is None:
        return
    kinds = {part.partition(b";")[0].strip().lower() for part in accept.split(b",")}
    if kinds.isdisjoint({b"application/json", b"application/*", b"*/*", b"application/problem+json"}):
        raise NotAcceptable("Answers are written as application/json only")


def _wrong(text: str, prefix: str) -> InvalidFields:
    """msgspec's finding without the value it may quote."""
    found = _WHERE.search(text)
    path = found["path"].removeprefix(".") if found else ""
    message = text[: found.start()] if found else text
    for pattern, said in ((_UNKNOWN, "This field is not known here"), (_MISSING, "This field is required")):
        named = pattern.fullmatch(message)
        if named is not None:
            path, message = f"{path}.{named['name']}".removeprefix("."), said
    if message.startswith("Invalid enum value"):
        message = "This is none of the possible values"
    return InvalidFields(message, expression=prefix + path)
