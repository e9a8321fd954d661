"""Consents as rules that plain fields can decide: https://hl7.org/fhir/R4/consent.html

Only active privacy consents count. A provision may narrow by period, actor, action, purpose, kind of resource (class), label
and single resources (data). Whatever else narrows it (codes of contents, a period of the data, dependents of a resource)
makes it `vague`: a permission that cannot be decided permits nothing, a denial denies without that restriction.
"""

from __future__ import annotations

from collections.abc import Iterator

from domain.identity import FhirJson
from domain.ties import EVERYBODY, Provision, Tie
from fhir_mapping.access_facets import reference_name, values_at
from fhir_mapping.search_values.moments import period
from fhir_mapping.tables import RESOURCE_TYPES

_SCOPE = ("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy")
_TYPES = "http://hl7.org/fhir/resource-types"
_LETTERS = {"access": "rsh", "use": "rsh", "disclose": "rsh", "collect": "c", "correct": "ud"}
"""https://terminology.hl7.org/CodeSystem-consentaction.html"""
_KNOWN = ("Practitioner/", "Organization/", "RelatedPerson/", "Patient/", "PractitionerRole/")
_DEPTH = 8


def consent_ties(content: FhirJson, patient: str, base: str | None) -> Iterator[Tie]:
    """One tie for each actor that a consent concerns; `EVERYBODY` when it names none, or one that only its members know."""
    root = content.get("provision")
    scopes = {(each.get("system"), each.get("code")) for each in values_at(content, "scope.coding")}
    if content.get("status") != "active" or not isinstance(root, dict) or (scopes and _SCOPE not in scopes):
        return
    # Without a type the root only frames its exceptions: https://hl7.org/fhir/R4/consent-definitions.html#Consent.provision.type
    tops = [root] if "type" in root else [{**_frame(root), **each} for each in root.get("provision", ())]
    for top in tops:
        rule = provision_of(top, base, 1)
        if rule is None:
            continue
        known = bool(rule.actors) and all(actor.startswith(_KNOWN) for actor in rule.actors)
        for actor in rule.actors if known else (EVERYBODY,):
            yield Tie(actor, "consent", patient, None, rule.high, rule)


def _frame(root: FhirJson) -> FhirJson:
    """What a root without a type asks of each of its provisions, where they do not say it themselves."""
    return {name: value for name, value in root.items() if name not in ("provision", "id", "extension")}


def provision_of(content: FhirJson, base: str | None, depth: int) -> Provision | None:
    """One provision with its exceptions; `None` for one that says neither permit nor deny."""
    if content.get("type") not in ("permit", "deny"):
        return None
    when = period(content["period"]) if "period" in content else None
    if depth > _DEPTH:
        return Provision(permit=False, vague=True)
    classes = [(each.get("system"), each.get("code")) for each in content.get("class", ())]
    types = [code for system, code in classes if system == _TYPES and code in RESOURCE_TYPES]
    data = content.get("data", ())
    names = [reference_name(each.get("reference"), base) for each in data if each.get("meaning") == "instance"]
    known = [name for name in names if name is not None]
    actors = [reference_name(each.get("reference"), base) or "?" for each in content.get("actor", ())]
    actions = [each.get("code") for each in values_at(content, "action.coding")]
    inner = [provision_of(each, base, depth + 1) for each in content.get("provision", ())]
    letters = "".join(dict.fromkeys("".join(_LETTERS.get(str(action), "") for action in actions)))
    return Provision(
        permit=content["type"] == "permit",
        low=when[0] if when else None,
        high=when[1] if when else None,
        actors=tuple(dict.fromkeys(actors)),
        purposes=tuple(str(each.get("code", "")) for each in content.get("purpose", ())),
        letters=letters,
        types=tuple(types),
        labels=tuple(f"{each.get('system', '')}|{each.get('code', '')}" for each in content.get("securityLabel", ())),
        names=tuple(known),
        vague=bool(
            len(types) != len(classes)
            or len(known) != len(data)
            or (actions and not letters)
            or content.get("code")
            or "dataPeriod" in content
        ),
        exceptions=tuple(each for each in inner if each is not None),
    )
