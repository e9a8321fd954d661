"""What of a request a registration covers: `domain/scopes.py`"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.scopes import covered, is_scope, resource_scope

LEVELS = ("patient", "user")


@pytest.mark.parametrize(
    "text",
    ["patient/Observation.rs", "user/*.cruds", "system/Patient.read", "patient/*.*", "openid", "launch/patient",
     "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory"],
)  # fmt: skip
def test_scopes_there_are(text: str) -> None:
    assert is_scope(text)


@pytest.mark.parametrize(
    "text",
    ["patient/Observation.sr", "patient/Observation.", "patient/observation.r", "other/Patient.r", "launch",
     "patient/Observation.rs?", "patient/Observation.rr", "patient/Patient", "", "OPENID", "patient/*.rs\n"],
)  # fmt: skip
def test_scopes_there_are_not(text: str) -> None:
    assert not is_scope(text)


@pytest.mark.parametrize(
    ("asked", "registered", "granted"),
    [
        ("patient/Observation.rs", "patient/*.rs", "patient/Observation.rs"),
        ("patient/*.rs", "patient/Observation.rs", ""),
        ("patient/Observation.cruds", "patient/Observation.rs", "patient/Observation.rs"),
        ("patient/Observation.crs", "patient/Observation.c patient/*.s", "patient/Observation.cs"),
        ("patient/Observation.rs", "user/Observation.rs", ""),
        ("patient/Observation.read", "patient/Observation.rs", "patient/Observation.read"),
        ("patient/Observation.*", "patient/Observation.read", "patient/Observation.rs"),
        ("patient/Observation.rs", "patient/Observation.rs?category=a", ""),
        ("patient/Observation.rs?category=a", "patient/Observation.rs", "patient/Observation.rs?category=a"),
        (
            "patient/Observation.cruds?category=a",
            "patient/Observation.rs?category=a",
            "patient/Observation.rs?category=a",
        ),
        ("patient/Observation.rs?category=b", "patient/Observation.rs?category=a", ""),
        ("openid fhirUser unknown", "openid", "openid"),
        ("openid openid", "openid", "openid"),
        ("system/Patient.rs", "system/Patient.rs", ""),
    ],
)
def test_what_is_covered(asked: str, registered: str, granted: str) -> None:
    assert covered(asked, registered, LEVELS) == granted


_scopes = st.lists(
    st.builds(
        lambda level, kind, letters: f"{level}/{kind}.{''.join(x for x in 'cruds' if x in letters)}",
        st.sampled_from(LEVELS),
        st.sampled_from(["*", "Patient", "Observation"]),
        st.sets(st.sampled_from("cruds"), min_size=1),
    ),
    max_size=5,
).map(" ".join)


def rights(text: str) -> set[tuple[str, str, str]]:
    found = set()
    for scope in map(resource_scope, text.split()):
        assert scope is not None
        kinds = ["*", "Patient", "Observation"] if scope.type == "*" else [scope.type]
        found |= {(scope.level, kind, letter) for kind in kinds for letter in scope.letters}
    return found


@given(_scopes, _scopes)
def test_nobody_is_granted_more_than_was_asked_or_more_than_was_registered(asked: str, registered: str) -> None:
    granted = rights(covered(asked, registered, LEVELS))
    assert granted <= rights(asked)
    assert granted <= rights(registered)
