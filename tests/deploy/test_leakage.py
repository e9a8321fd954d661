"""The leakage statement against the code it describes: `deploy/LEAKAGE.md`"""

from __future__ import annotations

import re
from pathlib import Path

from domain.protection import Protection
from fhir_mapping.outline import OPAQUE, PERSONS, POLICY, RESTRICTED

STATEMENT = (Path(__file__).parents[2] / "deploy" / "LEAKAGE.md").read_text()
NAMED = set(re.findall(r"`([^`]+)`", STATEMENT))


def section(title: str) -> str:
    return STATEMENT.partition(f"### `{title}`")[2].partition("\n#")[0]


def test_every_data_type_that_shows_is_on_the_page_and_no_other() -> None:
    table = section("outline").partition("Never, whatever the type")[0]
    first_cells = " ".join(row.split("|")[1] for row in table.splitlines() if row.startswith("| `"))
    stated = set(re.findall(r"`([^`]+)`", first_cells))
    assert stated == {name for name, protection in POLICY.items() if protection is Protection.PLAIN}


def test_every_type_with_rules_of_its_own_is_on_the_page_with_what_shows() -> None:
    rows = [row for row in section("outline").splitlines() if row.startswith("|")]
    for kind, elements in PERSONS.items():
        (row,) = [row for row in rows if row.startswith(f"| `{kind}`")]
        assert set(re.findall(r"`([^`]+)`", row)) == {kind, *elements}
    assert NAMED >= OPAQUE | RESTRICTED
