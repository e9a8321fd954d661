"""Compiles an archive of the official R4 definitions to the JSON tables in this folder. Run by hand:

    python -m fhir_mapping.definitions.compile PATH/hl7-r4-definitions.tar.xz

Every module here named `compile_*` has one function `compiled(read)`: `read("valuesets.json")` gives a file of the
archive, and what it returns, file name to JSON value, is written beside it.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
import tarfile
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def main(archive: Path) -> None:
    """Write every table; the same archive always gives the same bytes."""
    with tarfile.open(archive) as tar:
        members = {Path(member.name).name: member for member in tar.getmembers() if member.isfile()}

        def read(name: str) -> Any:
            file = tar.extractfile(members[name])
            if file is None:
                raise FileNotFoundError(name)
            return json.load(file)

        for module in pkgutil.iter_modules([str(FOLDER)]):
            if module.name.startswith("compile_"):
                part = importlib.import_module(f"fhir_mapping.definitions.{module.name}")
                for name, table in part.compiled(read).items():
                    _write(FOLDER / name, table)


def _write(path: Path, table: dict[str, Any]) -> None:
    rows = (f"{json.dumps(key)}:{json.dumps(table[key], separators=(',', ':'))}" for key in table)
    path.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
