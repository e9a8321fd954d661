"""Settings from environment variables, and back for the processes this one starts."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from typing import Any

import msgspec

from api.fitness import misfits
from api.settings import Settings, UnusableSettings

PREFIX = "CHARTVAULT_"
_NOT_SETTINGS = frozenset(
    {
        f"CHARTVAULT_{name}"
        for name in ("SHARED", "TOKEN", "BASE", "KILLS", "MONGOD_KILLS", "SEED", "PLANS", "ROUNDS", "CASES")
    }
)
"""Variables of the tests and of the client commands."""


def load_settings(environment: Mapping[str, str] | None = None, **given: object) -> Settings:
    """Settings from `environment` (default: the process's), with the `given` fields that are not `None` on top.

    Raises `UnusableSettings` for an unknown variable, a value out of range, or a combination the profile refuses.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, object] = {}
    for variable, text in environment.items():
        if variable.startswith(PREFIX) and variable not in _NOT_SETTINGS:
            name = _name_of(variable)
            if text:
                values[name] = _parsed(variable, name, text)
    values.update((name, value) for name, value in given.items() if value is not None)
    try:
        settings = msgspec.convert(values, Settings, strict=False, dec_hook=lambda kind, value: kind(value))
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$.")
        raise UnusableSettings(f"{PREFIX}{where.rstrip('`').upper()}: {what}") from None
    for misfit in misfits(settings):
        raise UnusableSettings(misfit)
    return settings


def environment_of(settings: Settings) -> dict[str, str]:
    """The variables that give another process the same settings; holds secrets."""
    found: dict[str, str] = {}
    for name in Settings.__struct_fields__:
        value = getattr(settings, name)
        if value is not None:
            found[variable_of(name)] = msgspec.json.encode(value).decode() if isinstance(value, dict) else str(value)
    return found


def variable_of(name: str) -> str:
    return PREFIX + name.upper()


def _name_of(variable: str) -> str:
    name = variable.removeprefix(PREFIX).lower()
    if name in Settings.__struct_fields__:
        return name
    near = difflib.get_close_matches(name, Settings.__struct_fields__, n=1)
    hint = f"; did you mean {variable_of(near[0])}?" if near else ""
    raise UnusableSettings(f"{variable} is not a setting{hint}")


def _parsed(variable: str, name: str, text: str) -> object:
    """JSON settings are decoded here, everything else by the conversion."""
    if not name.startswith("kms_") or name == "kms_provider":
        return text
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError:
        raise UnusableSettings(f"{variable} is not a JSON object") from None
