"""The claims `groups`, `roles` and `wids`, and the link that stands for too many groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from b2b_idp.model.optional_claims import EMIT_AS_ROLES, GROUP_FORMATS, OptionalClaim
from b2b_idp.model.problem import Code, Problem
from b2b_idp.tokens.gather import Subject
from b2b_idp.tokens.made import Made

GROUPS_LIMIT = 200
"""Above so many groups a JWT carries a link instead (Entra)."""


ROLES_LIMIT = 32 * 1024
"""Characters of the roles in one token. More is refused: a token that lacks some of them would be wrong."""


def bounded(roles: Sequence[str]) -> tuple[str, ...]:
    """The roles. Raises Problem(INVALID_REQUEST) when they are more than a token carries."""
    if sum(map(len, roles)) > ROLES_LIMIT:
        raise Problem(
            Code.INVALID_REQUEST,
            f"The token's roles would be longer than {ROLES_LIMIT // 1024} KB. Assign fewer or shorter ones.",
        )
    return tuple(roles)


def add_memberships(made: Made, subject: Subject, issuer: str, entries: tuple[OptionalClaim, ...]) -> None:
    """`entries` are the optional claims of this token; the one for groups says how they are named."""
    entry = next((e for e in entries if e.name == "groups"), None)
    as_roles = entry is not None and EMIT_AS_ROLES in entry.properties
    if len(subject.groups) > GROUPS_LIMIT:
        many = f"more than {GROUPS_LIMIT} groups: {len(subject.groups)}"
        made.put("_claim_names", {"groups": "src1"}, many)
        endpoint = f"{issuer}/v1.0/users/{subject.user.id}/getMemberObjects"
        made.put("_claim_sources", {"src1": {"endpoint": endpoint}}, many)
        made.put("groups", None, _CHOSEN, f"{many}; _claim_sources says where they are")
    else:
        values, how = _named(subject, entry)
        made.put("roles" if as_roles else "groups", values, _CHOSEN + how, _no_groups(subject))
    chosen = "directory roles, as the app's groupMembershipClaims choose"
    made.put("wids", subject.directory_roles, chosen, _no_wids(subject))
    if as_roles:
        made.put("groups", None, _CHOSEN, "emit_as_roles: the groups stand in roles")
    else:
        because = "the person holds none" if subject.app.roles else "the application declares no app roles"
        made.put(
            "roles", bounded(subject.roles), "app roles assigned to the user or to a group that has the user", because
        )


_CHOSEN = "group membership, as the app's groupMembershipClaims choose"


def _named(subject: Subject, entry: OptionalClaim | None) -> tuple[tuple[str, ...], str]:
    """The groups as the optional claim names them; a group that has no such name goes by its object id."""
    allowed = "ApplicationGroup" in subject.app.group_membership_claims
    formats = [p for p in (entry.properties if entry else ()) if p in GROUP_FORMATS]
    wanted = next((p for p in formats if p != "cloud_displayname" or allowed), None)
    if wanted is None:
        return subject.groups, ""
    names = (_name(wanted, subject.group_names.get(id, {})) or id for id in subject.groups)
    return tuple(dict.fromkeys(names)), f", named by {wanted}"


def _name(wanted: str, group: Mapping[str, Any]) -> str | None:
    if wanted == "cloud_displayname":
        return group.get("displayName")
    account = group.get("onPremisesSamAccountName")
    domain = group.get("onPremisesDomainName" if wanted.startswith("dns") else "onPremisesNetBiosName")
    if wanted == "sam_account_name" or account is None:
        return account
    return None if domain is None else f"{domain}\\{account}"


def _no_groups(subject: Subject) -> str:
    chosen = [c for c in subject.app.group_membership_claims if c not in ("None", "DirectoryRole")]
    if not chosen:
        return "the application's groupMembershipClaims choose no groups"
    if subject.mapping is not None and subject.mapping.group_filter is not None:
        return "the person is in no group that groupMembershipClaims and the policy's GroupFilter choose"
    return f"the person is in no group that {', '.join(chosen)} chooses"


def _no_wids(subject: Subject) -> str:
    if {"DirectoryRole", "All"} & set(subject.app.group_membership_claims):
        return "the person holds no directory role"
    return "the application's groupMembershipClaims choose no directory roles"
