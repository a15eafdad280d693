"""Numbers that depend on the model: `0.02 / sqrt(2 * depth)`.

    sum       product (("+" | "-") product)*
    product   signed (("*" | "/") signed)*
    signed    "-" signed | power
    power     value ("**" signed)?
    value     NUMBER | VARIABLE | FUNCTION "(" sum ("," sum)* ")" | "(" sum ")"

`**` binds as in Python: from the right, and tighter than a minus before it. FUNCTION is `sqrt` or
`log` (natural) of one argument, `min` or `max` of two or more. Arithmetic is that of 64-bit floats,
so that no formula can take long, and every intermediate result must be a finite real number.

A formula is parsed into steps for a stack machine, never evaluated as Python.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from seobuilder.recipe.diagnostics import quote, suggest

MAX_LENGTH = 200
MAX_DEPTH = 20


class FormulaError(ValueError):
    """A formula is malformed or has no value; `offset` is the character of its text to look at.

    `code` is that of the diagnostic: R040 malformed, R041 unknown variable, R042 no finite value.
    """

    def __init__(self, message: str, offset: int, code: str = "R040") -> None:
        """Say what is wrong with the formula, and at which character of it, counted from 0."""
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.code = code


class _Step(NamedTuple):
    """Push a number or a variable, or replace the last `arity` numbers by an operation's result."""

    offset: int
    operand: float | str
    arity: int = 0


