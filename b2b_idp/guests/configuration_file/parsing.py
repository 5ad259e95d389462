"""The file's object → documents by id, matched with what the store holds. Everything that is wrong is said at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from b2b_idp.guests.addresses import PUBLIC_MAIL, a_label
from b2b_idp.guests.app_documents import ServicePrincipal, checked_application
from b2b_idp.guests.configuration_file.names import Lookup, Names, name_of
from b2b_idp.guests.configuration_file.reading import bad, compact
from b2b_idp.guests.configuration_file.state import (
    ACCESS,
    APPS,
    CONTEXTS,
    GROUPS,
    HOMES,
    KINDS,
    LOCATIONS,
    MAPPINGS,
    NAMED,
    PARTNERS,
    SECTIONS,
    SINGLE,
    STRENGTHS,
    TERMS,
    Document,
    State,
    clean,
    closed,
    group_document,
    home_document,
    opened,
    partner_document,
)
from b2b_idp.guests.group_documents import checked_group
from b2b_idp.guests.homes import well_known
from b2b_idp.guests.policy_documents import checked_policy
from b2b_idp.model.directory import GRAPH_APP_ID, rule_of
from b2b_idp.model.moment import tenant_id_of
from b2b_idp.model.problem import Problem
from b2b_idp.policy.documents import home_of, parse, partner_of
from b2b_idp.policy.named_documents import CONTEXT_ID, Named
from b2b_idp.store.configuration import DEFAULT

VERSION = 1
_GUID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")
_APP_MEMBERS = frozenset({"appId", "application", "servicePrincipal", "claimsMappingPolicy", "appRoleAssignments"})
_NOT_IN_APPS = frozenset("id appId createdDateTime publisherDomain info passwordCredentials keyCredentials".split())


@dataclass(frozen=True, slots=True)
class Parsed:
    """`wanted`: the sections that the file has, as far as they are right; `after`: with what stays of the store."""

    wanted: State
    after: State
    errors: tuple[str, ...]


_BY_NAME = (STRENGTHS, LOCATIONS, TERMS, ACCESS, MAPPINGS, GROUPS)
"""Sections whose items are known by their displayName."""


def parse_file(
    file: Mapping[str, Any],
    store: State,
    *,
    prune: bool,
    new_id: Callable[[], str],
    check_issuer: Callable[[str], None],
) -> Parsed:
    """What the file says. A section that it leaves out stays as it is."""
    reading = _Reading(file, store, new_id, check_issuer)
    reading.head()
    found = {s: reading.section(s) for s in SECTIONS if s in file}
    raw = State(found)
    kept = State({s: _kept(store[s], found.get(s), prune) for s in SECTIONS})
    lookup = Lookup(Names(raw), Names(kept))
    after = State({s: {**kept[s], **raw[s]} for s in SECTIONS})
    wanted: dict[str, dict[str, Document]] = {s: {} for s in found}
    for section, documents in found.items():
        named = State({s: {**kept[s], **wanted.get(s, {})} for s in NAMED}).named if section == ACCESS else Named()
        for id, document in documents.items():
            if id in store[section]:
                wanted[section][id] = store[section][id]  # until it is known to be right
            with reading.about(section, document):
                checked = _checked(section, id, lookup.resolved(section, document), named)
                _check_present(section, checked, after)
                wanted[section][id] = checked
    sections = {s: {**kept[s], **wanted.get(s, {})} for s in SECTIONS}
    return Parsed(State(wanted), State(sections), tuple(reading.errors))


def _kept(store: Mapping[str, Document], found: Mapping[str, Document] | None, prune: bool) -> dict[str, Document]:
    if found is None or not prune:
        return {id: d for id, d in store.items() if id not in (found or {})}
    return {}


class _About:
    """Notes the Problem of one part of the file and goes on with the next."""

    def __init__(self, errors: list[str], where: str) -> None:
        self._errors, self._where = errors, where

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, Problem):
            return False
        self._errors.append(f"{self._where}: {error.say}")
        return True


class _Reading:
    """The heads of the file's items: what they are called and which id each has."""

    def __init__(
        self, file: Mapping[str, Any], store: State, new_id: Callable[[], str], check_issuer: Callable[[str], None]
    ) -> None:
        self._file, self._store, self._new_id, self._check_issuer = file, store, new_id, check_issuer
        self._issuers = {d["issuer"]: id for id, d in store[HOMES].items()}
        self.errors: list[str] = []

    def about(self, section: str, document: Document) -> _About:
        try:
            where = f"{section} {compact(name_of(section, document))[:200]}"
        except (KeyError, TypeError):
            where = section
        return _About(self.errors, where)

    def head(self) -> None:
        unknown = set(self._file) - {"version", "tenant", *SECTIONS}
        self.errors += [f"There is no member {compact(name)[:100]}." for name in sorted(unknown)]
        tenant = self._file.get("tenant", {})
        if not isinstance(tenant, dict) or set(tenant) - {"name", "defaultDomain"}:
            self.errors.append("tenant holds name and defaultDomain, for information only.")

    def section(self, section: str) -> dict[str, Document]:
        value = self._file[section]
        if section in SINGLE:
            if value is not None and not isinstance(value, dict):
                self.errors.append(f"{section} is an object, or null for what is so as shipped.")
            return {section: dict(value)} if isinstance(value, dict) else {}
        if not isinstance(value, list):
            self.errors.append(f"{section} is a list.")
            return {}
        found: dict[str, Document] = {}
        for number, item in enumerate(value):
            with _About(self.errors, f"{section}[{number}]"):
                if not isinstance(item, dict):
                    raise bad("is an object.")
                id, document = self._item(section, dict(item))
                if id in found:
                    raise bad(f"{compact(self._called(section, item))[:200]} stands twice.")
                found[id] = document
        names = [name_of(section, d) for d in found.values()] if section in _BY_NAME else []
        for name in sorted({n for n in names if names.count(n) > 1}):
            items = [i for i in value if isinstance(i, dict) and i.get("displayName") == name]
            if not all("id" in i for i in items):
                self.errors.append(f"{section}: {compact(name)[:200]} stands more than once; tell them apart by `id`.")
        return found

    @staticmethod
    def _called(section: str, item: Mapping[str, Any]) -> Any:
        return item.get("issuer") or item.get("home") or item.get("displayName") or item.get("appId") or section

    def _item(self, section: str, item: Document) -> tuple[str, Document]:
        if section == HOMES:
            return self._home(item)
        if section == PARTNERS:
            return self._partner(item), item
        if section == APPS:
            return self._app(item)
        name = item.get("displayName")
        if section == CONTEXTS:
            return self._context(item), item
        id = _guid("id", item.pop("id", None))
        if not isinstance(name, str) or not name:
            raise bad("displayName is missing.")
        return self._matched(section, name, id), item

    @staticmethod
    def _context(item: Document) -> str:
        id = item.pop("id", None)
        if not isinstance(id, str) or not CONTEXT_ID.fullmatch(id):
            raise bad("id is c1 to c99.")
        return id

    def _home(self, item: Document) -> tuple[str, Document]:
        issuer, extension = item.get("issuer"), item.get("b2bIdp")
        if not isinstance(issuer, str) or not issuer:
            raise bad("issuer is missing.")
        if "id" in item:
            raise bad("id: a home is known by its issuer.")
        authentication = item.get("clientAuthentication")
        if isinstance(authentication, dict) and "clientSecret" in authentication:
            raise bad("clientAuthentication.clientSecret: secrets are never in the file. Give it with --secrets.")
        given = _guid("b2bIdp.tenantId", extension.get("tenantId") if isinstance(extension, dict) else None)
        if issuer not in self._issuers:
            self._check_issuer(issuer)
        id = self._issuers.setdefault(issuer, given or tenant_id_of(issuer))
        if given not in (None, id):
            raise bad("b2bIdp.tenantId cannot be changed.")
        return id, item

    def _partner(self, item: Document) -> str:
        home, tenant_id = item.pop("home", None), _guid("tenantId", item.pop("tenantId", None))
        if (home is None) == (tenant_id is None):
            raise bad("either home (an issuer, or default) or tenantId says whose entry it is.")
        if tenant_id is not None:
            return tenant_id
        id = DEFAULT if home == DEFAULT else self._issuers.get(home) if isinstance(home, str) else None
        if id is None:
            raise bad(f"no home has the issuer {compact(home)[:200]}.")
        return id

    def _app(self, item: Document) -> tuple[str, Document]:
        app_id, application = _guid("appId", item.pop("appId", None)), item.get("application")
        unknown = set(item) - _APP_MEMBERS
        if unknown:
            raise bad(f"there is no property {compact(min(unknown))[:100]}.")
        name = application.get("displayName") if isinstance(application, dict) else None
        if not isinstance(name, str) or not name or not isinstance(application, dict):
            raise bad("application.displayName is missing.")
        if set(application) & _NOT_IN_APPS:
            raise bad(f"application.{min(set(application) & _NOT_IN_APPS)} is not in the file.")
        roles = application.get("appRoles")
        if roles is not None and not (
            isinstance(roles, list) and all(isinstance(r, dict) and isinstance(r.get("id"), str) for r in roles)
        ):
            raise bad("application.appRoles is a list of objects that have an `id`.")
        if app_id == GRAPH_APP_ID:
            raise bad("appId is the Graph API's own.")
        return self._matched(APPS, name, app_id), item

    def _matched(self, section: str, name: str, id: str | None) -> str:
        """The id of what the store has by this id, else by this name; else the id given, or a new one."""
        store = self._store[section]
        if id in store:
            return str(id)
        found = [known for known, document in store.items() if name_of(section, document) == name]
        if section == APPS:
            items = [a for a in self._file[APPS] if isinstance(a, dict)]
            claimed = {str(a.get("appId")).lower() for a in items}
            same = [
                a
                for a in items
                if isinstance(a.get("application"), dict) and a["application"].get("displayName") == name
            ]
            found = [known for known in found if known not in claimed] if len(same) == 1 else []
        if id is not None and (section != APPS or len(found) != 1):
            return id
        if len(found) > 1:
            raise bad(f"{len(found)} are called {compact(name)[:200]} here; say which by its id: {', '.join(found)}.")
        return found[0] if found else self._new_id()


