"""Whether drugs may be taken together, as far as the active knowledge bases know.

What cannot be matched to a known drug is reported as unresolved and is never called safe. One alert per pair of drugs: the
worst severity that any rule gives, with every source. An allergy to what a drug is made of, or to a class it is in, is an
alert too. Design: https://github.com/HL7/PDDI-CDS.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from domain.clinic.drug_knowledge import SEVERITIES, Drug, KnowledgeBase, Rule, Severity

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
NOTICE = "This is not a complete interaction check: it knows a short list of pairs only."


class Medication(msgspec.Struct, frozen=True):
    """A drug as somebody wrote it: text, and an RxNorm code when there is one. `reference` says where it is written."""

    text: str
    rxnorm: str | None = None
    reference: str | None = None

    def __repr__(self) -> str:
        return "Medication(…)"


class Source(NamedTuple):
    rule: str
    source: str
    url: str


class Alert(msgspec.Struct, frozen=True):
    """One pair that should not be. `id` is the same whenever the same pair is found, whatever the order.

    `pair` are the names of both drugs; `references` say where they are written. With an `allergy`, the second is what the
    patient is allergic to.
    """

    id: str
    severity: Severity
    pair: tuple[str, str]
    effect: str
    management: str
    sources: tuple[Source, ...]
    references: tuple[str | None, str | None]
    allergy: bool = False


class Check(msgspec.Struct, frozen=True):
    """What was checked, what could not be, and what was found, the worst first."""

    version: str
    checked: tuple[str, ...]
    unresolved: tuple[str, ...]
    alerts: tuple[Alert, ...]
    notice: str = NOTICE

    @property
    def contraindicated(self) -> bool:
        return any(alert.severity == "contraindicated" for alert in self.alerts)


class _Found(NamedTuple):
    """A medication and the ingredients it was resolved to."""

    medication: Medication
    name: str
    ingredients: frozenset[str]


class InteractionCheck:
    """The active knowledge bases, ready to be asked. Immutable: another table is another one of these."""

    def __init__(self, bases: Sequence[KnowledgeBase]) -> None:
        self.version = "+".join(sorted({base.version for base in bases if base.rules}))
        self._drugs: dict[str, Drug] = {drug.key: drug for base in bases for drug in base.drugs}
        self._names = dict(_names(self._drugs.values()))
        self._members: dict[str, frozenset[str]] = {}
        self._classes: dict[str, str] = {}
        for base in bases:
            for class_id, keys in base.members.items():
                self._members[class_id] = self._members.get(class_id, frozenset()) | keys
                self._classes[normalised(base.class_names[class_id])] = class_id
        self._rules: dict[str, list[Rule]] = {}
        for rule in (rule for base in bases for rule in base.rules if rule.active):
            for key in self._side(rule.a_kind, rule.a) | self._side(rule.b_kind, rule.b):
                self._rules.setdefault(key, []).append(rule)

    def check(
        self, new: Sequence[Medication], current: Sequence[Medication] = (), allergies: Sequence[Medication] = ()
    ) -> Check:
        """Every new drug against each other, against the current ones and against the allergies."""
        resolved = [self._resolve(each) for each in (*new, *current)]
        unresolved = [each.text for each, found in zip((*new, *current), resolved, strict=True) if found is None]
        fresh = [found for found in resolved[: len(new)] if found is not None]
        taken = [found for found in resolved[len(new) :] if found is not None]
        alerts: dict[str, Alert] = {}
        for position, one in enumerate(fresh):
            for other in (*fresh[position + 1 :], *taken):
                for alert in self._between(one, other):
                    alerts.setdefault(alert.id, alert)
            for allergy in allergies:
                for alert in self._against(one, allergy):
                    alerts.setdefault(alert.id, alert)
        ordered = sorted(alerts.values(), key=lambda alert: (SEVERITIES.index(alert.severity), alert.pair))
        checked = dict.fromkeys(found.name for found in (*fresh, *taken))
        return Check(self.version, tuple(checked), tuple(dict.fromkeys(unresolved)), tuple(ordered))

    def _resolve(self, medication: Medication) -> _Found | None:
        """By code, else by the exact name or a synonym; a code that is not known is not replaced by a guess from the text."""
        key = medication.rxnorm if medication.rxnorm is not None else self._names.get(normalised(medication.text))
        drug = self._drugs.get(key) if key is not None else None
        if drug is None:
            return None
        return _Found(medication, drug.name, frozenset(drug.ingredients or (drug.key,)))

    def _between(self, one: _Found, other: _Found) -> Iterator[Alert]:
        for first in sorted(one.ingredients - other.ingredients):
            for second in sorted(other.ingredients - one.ingredients):
                rules = [rule for rule in self._rules.get(first, ()) if self._applies(rule, first, second)]
                if rules:
                    yield self._alert(rules, (first, second), (one, other))

    def _applies(self, rule: Rule, first: str, second: str) -> bool:
        a, b = self._side(rule.a_kind, rule.a), self._side(rule.b_kind, rule.b)
        return (first in a and second in b) or (first in b and second in a)

    def _side(self, kind: str, name: str) -> frozenset[str]:
        return frozenset({name}) if kind == "drug" else self._members.get(name, frozenset())

    def _alert(self, rules: Sequence[Rule], keys: tuple[str, str], found: tuple[_Found, _Found]) -> Alert:
        worst = min(rules, key=lambda rule: SEVERITIES.index(rule.severity))
        names = tuple(self._drugs[key].name if key in self._drugs else key for key in keys)
        return Alert(
            id=_id("pair", *sorted(keys)),
            severity=worst.severity,
            pair=(names[0], names[1]),
            effect=worst.effect,
            management=worst.management,
            sources=tuple(Source(rule.id, rule.source, rule.source_url) for rule in rules),
            references=(found[0].medication.reference, found[1].medication.reference),
        )

    def _against(self, one: _Found, allergy: Medication) -> Iterator[Alert]:
        """An allergy names an ingredient, or a class the ingredient is in."""
        resolved = self._resolve(allergy)
        keys = (
            resolved.ingredients if resolved else self._side("class", self._classes.get(normalised(allergy.text), ""))
        )
        for key in sorted(one.ingredients & keys):
            name = self._drugs[key].name if key in self._drugs else key
            yield Alert(
                id=_id("allergy", key, resolved.name if resolved else normalised(allergy.text)),
                severity="contraindicated",
                pair=(name, resolved.name if resolved else allergy.text),
                effect="The patient is recorded as allergic to it.",
                management="Do not give it unless the allergy was refuted.",
                sources=(),
                references=(one.medication.reference, allergy.reference),
                allergy=True,
            )


def normalised(text: str) -> str:
    """A name as it is compared: NFKC, without case, blanks joined."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _names(drugs: Iterable[Drug]) -> Iterator[tuple[str, str]]:
    for drug in drugs:
        for name in (drug.name, *drug.synonyms):
            yield normalised(name), drug.key


def _id(*parts: str) -> str:
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]


def overridden(alerts: Sequence[Alert], overrides: Mapping[str, str]) -> tuple[Alert, ...]:
    """The contraindications nobody gave a reason for; `overrides` are reasons by alert id."""
    return tuple(each for each in alerts if each.severity == "contraindicated" and not overrides.get(each.id))
