"""Decimals keep their text. https://hl7.org/fhir/R4/datatypes.html#decimal"""

from __future__ import annotations

import copy
from decimal import Decimal

import msgspec
import pytest

from domain.decimals import exact
from domain.revision import encode

TEXTS = [
    "1.00",
    "0.0000001",
    "1.0e3",
    "1E5",
    "-0.0",
    "123456789012345678.123456789012345",
    "1e-7",
    "100e-2",
    "-1.5E+10",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_decimal_is_written_as_it_was_read(text: str) -> None:
    body = b'{"value":%b}' % text.encode()
    content = msgspec.json.Decoder(float_hook=exact).decode(body)
    assert content["value"] == Decimal(text)
    assert encode(content) == body
    assert encode(copy.deepcopy(content)) == body


def test_arithmetic_gives_plain_decimals() -> None:
    assert type(exact("1.0e3") + 1) is Decimal
    assert exact("1.0e3") == 1000
    assert hash(exact("1.0e3")) == hash(Decimal(1000))


def test_what_is_not_fhir_json_is_not_written() -> None:
    with pytest.raises(NotImplementedError):
        encode({"value": object()})
