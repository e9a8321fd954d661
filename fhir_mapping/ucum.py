"""Units of measure that can be compared: UCUM expressions to a dimension and a factor. https://ucum.org/ucum

`canonical("mg/dL")` and `canonical("g/L")` have the same dimension, so that a search for one finds the other. The table
holds the units that occur in clinical data; prefixes, products, quotients, exponents, parentheses and annotations
follow the grammar; an annotation stands for 1, as UCUM says. What is not in the table compares only with itself. The mole
stands for itself, not for a number, and arbitrary units (`[iU]`) are dimensions of their own.
NOTE: the text of a dimension is hashed into stored keys, and factors decide stored numbers: changing a unit of the
table orphans what was indexed with it; adding one is safe only after describing again.
"""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from fhir_mapping.search_values.number import EXACT

SYSTEM = "http://unitsofmeasure.org"
MAX_CODE = 64
_PREFIXES = {
    "Y": 24,
    "Z": 21,
    "E": 18,
    "P": 15,
    "T": 12,
    "G": 9,
    "M": 6,
    "k": 3,
    "h": 2,
    "da": 1,
    "d": -1,
    "c": -2,
    "m": -3,
    "u": -6,
    "n": -9,
    "p": -12,
    "f": -15,
    "a": -18,
    "z": -21,
    "y": -24,
}
_METRIC = {
    "m": ("1", "m"),
    "g": ("1", "g"),
    "s": ("1", "s"),
    "K": ("1", "K"),
    "mol": ("1", "mol"),
    "cd": ("1", "cd"),
    "C": ("1", "C"),
    "rad": ("1", "rad"),
    "L": ("0.001", "m3"),
    "l": ("0.001", "m3"),
    "Hz": ("1", "s-1"),
    "N": ("1000", "g.m.s-2"),
    "Pa": ("1000", "g.m-1.s-2"),
    "J": ("1000", "g.m2.s-2"),
    "W": ("1000", "g.m2.s-3"),
    "A": ("1", "C.s-1"),
    "V": ("1000", "g.m2.s-2.C-1"),
    "Ohm": ("1000", "g.m2.s-1.C-2"),
    "S": ("0.001", "C2.s.g-1.m-2"),
    "eq": ("1", "mol"),
    "osm": ("1", "osm"),
    "kat": ("1", "mol.s-1"),
    "U": ("1/60000000", "mol.s-1"),
    "cal": ("4184", "g.m2.s-2"),
    "[Cal]": ("4184000", "g.m2.s-2"),
    "bar": ("100000000", "g.m-1.s-2"),
    "t": ("1000000", "g"),
    "m[Hg]": ("133322000", "g.m-1.s-2"),
    "m[H2O]": ("9806650", "g.m-1.s-2"),
    "Bq": ("1", "s-1"),
    "Gy": ("1", "m2.s-2"),
    "Sv": ("1", "m2.s-2"),
    "[iU]": ("1", "[iU]"),
    "[IU]": ("1", "[iU]"),
    "[arb'U]": ("1", "[arb'U]"),
    "lm": ("1", "cd"),
}
_PLAIN = {
    "%": ("0.01", ""),
    "[ppth]": ("0.001", ""),
    "[ppm]": ("0.000001", ""),
    "[pi]": ("3.14159265358979323846", ""),
    "min": ("60", "s"),
    "h": ("3600", "s"),
    "d": ("86400", "s"),
    "wk": ("604800", "s"),
    "a": ("31557600", "s"),
    "mo": ("2629800", "s"),
    "deg": ("0.0174532925199432957692", "rad"),
    "[in_i]": ("0.0254", "m"),
    "[ft_i]": ("0.3048", "m"),
    "[yd_i]": ("0.9144", "m"),
    "[mi_i]": ("1609.344", "m"),
    "[in_us]": ("100/3937", "m"),
    "[ft_us]": ("1200/3937", "m"),
    "[lb_av]": ("453.59237", "g"),
    "[oz_av]": ("28.349523125", "g"),
    "[stone_av]": ("6350.29318", "g"),
    "[gr]": ("0.06479891", "g"),
    "[foz_us]": ("0.0000295735295625", "m3"),
    "[cup_us]": ("0.0002365882365", "m3"),
    "[gal_us]": ("0.003785411784", "m3"),
    "[pt_us]": ("0.000473176473", "m3"),
    "[qt_us]": ("0.000946352946", "m3"),
    "[tbs_us]": ("0.00001478676478125", "m3"),
    "[tsp_us]": ("0.00000492892159375", "m3"),
    "atm": ("101325000", "g.m-1.s-2"),
    "[psi]": ("6894757.293168", "g.m-1.s-2"),
    "[drp]": ("0.00000005", "m3"),
    "[sin_i]": ("0.00064516", "m2"),
    "[pH]": ("1", "[pH]"),
    "[CFU]": ("1", "[CFU]"),
    "[diop]": ("1", "m-1"),
    "[degR]": ("5/9", "K"),
    "10*": ("10", ""),
    "10^": ("10", ""),
}
_OFFSETS = {"Cel": (Fraction(1), Fraction("273.15")), "[degF]": (Fraction(5, 9), Fraction("459.67") * Fraction(5, 9))}
"""Temperatures with a zero of their own: kelvin = number * factor + offset."""
_PREFERRED = (
    "mg/dL",
    "mmol/L",
    "mm[Hg]",
    "kg",
    "cm",
    "kg/m2",
    "/min",
    "Cel",
    "mL",
    "mL/min",
    "%",
    "10*9/L",
    "U/L",
    "fL",
    "a",
    "kcal",
)
"""A value in one of these keeps its number, which saves an index entry."""
_ATOM = re.compile(r"(10[*^]|(?:[A-Za-z%']|\[[^\]]+\])+)([+-]?\d+)?|(\d+)")


