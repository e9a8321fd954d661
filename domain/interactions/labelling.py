"""Security labels that a resource keeps, whoever writes it: https://hl7.org/fhir/R4/security-labels.html

A rule over code sets labels what is sensitive (`fhir_mapping/sensitivity.py`); clients may add labels, and none is ever
lost: a version carries every label of the version it replaces. So an update cannot open what was closed (DECISIONS.md).
"""

from __future__ import annotations

from domain.identity import FhirJson, ResourceKey
from domain.interactions.parts import Parts
from domain.revision import Stored


def labelled(parts: Parts, content: FhirJson, key: ResourceKey, base: Stored | None) -> FhirJson:
    """`content` with the labels of the rule and of `base` in `meta.security`; the same object when it has them all."""
    kept = base.head.labels if base is not None else ()
    ruled = parts.describe.sensitivity(content, key.type)
    if not (kept or ruled):
        return content
    given = content.get("meta", {}).get("security", [])
    present = {f"{label.get('system', '')}|{label['code']}" for label in given if "code" in label}
    missing = [label for label in dict.fromkeys((*kept, *ruled)) if label not in present]
    if not missing:
        return content
    meta = {**content.get("meta", {}), "security": [*given, *map(_coding, missing)]}
    return {**content, "meta": meta}


def _coding(label: str) -> FhirJson:
    system, _, code = label.partition("|")
    return {"system": system, "code": code} if system else {"code": code}
