"""Rules every module keeps: it says why it exists, it is short, and its functions fit on a screen."""

from __future__ import annotations

import ast
import statistics
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
ROOTS = ("api", "domain", "storage", "fhir_mapping")
MODULES = sorted(path for root in ROOTS for path in (PROJECT / root).rglob("*.py"))
LONGEST_MODULE, LONGEST_FUNCTION, MEDIAN_MODULE = 300, 60, 100
FORBIDDEN_NAMES = {"utils", "helpers", "manager", "common"}


def named(path: Path) -> str:
    return str(path.relative_to(PROJECT))


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_a_module_says_why_it_exists_and_is_short(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), "no docstring"
    assert lines(path) <= LONGEST_MODULE
    assert not FORBIDDEN_NAMES & set(path.with_suffix("").parts)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    too_long = [node.name for node in functions if (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION]
    assert too_long == []


def test_half_of_the_modules_fit_on_two_screens() -> None:
    assert statistics.median(map(lines, MODULES)) <= MEDIAN_MODULE


def test_no_package_hides_under_tests() -> None:
    """`tests/domain/__init__.py` would make `import domain` find the tests."""
    assert list((PROJECT / "tests").rglob("__init__.py")) == []
