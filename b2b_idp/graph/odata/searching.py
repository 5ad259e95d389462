"""`$search`: `"displayName:ali"`, several of them with AND, OR and brackets → Filter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from lark import Lark, Token, Tree

from b2b_idp.graph.odata.refusals import MAX_DEPTH, bad, read, unsupported
from b2b_idp.model.query import And, Filter, Or, Search

_PARSER = Lark(
    r"""
    start: _either
    _either: either | _both
    either: _both (_OR _both)+
    _both: both | _one
    both: _one (_AND _one)+
    _one: bracket | clause
    bracket: "(" _either ")"
    clause: CLAUSE

    CLAUSE: /"[^"\\]*(?:\\["\\][^"\\]*)*"/
    _OR: /OR\b/
    _AND: /AND\b/
    %ignore /[ \t\r\n]+/
    """,
    parser="lalr",
    maybe_placeholders=False,
)
_WORDS: Mapping[str, str] = {
    "CLAUSE": 'a clause in double quotes, "displayName:ali"',
    "_OR": '"OR"',
    "_AND": '"AND"',
    "LPAR": '"("',
    "RPAR": '")"',
    "$END": "the end",
}


@lru_cache(maxsize=256)
def parse_search(text: str, searchable: tuple[str, ...]) -> Filter:
    """The meaning of a `$search`. A clause that names no property looks in all that are `searchable`.

    Raises Problem(BAD_REQUEST) for bad grammar, Problem(UNSUPPORTED_QUERY) for other properties.
    """
    start = read(_PARSER, "$search", text, _WORDS)
    return _built(start.children[0], searchable, 0)


def _built(node: Tree[Token] | Token, searchable: Sequence[str], depth: int) -> Filter:
    assert isinstance(node, Tree)
    if depth > MAX_DEPTH:
        raise bad(f"$search is nested deeper than {MAX_DEPTH}.")
    match node.data:
        case "either":
            return Or(tuple(_built(c, searchable, depth) for c in node.children))
        case "both":
            return And(tuple(_built(c, searchable, depth) for c in node.children))
        case "bracket":
            return _built(node.children[0], searchable, depth + 1)
        case _:
            return _clause(str(node.children[0]), searchable)


def _clause(quoted: str, searchable: Sequence[str]) -> Filter:
    said = quoted[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    name, colon, text = said.partition(":")
    names = [name.strip()] if colon else list(searchable)
    text = (text if colon else said).strip()
    if not text:
        raise bad("$search: a clause looks for nothing.")
    for n in names:
        if n not in searchable:
            raise unsupported(f"$search: {n[:60]} cannot be searched here; {', '.join(searchable)} can.")
    found = tuple(Search((n,), text) for n in names)
    return found[0] if len(found) == 1 else Or(found)
