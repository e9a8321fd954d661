"""How every `RevisionStore` finds resources. Inherit it and provide the fixture `store`.

https://hl7.org/fhir/R4/search.html, https://hl7.org/fhir/R4/http.html#paging
"""

from __future__ import annotations

import msgspec
import pytest

from domain.identity import ResourceKey
from domain.ports import RevisionStore
from domain.search import (
    AnyTerm,
    Condition,
    IdIn,
    Linked,
    OfPatients,
    PatientIn,
    SearchQuery,
    SortKey,
    Updated,
    Words,
    reference_term,
)
from tests.contracts.revision_store import create, found, update
from tests.contracts.writes import at, change, code, deletion, new_key, write


async def ids(store: RevisionStore, query: SearchQuery) -> list[str]:
    """The ids of all matches, collected page by page; every page must say the same total."""
    names: list[str] = []
    totals = set()
    while True:
        page = await store.find(query)
        totals.add(page.total)
        names += [one.head.key.id for one in page.matches]
        if page.next is None:
            assert totals == {len(names)}
            return names
        query = msgspec.structs.replace(query, after=page.next)


async def five(store: RevisionStore, resource_type: str) -> None:
    """Resources 1 to 5; odd and even differ by a term; 5 belongs to patient x, 4 to x and y, about x; updated backwards."""
    for number in range(1, 6):
        members = {4: ("x", "y"), 5: ("x",)}.get(number, ())
        kind = code("odd" if number % 2 else "even")
        await store.commit(
            write(
                change(
                    ResourceKey(resource_type, str(number)),
                    terms=(kind, code(f"n{number}")),
                    scoped=(kind,) if members else (),
                    patient=members[0] if members else None,
                    patients=members,
                    now=at(-number),
                )
            )
        )


ODD, EVEN = AnyTerm((code("odd"),)), AnyTerm((code("even"),))


