"""The query options of a request: each of them understood or refused, none ignored."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from werkzeug.datastructures import MultiDict

from b2b_idp.graph.odata import skiptoken
from b2b_idp.graph.odata.filter import compile_filter
from b2b_idp.graph.odata.predicate import Predicate, predicate
from b2b_idp.graph.odata.refusals import bad, unsupported
from b2b_idp.graph.odata.searching import parse_search
from b2b_idp.keys.vault import Vault
from b2b_idp.model.query import And, Filter, Listing, Order

DEFAULT_PAGE = 100
LARGEST_PAGE = 999
_MOST_ORDERS = 8

_KNOWN = frozenset({"$select", "$filter", "$top", "$skiptoken", "$count", "$orderby", "$expand", "$search"})
_CONSISTENCY = "ConsistencyLevel"
_EXPANDED = re.compile(r"\s*([A-Za-z_]\w*)\s*(?:\(([^()]*)\)\s*)?(,|$)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Query:
    """Parsed options. `predicate` is what `filter` and `search` mean for a row in memory.

    `expand` says of each navigation what is selected of its targets, everything when empty. `options` are the
    options as they stood, without $skiptoken; a link to the next page repeats them.
    """

    select: tuple[str, ...] = ()
    filter: Filter | None = None
    search: Filter | None = None
    predicate: Predicate | None = None
    top: int = DEFAULT_PAGE
    count: bool = False
    orders: tuple[Order, ...] = ()
    expand: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    after_key: skiptoken.Key | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def listing(self) -> Listing:
        """The same as a question to the store."""
        return Listing(self.filter, self.orders, self.search, self.after_key, self.top, self.count)


def parse_query(
    args: MultiDict[str, str],
    properties: frozenset[str],
    vault: Vault,
    scope: str,
    *,
    expandable: Mapping[str, frozenset[str]] | None = None,
    searchable: tuple[str, ...] = (),
    consistency: str | None = None,
    page_size: int = DEFAULT_PAGE,
) -> Query:
    """The request's options; `properties` are what rows have, `scope` binds a $skiptoken to its query and caller.

    `expandable` are the navigations that $expand may name, with the properties of their targets; `searchable` the
    properties that $search looks in; `consistency` the request's ConsistencyLevel header, which $search needs.
    Raises Problem(BAD_REQUEST | UNSUPPORTED_QUERY).
    """
    given = _given(args)
    level = given.get(_CONSISTENCY) or consistency or ""
    filter = compile_filter(given["$filter"], properties) if "$filter" in given else None
    search = _search(given.get("$search"), searchable, level)
    asked = [f for f in (filter, search) if f is not None]
    same = {k: v for k, v in given.items() if k != "$skiptoken"}
    token = given.get("$skiptoken")
    return Query(
        select=_select("$select", given.get("$select", ""), properties),
        filter=filter,
        search=search,
        predicate=predicate(And(tuple(asked))) if asked else None,
        top=_top(given.get("$top"), page_size),
        count=_boolean(given.get("$count")),
        orders=_orders(given.get("$orderby"), properties),
        expand=_expand(given.get("$expand"), expandable or {}),
        after_key=None if token is None else skiptoken.read(token, vault, scope, same),
        options=same,
    )


def _given(args: MultiDict[str, str]) -> dict[str, str]:
    """Known options by their own names. The $ may be left out, case does not matter (OData 4.01 §11.2.1)."""
    given: dict[str, str] = {}
    for name, values in args.lists():
        option = name.lower() if name.startswith("$") else "$" + name.lower()
        if name.lower() == _CONSISTENCY.lower():
            option = _CONSISTENCY
        elif option not in _KNOWN:
            if name.startswith("$"):
                raise unsupported(f"The query option {_shown(name)} is not supported.")
            continue
        if len(values) > 1 or option in given:
            raise bad(f"{_shown(name)} stands twice.")
        if re.search("[\x00\ud800-\udfff]", values[0]):
            raise bad(f"{option} holds a character that is none.")
        given[option] = values[0]
    return given


def _shown(name: str) -> str:
    return name[:40].encode(errors="replace").decode()


def _select(option: str, text: str, properties: frozenset[str]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(s.strip() for s in text.split(",") if s.strip()))
    for name in names:
        if name not in properties:
            raise bad(f"{option}: there is no property {name[:60]}.")
    return names


def _top(text: str | None, page_size: int) -> int:
    if text is None:
        return page_size
    if not text.isascii() or not text.isdigit() or len(text) > 9 or not 1 <= int(text) <= LARGEST_PAGE:
        raise bad(f"$top is a number from 1 to {LARGEST_PAGE}.")
    return int(text)


def _boolean(text: str | None) -> bool:
    if text not in (None, "true", "false"):
        raise bad("$count is true or false.")
    return text == "true"


def _orders(text: str | None, properties: frozenset[str]) -> tuple[Order, ...]:
    if text is None:
        return ()
    found = []
    for part in text.split(","):
        words = part.split()
        path = tuple(words[0].split("/")) if words else ("",)
        direction = words[1].lower() if len(words) == 2 else "asc"
        if len(words) not in (1, 2) or path[0] not in properties or direction not in ("asc", "desc"):
            raise unsupported(
                f"$orderby takes properties, each followed by asc or desc if at all; not {part.strip()[:60]!r}."
            )
        found.append(Order(path, direction == "desc"))
    if len(found) > _MOST_ORDERS:
        raise bad(f"$orderby takes at most {_MOST_ORDERS} properties.")
    return tuple(found)


def _search(text: str | None, searchable: tuple[str, ...], level: str) -> Filter | None:
    if text is None:
        return None
    if not searchable:
        raise unsupported("$search is not supported here.")
    if level.strip().lower() != "eventual":
        raise unsupported("$search needs the header ConsistencyLevel: eventual.")
    return parse_search(text, searchable)


def _expand(text: str | None, expandable: Mapping[str, frozenset[str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    at = 0
    while text is not None:
        match = _EXPANDED.match(text, at)
        if match is None:
            raise bad(f"$expand: expected a navigation property, as in manager($select=id), at character {at + 1}.")
        name, inner, comma = match.groups()
        if name not in expandable:
            known = ", ".join(sorted(expandable)) or "nothing"
            raise unsupported(f"$expand: {name[:60]} cannot be expanded here; {known} can.")
        if name in found:
            raise bad(f"$expand: {name[:60]} stands twice.")
        found[name] = _within(name, inner, expandable[name])
        if not comma:
            break
        at = match.end()
    return found


def _within(name: str, text: str | None, properties: frozenset[str]) -> tuple[str, ...]:
    if text is None:
        return ()
    option, _, value = text.partition("=")
    if option.strip().lower() not in ("$select", "select") or ";" in value:
        raise unsupported(f"$expand: within {name[:60]}( ) only $select is supported.")
    return _select(f"$expand: {name[:60]}", value, properties)
