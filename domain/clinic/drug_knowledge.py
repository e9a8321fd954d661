"""Versioned tables of what drugs do to each other, and their CSV form.

Three tables: drugs (RxNorm codes and names), classes (which drugs are in them) and rules (a pair of a drug or class with
another, how severe, why, what to do, and who says so). A knowledge base is data: the one that comes with the product holds
the pairs of the ONC high-priority list (Phansalkar 2012, https://doi.org/10.1136/amiajnl-2011-000612), others are imported.
It is short on purpose and never a complete check. A drug without a code is known by its name.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Literal, NamedTuple, TypeAlias, get_args

import msgspec

from domain.errors import InvalidFields, Issue

Severity: TypeAlias = Literal["contraindicated", "major", "moderate", "minor"]
"""From the worst to the least."""
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
Kind: TypeAlias = Literal["drug", "class"]
TABLES: dict[str, tuple[str, ...]] = {
    "ddi_drugs": ("rxcui", "name", "ingredient_rxcui", "synonyms"),
    "ddi_classes": ("class_id", "name", "member_rxcui"),
    "ddi_rules": (
        *("rule_id", "a_kind", "a", "b_kind", "b", "severity", "effect", "management"),
        *("source", "source_url", "kb_version", "active"),
    ),
}
MAX_ROWS, MAX_PROBLEMS = 200_000, 50


class Drug(msgspec.Struct, frozen=True):
    """`key` is the RxNorm code, or the name of a drug without one; `ingredients` are the keys of what it is made of."""

    key: str
    name: str
    ingredients: tuple[str, ...] = ()
    synonyms: tuple[str, ...] = ()


class Rule(msgspec.Struct, frozen=True):
    """Two sides, in no order: `a` with `b`, each a drug's key or a class."""

    id: str
    a_kind: Kind
    a: str
    b_kind: Kind
    b: str
    severity: Severity
    effect: str
    management: str
    source: str
    source_url: str
    version: str
    active: bool = True


class KnowledgeBase(msgspec.Struct, frozen=True):
    """All three tables. `members` are the keys of the drugs in each class."""

    drugs: tuple[Drug, ...] = ()
    members: Mapping[str, frozenset[str]] = {}
    class_names: Mapping[str, str] = {}
    rules: tuple[Rule, ...] = ()

    @property
    def version(self) -> str:
        """The versions of all rules, joined by `+`."""
        return "+".join(sorted({rule.version for rule in self.rules}))


class _Row(NamedTuple):
    where: str
    values: Mapping[str, str]


def parse(tables: Mapping[str, str]) -> KnowledgeBase:
    """The knowledge base of three CSV texts, by table name.

    Raises `InvalidFields` with one issue per bad row (at most 50), each naming table and line.
    """
    problems: list[Issue] = []
    drugs = tuple(_drug(row) for row in _rows("ddi_drugs", tables, problems))
    classes = list(_rows("ddi_classes", tables, problems))
    members = {row.values["class_id"]: frozenset(_list(row.values["member_rxcui"])) for row in classes}
    names = {row.values["class_id"]: row.values["name"] for row in classes}
    rules = [rule for row in _rows("ddi_rules", tables, problems) if (rule := _rule(row, problems)) is not None]
    known = {drug.key for drug in drugs}
    for class_id, keys in members.items():
        problems += [Issue("value", f"No drug {key}", f"ddi_classes.{class_id}") for key in sorted(keys - known)]
    for rule in rules:
        for kind, side in ((rule.a_kind, rule.a), (rule.b_kind, rule.b)):
            if side not in (known if kind == "drug" else members):
                problems.append(Issue("value", f"No {kind} {side}", f"ddi_rules.{rule.id}"))
    if problems:
        raise InvalidFields("The tables cannot be used", issues=problems[:MAX_PROBLEMS])
    return KnowledgeBase(drugs, members, names, tuple(rules))


def write(known: KnowledgeBase) -> dict[str, str]:
    """The CSV texts that `parse` reads back."""
    drugs = [
        ("" if drug.key == drug.name else drug.key, drug.name, ";".join(drug.ingredients), ";".join(drug.synonyms))
        for drug in known.drugs
    ]
    classes = [(id_, known.class_names[id_], ";".join(sorted(keys))) for id_, keys in known.members.items()]
    rules = [(*msgspec.structs.astuple(rule)[:-1], "true" if rule.active else "false") for rule in known.rules]
    return {
        "ddi_drugs": _written("ddi_drugs", drugs),
        "ddi_classes": _written("ddi_classes", classes),
        "ddi_rules": _written("ddi_rules", rules),
    }


def starter() -> KnowledgeBase:
    """The tables that come with the product."""
    folder = resources.files("domain.clinic") / "knowledge"
    return parse({name: (folder / f"{name}.csv").read_text("utf-8") for name in TABLES})


def _rows(table: str, tables: Mapping[str, str], problems: list[Issue]) -> Iterator[_Row]:
    columns = TABLES[table]
    reader = csv.DictReader(io.StringIO(tables.get(table, "")), strict=True)
    try:
        if reader.fieldnames is None or tuple(reader.fieldnames) != columns:
            problems.append(Issue("structure", f"The columns must be {','.join(columns)}", table))
            return
        for number, values in enumerate(reader, start=2):
            if number > MAX_ROWS:
                problems.append(Issue("too-long", f"More than {MAX_ROWS} rows", table))
                return
            if None in values or None in values.values():
                problems.append(Issue("structure", f"Not {len(columns)} columns", f"{table}[{number}]"))
                continue
            yield _Row(f"{table}[{number}]", {name: text.strip() for name, text in values.items()})
    except csv.Error:
        problems.append(Issue("structure", "This is not CSV", table))


def _drug(row: _Row) -> Drug:
    values = row.values
    key = values["rxcui"] or values["name"]
    return Drug(key, values["name"], _list(values["ingredient_rxcui"]), _list(values["synonyms"]))


def _rule(row: _Row, problems: list[Issue]) -> Rule | None:
    values = dict(row.values)
    values["id"], values["version"] = values.pop("rule_id"), values.pop("kb_version")
    required = ("id", "a", "b", "source", "version")
    missing = [name for name in required if not values[name]]
    if missing or values["active"] not in ("true", "false"):
        problems.append(Issue("required", f"Needs {', '.join(missing) or 'active: true or false'}", row.where))
        return None
    try:
        return msgspec.convert({**values, "active": values["active"] == "true"}, Rule)
    except msgspec.ValidationError:
        problems.append(
            Issue("value", f"The kinds are drug and class, the severities {', '.join(SEVERITIES)}", row.where)
        )
        return None


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(";") if part.strip())


def _written(table: str, rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(TABLES[table])
    writer.writerows(rows)
    return text.getvalue()
