"""Pins: every dependency has one exact version in `constraints.txt`, inside the range of `pyproject.toml`."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).resolve().parents[2]


def pins() -> dict[str, str]:
    rows = (PROJECT / "constraints.txt").read_text().split()
    return {canonicalize_name(name): version for name, _, version in (row.partition("==") for row in rows)}


def test_every_dependency_is_pinned_inside_its_range() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(row for extra in project["optional-dependencies"].values() for row in extra)]
    pinned = pins()
    for row in map(Requirement, wanted):
        name = canonicalize_name(row.name)
        assert name in pinned, f"{name} is not in constraints.txt"
        assert row.specifier.contains(pinned[name], prereleases=True), (
            f"{name} {pinned[name]} is outside {row.specifier}"
        )


def test_constraints_hold_versions_and_nothing_else() -> None:
    for row in (PROJECT / "constraints.txt").read_text().splitlines():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", row), row
