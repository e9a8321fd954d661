"""The troubleshooting table of synchronisation."""

from __future__ import annotations

from typing import get_args

import pytest

from domain.clinic.provider_ports import Cause
from domain.clinic.sync_troubles import ADVICE


def test_there_is_a_row_for_every_cause_and_for_nothing_else() -> None:
    assert set(ADVICE) == set(get_args(Cause))


@pytest.mark.parametrize("cause", get_args(Cause))
def test_every_row_says_in_sentences_what_to_do(cause: Cause) -> None:
    said = [ADVICE[cause].detail, *ADVICE[cause].steps]
    assert len(said) >= 2
    assert all(each[0].isupper() and each.endswith(".") for each in said)
