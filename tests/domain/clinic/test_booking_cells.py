"""Cells of a booking: which, and that a buffer behind each keeps it between them."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from domain.cells import Held
from domain.clinic.availability import Span
from domain.clinic.booking_cells import places, releasing, taking
from domain.clinic.proposals import Proposal, read_proposal

BASE = datetime(2026, 10, 24, 22, tzinfo=UTC)


def span(start: int, minutes: int) -> Span:
    return Span(BASE + timedelta(minutes=start), BASE + timedelta(minutes=start + minutes))


def test_half_an_hour_is_six_cells_of_both() -> None:
    found = places("d", "p", span(0, 30))
    assert (len(found.doctor), len(found.patient), len(set(found.names))) == (6, 6, 12)
    assert places("d", "p", span(30, 30)).doctor[0] not in found.doctor
    assert set(places("d", "p", span(25, 30)).doctor) & set(found.doctor)
    assert not set(places("other", "q", span(0, 30)).names) & set(found.names)


@pytest.mark.parametrize("buffer", [0, 5, 10, 30])
def test_cells_collide_exactly_when_times_are_nearer_than_the_buffer(buffer: int) -> None:
    rng = random.Random(buffer)
    for _ in range(500):
        one, two = (span(5 * rng.randrange(60), 5 * rng.randrange(1, 13)) for _ in range(2))
        cells = [set(places("d", "p", each, buffer_minutes=buffer).doctor) for each in (one, two)]
        first, second = sorted((one, two))
        near = second.start < first.end + timedelta(minutes=buffer)
        assert bool(cells[0] & cells[1]) == near, (one, two)


def test_only_what_is_still_held_is_released() -> None:
    booked = span(0, 10)
    names = places("d", "p", booked).names
    held = [Held(1, "a1"), Held(2, "thief"), Held(1, "a1"), Held()]
    freed = releasing(names, held, holder="a1", span=booked)
    assert [(cell.name, cell.seen, cell.holder) for cell in freed] == [(names[0], 1, None), (names[2], 1, None)]


def test_a_tentative_cell_ends_with_the_hold() -> None:
    booked = span(0, 5)
    wanted = places("d", "p", booked)
    until = BASE - timedelta(minutes=5)
    taken = taking(wanted, [Held(), Held(4, "old", until)], holder="a1", until=until, span=booked)
    assert [(cell.seen, cell.holder, cell.until) for cell in taken] == [(0, "a1", until), (4, "a1", until)]
    assert all(cell.gone > booked.end for cell in taken)
    assert "d" not in repr(taken[0]).removeprefix("Cell")


def test_a_proposal_is_read_from_its_id() -> None:
    offered = Proposal("d-1.x", span(5, 45))
    assert read_proposal(offered.id) == offered
    for name in ("free.1.0.d", "free.1.481.d", "free.x.30.d", "free.1.30.", "a1", "free.9999999999.30.d"):
        assert read_proposal(name) is None, name
    assert read_proposal("free.999999999.30.d") is not None