_OPERATIONS: dict[str, Callable[..., float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
    "negative": operator.neg,
    "sqrt": math.sqrt,
    "log": math.log,
    "min": min,
    "max": max,
}

_FUNCTIONS = {"sqrt": (1, 1), "log": (1, 1), "min": (2, MAX_LENGTH), "max": (2, MAX_LENGTH)}
"""How many arguments each function takes, at least and at most."""

_LISTED = ", ".join(_FUNCTIONS)


@dataclass(frozen=True, slots=True)
class Formula:
    """A parsed formula; two are equal if their texts are."""

    text: str
    variables: frozenset[str] = field(compare=False)
    _steps: tuple[_Step, ...] = field(repr=False, compare=False)

    def evaluate(self, values: Mapping[str, float]) -> float:
        """The formula's value where its variables have these values.

        Raises:
            FormulaError: a variable is missing, or a result is not a finite real number.
        """
        stack: list[float] = []
        for step in self._steps:
            if isinstance(step.operand, float):
                stack.append(step.operand)
            elif step.arity == 0:
                stack.append(_variable(step, values))
            else:
                arguments = stack[-step.arity :]
                stack[-step.arity :] = [_apply(step, arguments)]
        assert len(stack) == 1, "the steps of a formula leave one number"
        return stack[0]


@lru_cache(maxsize=1024)
def parse(text: str) -> Formula:
    """Parse a formula of at most 200 characters and 20 levels.

    Raises:
        FormulaError: the text is not a formula.
    """
    if len(text) > MAX_LENGTH:
        raise FormulaError(f"a formula has at most {MAX_LENGTH} characters", MAX_LENGTH)
    steps = _Parser(text).steps()
    variables = frozenset(str(s.operand) for s in steps if _is_variable(s))
    return Formula(text, variables, steps)


# Evaluating.


def _is_variable(step: _Step) -> bool:
    return step.arity == 0 and isinstance(step.operand, str)


def _variable(step: _Step, values: Mapping[str, float]) -> float:
    name = str(step.operand)
    if name not in values:
        message = f"unknown variable {quote(name)}"
        if values:
            message += f"; there are {', '.join(sorted(values))}"
        if close := suggest(name, values):
            message += f"; did you mean {quote(close)}?"
        raise FormulaError(message, step.offset, "R041")
    try:
        value = float(values[name])
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise FormulaError(f"{quote(name)} is too large or not a number", step.offset, "R042")
    return value


def _apply(step: _Step, arguments: Sequence[float]) -> float:
    name = str(step.operand)
    try:
        result = _OPERATIONS[name](*arguments)
    except ZeroDivisionError:
        raise FormulaError("division by zero", step.offset, "R042") from None
    except OverflowError:
        raise FormulaError("the result is too large", step.offset, "R042") from None
    except ValueError:
        message = f"{name} of {arguments[0]:g} is not a number"
        raise FormulaError(message, step.offset, "R042") from None
    if isinstance(result, complex):
        message = f"{arguments[0]:g} ** {arguments[1]:g} is not a real number"
        raise FormulaError(message, step.offset, "R042")
    if not math.isfinite(result):
        raise FormulaError("the result is too large", step.offset, "R042")
    return result


# Parsing.

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number> ([0-9]+\.?[0-9]*|\.[0-9]+) ([eE][-+]?[0-9]+)? )
      | (?P<name> [a-z_]+ )
      | (?P<sign> \*\* | [-+*/(),] )
      | (?P<end> \Z )
      | (?P<other> \S )
    )""",
    re.VERBOSE | re.ASCII,
)


class _Token(NamedTuple):
    kind: str
    text: str
    offset: int


def _tokens(text: str) -> Iterator[_Token]:
    offset = 0
    while True:
        found = _TOKEN.match(text, offset)
        assert found, "every text has a next token, if only its end or an unknown character"
        kind = str(found.lastgroup)
        yield _Token(kind, found[kind], found.start(kind))
        if kind == "end":
            return
        offset = found.end()


class _Parser:
    """Recursive descent over the grammar above, one method for each of its lines.

    `depth` counts the parentheses, minus signs and exponents around a part.
    """

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._next = next(self._tokens)
        self._steps: list[_Step] = []

    def steps(self) -> tuple[_Step, ...]:
        self._sum(0)
        if self._next.kind != "end":
            raise self._unexpected()
        return tuple(self._steps)

    def _sum(self, depth: int) -> None:
        self._product(depth)
        while operation := self._accept("+", "-"):
            self._product(depth)
            self._emit(operation, 2)

    def _product(self, depth: int) -> None:
        self._signed(depth)
        while operation := self._accept("*", "/"):
            self._signed(depth)
            self._emit(operation, 2)

    def _signed(self, depth: int) -> None:
        if depth > MAX_DEPTH:
            message = f"a formula is nested at most {MAX_DEPTH} levels deep"
            raise FormulaError(message, self._next.offset)
        if minus := self._accept("-"):
            self._signed(depth + 1)
            self._emit(minus._replace(text="negative"), 1)
        else:
            self._power(depth)

    def _power(self, depth: int) -> None:
        self._value(depth)
        if operation := self._accept("**"):
            self._signed(depth + 1)
            self._emit(operation, 2)

    def _value(self, depth: int) -> None:
        token = self._next
        if token.kind == "number":
            self._advance()
            self._number(token)
        elif token.kind == "name":
            self._advance()
            self._named(token, depth)
        elif self._accept("("):
            self._sum(depth + 1)
            self._expect(")")
        else:
            raise self._unexpected()

    def _number(self, token: _Token) -> None:
        value = float(token.text)
        if math.isinf(value):
            raise FormulaError("the number is too large", token.offset)
        self._steps.append(_Step(token.offset, value))

    def _named(self, token: _Token, depth: int) -> None:
        """A call of a function if a parenthesis follows, else a variable."""
        name, offset = quote(token.text), token.offset
        if not self._accept("("):
            if token.text in _FUNCTIONS:
                raise FormulaError(f"{name} is a function and needs arguments", offset)
            self._steps.append(_Step(offset, token.text))
            return
        if token.text not in _FUNCTIONS:
            close = suggest(token.text, _FUNCTIONS)
            hint = f"did you mean {quote(close)}?" if close else f"there are {_LISTED}"
            raise FormulaError(f"unknown function {name}; {hint}", offset)
        count = self._arguments(depth)
        least, most = _FUNCTIONS[token.text]
        if not least <= count <= most:
            wanted = "one argument" if most == 1 else "two or more arguments"
            raise FormulaError(f"{name} takes {wanted}", offset)
        self._emit(token, count)

    def _arguments(self, depth: int) -> int:
        self._sum(depth + 1)
        count = 1
        while self._accept(","):
            self._sum(depth + 1)
            count += 1
        self._expect(")")
        return count

    def _advance(self) -> None:
        self._next = next(self._tokens)

    def _accept(self, *signs: str) -> _Token | None:
        token = self._next
        if token.kind != "sign" or token.text not in signs:
            return None
        self._advance()
        return token

    def _expect(self, sign: str) -> None:
        if not self._accept(sign):
            raise self._unexpected(f"; expected `{sign}`")

    def _emit(self, token: _Token, arity: int) -> None:
        self._steps.append(_Step(token.offset, token.text, arity))

    def _unexpected(self, expected: str = "") -> FormulaError:
        token = self._next
        what = "end of the formula" if token.kind == "end" else quote(token.text)
        return FormulaError(f"unexpected {what}{expected}", token.offset)
