r"""https://hl7.org/fhir/R4/search.html#escaping"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_mapping.search_values.escaping import split, unescape


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a,b", ["a", "b"]),
        (r"a\,b", [r"a\,b"]),
        (r"a\\,b", [r"a\\", "b"]),
        (r"a\\\,b", [r"a\\\,b"]),
        ("", [""]),
        (",", ["", ""]),
        ("a\\", ["a\\"]),
    ],
)
def test_only_bare_separators_split(text: str, parts: list[str]) -> None:
    assert split(text, ",") == parts


@pytest.mark.parametrize(("text", "most"), [("a|b|c", 1), (r"a|b\||c", 1)])
def test_at_most_so_many_cuts(text: str, most: int) -> None:
    assert split(text, "|", most) == ["a", text[2:]]


@pytest.mark.parametrize(("text", "meant"), [(r"A\,B\|C\$D", "A,B|C$D"), (r"\\", "\\"), (r"\n", r"\n"), ("a\\", "a\\")])
def test_unescaping(text: str, meant: str) -> None:
    assert unescape(text) == meant


@given(st.lists(st.text(alphabet=",|$\\ab"), min_size=1))
def test_escaped_values_come_back(values: list[str]) -> None:
    escaped = ",".join("".join("\\" + c if c in ",|$\\" else c for c in value) for value in values)
    assert [unescape(part) for part in split(escaped, ",")] == values
