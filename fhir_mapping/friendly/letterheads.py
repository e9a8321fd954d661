"""People and organizations as a letter names them: https://hl7.org/fhir/R4/datatypes.html#Address"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from domain.identity import FhirJson
from fhir_mapping.friendly.elements import name_of, telecom_of, text_of


class Letterheads:
    """Implements `domain.clinic.prescription_sheets.Letterheads`."""

    def lines(self, content: FhirJson) -> tuple[str, ...]:
        """See `Letterheads.lines`."""
        return tuple(line for line in _lines(content) if line)


def _lines(content: FhirJson) -> Iterator[str | None]:
    names = content.get("name")
    yield names if isinstance(names, str) else name_of(names)[2]
    yield f"Born {content['birthDate']}" if "birthDate" in content else None
    yield ", ".join(text for each in content.get("qualification", ()) if (text := text_of(each.get("code"))))
    address = next((each for each in content.get("address", ()) if each.get("use") != "old"), None)
    if address is not None:
        yield from _address(address)
    phone = telecom_of(content.get("telecom"), "phone")
    yield f"Phone {phone}" if phone else None


def _address(address: Mapping[str, Any]) -> Iterator[str | None]:
    if "line" not in address and "city" not in address:
        yield address.get("text")
        return
    yield from address.get("line", ())
    yield " ".join(address[name] for name in ("postalCode", "city") if name in address)
    yield address.get("country")
