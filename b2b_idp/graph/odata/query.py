"""The query options of a request, all of them known, and what they make of a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from werkzeug.datastructures import MultiDict

from b2b_idp.graph.odata.filter import Predicate, compile_filter, unsupported
from b2b_idp.keys.vault import Vault
from b2b_idp.model.problem import Code, Problem

DEFAULT_PAGE = 100
LARGEST_PAGE = 999

_KNOWN = frozenset({"$select", "$filter", "$top", "$skiptoken", "$count", "$orderby", "$expand", "$search"})


@dataclass(frozen=True, slots=True)
class Query:
    """Parsed options. `after` is the number of rows that earlier pages gave."""

    select: tuple[str, ...] = ()
    predicate: Predicate | None = None
    top: int = DEFAULT_PAGE
    count: bool = False
    order: tuple[str, bool] | None = None
    after: int = 0
    options: Mapping[str, str] | None = None


def parse_query(args: MultiDict[str, str], properties: frozenset[str], vault: Vault, scope: str) -> Query:
    """The request's options; `properties` are what rows have, `scope` binds a $skiptoken to its query and caller.

    Raises Problem(BAD_REQUEST | UNSUPPORTED_QUERY).
    """
    given: dict[str, str] = {}
    for name, values in args.lists():
        # the $ may be left out, case does not matter (OData 4.01 §11.2.1)
        option = ("$" if not name.startswith("$") else "") + name.lower()
        if option not in _KNOWN:
            if name.startswith("$"):
                raise unsupported(f"The query option {name[:40]} is not supported.")
            continue
        if len(values) > 1 or option in given:
            raise Problem(Code.BAD_REQUEST, f"{name[:40]} stands twice.")
        given[option] = values[0]
    for option in ("$expand", "$search"):
        if option in given:
            raise unsupported(f"{option} is not supported here.")
    select = tuple(s.strip() for s in given.get("$select", "").split(",") if s.strip())
    for name in select:
        if name not in properties:
            raise Problem(Code.BAD_REQUEST, f"$select: there is no property {name[:60]}.")
    predicate = compile_filter(given["$filter"], properties) if given.get("$filter") else None
    same = {k: v for k, v in given.items() if k != "$skiptoken"}
    return Query(
        select,
        predicate,
        _top(given.get("$top")),
        _boolean(given.get("$count")),
        _order(given.get("$orderby"), properties),
        _after(given.get("$skiptoken"), vault, scope, same),
        same,
    )


def _top(text: str | None) -> int:
    if text is None:
        return DEFAULT_PAGE
    if not text.isascii() or not text.isdigit() or len(text) > 9 or not 1 <= int(text) <= LARGEST_PAGE:
        raise Problem(Code.BAD_REQUEST, f"$top is a number from 1 to {LARGEST_PAGE}.")
    return int(text)


def _boolean(text: str | None) -> bool:
    if text not in (None, "true", "false"):
        raise Problem(Code.BAD_REQUEST, "$count is true or false.")
    return text == "true"


def _order(text: str | None, properties: frozenset[str]) -> tuple[str, bool] | None:
    if text is None:
        return None
    words = text.split() or [""]
    if len(words) > 2 or words[0] not in properties or words[-1].lower() not in (words[0].lower(), "asc", "desc"):
        raise unsupported("$orderby takes one property, then asc or desc.")
    return words[0], len(words) == 2 and words[1].lower() == "desc"


def _token(vault: Vault, scope: str, options: Mapping[str, str], after: int) -> str:
    return f"{after}.{vault.token('skiptoken', scope, urlencode(sorted(options.items())), str(after))}"


def _after(text: str | None, vault: Vault, scope: str, options: Mapping[str, str]) -> int:
    if text is None:
        return 0
    number = text.partition(".")[0]
    good = number.isascii() and number.isdigit() and len(number) < 9
    if not good or _token(vault, scope, options, int(number)) != text:
        raise Problem(Code.BAD_REQUEST, "$skiptoken is not one that this query gave.")
    return int(number)


def page(
    rows: Sequence[Mapping[str, Any]], query: Query, context: str, base: str, vault: Vault, scope: str
) -> dict[str, Any]:
    """A collection's answer: filtered, ordered, cut to a page, with an absolute link to the next."""
    kept = [r for r in rows if query.predicate is None or query.predicate(r)]
    if query.order is not None:
        name, descending = query.order
        kept.sort(key=lambda r: (r.get(name) is not None, str(r.get(name) or "").casefold()), reverse=descending)
    shown = kept[query.after : query.after + query.top]
    suffix = f"({','.join(query.select)})" if query.select else ""
    answer: dict[str, Any] = {"@odata.context": context + suffix}
    if query.count:
        answer["@odata.count"] = len(kept)
    following = query.after + len(shown)
    if following < len(kept):
        options = query.options or {}
        token = _token(vault, scope, options, following)
        pairs = "&".join(f"{k}={quote(v, safe='')}" for k, v in [*options.items(), ("$skiptoken", token)])
        answer["@odata.nextLink"] = f"{base}?{pairs}"
    answer["value"] = [selected(r, query.select) for r in shown]
    return answer


def selected(row: Mapping[str, Any], select: Sequence[str]) -> dict[str, Any]:
    """The row, or of it what `$select` names; annotations stay."""
    if not select:
        return dict(row)
    return {k: v for k, v in row.items() if k in select or k.startswith("@odata.")}
