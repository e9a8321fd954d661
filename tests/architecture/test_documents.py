"""The documents: links lead somewhere, and every decision note is linked from the README."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
ROOTS = ("api", "domain", "storage", "fhir_mapping", "deploy")
DOCUMENTS = [PROJECT / "README.md", PROJECT / "CHANGELOG.md", *(PROJECT / "deploy").glob("*.md")]


def named(path: Path) -> str:
    return str(path.relative_to(PROJECT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_link_leads_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text())
    broken = [link for link in targets if "://" not in link and not (document.parent / link).exists()]
    assert broken == []


def test_every_decision_note_is_linked_from_the_readme() -> None:
    readme = (PROJECT / "README.md").read_text()
    notes = [named(path) for root in ROOTS for path in (PROJECT / root).rglob("DECISIONS.md")]
    assert [note for note in notes if f"({note})" not in readme] == []
