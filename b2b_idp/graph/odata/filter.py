"""`$filter`: text → predicate. eq, ne, ge, gt, le, lt, in, startsWith, endsWith, contains, and, or, not, brackets,
and `path/any(x:x eq …)` (OData 4.01 §5.1.1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from b2b_idp.model.problem import Code, Problem

MAX_LENGTH = 8192
MAX_DEPTH = 32
MAX_TOKENS = 1000

Predicate = Callable[[Mapping[str, Any]], bool]

_TOKEN = re.compile(r"\s*(?:(?P<string>'(?:[^']|'')*')|(?P<punct>[(),:])|(?P<word>[^\s'(),:]+(?::[0-9][^\s'(),]*)*))")
_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: _fold(a) == _fold(b),
    "ne": lambda a, b: _fold(a) != _fold(b),
    "ge": lambda a, b: _ordered(a, b) and a >= b,
    "gt": lambda a, b: _ordered(a, b) and a > b,
    "le": lambda a, b: _ordered(a, b) and a <= b,
    "lt": lambda a, b: _ordered(a, b) and a < b,
}
_FUNCTIONS: Mapping[str, Callable[[str, str], bool]] = {
    "startswith": str.startswith,
    "endswith": str.endswith,
    "contains": str.__contains__,
}


def _fold(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


def _ordered(a: Any, b: Any) -> bool:
    number = isinstance(a, int | float) and isinstance(b, int | float)
    return number or (isinstance(a, str) and isinstance(b, str))


def unsupported(say: str) -> Problem:
    return Problem(Code.UNSUPPORTED_QUERY, say)


def compile_filter(text: str, properties: frozenset[str]) -> Predicate:
    """The predicate of a `$filter`. `properties` are the first segments that may be named.

    Raises Problem(BAD_REQUEST) for bad grammar, Problem(UNSUPPORTED_QUERY) for what is not supported.
    """
    if len(text) > MAX_LENGTH:
        raise Problem(Code.BAD_REQUEST, f"$filter is longer than {MAX_LENGTH} characters.")
    parser = _Parser(_tokens(text), properties)
    predicate = parser.either(0)
    parser.end()
    return predicate


def _tokens(text: str) -> list[str]:
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.end() == at:
            if not text[at:].strip():
                break
            raise _bad(f"$filter: cannot read on at character {at + 1}.")
        found.append(match.group().strip())
        at = match.end()
        if len(found) > MAX_TOKENS:
            raise _bad("$filter has too many parts.")
    return found


def _bad(say: str) -> Problem:
    return Problem(Code.BAD_REQUEST, say)


class _Parser:
    def __init__(self, tokens: list[str], properties: frozenset[str]) -> None:
        self._tokens = tokens
        self._properties = properties
        self._at = 0

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        if not token:
            raise _bad("$filter ends too early.")
        self._at += 1
        return token

    def _expect(self, token: str) -> None:
        got = self._take()
        if got != token:
            raise _bad(f"$filter: expected {token} but found {got[:40]}.")

    def end(self) -> None:
        if self._peek():
            raise _bad(f"$filter: did not expect {self._peek()[:40]} there.")

    def either(self, depth: int) -> Predicate:
        if depth > MAX_DEPTH:
            raise _bad("$filter is nested too deeply.")
        terms = [self._both(depth)]
        while self._peek().lower() == "or":
            self._take()
            terms.append(self._both(depth))
        return terms[0] if len(terms) == 1 else lambda row: any(t(row) for t in terms)

    def _both(self, depth: int) -> Predicate:
        terms = [self._one(depth)]
        while self._peek().lower() == "and":
            self._take()
            terms.append(self._one(depth))
        return terms[0] if len(terms) == 1 else lambda row: all(t(row) for t in terms)

    def _one(self, depth: int) -> Predicate:
        token = self._take()
        if token.lower() == "not":
            if depth > MAX_DEPTH:
                raise _bad("$filter is nested too deeply.")
            inner = self._one(depth + 1)
            return lambda row: not inner(row)
        if token == "(":
            inner = self.either(depth + 1)
            self._expect(")")
            return inner
        if self._peek() == "(":
            return self._call(token)
        return self._comparison(self._path(token))

    def _call(self, name: str) -> Predicate:
        if name.lower().endswith("/any"):
            return self._any(self._path(name[: -len("/any")]))
        function = _FUNCTIONS.get(name.lower())
        if function is None:
            raise unsupported(f"$filter: the function {name[:40]} is not supported.")
        self._expect("(")
        path = self._path(self._take())
        self._expect(",")
        wanted = self._literal(self._take())
        self._expect(")")
        if not isinstance(wanted, str):
            raise _bad(f"$filter: {name[:40]} compares with a text.")
        folded = wanted.casefold()

        def holds(row: Mapping[str, Any]) -> bool:
            value = _value(row, path)
            return isinstance(value, str) and function(value.casefold(), folded)

        return holds

    def _any(self, path: tuple[str, ...]) -> Predicate:
        self._expect("(")
        variable = self._take()
        self._expect(":")
        if self._take() != variable:
            raise unsupported("$filter: any() compares its variable with eq.")
        operator = self._take().lower()
        if operator != "eq":
            raise unsupported("$filter: any() compares its variable with eq.")
        wanted = _fold(self._literal(self._take()))
        self._expect(")")

        def holds(row: Mapping[str, Any]) -> bool:
            values = _value(row, path)
            return isinstance(values, list) and any(_fold(v) == wanted for v in values)

        return holds

    def _comparison(self, path: tuple[str, ...]) -> Predicate:
        operator = self._take().lower()
        if operator == "in":
            self._expect("(")
            wanted = [self._literal(self._take())]
            while self._peek() == ",":
                self._take()
                wanted.append(self._literal(self._take()))
            self._expect(")")
            folded = [_fold(v) for v in wanted]
            return lambda row: _fold(_value(row, path)) in folded
        compare = _ORDER.get(operator)
        if compare is None:
            raise unsupported(f"$filter: the operator {operator[:40]} is not supported.")
        literal = self._literal(self._take())
        return lambda row: compare(_value(row, path), literal)

    def _path(self, token: str) -> tuple[str, ...]:
        path = tuple(token.split("/"))
        if path[0] not in self._properties:
            raise unsupported(f"$filter: {path[0][:60]} cannot be filtered by here.")
        return path

    @staticmethod
    def _literal(token: str) -> Any:
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        named = {"true": True, "false": False, "null": None}
        if token in named:
            return named[token]
        if re.fullmatch(r"-?[0-9]{1,15}", token):
            return int(token)
        if re.fullmatch(r"[0-9a-fA-F-]{36}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z", token):
            return token
        raise _bad(f"$filter: {token[:40]} is not a value; texts stand in single quotes.")


def _value(row: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = row
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