class SearchingContract:
    """Conditions, order, pages, totals."""

    @pytest.mark.parametrize(
        ("conditions", "expected"),
        [
            ((), "12345"),
            ((ODD,), "135"),
            ((AnyTerm((code("odd"),), negated=True),), "24"),
            ((AnyTerm((code("n1"), code("n4"), code("none"))),), "14"),
            ((ODD, AnyTerm((code("n1"), code("n4")))), "1"),
            ((ODD, EVEN), ""),
            ((ODD, AnyTerm((code("n1"), code("n4")), negated=True)), "35"),
            ((AnyTerm(()),), ""),
            ((AnyTerm((), negated=True),), "12345"),
            ((IdIn(("2", "3", "9")),), "23"),
            ((IdIn(("2", "3", "9"), negated=True),), "145"),
            ((IdIn(("2", "3")), IdIn(("3", "4"))), "3"),
            ((PatientIn(("x",)),), "45"),
            ((PatientIn(("y", "z")),), "4"),
            ((PatientIn(()),), ""),
            ((PatientIn(("x",)), ODD), "5"),
            ((OfPatients(("x",), (code("odd"),)),), "5"),
            ((OfPatients(("x", "y"), (code("odd"), code("even"))),), "45"),
            ((OfPatients(("y",), (code("even"),)),), ""),
            ((OfPatients(None, (code("even"),)),), "4"),
            ((IdIn(("1", "4", "5")), OfPatients(("x",), (code("odd"),))), "5"),
            ((Updated(at(-3), None),), "123"),
            ((Updated(None, at(-3)),), "45"),
            ((Updated(at(-4), at(-2)),), "34"),
            ((Updated(at(-4), at(-2), outside=True),), "125"),
            ((Updated(None, None),), "12345"),
        ],
    )
    async def test_only_what_satisfies_every_condition_is_found(
        self, store: RevisionStore, conditions: tuple[Condition, ...], expected: str
    ) -> None:
        await five(store, "Device")
        await five(store, "DeviceMetric")
        assert await ids(store, SearchQuery("Device", conditions)) == list(expected)
        assert await ids(store, SearchQuery("Device", conditions, count=1)) == list(expected)

    @pytest.mark.parametrize(
        ("sort", "expected"),
        [("_id", "12345"), ("-_id", "54321"), ("_lastUpdated", "54321"), ("-_lastUpdated", "12345")],
    )
    @pytest.mark.parametrize("count", [1, 2, 5, 50])
    async def test_matches_come_in_the_order_asked_for(
        self, store: RevisionStore, sort: SortKey, expected: str, count: int
    ) -> None:
        await five(store, "Device")
        assert await ids(store, SearchQuery("Device", sort=sort, count=count)) == list(expected)

    @pytest.mark.parametrize("sort", ["_lastUpdated", "-_lastUpdated"])
    async def test_resources_of_one_moment_are_all_paged(self, store: RevisionStore, sort: SortKey) -> None:
        keys = [new_key("Endpoint") for _ in range(5)]
        await store.commit(write(*(change(key, now=at(0)) for key in keys)))
        names = await ids(store, SearchQuery("Endpoint", sort=sort, count=2))
        assert names == sorted((key.id for key in keys), reverse=sort.startswith("-"))

    @pytest.mark.parametrize("count", [1, 2, 50])
    @pytest.mark.parametrize("patients", [("p0", "p2", "p3"), None])
    async def test_the_resources_of_several_patients_are_all_paged(
        self, store: RevisionStore, patients: tuple[str, ...] | None, count: int
    ) -> None:
        changes = [change(new_key("Flag"), patient=f"p{n % 4}", scoped=(code("x"),)) for n in range(12)]
        await store.commit(write(*changes))
        query = SearchQuery("Flag", (OfPatients(patients, (code("x"),)),), sort="place", count=count)
        expected = [one.revision.key.id for n, one in enumerate(changes) if patients is None or f"p{n % 4}" in patients]
        assert sorted(await ids(store, query)) == sorted(expected)

    @pytest.mark.parametrize("count", [1, 7, 100])
    @pytest.mark.parametrize("sort", ["place", "-_lastUpdated"])
    async def test_what_carries_one_of_thousands_of_values_is_all_paged(
        self, store: RevisionStore, sort: SortKey, count: int
    ) -> None:
        carried = [{n, n + 40, 11_000 + n % 3} if n % 3 else {n} for n in range(40)]  # some carry several
        changes = [change(new_key("Basic"), terms=tuple(code(f"t{n}") for n in each)) for each in carried]
        await store.commit(write(*changes))
        asked = set(range(10, 12_000))
        query = SearchQuery("Basic", (AnyTerm(tuple(code(f"t{n}") for n in asked), rank=7),), sort=sort, count=count)
        expected = [one.revision.key.id for one, each in zip(changes, carried, strict=True) if each & asked]
        assert len(expected) == 36
        assert sorted(await ids(store, query)) == sorted(expected)

    async def test_what_a_reference_of_many_points_at_is_told(self, store: RevisionStore) -> None:
        await five(store, "Device")
        pointing = [(code("on"), reference_term("device", "Device/1"), reference_term("device", "Device/4"))]
        pointing += [(code("off"), reference_term("device", "Device/2"), reference_term("other", "Device/3"))]
        pointing += [(code("on"), reference_term("device", "Device/4"), reference_term("device", "Patient/5"))]
        await store.commit(write(*(change(new_key("DeviceUseStatement"), terms=terms) for terms in pointing)))
        on, anything = AnyTerm((code("on"),)), SearchQuery("DeviceUseStatement")
        source = SearchQuery("DeviceUseStatement", (on,))
        outer = SearchQuery("Device")
        assert sorted(await store.pointed_at(outer, source, "device", limit=9)) == ["1", "4"]
        assert sorted(await store.pointed_at(outer, anything, "device", limit=9)) == ["1", "2", "4"]
        assert sorted(await store.pointed_at(SearchQuery("Device", (ODD,)), anything, "device", limit=9)) == ["1"]
        assert len(await store.pointed_at(outer, anything, "device", limit=2)) == 2

    @pytest.mark.parametrize("limit", [2, 50])
    async def test_owners_are_told_once(self, store: RevisionStore, limit: int) -> None:
        await store.commit(
            write(*(change(new_key("Goal"), patient=f"p{n % 4}", scoped=(code(f"x{n % 2}"),)) for n in range(12)))
        )
        for terms, expected in (((code("x1"),), {"p1", "p3"}), ((code("x0"), code("x1")), {"p0", "p1", "p2", "p3"})):
            owners = await store.owners(SearchQuery("Goal", (OfPatients(None, terms),)), limit=limit)
            assert set(owners.patients) <= expected
            assert (len(owners.patients), list(owners.unowned)) == (min(limit, len(expected)), [])

    async def test_matches_open(self, store: RevisionStore) -> None:
        await five(store, "Device")
        page = await store.find(SearchQuery("Device", (ODD,)))
        assert [type(one) for one in await store.open(page.matches)] == [bytes] * 3

    async def test_deleted_resources_are_not_found_and_not_counted(self, store: RevisionStore) -> None:
        await five(store, "Device")
        key = ResourceKey("Device", "3")
        await store.commit(write(deletion(key, await found(store, key))))
        assert await ids(store, SearchQuery("Device", (ODD,))) == ["1", "5"]
        assert await ids(store, SearchQuery("Device", (AnyTerm((code("odd"),), negated=True),))) == ["2", "4"]
        assert await ids(store, SearchQuery("Device", (PatientIn(("x",)),))) == ["4", "5"]

    async def test_an_update_is_found_by_its_new_terms_only(self, store: RevisionStore) -> None:
        key = new_key("Device")
        await create(store, key, terms=(code("before"),))
        await update(store, key, terms=(code("after"),))
        assert await ids(store, SearchQuery("Device", (AnyTerm((code("before"),)),))) == []
        assert await ids(store, SearchQuery("Device", (AnyTerm((code("after"),)),))) == [key.id]

    async def test_a_term_of_one_type_does_not_find_another_type(self, store: RevisionStore) -> None:
        await five(store, "Device")
        assert await ids(store, SearchQuery("Substance", (ODD,))) == []

    async def test_no_total_unless_asked_for(self, store: RevisionStore) -> None:
        await five(store, "Device")
        page = await store.find(SearchQuery("Device", total="none", count=2))
        assert page.total is None
        assert page.next is not None

    async def test_a_page_of_no_entries_counts(self, store: RevisionStore) -> None:
        await five(store, "Device")
        page = await store.find(SearchQuery("Device", (ODD,), count=0))
        assert (list(page.matches), page.next, page.total) == ([], None, 3)

    async def test_the_last_full_page_has_no_next(self, store: RevisionStore) -> None:
        await five(store, "Device")
        assert (await store.find(SearchQuery("Device", count=5))).next is None

    async def test_paging_neither_doubles_nor_misses_while_others_write(self, store: RevisionStore) -> None:
        keys = [new_key("Account") for _ in range(12)]
        await store.commit(write(*(change(key) for key in keys[::2])))
        seen: list[str] = []
        query = SearchQuery("Account", count=2)
        for position in range(3):
            page = await store.find(query)
            seen += [one.head.key.id for one in page.matches]
            # One lands behind the page, one before it, and one already seen goes away.
            await create(store, keys[1 + 4 * position])
            await create(store, new_key("Account"))
            await store.commit(write(deletion(keys[4 * position], await found(store, keys[4 * position]))))
            if page.next is None:
                break
            query = msgspec.structs.replace(query, after=page.next)
        assert len(seen) == len(set(seen))
        assert {key.id for key in keys[::2]} <= set(seen)

    async def test_a_chain_must_be_solved_first(self, store: RevisionStore) -> None:
        await five(store, "Device")
        with pytest.raises(ValueError, match="solved"):
            await store.find(SearchQuery("Device", (Linked("patient", (SearchQuery("Patient"),)),)))

    async def test_keys_are_what_any_of_the_queries_selects(self, store: RevisionStore) -> None:
        await five(store, "Device")
        await five(store, "DeviceMetric")
        queries = [SearchQuery("Device", (ODD,)), SearchQuery("DeviceMetric", (EVEN, IdIn(("2", "3"))))]
        expected = {"Device/1", "Device/3", "Device/5", "DeviceMetric/2"}
        assert set(map(str, await store.keys(queries, limit=10))) == expected
        assert set(map(str, await store.keys(queries[:1], limit=10))) == expected - {"DeviceMetric/2"}
        assert len(await store.keys(queries, limit=2)) == 2
        assert await store.keys([], limit=2) == []

    async def test_owners_are_the_patients_of_the_matches_and_the_matches_of_nobody(self, store: RevisionStore) -> None:
        await five(store, "Device")
        owners = await store.owners(SearchQuery("Device", (AnyTerm((code("n1"), code("n4"), code("n5"))),)), limit=9)
        assert list(owners.patients) == ["x"]
        assert [one.head.key.id for one in owners.unowned] == ["1"]
        assert len((await store.owners(SearchQuery("Device"), limit=2)).unowned) == 2

    async def test_a_compartment_comes_in_the_order_of_names(self, store: RevisionStore) -> None:
        await five(store, "Device")
        await five(store, "DeviceMetric")
        types = ["DeviceMetric", "Device"]
        found = [str(one.head.key) for one in await store.compartment("x", types=types, since=None, after="", count=9)]
        assert found == ["Device/4", "Device/5", "DeviceMetric/4", "DeviceMetric/5"]
        for number, name in enumerate(found):
            rest = await store.compartment("x", types=types, since=None, after=name, count=2)
            assert [str(one.head.key) for one in rest] == found[number + 1 : number + 3]
        assert len(await store.compartment("x", types=["Device"], since=at(-4), after="", count=9)) == 1
        assert await store.compartment("z", types=types, since=None, after="", count=9) == []


