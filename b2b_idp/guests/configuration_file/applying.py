"""Carrying out a difference in the caller's transaction, with an audit entry for each object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from b2b_idp.guests.apps import check_identifier_uris, create_app, graph_service_principal
from b2b_idp.guests.configuration_file.difference import Change, modified
from b2b_idp.guests.configuration_file.reading import bad, compact
from b2b_idp.guests.configuration_file.state import (
    ACCESS,
    APPS,
    AUTHORIZATION_POLICY,
    CONTEXTS,
    DOMAIN_POLICY,
    EMAIL,
    GROUPS,
    HOMES,
    KINDS,
    LOCATIONS,
    MAPPINGS,
    NAMED,
    PARTNERS,
    SINGLE,
    STRENGTHS,
    TERMS,
    Document,
    State,
    closed,
    references,
)
from b2b_idp.guests.group_documents import checked_group
from b2b_idp.guests.groups import add_group, save_group
from b2b_idp.guests.homes import add_home, change_home
from b2b_idp.guests.membership import settle
from b2b_idp.guests.permissions import role_id
from b2b_idp.model.audited import directory_audit
from b2b_idp.model.directory import DEFAULT_APP_ROLE, GRAPH_APP_ID, RoleAssignment
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.policy.documents import OIDC_PROVIDER, PRIVATE_JWT_AUTHENTICATION
from b2b_idp.store import Writer
from b2b_idp.store.apps import AppRow
from b2b_idp.store.configuration import DEFAULT, PolicyRow

ACTIVITY = "Import configuration"
_TYPES: Mapping[str, str] = {HOMES: "IdentityProvider", GROUPS: "Group", APPS: "Application"}
_KIND_OF: Mapping[str, str] = {
    HOMES: "home",
    GROUPS: "group",
    APPS: "app",
    MAPPINGS: "mapping",
    STRENGTHS: "strength",
    LOCATIONS: "location",
    TERMS: "terms",
    CONTEXTS: "context",
}
_WRITTEN = (HOMES, PARTNERS, AUTHORIZATION_POLICY, DOMAIN_POLICY, EMAIL, MAPPINGS, *NAMED, ACCESS, GROUPS, APPS)
_REMOVED = (APPS, HOMES, PARTNERS, AUTHORIZATION_POLICY, DOMAIN_POLICY, EMAIL, ACCESS, *NAMED, GROUPS)


@dataclass(frozen=True, slots=True)
class Applying:
    """`secrets`: client secrets of new homes by issuer. `issuer`: this provider's own."""

    w: Writer
    after: State
    secrets: Mapping[str, str]
    issuer: str
    moment: Moment

    def all(self, changes: Sequence[Change], source: str) -> None:
        """Applies the changes. Raises Problem, and then the transaction is to be undone."""
        guarded = self._can_be_granted()
        removed, written = ([c for c in changes if (c.operation == "remove") == gone] for gone in (True, False))
        self._check_unreferenced(removed)
        for section in _REMOVED:
            for change in (c for c in removed if c.section == section):
                self._remove(change)
        self._release(written)
        for section in _WRITTEN:
            for change in (c for c in written if c.section == section):
                with _Named(change):
                    self._write(change)
        for change in (c for c in written if c.section in (GROUPS, APPS)):
            with _Named(change):
                self._link(change)
        for change in (c for c in removed if c.section == MAPPINGS):
            self._remove(change)
        if guarded and not self._can_be_granted():
            raise bad("Nothing could grant permissions any more: keep an app with AppRoleAssignment.ReadWrite.All.")
        for change in changes:
            self._audit(change, source)
        settle(self.w, self.moment)

    def _can_be_granted(self) -> bool:
        """Whether an enabled app holds the permission to grant permissions: without one nobody could repair things."""
        graph = self.w.apps.row(GRAPH_APP_ID)
        if graph is None:
            return False
        wanted = role_id("AppRoleAssignment.ReadWrite.All")
        held = [a for a in self.w.apps.assignments(resource_sp_id=graph.sp_id) if a.app_role_id == wanted]
        rows = [self.w.apps.row(a.principal_id) for a in held if a.principal_type == "ServicePrincipal"]
        return any(r is not None and r.service_principal.get("accountEnabled", True) for r in rows)

    def _check_unreferenced(self, removed: Sequence[Change]) -> None:
        """What is removed is named by nothing that stays: a policy for a group that is gone would hold for nobody."""
        gone = {(_KIND_OF[c.section], c.id): c for c in removed if c.section in _KIND_OF}
        for section, id, kind, named in references(self.after):
            change = gone.get((kind, named))
            if change is not None:
                what = compact(self.after[section][id].get("displayName", id))
                raise bad(f"{change.title} cannot be removed: {section} {what} names it.")

    def _remove(self, change: Change) -> None:
        w, id = self.w, change.id
        if change.section == HOMES:
            w.documents.delete_home(id, self.moment.at)
        elif change.section == PARTNERS:
            w.documents.delete_partner(id)
        elif change.section == GROUPS:
            w.apps.delete_group(id)
            w.directory.forget(id)
        elif change.section == APPS:
            row = self._row(id)
            w.apps.delete(row)
            w.directory.forget(row.sp_id)
        else:
            w.documents.delete_policy(self._policy_id(change))

    def _release(self, written: Sequence[Change]) -> None:
        """Domains and identifier URIs that move from one object to another are given up first."""
        for change in (c for c in written if c.operation == "change"):
            if change.section == HOMES:
                old, new = (d.get("b2bIdp", {}).get("domains", []) for d in (change.before, change.after))
                if set(old) - set(new):
                    properties = dict(self.w.configuration.homes[change.id].properties)
                    extension = dict(properties["b2bIdp"]) | {"domains": [d for d in old if d in new]}
                    self.w.documents.save_home(change.id, properties | {"b2bIdp": extension}, None)
            elif change.section == APPS:
                old, new = (d["application"].get("identifierUris", []) for d in (change.before, change.after))
                if set(old) - set(new):
                    row = self._row(change.id)
                    kept = dict(row.application) | {"identifierUris": [u for u in old if u in new]}
                    self.w.apps.save(replace(row, application=kept))

    def _write(self, change: Change) -> None:
        w, id, document = self.w, change.id, change.after
        if change.section == HOMES:
            self._write_home(change)
        elif change.section == PARTNERS:
            w.documents.set_partner(id, document if id == DEFAULT else {"tenantId": id} | document)
        elif change.section in KINDS and change.operation == "change":
            w.documents.save_policy(self._policy_id(change), closed(document), self.moment.at)
        elif change.section in KINDS:
            new = self.moment.new_id() if change.section in SINGLE else id
            kind = KINDS[change.section]
            w.documents.add_policy(PolicyRow(new, kind, self.moment.at, None, closed(document)))
        elif change.section == GROUPS:
            self._write_group(change)
        else:
            self._write_app(change)

    def _write_home(self, change: Change) -> None:
        document: Document = {"@odata.type": OIDC_PROVIDER} | change.after
        document["b2bIdp"] = {"tenantId": change.id} | document.get("b2bIdp", {})
        if needs_secret(change):
            secret = self.secrets.get(document["issuer"])
            document["clientAuthentication"] = document["clientAuthentication"] | {"clientSecret": secret}
        if change.operation == "add":
            add_home(self.w, document, self.moment)
        else:
            change_home(self.w, change.id, document)

    def _write_group(self, change: Change) -> None:
        document = checked_group({k: v for k, v in change.after.items() if k not in ("members", "appRoleAssignments")})
        if change.operation == "add":
            add_group(self.w, change.id, document, self.moment.at)
            return
        group = self.w.apps.group(change.id)
        assert group is not None  # the difference was made of what is there
        save_group(self.w, group, document, self.moment)

    def _write_app(self, change: Change) -> None:
        application, sp = change.after["application"], change.after.get("servicePrincipal")
        if change.operation == "add":
            if self.w.apps.row(change.id) is not None:
                raise Problem(Code.CONFLICT, "appId is taken.")
            check_identifier_uris(self.w, application, None, self.issuer)
            row = create_app(self.w, application, self.moment, app_id=change.id, service_principal=sp)
        else:
            row = self._row(change.id)
            check_identifier_uris(self.w, application, row.id, self.issuer)
        row = replace(
            row,
            application=application,
            sp_explicit=sp is not None,
            service_principal=sp or {},
            claims_policy_id=change.after.get("claimsMappingPolicy"),
        )
        self.w.apps.save(row)

    def _link(self, change: Change) -> None:
        """Makes memberships and role assignments what the document says."""
        old, new = (set(d.get("members", ())) for d in (change.before, change.after))
        for member in sorted(new - old):
            self.w.apps.add_member(change.id, member)
        for member in sorted(old - new):
            self.w.apps.remove_member(change.id, member)
        app = change.section == APPS
        principal = self._row(change.id).sp_id if app else change.id
        was, now = (
            {(a["app"], a["role"]) for a in d.get("appRoleAssignments", ())} for d in (change.before, change.after)
        )
        for app_id, role in sorted(was - now):
            resource = self._resource(app_id)
            for held in self.w.apps.assignments(resource_sp_id=resource.sp_id, principal_id=principal):
                if held.app_role_id == role:
                    self.w.apps.unassign(held.id)
        for app_id, role in sorted(now - was):
            resource = self._resource(app_id)
            _check_role(resource, role, "Application" if app else "User")
            kind: Any = "ServicePrincipal" if app else "Group"
            id = self.moment.new_id()
            self.w.apps.assign(RoleAssignment(id, principal, kind, resource.sp_id, role, self.moment.at))

    def _row(self, app_id: str) -> AppRow:
        row = self.w.apps.row(app_id)
        if row is None:
            raise bad(f"there is no app with the appId {app_id}.")
        return row

    def _resource(self, app_id: str) -> AppRow:
        return graph_service_principal(self.w, self.moment) if app_id == GRAPH_APP_ID else self._row(app_id)

    def _policy_id(self, change: Change) -> str:
        return self.w.documents.policies(KINDS[change.section])[0].id if change.section in SINGLE else change.id

    def _audit(self, change: Change, source: str) -> None:
        target = {
            "id": change.id,
            "displayName": change.name or change.section,
            "type": _TYPES.get(change.section, "Policy"),
            "modifiedProperties": modified(change),
        }
        operation = {"add": "Add", "change": "Update", "remove": "Delete"}[change.operation]
        document = directory_audit(
            self.moment,
            ACTIVITY,
            [target],
            category="Policy",
            operation=operation,
            app={"displayName": "b2b-idp policy import"},
            correlation_id=source,
            details=[{"key": "section", "value": change.section}],
        )
        self.w.logs.add_audit(document, self.moment.at)


class _Named:
    """Says of which object a Problem speaks."""

    def __init__(self, change: Change) -> None:
        self._change = change

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Problem):
            raise bad(f"{self._change.title}: {error.say}") from None


def needs_secret(change: Change) -> bool:
    """Whether a home is to know us by a client secret that is not kept yet."""
    return change.section == HOMES and _by_secret(change.after) and not _by_secret(change.before)


def _by_secret(home: Document) -> bool:
    authentication = home.get("clientAuthentication", {"@odata.type": PRIVATE_JWT_AUTHENTICATION})
    return bool(authentication.get("@odata.type") != PRIVATE_JWT_AUTHENTICATION)


def _check_role(resource: AppRow, role: str, member: str) -> None:
    roles = {r["id"].lower(): r for r in resource.application.get("appRoles") or [] if r.get("isEnabled", True)}
    name = compact(resource.application["displayName"])
    if role == DEFAULT_APP_ROLE:
        if any(member in r["allowedMemberTypes"] for r in roles.values()):
            raise bad(f"appRoleAssignments: {name} declares roles; name one of them.")
    elif role not in roles or member not in roles[role]["allowedMemberTypes"]:
        raise bad(f"appRoleAssignments: the role of {name} is disabled or not for {member}s.")
