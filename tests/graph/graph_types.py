"""Whether an answer is what Microsoft Graph's own types say: names, types, enumerations, the form of dates and ids.

`graph_types.json` has the declarations: `Type?` may be null, `[Type]` is a collection.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_FACTS = json.loads(Path(__file__).with_name("graph_types.json").read_text(encoding="utf-8"))
TYPES: dict[str, dict[str, Any]] = _FACTS["types"]
SETS: dict[str, str] = _FACTS["sets"]
"""Entity set to the type it is declared to hold."""

OUR_OWN = frozenset({"b2bIdp"})
"""Properties that Graph does not have and we do, everywhere."""
BETA_ONLY: dict[str, frozenset[str]] = {
    "signIn": frozenset(
        "userType homeTenantName crossTenantAccessType authenticationRequirement authenticationDetails "
        "authenticationMethodsUsed sessionLifetimePolicies authenticationContextClassReferences".split()
    )
}
"""Properties that Graph has in beta and we in v1.0 (docs/divergences.md)."""
_SINGLETON = "authorizationPolicy"
"""Its id is its name."""
_FLAGS = frozenset({"authenticationMethodModes", "conditionalAccessGuestOrExternalUserTypes"})
"""Enumerations whose values are several members with commas between them."""
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FORMS = {
    "Edm.DateTimeOffset": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z"),
    "Edm.Guid": _GUID,
    "Edm.TimeOfDay": re.compile(r"\d\d:\d\d:\d\d(\.\d{1,7})?"),
    "Edm.Binary": re.compile(r"[A-Za-z0-9+/_-]*={0,2}"),
}
_KINDS: dict[str, type | tuple[type, ...]] = {"Edm.Boolean": bool, "Edm.Int32": int, "Edm.Double": (int, float)}


def faults(answer: dict[str, Any]) -> list[str]:
    """Everything in an answer that Graph's types do not allow, each with its place."""
    return list(_answer(answer))


def errors_fault(answer: Any) -> list[str]:
    """The same for an error."""
    try:
        error = answer["error"]
        inner = error["innerError"]
        good = set(error) <= {"code", "message", "innerError", "details", "target"}
        good = good and all(isinstance(error[name], str) and error[name] for name in ("code", "message"))
        good = good and bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", inner["date"]))
        good = good and all(_GUID.fullmatch(inner[name]) for name in ("request-id", "client-request-id"))
    except (KeyError, TypeError):
        good = False
    return [] if good else [f"not Graph's error: {answer!r}"]


def _answer(answer: dict[str, Any]) -> Iterator[str]:
    context = answer.get("@odata.context")
    if not isinstance(context, str) or "/$metadata#" not in context:
        yield f"@odata.context: {context!r}"
        return
    shape = re.sub(r"\('[^']*'\)", "", context.partition("#")[2])
    single = shape.endswith("/$entity")
    named, bracket, chosen = shape.removesuffix("/$entity").partition("(")
    if bracket and not chosen.endswith(")"):
        yield f"@odata.context: {shape}"
        return
    if named.startswith(("Collection", "Edm.")):
        yield from _value("value", answer.get("value"), named + bracket + chosen)
        return
    declared = SETS.get(named) or named.rpartition("/")[2].removeprefix("microsoft.graph.")
    if declared not in TYPES:
        yield f"@odata.context: Graph has no {named}"
        return
    select = _names(chosen[:-1])
    if single or "value" not in answer:
        yield from _object("", answer, declared, select)
        return
    yield from _collection(answer, declared, select)


