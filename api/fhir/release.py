"""What this release can do on the FHIR surface, from the tables it is made of."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from domain.audit import READ_ONLY
from fhir_mapping.audit_search import PARAMETERS
from fhir_mapping.capability import Capabilities, ParameterRow
from fhir_mapping.inclusions import can_include
from fhir_mapping.search_parameters import parameters_of
from fhir_mapping.tables import RESOURCE_TYPES


@cache
def capabilities() -> Capabilities:
    """What this release can do, from the tables it is made of."""
    parameters = {
        name: [
            ParameterRow(code, each.kind, each.definition, targets=each.targets if can_include(each) else ())
            for code, each in parameters_of(name).items()
            if each.indexed
        ]
        for name in RESOURCE_TYPES
    }
    parameters[READ_ONLY] = [ParameterRow(code, kind) for code, kind in PARAMETERS.items()]
    return Capabilities(release=release(), built=datetime(2026, 11, 20, tzinfo=UTC), parameters=parameters)


def release() -> str:
    """The version of the installed package."""
    try:
        return version("chartvault")
    except PackageNotFoundError:
        return "0"
