"""Plain texts as narratives and back: https://hl7.org/fhir/R4/narrative.html

A text comes back as it was, line by line; of a narrative that somebody else wrote, what a reader would see.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any

from domain.identity import FhirJson

_BREAK = re.compile(r"<br\s*/?>|</(?:p|li|tr|h[1-6]|div)>(?!\s*$)", re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def narrative(text: str) -> FhirJson:
    """The narrative of a text. Characters that XML does not have are left out."""
    lines = html.escape(_UNPRINTABLE.sub("", text), quote=False).replace("\r\n", "\n").split("\n")
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{"<br/>".join(lines)}</div>'}


def items(texts: Sequence[str]) -> FhirJson:
    """The narrative of a list."""
    return narrative("\n".join(texts))


def prose(narrative: Mapping[str, Any] | None) -> str | None:
    """What a narrative says, without its markup."""
    div = (narrative or {}).get("div")
    if not isinstance(div, str):
        return None
    return html.unescape(_TAG.sub("", _BREAK.sub("\n", div))).strip() or None
