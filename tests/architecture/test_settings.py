"""Every setting is explained in the README, and takes effect somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from api.settings import Settings
from api.settings_reference import Documented, reference

PROJECT = Path(__file__).resolve().parents[2]
SOURCE = "".join(path.read_text() for root in ("api", "storage") for path in (PROJECT / root).rglob("*.py"))


@pytest.mark.parametrize("row", list(reference()), ids=lambda row: row.variable)
def test_every_setting_is_in_the_readme(row: Documented) -> None:
    assert f"| `{row.variable}` | {row.default} | {row.meaning} |" in (PROJECT / "README.md").read_text()


def test_the_readme_explains_no_setting_that_is_gone() -> None:
    explained = re.findall(r"^\| `(CHARTVAULT_\w+)` \|", (PROJECT / "README.md").read_text(), re.MULTILINE)
    assert explained == [row.variable for row in reference()]


@pytest.mark.parametrize("name", Settings.__struct_fields__)
def test_every_setting_takes_effect(name: str) -> None:
    assert re.search(rf"\b(?:settings|self|chosen)\.{name}\b", SOURCE)
