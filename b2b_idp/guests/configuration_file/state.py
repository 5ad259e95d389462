"""The configuration as documents by id, in one shape for the store and the file, so that both can be compared."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any

from b2b_idp.guests.configuration_file.rules import sources
from b2b_idp.guests.group_documents import checked_group
from b2b_idp.guests.homes import READ_ONLY
from b2b_idp.model.directory import DEFAULT_APP_ROLE, GRAPH_APP_ID
from b2b_idp.model.moment import tenant_id_of
from b2b_idp.policy.named_documents import Named
from b2b_idp.store import Reader
from b2b_idp.store.configuration import (
    AGREEMENT,
    AUTHENTICATION_CONTEXT,
    AUTHORIZATION,
    B2B_MANAGEMENT,
    CLAIMS_MAPPING,
    CONDITIONAL_ACCESS,
    DEFAULT,
    EMAIL_METHOD,
    NAMED_LOCATION,
    STRENGTH,
    named_of,
)

Document = dict[str, Any]

HOMES, PARTNERS, GROUPS, APPS = "homes", "partners", "groups", "apps"
ACCESS, MAPPINGS = "conditionalAccess", "claimsMapping"
STRENGTHS, LOCATIONS = "authenticationStrengths", "namedLocations"
TERMS, CONTEXTS = "termsOfUse", "authenticationContexts"
AUTHORIZATION_POLICY, DOMAIN_POLICY, EMAIL = "authorizationPolicy", "domainPolicy", "emailMethod"
SINGLE = (AUTHORIZATION_POLICY, DOMAIN_POLICY, EMAIL)
"""Sections that hold one document, whose id is the section's name."""
KINDS: Mapping[str, str] = MappingProxyType(
    {
        AUTHORIZATION_POLICY: AUTHORIZATION,
        DOMAIN_POLICY: B2B_MANAGEMENT,
        STRENGTHS: STRENGTH,
        LOCATIONS: NAMED_LOCATION,
        TERMS: AGREEMENT,
        CONTEXTS: AUTHENTICATION_CONTEXT,
        EMAIL: EMAIL_METHOD,
        ACCESS: CONDITIONAL_ACCESS,
        MAPPINGS: CLAIMS_MAPPING,
    }
)
"""Section → kind of the policies in the store."""
NAMED = (STRENGTHS, LOCATIONS, TERMS, CONTEXTS)
"""What conditional access policies name."""
SECTIONS = (HOMES, PARTNERS, AUTHORIZATION_POLICY, DOMAIN_POLICY, EMAIL, *NAMED, ACCESS, MAPPINGS, GROUPS, APPS)
"""In the file's order."""


@dataclass(frozen=True)
class State:
    """Section → id → document. Homes and partners go by tenantId, apps by appId."""

    sections: Mapping[str, Mapping[str, Document]]

    @cached_property
    def named(self) -> Named:
        """What conditional access policies can name, compiled, without what cannot be read."""
        return named_of({KINDS[section]: self[section] for section in NAMED}, {})

    def __getitem__(self, section: str) -> Mapping[str, Document]:
        return self.sections.get(section, {})

    def without(self, section: str, id: str) -> State:
        return State({**self.sections, section: {k: v for k, v in self[section].items() if k != id}})


def state_of(r: Reader) -> State:
    """What the store holds, without secrets, people, and what follows from the rest."""
    configuration = r.configuration
    partners = {p.tenant_id: p.properties for p in configuration.partners.values()}
    if configuration.default_partner.properties:
        partners[DEFAULT] = configuration.default_partner.properties
    policies = {
        section: {section if section in SINGLE else row.id: opened(_written(row.document)) for row in rows}
        for section, rows in ((s, r.documents.policies(kind)) for s, kind in KINDS.items())
    }
    return State(
        {
            HOMES: {h.tenant_id: home_document(h.tenant_id, h.properties) for h in configuration.connected},
            PARTNERS: {id: partner_document(document) for id, document in partners.items()},
            **policies,
            **_groups_and_apps(r),
        }
    )


def _groups_and_apps(r: Reader) -> dict[str, dict[str, Document]]:
    # what registers itself comes and goes by itself
    rows = [row for row in r.apps.rows() if "registration" not in (row.application.get("b2bIdp") or {})]
    roles = {row.sp_id: {DEFAULT_APP_ROLE, *(x["id"] for x in row.application.get("appRoles") or ())} for row in rows}
    app_ids = {row.sp_id: row.app_id for row in rows}
    groups = r.apps.all_groups()
    group_ids = {g.id for g in groups}

    def assigned(principal: str) -> list[Document]:
        return [
            {"app": app_ids[a.resource_sp_id], "role": a.app_role_id}
            for a in r.apps.assignments(principal_id=principal)
            if a.app_role_id in roles.get(a.resource_sp_id, ())
        ]

    found: dict[str, dict[str, Document]] = {GROUPS: {}, APPS: {}}
    for group in groups:
        document = group_document(group.properties)
        members = [m for m in r.apps.members(group.id) if m in group_ids]
        found[GROUPS][group.id] = document | _filled(members=members, appRoleAssignments=assigned(group.id))
    for row in rows:
        if row.app_id == GRAPH_APP_ID:
            continue
        explicit = row.sp_explicit or bool(row.service_principal)
        found[APPS][row.app_id] = {"application": clean(row.application)} | _filled(
            servicePrincipal=clean(row.service_principal) if explicit else None,
            claimsMappingPolicy=row.claims_policy_id,
            appRoleAssignments=assigned(row.sp_id),
        )
    return found


