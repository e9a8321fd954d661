"""Writes the pages beside it from the code: the collections and the nouns of `/api/v1`.

    python deploy/docs/generate.py

A test holds the pages to the code, so they cannot drift.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_type_hints

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT))

from api.v1.endpoint import Endpoint  # noqa: E402
from api.v1.table import TABLE  # noqa: E402 - found by the line above when run by hand
from fhir_mapping.tables import RESOURCE_TYPES  # noqa: E402
from storage.mongo.shapes import LINKS, SHAPES  # noqa: E402

_COMMENT = re.compile(r"^    (\w+):.*?(?:#\s*(.*))?$")
_FRIENDLY = ROOT / "fhir_mapping" / "friendly"


def collections() -> str:
    """The page of the collections: a diagram, then every field with what it holds and how it is protected."""
    lines = [
        "# The collections of the data database",
        "",
        "Made from `storage/mongo/shapes.py`. What can be read in which field is said in [LEAKAGE](../LEAKAGE.md).",
        "",
        "```mermaid",
        "erDiagram",
    ]
    lines += [
        f'    {link.source} {"}o--o{" if link.many else "}o--o|"} {link.target} : "{link.field}"' for link in LINKS
    ]
    for name, shape in SHAPES.items():
        lines += [f"    {name} {{", *(f"        {kind} {field}" for field, kind in _fields(shape)), "    }"]
    lines += ["```", ""]
    for name, shape in SHAPES.items():
        said = (inspect.getdoc(shape) or "").splitlines()[0]
        lines += [f"## `{name}`", "", said, "", "| field | |", "|---|---|"]
        lines += [f"| `{field}` | {text} |" for field, text in _comments(shape)]
        lines += [""]
    return "\n".join(lines)


def _fields(shape: type) -> Iterator[tuple[str, str]]:
    """Each field with one word for its type."""
    for field, hint in get_type_hints(shape).items():
        text = re.sub(r"[^A-Za-z]+", " ", str(hint).replace("typing.", "").replace("collections.abc.", "")).split()
        words = [each for each in text if each not in ("class", "NoneType", "None", "Optional", "Union", "Annotated")]
        kind = (words[-1] if words else "any").lower()
        yield field, f"list_{kind}" if "Sequence" in words or "tuple" in words else kind


def _comments(shape: type) -> Iterator[tuple[str, str]]:
    """Each field with the comment beside it."""
    waiting: str | None = None
    for line in inspect.getsource(shape).splitlines():
        found = _COMMENT.match(line)
        if found is not None and found[1] in shape.__annotations__:
            waiting = found[1]
            yield waiting, (found[2] or "").replace("|", "\\|")


def nouns() -> str:
    """The page of the nouns: each with its endpoints and the FHIR resources that hold it."""
    lines = [
        "# The nouns of `/api/v1` and the FHIR resources that hold them",
        "",
        "Made from `api/v1/table.py`, `domain/clinic` and `fhir_mapping/friendly`. What a front end writes under a noun, a",
        "FHIR client finds under these types, and the other way round; types that a noun only refers to are named too. Nouns",
        "without a type are private to the installation.",
        "",
        "| noun | FHIR resources | endpoints |",
        "|---|---|---|",
    ]
    modules: dict[str, list[str]] = {}
    for endpoint in TABLE:
        modules.setdefault(noun_of(endpoint), []).append(f"`{endpoint.method} {endpoint.path}`")
    for name, endpoints in modules.items():
        types = ", ".join(types_of(name)) or "none"
        lines.append(f"| {name.replace('_', ' ')} | {types} | {'<br>'.join(dict.fromkeys(endpoints))} |")
    return "\n".join([*lines, ""])


def noun_of(endpoint: Endpoint) -> str:
    """The last word of its path that has a mapping, else the module that answers."""
    words = [each.replace("-", "_") for each in reversed(endpoint.path.split("/")) if each.isascii()]
    mapped = (each for each in words if (_FRIENDLY / f"{each}.py").exists())
    return next(mapped, endpoint.handler.__module__.rpartition(".")[2])


def types_of(noun: str) -> list[str]:
    """The resource types that this noun, or what its mapping is made of, writes or reads; in order of their names."""
    path = _FRIENDLY / f"{noun}.py"
    if not path.exists() or noun == "elements":
        return []
    tree = ast.parse(path.read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    found = _written_in(tree)
    for module in {*imported, f"domain.clinic.{noun}"}:
        source = ROOT / f"{module.replace('.', '/')}.py"
        if module.startswith("domain.clinic.") and source.exists():
            found |= _written_in(ast.parse(source.read_text()))
        elif module.startswith("fhir_mapping.friendly."):
            found |= set(types_of(module.rpartition(".")[2]))
    return sorted(found)


def _written_in(tree: ast.Module) -> set[str]:
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    words = {text.partition("/")[0] for text in texts if re.fullmatch(r"[A-Z][A-Za-z]+(/.*)?", text)}
    return words & set(RESOURCE_TYPES)


PAGES = {"collections.md": collections, "nouns.md": nouns}

if __name__ == "__main__":
    for page, write in PAGES.items():
        (HERE / page).write_text(write())
