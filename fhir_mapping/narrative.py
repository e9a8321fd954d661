"""Narrative XHTML: https://hl7.org/fhir/R4/narrative.html, rule txt-1.

An allow-list: one well-formed `div` in the XHTML namespace, the elements and attributes txt-1 names, and nothing that
runs. It is refused, never cleaned: a rewritten narrative would break signatures. Expat refuses what is not XML; a
document type declaration, and with it every entity beyond the five of XML, is refused before anything is expanded.
Rule txt-2 (some text) is not held: four official examples have an empty div, and nobody is harmed by one.
"""

from __future__ import annotations

import re
from xml.parsers import expat

from fhir_mapping.problems import Found, Problem
from fhir_mapping.structure_primitives import executable

XHTML = "http://www.w3.org/1999/xhtml"
_DIV = f"{XHTML} div"

_ELEMENTS = frozenset(
    f"{XHTML} {name}"
    for line in (
        "a abbr acronym b big blockquote br caption cite code col colgroup dd dfn div dl dt em h1 h2 h3 h4 h5 h6 hr i",
        "img li ol p pre q samp small span strong sub sup table tbody td tfoot th thead tr tt ul var",
    )
    for name in line.split()
)
_XML = "http://www.w3.org/XML/1998/namespace"
_ATTRIBUTES = frozenset(
    name
    for line in (
        "abbr accesskey align alt axis bgcolor border cellhalign cellpadding cellspacing cellvalign char charoff",
        "charset cite class colspan compact coords dir frame headers height href hreflang hspace id lang longdesc",
        "name nowrap rel rev rowspan rules scope shape size span src start style summary tabindex title type valign",
        "value vspace width",
    )
    for name in line.split()
) | {f"{_XML} lang", f"{_XML} space"}
_LINKS = frozenset({"href", "src", "cite", "longdesc"})
_active = re.compile(r"expression\s*\(|javascript\s*:|behaviou?r\s*:|-moz-binding|@import|\\", re.IGNORECASE).search


class _Refused(Exception):
    """Leaves the parser; its text is the message."""


def xhtml(value: object, depth: int) -> Found:
    """The check of `Narrative.div`."""
    if type(value) is not str or not value:
        return [Problem("structure", "The narrative is a string of XHTML")]
    reading = _Reading()
    parser = expat.ParserCreate("UTF-8", " ")
    parser.StartElementHandler = reading.start
    parser.StartDoctypeDeclHandler = _refuse_declaration
    parser.ProcessingInstructionHandler = _refuse_declaration
    try:
        parser.Parse(value, True)
    except _Refused as refused:
        return [Problem("invariant", str(refused))]
    except (expat.ExpatError, UnicodeEncodeError):
        return [Problem("structure", "The narrative is not well-formed XHTML")]
    return None


def _refuse_declaration(*_: object) -> None:
    raise _Refused("The narrative has no declarations or processing instructions (txt-1)")


class _Reading:
    """What the parser reports."""

    def __init__(self) -> None:
        self._started = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._started:
            if name != _DIV:
                raise _Refused("The narrative is a div in the XHTML namespace")
            self._started = True
        if name not in _ELEMENTS:
            raise _Refused("The narrative has only the basic formatting elements of HTML (txt-1)")
        for attribute, value in attributes.items():
            if attribute not in _ATTRIBUTES:
                raise _Refused("The narrative has only the basic formatting attributes of HTML (txt-1)")
            if (attribute in _LINKS and executable(value)) or (attribute == "style" and _active(value)):
                raise _Refused("Active content in the narrative is refused (txt-1)")