def _filled(**members: Any) -> Document:
    return {k: v for k, v in members.items() if v is not None and v != []}


# --- one shape --------------------------------------------------------------------------------------------------------


def _written(document: Mapping[str, Any]) -> Document:
    """A policy without the version of its texts, which is counted and not written."""
    return {k: v for k, v in clean(document).items() if k != "version"}


def clean(document: Mapping[str, Any]) -> Document:
    """Without members that are null, which say the same as absent ones, and without OData control information.
    A `definition`, whose nulls are another language's, stays as it is."""
    return {
        k: v if k == "definition" else _clean(v)
        for k, v in document.items()
        if v is not None and ("@odata." not in k or k == "@odata.type")
    }


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return clean(value)
    return [_clean(v) for v in value] if isinstance(value, list) else value


def home_document(tenant_id: str, document: Mapping[str, Any]) -> Document:
    """An identityProvider without what follows from its issuer."""
    kept = {k: v for k, v in clean(document).items() if k not in ("@odata.type", "id", "wellKnownEndpoint")}
    extension = {k: v for k, v in (kept.pop("b2bIdp", None) or {}).items() if k not in {*READ_ONLY, "tenantId"}}
    if not extension.get("domains", True):
        del extension["domains"]
    if tenant_id != tenant_id_of(kept["issuer"]):
        extension["tenantId"] = tenant_id
    return kept | ({"b2bIdp": extension} if extension else {})


def partner_document(document: Mapping[str, Any]) -> Document:
    return {k: v for k, v in clean(document).items() if k not in ("tenantId", "isServiceDefault")}


_GROUP_DEFAULTS = checked_group({"displayName": "any"})


def group_document(document: Mapping[str, Any]) -> Document:
    """A group without members that are as by default."""
    return {k: v for k, v in clean(document).items() if k not in _GROUP_DEFAULTS or v != _GROUP_DEFAULTS[k]}


def opened(document: Document) -> Document:
    """A policy whose definition is JSON in a text, with that JSON as a value."""
    definition = document.get("definition")
    if isinstance(definition, list) and len(definition) == 1 and isinstance(definition[0], str):
        try:
            return document | {"definition": json.loads(definition[0])}
        except (ValueError, RecursionError):
            return document
    return document


def closed(document: Document) -> Document:
    """The reverse of `opened`: as Graph has it."""
    definition = document.get("definition")
    if not isinstance(definition, dict):
        return document
    return document | {"definition": [json.dumps(definition, ensure_ascii=False, separators=(",", ":"))]}


# --- references -------------------------------------------------------------------------------------------------------

_PATHS: Mapping[str, tuple[tuple[str, str], ...]] = MappingProxyType(
    {
        PARTNERS: (("b2bCollaborationInbound.applications.targets.*", "target"),),
        ACCESS: (
            ("conditions.users.includeGroups.*", "group"),
            ("conditions.users.excludeGroups.*", "group"),
            ("conditions.users.includeRoles.*", "role"),
            ("conditions.users.excludeRoles.*", "role"),
            ("conditions.users.includeGuestsOrExternalUsers.externalTenants.members.*", "home"),
            ("conditions.users.excludeGuestsOrExternalUsers.externalTenants.members.*", "home"),
            ("conditions.applications.includeApplications.*", "app"),
            ("conditions.applications.excludeApplications.*", "app"),
            ("conditions.applications.includeAuthenticationContextClassReferences.*", "context"),
            ("conditions.locations.includeLocations.*", "location"),
            ("conditions.locations.excludeLocations.*", "location"),
            ("grantControls.termsOfUse.*", "terms"),
            ("grantControls.authenticationStrength", "strengthOf"),
        ),
        GROUPS: (("members.*", "group"), ("membershipRule", "rule"), ("appRoleAssignments.*", "assignment")),
        APPS: (("claimsMappingPolicy", "mapping"), ("appRoleAssignments.*", "assignment")),
    }
)
"""Where documents name other objects, and of what kind these are; `*` is each element of a list, whose order says
nothing."""


def rewritten(section: str, document: Document, change: Callable[[str, Any], Any]) -> Document:
    """The document with each reference replaced by `change(kind, reference)`; the lists of them sorted."""
    for path, kind in _PATHS.get(section, ()):
        document = _rewritten(document, path.split("."), partial(change, kind))
    return document


def _rewritten(value: Any, path: list[str], change: Callable[[Any], Any]) -> Any:
    if not path:
        return change(value)
    head, *rest = path
    if head == "*":
        if not isinstance(value, list):
            return value
        return sorted((change(v) for v in value), key=lambda v: json.dumps(v, sort_keys=True))
    if not isinstance(value, dict) or head not in value:
        return value
    return {**value, head: _rewritten(value[head], rest, change)}


def references(state: State) -> Iterable[tuple[str, str, str, str]]:
    """(section, id, kind, id of what it names), for all that any document names."""
    for section in _PATHS:
        for id, document in state[section].items():
            found: list[tuple[str, str]] = []

            def note(kind: str, value: Any, found: list[tuple[str, str]] = found) -> Any:
                if kind == "target":
                    found.append(("app", str(value["target"]).lower()))
                elif kind == "assignment":
                    found.append(("app", value["app"]))
                elif kind == "rule":
                    found.extend(("group", source) for source in sources(value))
                elif kind == "strengthOf" and isinstance(value, dict):
                    found.append(("strength", str(value.get("id")).lower()))
                elif isinstance(value, str):
                    found.append((kind, value.lower()))
                return value

            rewritten(section, document, note)
            yield from ((section, id, kind, named) for kind, named in found)
