"""What the directory says about a person for one app: read in the token's own transaction, so it is never late."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from b2b_idp.claims.mapping import ClaimsMapping
from b2b_idp.model.directory import App, Tenant, User
from b2b_idp.model.home import Home
from b2b_idp.store import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Everything that the claims of one person for one app are made of."""

    user: User
    app: App
    home: Home | None
    tenant: Tenant
    groups: tuple[str, ...]
    """Object ids that go into `groups`, as the app's groupMembershipClaims choose."""
    roles: tuple[str, ...]
    """Values of the app roles that the person, or a group that has the person directly, holds."""
    mapping: ClaimsMapping | None
    assigned: bool
    """Whether the app may be used: no assignment is required, or the person or such a group has one."""
    directory_roles: tuple[str, ...] = ()
    """Template ids for `wids`, where the app's groupMembershipClaims ask for DirectoryRole."""


def subject_of(r: Reader, user: User, app: App, home: Home | None, at: datetime) -> Subject:
    """The subject as the store has it now; `at` is the time that membership rules see."""
    member_of = r.memberships.groups_of(user, at)
    ask = bool(app.roles) or app.assignment_required
    held = set(r.apps.role_ids(app.sp_id, [user.id, *member_of])) if ask else set()
    configuration = r.configuration
    mapping = configuration.claims_mappings.get(app.claims_policy_id) if app.claims_policy_id else None
    return Subject(
        user=user,
        app=app,
        home=home,
        tenant=configuration.tenant,
        groups=_emitted(r, app, member_of),
        roles=tuple(x.value for x in app.roles if x.enabled and x.value and x.id in held),
        directory_roles=_directory_roles(r, user, app, member_of),
        mapping=mapping if app.accept_mapped_claims else None,
        assigned=bool(held) or not app.assignment_required,
    )


def _directory_roles(r: Reader, user: User, app: App, member_of: list[str]) -> tuple[str, ...]:
    if not {"DirectoryRole", "All"} & set(app.group_membership_claims):
        return ()
    return tuple(sorted(r.directory.roles_of([user.id, *member_of])))


def _emitted(r: Reader, app: App, member_of: list[str]) -> tuple[str, ...]:
    wanted = set(app.group_membership_claims)
    if not wanted or not member_of:
        return ()
    chosen: set[str] = set()
    if wanted & {"SecurityGroup", "All"}:
        groups = (r.apps.group(id) for id in member_of)
        chosen |= {g.id for g in groups if g is not None and (g.security_enabled or "All" in wanted)}
    if "ApplicationGroup" in wanted:
        chosen |= r.apps.assigned_groups(app.sp_id) & set(member_of)
    return tuple(sorted(chosen))


def app_roles(r: Reader, client: App, resource: App) -> tuple[str, ...]:
    """Values of the application permissions that a client's service principal holds on an API."""
    held = set(r.apps.role_ids(resource.sp_id, [client.sp_id]))
    return tuple(x.value for x in resource.roles if x.enabled and x.value and x.id in held)
