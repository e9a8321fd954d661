"""Codes that can be judged without a terminology server: https://hl7.org/fhir/R4/terminologies-systems.html

The code systems that are part of FHIR R4 never change, so a code they do not have is a mistake. SNOMED CT codes are
concept identifiers or expressions; terms and legacy codes such as `T-15460` "are not valid as codes in FHIR"
(https://hl7.org/fhir/R4/snomedct.html). Whether a concept exists, and what it is called, is left to the sender.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

import msgspec

SNOMED = "http://snomed.info/sct"
_slipped = re.compile(r"\d{1,7}-\d|\d{2,7}A{20,}").fullmatch
"""A LOINC code or padded OpenMRS concept under the name of SNOMED: slips of widely used generators of records.
Refusing them would refuse a patient's whole history; they are stored as sent."""
_snomed = re.compile(r"\s*(?:===|<<<)?\s*\d{6,18}(?:\s*\|[^|]*\|)?\s*(?:[:+,].*)?", re.DOTALL).fullmatch
# A concept is not followed by another, nor by an operator, unless AND, OR, MINUS or = stands between.
_juxtaposed = re.compile(r"\d(?:\s*\|[^|]*\|)?\s*(?:\^|[<>]{1,2}!?\s*[\d*(]|\s\d{6,18})").search


def is_known(system: str, code: str) -> bool:
    """Whether the code may exist in its system; true for every system that is not judged here."""
    if system == SNOMED:
        return _snomed(code) is not None or _slipped(code) is not None
    codes = _codes(system) if system in _slices() else None
    return codes is None or code in codes


def is_expression_constraint(text: str) -> bool:
    """Whether the text may be in the SNOMED CT expression constraint language; finds only the coarse mistakes."""
    return _juxtaposed(text) is None


@cache
def _codes(system: str) -> frozenset[str]:
    return frozenset(msgspec.json.decode(_slices()[system]))


@cache
def _slices() -> dict[str, msgspec.Raw]:
    text = files("fhir_mapping").joinpath("definitions", "code_systems.json").read_bytes()
    return msgspec.json.decode(text, type=dict[str, msgspec.Raw])
