"""What the directory says about a person for one app: read in the token's own transaction, so it is never late."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from b2b_idp.claims.mapping import ClaimsMapping
from b2b_idp.model.directory import App, Group, Tenant, User
from b2b_idp.model.home import Home
from b2b_idp.store import Reader
from b2b_idp.tokens.signing import own_key

NOT_ACCEPTED = (
    "AADSTS50146: the application has neither acceptMappedClaims nor a valid signing key of its own, so its claims "
    "mapping policy does not apply"
)


_NESTED = frozenset({"SecurityGroup", "All"})


@dataclass(frozen=True, slots=True)
class Membership:
    """Ids of the groups that have a person: directly, and directly or through other groups."""

    direct: tuple[str, ...]
    around: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Everything that the claims of one person for one app are made of."""

    user: User
    app: App
    home: Home | None
    tenant: Tenant
    groups: tuple[str, ...]
    """Object ids that go into `groups`, as the app's groupMembershipClaims and its policy's GroupFilter choose."""
    roles: tuple[str, ...]
    """Values of the app roles that the person, or a group that has the person directly, holds."""
    mapping: ClaimsMapping | None
    """The app's claims mapping policy, where it applies."""
    refused: ClaimsMapping | None = None
    """The app's policy, where the app does not accept it: it has no signing key of its own, nor acceptMappedClaims."""
    assigned: bool
    """Whether the app may be used: no assignment is required, or the person or such a group has one."""
    directory_roles: tuple[str, ...] = ()
    """Template ids for `wids`, where the app's groupMembershipClaims ask for DirectoryRole."""
    group_names: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The properties of `groups`, by id."""
    own_key: bool = False
    """Whether a signing key of the app's own signs what is for it."""


def membership(r: Reader, user: User, at: datetime, *, nested: bool) -> Membership:
    """The groups of this person, as they are now; `around` is the same as `direct` unless it is asked for."""
    direct = tuple(r.memberships.groups_of(user, at))
    return Membership(direct, tuple(r.memberships.with_those_around(direct)) if nested else direct)


def subject_of(
    r: Reader, user: User, app: App, home: Home | None, at: datetime, trial: ClaimsMapping | None = None
) -> Subject:
    """The subject as the store has it now. `trial` stands in for the app's policy in a preview."""
    ask = bool(app.roles) or app.assignment_required
    member_of = Membership((), ())
    if ask or app.group_membership_claims:
        member_of = membership(r, user, at, nested=bool(_NESTED & set(app.group_membership_claims)))
    held = set(r.apps.role_ids(app.sp_id, [user.id, *member_of.direct])) if ask else set()
    configuration = r.configuration
    kept = configuration.claims_mappings.get(app.claims_policy_id) if app.claims_policy_id else None
    mapping = trial or kept
    own = own_key(r, app, at) is not None
    applies = mapping is not None and (app.accept_mapped_claims or own)
    groups = _emitted(r, app, member_of, mapping if applies else None)
    return Subject(
        user=user,
        app=app,
        home=home,
        tenant=configuration.tenant,
        groups=tuple(g.id for g in groups),
        group_names={g.id: g.properties for g in groups},
        roles=tuple(x.value for x in app.roles if x.enabled and x.value and x.id in held),
        directory_roles=_directory_roles(r, user, app, member_of),
        mapping=mapping if applies else None,
        refused=None if applies else mapping,
        assigned=bool(held) or not app.assignment_required,
        own_key=own,
    )


def _directory_roles(r: Reader, user: User, app: App, member_of: Membership) -> tuple[str, ...]:
    if not {"DirectoryRole", "All"} & set(app.group_membership_claims):
        return ()
    return tuple(sorted(r.directory.roles_of(user.id, member_of.direct)))


def _emitted(r: Reader, app: App, member_of: Membership, mapping: ClaimsMapping | None) -> list[Group]:
    """SecurityGroup and All take nested groups, too; ApplicationGroup those assigned to the app that have the person
    directly."""
    wanted = set(app.group_membership_claims)
    chosen: dict[str, Group] = {}
    if wanted & _NESTED:
        around = r.apps.groups_named(member_of.around)
        chosen |= {g.id: g for g in around if g.security_enabled or "All" in wanted}
    if "ApplicationGroup" in wanted:
        assigned = r.apps.assigned_groups(app.sp_id)
        chosen |= {g.id: g for g in r.apps.groups_named([id for id in member_of.direct if id in assigned])}
    return sorted(_filtered(chosen.values(), mapping), key=lambda g: g.id)


def _filtered(groups: Iterable[Group], mapping: ClaimsMapping | None) -> Iterable[Group]:
    by = mapping.group_filter if mapping else None
    if by is None:
        return groups
    name = "displayName" if by.match_on == "displayname" else "onPremisesSamAccountName"
    return [g for g in groups if by.admits(g.properties.get(name))]


def app_roles(r: Reader, client: App, resource: App) -> tuple[str, ...]:
    """Values of the application permissions that a client's service principal holds on an API."""
    held = set(r.apps.role_ids(resource.sp_id, [client.sp_id]))
    return tuple(x.value for x in resource.roles if x.enabled and x.value and x.id in held)
