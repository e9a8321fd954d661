"""How an element may be stored: in clear, as keyed tokens beside sealed bytes, or sealed only.

The whole resource is always sealed; this policy decides what else leaves the seal. The mapping applies it by FHIR data type
(`fhir_mapping/outline.py`, `fhir_mapping/index_terms.py`); `deploy/LEAKAGE.md` states the result.
"""

from __future__ import annotations

from enum import Enum


class Protection(Enum):
    """PLAIN is copied to the outline; TOKENS is found by equality of keyed tokens only; SEALED cannot be searched."""

    PLAIN = "plain"
    TOKENS = "tokens"
    SEALED = "sealed"
