"""What a rule of the clinic allows beyond the matrix of roles: said where the rule is, used for one write or read.

A doctor who completes a visit has its invoice made, whoever may make invoices; the source of a document shares it,
whatever their role. The rule is decided by the module that calls this, before it calls.
"""

from __future__ import annotations

import msgspec

from domain import access
from domain.interactions.parts import Occasion


def acting(occasion: Occasion, right: access.Right, *types: str) -> Occasion:
    """The same caller, who may now read, search and do `right` on these types, everybody's, and nothing else."""
    rights = {name: frozenset({right, "r", "s"}) for name in types}
    caller = msgspec.structs.replace(occasion.caller, rights=rights, scopes=(), sight=None, account=None)
    return msgspec.structs.replace(occasion, caller=caller)