def _guid(name: str, value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _GUID.fullmatch(value.lower()):
        raise bad(f"{name} is a GUID.")
    return value.lower()


# --- one document -----------------------------------------------------------------------------------------------------


def _checked(section: str, id: str, document: Document, named: Named) -> Document:
    """The document in the shape that the store's have. Raises Problem(BAD_REQUEST)."""
    if section == HOMES:
        return _checked_home(id, document)
    if section == PARTNERS:
        partner_of(id, document)
        return partner_document(document)
    if section in KINDS:
        return opened(clean(checked_policy(KINDS[section], closed(document), named)))
    links = {k: _list(k, document.pop(k)) for k in ("members", "appRoleAssignments") if k in document}
    links = {k: v for k, v in links.items() if v}
    if section == GROUPS:
        group = checked_group(document)
        if rule_of(group) is not None and "members" in links:
            raise bad("members: those of a group with a membershipRule follow from the rule.")
        return group_document(group) | links
    sp = document.get("servicePrincipal")
    application = checked_application(document["application"])
    if (application.get("b2bIdp") or {}).get("registration"):
        raise bad("b2bIdp.registration: an app registers itself, no file does it.")
    checked = {"application": clean(application)}
    if sp is not None:
        checked["servicePrincipal"] = clean(parse(ServicePrincipal, sp).model_dump(exclude_unset=True))
    mapping = document.get("claimsMappingPolicy")
    return checked | ({} if mapping is None else {"claimsMappingPolicy": mapping}) | links


def _checked_home(id: str, document: Document) -> Document:
    given = document.get("wellKnownEndpoint")
    if given not in (None, well_known(document["issuer"])):
        raise bad("wellKnownEndpoint is the issuer and the known path; leave it out.")
    home = home_of(id, document, None)
    kept = home_document(id, document)
    domains = [a_label(d) for d in home.domains]
    for domain in domains:
        if domain in PUBLIC_MAIL:
            raise bad(f"Anybody can have an address at {domain}: no home is authoritative for it.")
    if domains:
        kept["b2bIdp"] = kept["b2bIdp"] | {"domains": list(dict.fromkeys(domains))}
    return kept


def _list(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise bad(f"{name} is a list.")
    if any(value.count(v) > 1 for v in value):
        raise bad(f"{name}: one stands twice.")
    return value


def _check_present(section: str, document: Document, after: State) -> None:
    """What the database itself refers to is there."""
    mapping = document.get("claimsMappingPolicy") if section == APPS else None
    if mapping is not None and mapping not in after[MAPPINGS]:
        raise bad("claimsMappingPolicy names a policy that is not there.")
    if section == GROUPS and not set(document.get("members", ())) <= set(after[GROUPS]):
        raise bad("members names a group that is not there.")
