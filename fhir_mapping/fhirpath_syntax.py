"""The FHIRPath subset that search parameters and FHIRPath Patch use, as text → syntax tree.

http://hl7.org/fhirpath/N1/ (grammar), https://hl7.org/fhir/R4/fhirpath.html

Paths with members, indexers and functions; `|`, `=`, `!=`, `and`, `or`, `is`, `as`; literals. Everything else is
refused by name, never guessed. Expressions come from clients too (patches), so length and nesting are bounded, and a
path is a flat tuple of steps: no input makes this module or its readers recurse deeply.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple, NoReturn, TypeAlias

from domain.errors import InvalidRequest

MAX_LENGTH = 2000
MAX_NESTING = 16
MAX_STEPS = 64

FUNCTIONS: dict[str, tuple[int, int]] = {
    "where": (1, 1),
    "exists": (0, 1),
    "empty": (0, 0),
    "not": (0, 0),
    "first": (0, 0),
    "last": (0, 0),
    "single": (0, 0),
    "ofType": (1, 1),
    "as": (1, 1),
    "is": (1, 1),
    "resolve": (0, 0),
    "extension": (1, 1),
}
"""Function name → fewest and most arguments."""
_TYPE_FUNCTIONS = frozenset({"ofType", "as", "is"})


class Literal(NamedTuple):
    value: str | bool | int | Decimal


class Member(NamedTuple):
    name: str


class Index(NamedTuple):
    at: int


class Call(NamedTuple):
    """A function with its arguments; for `as`, `is` and `ofType` the `type_name` instead."""

    function: str
    arguments: tuple[Expression, ...] = ()
    type_name: str | None = None


class This(NamedTuple):
    """`$this`: the item a `where` looks at."""


class Path(NamedTuple):
    """`head` (None: the current item), then one step after the other."""

    head: Expression | None
    steps: tuple[Step, ...]


class Binary(NamedTuple):
    """`=` or `!=`."""

    operator: str
    left: Expression
    right: Expression


class Group(NamedTuple):
    """`|`, `and` or `or` over two or more operands."""

    operator: str
    operands: tuple[Expression, ...]


Step: TypeAlias = "Member | Index | Call"
Expression: TypeAlias = "Literal | This | Path | Binary | Group"


class _Token(NamedTuple):
    kind: str
    text: str


_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^'\\]|\\.)*')|(?P<number>\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<quoted>`[^`\\]+`)|(?P<special>\$this)|(?P<mark>!=|[.()\[\],|=]))"
)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}


def _refuse(expression: str, why: str) -> NoReturn:
    raise InvalidRequest(f"{why} in the FHIRPath expression", code="invalid", expression=expression[:200])


@lru_cache(maxsize=2048)
def parse(expression: str) -> Expression:
    """The syntax tree of `expression`. Raises `InvalidRequest`, naming it, for anything outside the subset."""
    if len(expression) > MAX_LENGTH:
        _refuse(expression, f"More than {MAX_LENGTH} characters")
    reader = _Reader(expression, _tokens(expression))
    tree = reader.alternatives()
    if reader.peek():
        _refuse(expression, f"Unexpected '{reader.peek()[:20]}'")
    return tree


def _tokens(expression: str) -> list[_Token]:
    tokens, position, end = [], 0, len(expression.rstrip())
    while position < end:
        found = _TOKEN.match(expression, position)
        if found is None or found.lastgroup is None:
            _refuse(expression, f"Unexpected character at {position}")
        tokens.append(_Token(found.lastgroup, found[found.lastgroup]))
        position = found.end()
    return tokens


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else _ESCAPES.get(m[2], m[2]), text)


class _Reader:
    """Recursive descent, one method per precedence level, lowest first."""

    def __init__(self, expression: str, tokens: list[_Token]) -> None:
        self._expression = expression
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def peek(self) -> str:
        """The next token's text, empty at the end. Strings and quoted names keep their quotes: never an operator."""
        return self._tokens[self._at].text if self._at < len(self._tokens) else ""

    def _next(self) -> _Token:
        if self._at >= len(self._tokens):
            _refuse(self._expression, "Unexpected end")
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, text: str) -> None:
        if self._next().text != text:
            _refuse(self._expression, f"'{text}' is missing")

    def _word(self) -> str:
        token = self._next()
        if token.kind == "quoted":
            return token.text[1:-1]
        if token.kind != "name":
            _refuse(self._expression, f"A name is missing before '{token.text[:20]}'")
        return token.text

    def alternatives(self) -> Expression:
        self._depth += 1
        if self._depth > MAX_NESTING:
            _refuse(self._expression, f"More than {MAX_NESTING} levels of nesting")
        operands = [self._conjunction()]
        while self.peek() == "or":
            self._at += 1
            operands.append(self._conjunction())
        self._depth -= 1
        return operands[0] if len(operands) == 1 else Group("or", tuple(operands))

    def _conjunction(self) -> Expression:
        operands = [self._equality()]
        while self.peek() == "and":
            self._at += 1
            operands.append(self._equality())
        return operands[0] if len(operands) == 1 else Group("and", tuple(operands))

    def _equality(self) -> Expression:
        left = self._union()
        if self.peek() in ("=", "!="):
            return Binary(self._next().text, left, self._union())
        return left

    def _union(self) -> Expression:
        operands = [self._typed()]
        while self.peek() == "|":
            self._at += 1
            operands.append(self._typed())
        return operands[0] if len(operands) == 1 else Group("|", tuple(operands))

    def _typed(self) -> Expression:
        tree = self._path()
        if self.peek() not in ("as", "is"):
            return tree
        step = Call(self._next().text, type_name=self._type_name())
        if isinstance(tree, Path):
            return Path(tree.head, (*tree.steps, step))
        return Path(tree, (step,))

    def _path(self) -> Expression:
        head, steps = self._head()
        while self.peek() in (".", "["):
            if self._next().text == ".":
                steps.append(self._step())
            else:
                token = self._next()
                if token.kind != "number" or not token.text.isdecimal() or len(token.text) > 6:
                    _refuse(self._expression, "An index is not a whole number")
                steps.append(Index(int(token.text)))
                self._expect("]")
            if len(steps) > MAX_STEPS:
                _refuse(self._expression, f"More than {MAX_STEPS} steps")
        if head is not None and not steps:
            return head
        if isinstance(head, Path):
            return Path(head.head, (*head.steps, *steps))
        return Path(head, tuple(steps))

    def _head(self) -> tuple[Expression | None, list[Step]]:
        token = self._next()
        if token.text == "(" and token.kind == "mark":
            inner = self.alternatives()
            self._expect(")")
            return inner, []
        if token.kind == "string":
            return Literal(_unescape(token.text[1:-1])), []
        if token.kind == "number":
            return Literal(int(token.text) if token.text.isdecimal() else Decimal(token.text)), []
        if token.text in ("true", "false"):
            return Literal(token.text == "true"), []
        if token.kind == "special":
            return This(), []
        self._at -= 1
        return None, [self._step()]

    def _step(self) -> Step:
        quoted = self._at < len(self._tokens) and self._tokens[self._at].kind == "quoted"
        name = self._word()
        if quoted or self.peek() != "(":
            return Member(name)
        if name not in FUNCTIONS:
            _refuse(self._expression, f"The function '{name[:40]}' is not supported")
        self._at += 1
        if name in _TYPE_FUNCTIONS:
            call = Call(name, type_name=self._type_name())
            self._expect(")")
            return call
        return Call(name, self._arguments(name))

    def _arguments(self, name: str) -> tuple[Expression, ...]:
        found: list[Expression] = []
        while self.peek() != ")":
            if found:
                self._expect(",")
            found.append(self.alternatives())
        self._at += 1
        fewest, most = FUNCTIONS[name]
        if not fewest <= len(found) <= most:
            _refuse(self._expression, f"The wrong number of arguments to '{name}'")
        return tuple(found)

    def _type_name(self) -> str:
        """`Quantity`, `FHIR.Quantity` or `System.String`."""
        name = self._word()
        if name in ("FHIR", "System") and self.peek() == ".":
            self._at += 1
            name = self._word()
        return name
