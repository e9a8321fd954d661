"""Names that sound alike: American Soundex (https://www.archives.gov/research/census/soundex), word by word.

https://hl7.org/fhir/R4/patient.html#search: `phonetic` matches "using some kind of phonetic matching algorithm". A word is
its first letter and up to three digits of consonants; all words of the search text must sound like words of the name.
NOTE: forms are hashed into stored tokens; changing one orphans every index entry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domain.errors import InvalidRequest
from domain.search import AllOf, AnyOf, AnyTerm, Condition
from fhir_mapping.search_values import string
from fhir_mapping.search_values.escaping import unescape
from fhir_mapping.search_values.forms import Forms, terms

_CODES = {
    letter: digit
    for digit, letters in {"1": "bfpv", "2": "cgjkqsxz", "3": "dt", "4": "l", "5": "mn", "6": "r"}.items()
    for letter in letters
}
_NAMES = ("text", "family", "given")
MAX_WORDS = 16


def soundex(word: str) -> str | None:
    """`robert` and `rupert` are `r163`; `None` for a word that does not start with a letter of the Latin alphabet."""
    if not ("a" <= word[:1] <= "z"):
        return None
    code, last = word[0], _CODES.get(word[0], "")
    for letter in word[1:]:
        digit = _CODES.get(letter, "")
        if digit and digit != last:
            code += digit
        if letter not in "hw":
            last = digit
    return code[:4].ljust(4, "0")


def _codes(text: str) -> list[str]:
    return [code for word in string.normalised(text).split()[:MAX_WORDS] if (code := soundex(word)) is not None]


def forms(value: Mapping[str, Any] | str) -> Forms:
    """Of a name of a person, or of anything else with a name."""
    if isinstance(value, str):
        return [("x", code) for code in _codes(value)]
    parts = [value.get(name) for name in _NAMES]
    texts = [text for part in parts for text in ([part] if isinstance(part, str) else part or ()) if text is not None]
    return [("x", code) for text in texts for code in _codes(text)]


def condition(code: str, values: Sequence[str]) -> Condition:
    """Raises `InvalidRequest` for a text without a word that sounds."""
    found: list[Condition] = []
    for value in values:
        sounds = dict.fromkeys(_codes(unescape(value)))
        if not sounds:
            raise InvalidRequest(f"'{code}' was given no name", code="value", expression=code)
        found.append(AllOf(tuple(AnyTerm(terms(code, [("x", sound)]), rank=6) for sound in sounds)))
    return found[0] if len(found) == 1 else AnyOf(tuple(found))
