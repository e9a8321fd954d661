"""Texts as narratives and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_mapping.friendly.prose import narrative, prose
from fhir_mapping.narrative import xhtml

WRITTEN = st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff") | st.just("\n")


@given(st.text(WRITTEN, min_size=1))
def test_a_text_comes_back_and_is_a_narrative_fhir_accepts(text: str) -> None:
    made = narrative(text)
    assert prose(made) == (text.strip() or None)
    assert xhtml(made["div"], 0) is None


def test_characters_that_xml_does_not_have_are_left_out() -> None:
    made = narrative("a\x00b\uffffc")
    assert (prose(made), xhtml(made["div"], 0)) == ("abc", None)


@pytest.mark.parametrize(
    ("div", "text"),
    [
        ('<div xmlns="http://www.w3.org/1999/xhtml"><p>One</p><p>Two &amp; three</p></div>', "One\nTwo & three"),
        ('<div xmlns="http://www.w3.org/1999/xhtml"><ul><li>a</li><li>b</li></ul></div>', "a\nb"),
        ('<div xmlns="http://www.w3.org/1999/xhtml"></div>', None),
    ],
)
def test_what_others_wrote_reads_as_a_reader_would_see_it(div: str, text: str | None) -> None:
    assert prose({"div": div}) == text


def test_what_is_no_narrative_says_nothing() -> None:
    assert prose(None) is None
    assert prose({"status": "empty"}) is None
