"""The generated pages of `deploy/docs` are those the code makes, and they leave nothing out."""

from __future__ import annotations

import pytest

from deploy.docs import generate
from storage.mongo.indexes import INDEXES
from storage.mongo.shapes import LINKS, SHAPES


@pytest.mark.parametrize("page", generate.PAGES)
def test_a_page_is_what_the_code_makes_of_it_now(page: str) -> None:
    assert (generate.HERE / page).read_text() == generate.PAGES[page](), "run: python deploy/docs/generate.py"


def test_every_collection_that_is_created_has_a_shape() -> None:
    assert set(INDEXES) <= set(SHAPES)


def test_links_start_at_fields_and_end_at_collections() -> None:
    for link in LINKS:
        assert link.field in SHAPES[link.source].__annotations__, link
        assert link.target in SHAPES, link


def test_the_nouns_that_hold_records_name_their_types() -> None:
    assert "MedicationRequest" in generate.types_of("prescriptions")
    assert {"Invoice", "PaymentNotice"} <= set(generate.types_of("billings"))
    assert generate.types_of("elements") == []