class FoundWordsContract:
    """Words of documents, which stand in no content."""

    async def test_words_of_documents_select_and_are_read_back(self, store: RevisionStore) -> None:
        book = frozenset(f"w{number}" for number in range(3_000))
        for key, words in (("page", frozenset({"ulcus", "w1"})), ("book", book), ("none", frozenset[str]())):
            await create(store, ResourceKey("DocumentReference", key), patient="x", found=words)
        for asked, expected in (("ulcus",), ["page"]), (("w1",), ["book", "page"]), (("w2999", "w5"), ["book"]):
            query = SearchQuery("DocumentReference", (Words(asked, found=True),))
            assert set(expected) <= set(await ids(store, query))
        assert await ids(store, SearchQuery("DocumentReference", (Words(("ulcus",)),))) == []
        stored = [await found(store, ResourceKey("DocumentReference", key)) for key in ("book", "none", "page")]
        assert await store.found(stored) == [book, frozenset(), frozenset({"ulcus", "w1"})]

    async def test_words_of_documents_go_with_the_version_they_were_given_to(self, store: RevisionStore) -> None:
        key = ResourceKey("DocumentReference", "replaced")
        first = await create(store, key, found=frozenset({"before"}))
        await update(store, key, found=frozenset({"after"}))
        assert await store.found([first, await found(store, key)]) == [frozenset(), frozenset({"after"})]
        assert await ids(store, SearchQuery("DocumentReference", (Words(("before",), found=True),))) == []
