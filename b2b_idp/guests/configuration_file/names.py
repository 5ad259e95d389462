"""Ids ↔ names: the file names what it refers to, `app:CRM`, `group:Finance guests`, `home:https://…`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from b2b_idp.guests.configuration_file import rules
from b2b_idp.guests.configuration_file.reading import bad, compact
from b2b_idp.guests.configuration_file.state import (
    ACCESS,
    APPS,
    CONTEXTS,
    GROUPS,
    HOMES,
    LOCATIONS,
    MAPPINGS,
    PARTNERS,
    SINGLE,
    STRENGTHS,
    TERMS,
    Document,
    State,
    rewritten,
)
from b2b_idp.guests.permissions import PERMISSIONS
from b2b_idp.guests.roles import ROLES
from b2b_idp.model.directory import DEFAULT_APP_ROLE, GRAPH_APP_ID
from b2b_idp.policy.strengths import BUILT_IN
from b2b_idp.store.configuration import DEFAULT

GRAPH = "Microsoft Graph"
_GUID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")
_KINDS = {
    APPS: "app",
    GROUPS: "group",
    MAPPINGS: "mapping",
    ACCESS: "access",
    HOMES: "home",
    STRENGTHS: "strength",
    LOCATIONS: "location",
    TERMS: "terms",
    CONTEXTS: "context",
}
_NOUNS = {
    "location": "named location",
    "terms": "terms of use",
    "context": "authentication context",
    "app": "app",
    "group": "group",
    "mapping": "claims mapping policy",
    "home": "home",
    "role": "directory role",
    "strength": "authentication strength",
}


def name_of(section: str, document: Document) -> str:
    """What a document is called, by itself."""
    if section == APPS:
        return str(document["application"]["displayName"])
    return str(document["issuer"] if section == HOMES else document["displayName"])


class Names:
    """What the objects of a state are called. One whose name is not its own alone is called `name#id`."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._labels = {
            "app": _labels({GRAPH_APP_ID: GRAPH} | _named(state, APPS)),
            "group": _labels(_named(state, GROUPS)),
            "mapping": _labels(_named(state, MAPPINGS)),
            "access": _labels(_named(state, ACCESS)),
            "home": _named(state, HOMES),
            "role": {r.id: r.name for r in ROLES.values()},
            "strength": _labels({s.id: s.display_name for s in BUILT_IN.values()} | _named(state, STRENGTHS)),
            "location": _labels(_named(state, LOCATIONS)),
            "terms": _labels(_named(state, TERMS)),
            "context": {id: id for id in state[CONTEXTS]},
        }
        self._ids = {kind: {label: id for id, label in of.items()} for kind, of in self._labels.items()}

    def label(self, section: str, id: str) -> str:
        """What an object of the state is called."""
        if section in SINGLE:
            return ""
        if section == PARTNERS:
            return DEFAULT if id == DEFAULT else self._labels["home"].get(id, id)
        return self._labels[_KINDS[section]][id]

    def id(self, kind: str, label: str) -> str | None:
        name, _, id = label.rpartition("#")
        known: Mapping[str, str] = self._ids[kind]
        if label not in known and self._labels[kind].get(id) in (name, label):
            return id
        return known.get(label)

    def roles(self, app_id: str) -> Mapping[str, str]:
        """Role id → its value, or its id, for the roles of an app."""
        if app_id == GRAPH_APP_ID:
            return {id: name for name, id in PERMISSIONS.items()}
        roles = self._state[APPS].get(app_id, {"application": {}})["application"].get("appRoles") or ()
        return {r["id"].lower(): r.get("value") or r["id"].lower() for r in roles}

    def named(self, section: str, document: Document) -> Document:
        """The document with names in the place of ids; ids of what is not here stay."""
        return rewritten(section, document, self._name)

    def _name(self, kind: str, value: Any) -> Any:
        if kind == "target":
            is_app = value.get("targetType") == "application"
            return value | {"target": self._name("app", value["target"])} if is_app else value
        if kind == "strengthOf":
            return {"id": self._name("strength", value["id"])} if isinstance(value, dict) and "id" in value else value
        if kind == "rule":
            return rules.named(value, lambda id: str(self._name("group", id)))
        if kind == "assignment":
            role = self.roles(value["app"]).get(value["role"], value["role"])
            return {"app": self._name("app", value["app"])} | ({} if role == DEFAULT_APP_ROLE else {"role": role})
        label = None if kind == "context" else self._labels[kind].get(value.lower())
        return value if label is None else f"{kind}:{label}"


def _named(state: State, section: str) -> dict[str, str]:
    return {id: name_of(section, document) for id, document in state[section].items()}


def _labels(names: Mapping[str, str]) -> dict[str, str]:
    """A name with `#` in it could be taken for another's name and id, so it always stands with its own."""
    count = Counter(names.values())
    return {id: name if count[name] == 1 and "#" not in name else f"{name}#{id}" for id, name in names.items()}


class Lookup:
    """Names in a file → ids: of what the file holds, else of what stays in the store."""

    def __init__(self, *names: Names) -> None:
        self._names = names

    def resolved(self, section: str, document: Document) -> Document:
        """The document with ids in the place of names. Raises Problem(BAD_REQUEST)."""
        return rewritten(section, document, self._id)

    def _id(self, kind: str, value: Any) -> Any:
        if kind == "target":
            is_app = isinstance(value, dict) and value.get("targetType") == "application"
            return value | {"target": self._id("app", value.get("target"))} if is_app else value
        if kind == "strengthOf":
            known = isinstance(value, dict) and isinstance(value.get("id"), str)
            return {"id": self._id("strength", value["id"])} if known else value
        if kind == "rule":
            return rules.resolved(value, lambda name: str(self._id("group", name)))
        if kind == "assignment":
            return self._assignment(value)
        if not isinstance(value, str) or not value.startswith(f"{kind}:"):
            if kind in ("group", "mapping") and not (isinstance(value, str) and _GUID.fullmatch(value.lower())):
                raise bad(f"{compact(value)[:100]}: a {_NOUNS[kind]} is named like {kind}:NAME.")
            return value
        label = value.removeprefix(f"{kind}:")
        for names in self._names:
            id = names.id(kind, label)
            if id is not None:
                return id
        raise bad(f"there is no {_NOUNS[kind]} {compact(label)[:200]}.")

    def _assignment(self, value: Any) -> Document:
        given = value if isinstance(value, dict) else {}
        app, role = given.get("app"), given.get("role")
        if not isinstance(app, str) or not isinstance(role, str | None) or set(given) - {"app", "role"}:
            raise bad('appRoleAssignments: each is {"app": "app:NAME", "role": "VALUE"}.')
        app_id = str(self._id("app", app)).lower()
        if role is None:
            return {"app": app_id, "role": DEFAULT_APP_ROLE}
        for names in self._names:
            roles = names.roles(app_id)
            ids = [id for id, label in roles.items() if label == role] or [id for id in roles if id == role.lower()]
            if ids:
                return {"app": app_id, "role": ids[0]}
        raise bad(f"appRoleAssignments: {compact(app)[:200]} has no role {compact(role)[:200]}.")