class Unit(NamedTuple):
    """`number * factor + offset` is the value in base units of `dimension`."""

    dimension: str
    factor: Fraction
    offset: Fraction = Fraction(0)


class _Parts(NamedTuple):
    factor: Fraction
    exponents: dict[str, int]


class _Unreadable(Exception):
    """Not an expression of units in the table."""


@lru_cache(maxsize=2048)
def canonical(code: str) -> Unit | None:
    """The dimension and factor of a UCUM code, `None` for one that cannot be read."""
    if len(code) > MAX_CODE:
        return None
    if code in _OFFSETS:
        unit = Unit("K", *_OFFSETS[code])
    else:
        try:
            parts = _expression(re.sub(r"\{[^}]*\}", "", code))
        except (_Unreadable, ValueError, OverflowError):
            return None
        unit = Unit(_dimension(parts), parts.factor)
    scale = _scales().get(unit.dimension)
    return unit if scale is None else _relative(unit, scale)


def _relative(unit: Unit, scale: Unit) -> Unit:
    return Unit(unit.dimension, unit.factor / scale.factor, (unit.offset - scale.offset) / scale.factor)


@lru_cache(maxsize=1)
def _scales() -> dict[str, Unit]:
    found: dict[str, Unit] = {}
    for code in _PREFERRED:
        if code in _OFFSETS:
            found["K"] = Unit("K", *_OFFSETS[code])
        else:
            parts = _expression(code)
            found[_dimension(parts)] = Unit(_dimension(parts), parts.factor)
    return found


def _dimension(parts: _Parts) -> str:
    powers = sorted((name, power) for name, power in parts.exponents.items() if power)
    text = ".".join(f"{name}{power}" for name, power in powers) or "1"
    return "K" if text == "K1" else text  # As the temperatures with a zero of their own are filed.


def converted(number: Decimal, unit: Unit) -> Decimal:
    """The number in the preferred unit of its dimension, rounded to 34 digits."""
    exact = Fraction(number) * unit.factor + unit.offset
    return EXACT.divide(Decimal(exact.numerator), Decimal(exact.denominator))


def _expression(text: str, depth: int = 0) -> _Parts:
    """`term (. term | / term)*`, with an optional leading `/`."""
    if depth > 4:
        raise _Unreadable
    factor, exponents = Fraction(1), dict[str, int]()
    sign, position = (-1, 1) if text.startswith("/") else (1, 0)
    while position < len(text):
        if text[position] == "(":
            end = _closing(text, position)
            part, position = _expression(text[position + 1 : end], depth + 1), end + 1
        else:
            found = _ATOM.match(text, position)
            if found is None:
                raise _Unreadable
            part, position = _atom(found), found.end()
        factor = factor * part.factor**sign
        for name, power in part.exponents.items():
            exponents[name] = exponents.get(name, 0) + sign * power
        if position < len(text):
            if text[position] not in "./":
                raise _Unreadable
            sign = -1 if text[position] == "/" else 1
            position += 1
            if position == len(text):
                raise _Unreadable
    return _Parts(factor, exponents)


def _closing(text: str, start: int) -> int:
    depth = 0
    for position in range(start, len(text)):
        depth += (text[position] == "(") - (text[position] == ")")
        if depth == 0:
            return position
    raise _Unreadable


def _atom(found: re.Match[str]) -> _Parts:
    if found[3] is not None:
        return _Parts(Fraction(int(found[3]) or 1), {})
    power = int(found[2] or 1)
    if abs(power) > 40:
        raise _Unreadable
    factor, base = _symbol(found[1])
    exponents: dict[str, int] = {}
    for name, each in re.findall(r"([A-Za-z]+|\[[^\]]+\])(-?\d+)?", base):
        exponents[name] = int(each or 1) * power
    return _Parts(factor**power, exponents)


def _symbol(symbol: str) -> tuple[Fraction, str]:
    plain = _PLAIN.get(symbol) or _METRIC.get(symbol)
    if plain is not None:
        return Fraction(plain[0]), plain[1]
    for prefix, exponent in _PREFIXES.items():
        rest = _METRIC.get(symbol[len(prefix) :]) if symbol.startswith(prefix) else None
        if rest is not None:
            return Fraction(rest[0]) * Fraction(10) ** exponent, rest[1]
    raise _Unreadable
