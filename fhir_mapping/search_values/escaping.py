r"""Separators inside a search value: https://hl7.org/fhir/R4/search.html#escaping

`,` separates alternatives, `|` the parts of a token, `$` those of a composite. A backslash takes the meaning from any
of them and from itself: `\,` `\|` `\$` `\\`.
"""

from __future__ import annotations

import re

_SPECIAL = re.compile(r"([,|$\\])")
_ESCAPED = re.compile(r"\\([,|$\\])")


def split(text: str, separator: str, most: int = -1) -> list[str]:
    r"""The parts between unescaped separators, still escaped; at most `most` cuts are made (-1: any number)."""
    if "\\" not in text:
        return text.split(separator, most)
    parts: list[str] = []
    start = position = 0
    while position < len(text) and len(parts) != most:
        if text[position] == "\\":
            position += 1
        elif text[position] == separator:
            parts.append(text[start:position])
            start = position + 1
        position += 1
    return [*parts, text[start:]]


def unescape(text: str) -> str:
    r"""The text meant: `A\,B` is `A,B`. A backslash before anything else is itself."""
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def escape(text: str) -> str:
    r"""The text as a search value writes it: `A,B` is `A\,B`."""
    return _SPECIAL.sub(r"\\\1", text)
