"""`$filter` (OData 4.01 §5.1.1 as Graph writes it): text → Filter."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import cast

from lark import Lark, Token, Tree

from b2b_idp.graph.odata.refusals import MAX_DEPTH, bad, read, unsupported
from b2b_idp.model.query import (
    And,
    AnyOf,
    Compare,
    Comparison,
    Filter,
    Not,
    OneOf,
    Or,
    Path,
    TextOperation,
    TextTest,
    Value,
    heads,
)

# every function call is grammar, so that unknown ones are refused by name; so are operators
_PARSER = Lark(
    r"""
    start: _either
    _either: either | _both
    either: _both (_OR _both)+
    _both: both | _one
    both: _one (_AND _one)+
    _one: negation | bracket | comparison | membership | counted | call | lambda
    negation: _NOT _one
    bracket: _OPEN _either _CLOSE
    comparison: (path | call) NAME _literal
    membership: path _IN _OPEN _literal (_COMMA _literal)* _CLOSE
    counted: path _COUNT NAME _literal
    call: path _OPEN [_argument (_COMMA _argument)*] _CLOSE
    lambda: path _OPEN NAME _COLON _either _CLOSE
    _argument: path | call | _literal
    path: NAME (_SLASH NAME)*
    _literal: STRING | TIME | GUID | NUMBER | TRUE | FALSE | NULL

    _OR.3: /or\b/i
    _AND.3: /and\b/i
    _NOT.3: /not\b/i
    _IN.3: /in\b/i
    TRUE.3: /true\b/i
    FALSE.3: /false\b/i
    NULL.3: /null\b/i
    STRING: /'[^']*(?:''[^']*)*'/
    TIME.5: /[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{4,24}(?:Z|[+-][0-9]{2}:[0-9]{2})/i
    GUID.4: /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![\w-])/i
    NUMBER.2: /-?[0-9]{1,15}(?:\.[0-9]{1,15})?(?![\w.:-])/
    NAME: /[A-Za-z_][A-Za-z0-9_]*/
    _COUNT.3: /\/\$count\b/i
    _OPEN: "("
    _CLOSE: ")"
    _COMMA: ","
    _COLON: ":"
    _SLASH: "/"
    %ignore /[ \t\r\n]+/
    """,
    parser="lalr",
    propagate_positions=True,
    maybe_placeholders=False,
)
_VALUE = "a value (texts stand in single quotes)"
_WORDS: Mapping[str, str] = {
    "_OR": '"or"',
    "_AND": '"and"',
    "_NOT": '"not"',
    "_IN": '"in"',
    **dict.fromkeys(("STRING", "TIME", "GUID", "NUMBER", "TRUE", "FALSE", "NULL"), _VALUE),
    "NAME": "a name",
    "_OPEN": '"("',
    "_CLOSE": '")"',
    "_COMMA": '","',
    "_COLON": '":"',
    "_SLASH": '"/"',
    "$END": "the end",
}
_COMPARISONS = frozenset({"eq", "ne", "lt", "le", "gt", "ge"})
_TEXT: Mapping[str, TextOperation] = {"startswith": "startsWith", "endswith": "endsWith", "contains": "contains"}
_EMPTY = frozenset({("eq", 0), ("le", 0), ("lt", 1)})
_NOT_EMPTY = frozenset({("ne", 0), ("gt", 0), ("ge", 1)})

Node = Tree[Token]


def compile_filter(text: str, properties: frozenset[str]) -> Filter:
    """The meaning of a `$filter`. `properties` are the first segments that may be named.

    Raises Problem(BAD_REQUEST) for bad grammar, Problem(UNSUPPORTED_QUERY) for what is not supported.
    """
    found = parse_filter(text)
    for name in sorted(heads(found) - properties):
        raise unsupported(f"$filter: {name[:60]} cannot be filtered by here.")
    return found


@lru_cache(maxsize=256)
def parse_filter(text: str) -> Filter:
    """The meaning of a `$filter`, whatever properties it names. Raises as `compile_filter` does."""
    if "\x00" in text:
        raise bad(f"$filter: there is a NUL at character {text.index(chr(0)) + 1}.")
    return _Builder().build(_only(read(_PARSER, "$filter", text, _WORDS)), 0)


@dataclass(frozen=True, slots=True)
class _Builder:
    """Tree → Filter. `variable` is the range variable of the any() that the tree stands in."""

    variable: str | None = None

    def build(self, node: Node, depth: int) -> Filter:
        if depth > MAX_DEPTH:
            raise bad(f"$filter is nested deeper than {MAX_DEPTH} at character {_place(node)}.")
        match node.data:
            case "either":
                return Or(tuple(self.build(_node(c), depth) for c in node.children))
            case "both":
                return And(tuple(self.build(_node(c), depth) for c in node.children))
            case "negation":
                return Not(self.build(_only(node), depth + 1))
            case "bracket":
                return self.build(_only(node), depth + 1)
            case "comparison":
                return self._comparison(node)
            case "membership":
                return OneOf(self._path(node.children[0]), tuple(_literal(c) for c in node.children[1:]))
            case "counted":
                return self._counted(node)
            case "lambda":
                return self._lambda(node, depth)
            case _:
                return self._call(node)

    def _comparison(self, node: Node) -> Filter:
        left, op, value = _node(node.children[0]), _operator(node.children[1]), _literal(node.children[2])
        if left.data == "path":
            return Compare(self._path(left), op, value)
        test = self._call(left)
        if op not in ("eq", "ne") or not isinstance(value, bool):
            raise bad(f"$filter: compare the function at character {_place(left)} with eq true, or not at all.")
        return test if (op == "eq") == value else Not(test)

    def _counted(self, node: Node) -> Filter:
        path, op, number = self._path(node.children[0]), _operator(node.children[1]), _literal(node.children[2])
        some = AnyOf(path, And(()))
        if not isinstance(number, bool) and (op, number) in _NOT_EMPTY:
            return some
        if not isinstance(number, bool) and (op, number) in _EMPTY:
            return Not(some)
        raise unsupported(f"$filter: $count at character {_place(node)} compares with eq 0 or ne 0 only.")

    def _lambda(self, node: Node, depth: int) -> Filter:
        segments = _names(node.children[0])
        name = segments[-1].lower()
        if name != "any" or len(segments) < 2:
            raise unsupported(f"$filter: {segments[-1][:40]} at character {_place(node)} is not supported; any() is.")
        inner = _Builder(str(node.children[1])).build(_node(node.children[2]), depth + 1)
        return AnyOf(self._resolved(segments[:-1], node), inner)

    def _call(self, node: Node) -> Filter:
        segments, arguments = _names(node.children[0]), node.children[1:]
        if segments[-1].lower() == "any" and len(segments) > 1 and not arguments:
            return AnyOf(self._resolved(segments[:-1], node), And(()))
        function = _TEXT.get("/".join(segments).lower())
        if function is None:
            raise unsupported(
                f"$filter: the function {segments[-1][:40]} at character {_place(node)} is not supported."
            )
        form = f"$filter: {function} at character {_place(node)} takes a property and a text in single quotes."
        if len(arguments) != 2:
            raise bad(form)
        left, right = arguments
        if isinstance(left, Tree) and left.data == "call":
            raise unsupported(f"$filter: a function within {function} at character {_place(left)} is not supported.")
        if not isinstance(left, Tree) or not isinstance(right, Token):
            raise bad(form)
        text = _literal(right)
        if not isinstance(text, str):
            raise bad(form)
        return TextTest(self._path(left), function, text)

    def _path(self, part: Node | Token) -> Path:
        return self._resolved(_names(part), _node(part))

    def _resolved(self, segments: Path, node: Node) -> Path:
        if self.variable is None:
            return segments
        if segments[0] != self.variable:
            raise unsupported(
                f"$filter: within any() only its variable {self.variable[:40]} can be named, "
                f"not {segments[0][:40]} at character {_place(node)}."
            )
        return segments[1:]


def _node(part: Node | Token) -> Node:
    assert isinstance(part, Tree)
    return part


def _only(node: Node) -> Node:
    return _node(node.children[0])


def _place(node: Node) -> int:
    return node.meta.start_pos + 1


def _names(path: Node | Token) -> Path:
    return tuple(str(c) for c in _node(path).children)


def _operator(token: Node | Token) -> Comparison:
    assert isinstance(token, Token)
    name = token.lower()
    if name not in _COMPARISONS:
        raise unsupported(f"$filter: the operator {token[:40]} at character {_at(token)} is not supported.")
    return cast("Comparison", name)


def _at(token: Token) -> int:
    return (token.start_pos or 0) + 1


def _literal(token: Node | Token) -> Value:
    assert isinstance(token, Token)
    match token.type:
        case "STRING":
            return token[1:-1].replace("''", "'")
        case "TRUE" | "FALSE":
            return token.type == "TRUE"
        case "NULL":
            return None
        case "NUMBER":
            return float(token) if "." in token else int(token)
        case "TIME":
            return _time(token)
        case _:
            return str(token)


def _time(token: Token) -> datetime:
    # fromisoformat reads more than OData allows, for instance 10.5 hours
    try:
        if re.fullmatch(r"[0-9:]{5,8}(\.[0-9]{1,12})?", re.split("[zZ+-]", token[11:])[0]):
            return datetime.fromisoformat(token.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise bad(f"$filter: {token} at character {_at(token)} is no time; write 2026-01-31T10:00:00Z.")