def _collection(answer: dict[str, Any], declared: str, select: set[str] | None) -> Iterator[str]:
    for name in set(answer) - {"@odata.context", "@odata.count", "@odata.nextLink", "@odata.deltaLink", "value"}:
        yield f"{name}: no member of a collection"
    base = answer["@odata.context"].partition("$metadata")[0]
    for link in ("@odata.nextLink", "@odata.deltaLink"):
        if not str(answer.get(link, base)).startswith(base):
            yield f"{link}: {answer[link]!r} is not absolute below {base}"
    if not isinstance(answer["value"], list):
        yield "value: no list"
        return
    for n, row in enumerate(answer["value"]):
        yield from _object(f"value[{n}]", row, declared, select)


def _names(chosen: str) -> set[str] | None:
    """What `$select` and `$expand` left, of `id,mail,manager(id)`; None when all is shown, as of `manager()`."""
    top = re.sub(r"\([^()]*\)", "()", chosen)
    names = [n for n in top.split(",") if n]
    return {n.removesuffix("()") for n in names} if any(not n.endswith("()") for n in names) else None


def _object(place: str, value: Any, declared: str, select: set[str] | None = None) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{place}: {value!r} is no {declared}"
        return
    named = value.get("@odata.type", f"#microsoft.graph.{declared}")
    actual = str(named).removeprefix("#microsoft.graph.")
    if not str(named).startswith("#microsoft.graph.") or declared not in lineage(actual):
        yield f"{place}: @odata.type {named!r} is no {declared}"
        return
    known = members(actual)
    if (
        declared == actual
        and declared in ("directoryObject", "identityProviderBase", "authenticationMethod")
        and "@removed" not in value
    ):
        yield f"{place}: no @odata.type, though {declared} says little"
    for name, held in value.items():
        here = f"{place}.{name}".lstrip(".")
        if "@odata." in name or name.endswith("@delta") or name in OUR_OWN or name == "@removed":
            continue
        if select is not None and name not in select:
            yield f"{here}: not in the context's select"
        if name in BETA_ONLY.get(actual, ()):
            continue
        if name not in known:
            yield f"{here}: Graph's {actual} has no such property"
            continue
        yield from _value(here, held, known[name])
        identified = name == "id" and "directoryObject" in lineage(actual) and actual != _SINGLETON
        if identified and not _GUID.fullmatch(str(held)):
            yield f"{here}: {held!r} is no GUID"


def lineage(name: str) -> list[str]:
    """A type and its bases; empty for a type that Graph does not have."""
    found = []
    while name in TYPES:
        found.append(name)
        name = TYPES[name].get("base") or ""
    return found


def members(name: str) -> dict[str, str]:
    """Properties and navigation of a type and its bases."""
    found: dict[str, str] = {}
    for each in lineage(name):
        found |= {n: t + "?" for n, t in TYPES[each].get("navigation", {}).items()} | TYPES[each].get("properties", {})
    return found


def _value(place: str, value: Any, declared: str) -> Iterator[str]:
    plain = declared.removesuffix("?")
    if value is None:
        if plain == declared:
            yield f"{place}: null, though {declared} is never null"
        return
    if plain.startswith(("[", "Collection(")):
        inner = plain.removeprefix("Collection(").strip("[]()")
        if not isinstance(value, list):
            yield f"{place}: {value!r} is no list"
            return
        for n, each in enumerate(value):
            yield from _value(f"{place}[{n}]", each, inner)
    elif plain in TYPES and "members" not in TYPES[plain]:
        yield from _object(place, value, plain)
    elif plain in TYPES:
        yield from _enumeration(place, value, plain)
    else:
        yield from _primitive(place, value, plain)


def _enumeration(place: str, value: Any, declared: str) -> Iterator[str]:
    words = str(value).split(",") if declared in _FLAGS else [value]
    for word in words:
        if word not in TYPES[declared]["members"]:
            yield f"{place}: {word!r} is no {declared}"


def _primitive(place: str, value: Any, declared: str) -> Iterator[str]:
    kind, form = _KINDS.get(declared, str), _FORMS.get(declared)
    good = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    if not good or (form is not None and not form.fullmatch(value)):
        yield f"{place}: {value!r} is no {declared}"
