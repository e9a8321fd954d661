"""Patients who never lived: deterministic, clinically plausible FHIR data for trying out, teaching and measuring.

The same seed gives the same bytes on every machine. Names, places, numbers and identifiers are made up here; telephone
numbers are from ranges reserved for fiction, identifier systems and web addresses from the domain `example`.
"""
