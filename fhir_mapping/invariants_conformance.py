"""Invariants of terminology, profiles, questionnaires and other conformance resources; see `invariants`."""

from __future__ import annotations

from fhir_mapping.invariants_computed import Rule

RULES: dict[str, tuple[Rule, ...]] = {}
