"""Every setting as the README explains it, from what the settings say of themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, get_args, get_type_hints

from msgspec import Meta

from api.environment import variable_of
from api.settings import Settings


class Documented(NamedTuple):
    """One setting as the reference shows it."""

    variable: str
    default: str
    meaning: str


def reference() -> Iterator[Documented]:
    """Every setting, in order, for the README."""
    defaults, hints = Settings(), get_type_hints(Settings, include_extras=True)
    for name in Settings.__struct_fields__:
        default = getattr(defaults, name)
        text = "" if default is None or default == {} else f"`{default}`"
        said = [part.description for part in get_args(hints[name]) if isinstance(part, Meta) and part.description]
        yield Documented(variable_of(name), text, " ".join(said))
