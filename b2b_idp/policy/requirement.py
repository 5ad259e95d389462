"""Which conditional access policies apply to a request, and what they and the app want of it together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from b2b_idp.model.access import AccessPolicy, GuestKinds, Requirement
from b2b_idp.model.directory import UserType
from b2b_idp.policy.strengths import PHISHING_RESISTANT


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRequest:
    """Somebody at the door of an app. `at` is now, `began` when this sign-in began (default: now).

    `external`: the identity lives in another tenant, and `home_subject` is its `sub` there. Group ids are of
    transitive memberships, role ids of directory role templates.
    """

    user_id: str
    user_type: UserType = "Guest"
    external: bool = True
    group_ids: frozenset[str] = frozenset()
    role_ids: frozenset[str] = frozenset()
    home_tenant_id: str | None = None
    home_subject: str | None = None
    user_enabled: bool = True
    app_id: str
    app_enabled: bool = True
    assignment_required: bool = False
    assigned: bool = False
    client_type: str = "browser"
    location_ids: frozenset[str] = frozenset()
    """Named locations that the browser's address is in (`model.access.locations_of`)."""
    contexts: frozenset[str] = frozenset()
    """Authentication contexts that the app asked for."""
    accepted_terms: frozenset[str] = frozenset()
    """Agreements that the guest accepted, as they are now."""
    max_age: int | None = None
    """Seconds, as the app asked (OpenID Connect Core §3.1.2.1), counted back from when the sign-in began."""
    reauthenticate_after: datetime | None = None
    """With prompt=login: when the sign-in began; no factor from before it counts."""
    app_wants_mfa: bool = False
    app_wants_phishing_resistant: bool = False
    second_max_age: timedelta | None = None
    """As `max_age`, for the second factor only."""
    at: datetime
    began: datetime | None = None


class Policies:
    """Conditional access policies, arranged once so that a sign-in's cost does not grow with those that cannot apply:
    by the apps and by the home tenants that they name. A value: it never changes."""

    __slots__ = ("_by_door", "all")

    def __init__(self, policies: Iterable[AccessPolicy] = ()) -> None:
        self.all = tuple(sorted(policies, key=lambda p: p.id))
        """Every one, the disabled as well, in order of id."""
        self._by_door: dict[tuple[str | None, str | None], list[AccessPolicy]] = {}
        for p in self.all:
            if p.state != "disabled":
                for door in _doors(p):
                    self._by_door.setdefault(door, []).append(p)

    def for_request(self, app_id: str, home_tenant_id: str | None) -> Sequence[AccessPolicy]:
        """The policies that may apply there, in order of id: no other can."""
        doors = {(app, tenant) for app in (app_id, None) for tenant in (home_tenant_id, None)}
        found = [self._by_door[door] for door in doors if door in self._by_door]
        if len(found) <= 1:
            return found[0] if found else ()
        return sorted((p for some in found for p in some), key=lambda p: p.id)


def _doors(p: AccessPolicy) -> Iterable[tuple[str | None, str | None]]:
    """The (app, home tenant) that a policy names; None: any."""
    anywhere = "All" in p.include_apps or bool(p.include_contexts)
    apps: Iterable[str | None] = (None,) if anywhere else p.include_apps
    by_tenant = not (p.include_users or p.include_groups or p.include_roles) and p.include_guests is not None
    named = p.include_guests.tenants if by_tenant and p.include_guests is not None else None
    tenants: Iterable[str | None] = (None,) if named is None else named
    return [(app, tenant) for app in apps for tenant in tenants]


@dataclass(frozen=True, slots=True)
class Would:
    """What a report-only policy would have wanted."""

    policy_id: str
    requirement: Requirement
    block: bool
    instead: Requirement | None = None


@dataclass(frozen=True, slots=True)
class Required:
    """What must hold, which policies block, what report-only ones would have wanted; in order of policy id.

    `applying` are the enabled policies that apply.
    """

    requirement: Requirement
    blocks: tuple[str, ...] = ()
    report_only: tuple[Would, ...] = ()
    applying: frozenset[str] = frozenset()
    persistent_browser: bool | None = None
    """What the applying policies say of the session's cookie; `False` wins."""
    instead: Requirement | None = None
    """The same with terms in place of a factor, where a policy leaves the choice (operator OR)."""


def requirement(ask: AccessRequest, policies: Policies) -> Required:
    """What `ask` must satisfy: everything that the applying policies and the app itself want, at once.

    The order of `policies` says nothing. Report-only policies change neither requirement nor blocks.
    """
    applying = [p for p in policies.for_request(ask.app_id, ask.home_tenant_id) if applies(p, ask)]
    enabled = [p for p in applying if p.state == "enabled"]
    together = _together(ask, enabled, with_app=True)
    persistent = [p.persistent_browser for p in enabled if p.persistent_browser is not None]
    return Required(
        together,
        tuple(p.id for p in enabled if p.block),
        tuple(_would(ask, p) for p in applying if p.state != "enabled"),
        frozenset(p.id for p in enabled),
        all(persistent) if persistent else None,
        _together(ask, enabled, with_app=True, terms_instead=True) if any(_leaves_choice(p) for p in enabled) else None,
    )


def _would(ask: AccessRequest, p: AccessPolicy) -> Would:
    instead = required_by(ask, p, terms_instead=True) if _leaves_choice(p) else None
    return Would(p.id, required_by(ask, p), p.block, instead)


def required_by(ask: AccessRequest, policy: AccessPolicy, *, terms_instead: bool = False) -> Requirement:
    """What one applying policy wants by itself."""
    return _together(ask, (policy,), with_app=False, terms_instead=terms_instead)


def _leaves_choice(p: AccessPolicy) -> bool:
    return p.any_control and bool(p.terms) and (p.mfa or p.strength is not None)


def _together(
    ask: AccessRequest, policies: Sequence[AccessPolicy], *, with_app: bool, terms_instead: bool = False
) -> Requirement:
    """All that `policies` want. Of a choice between a factor and terms it is the factor, unless the terms are accepted
    already or `terms_instead`."""
    began = ask.began or ask.at
    factors = [p for p in policies if not (p.any_control and (terms_instead or ask.accepted_terms & set(p.terms)))]
    terms: dict[str, None] = {}
    for p in policies:
        if not p.any_control:
            terms |= dict.fromkeys(p.terms)
        elif ask.accepted_terms.isdisjoint(p.terms) and (terms_instead or not (p.mfa or p.strength)):
            terms |= dict.fromkeys(p.terms[:1])
    strengths = {p.strength.id: p.strength for p in factors if p.strength is not None}
    if with_app and ask.app_wants_phishing_resistant:
        strengths[PHISHING_RESISTANT.id] = PHISHING_RESISTANT
    frequencies = [p for p in policies if p.sign_in_frequency is not None]
    first = [_ago(began, p.sign_in_frequency) for p in frequencies if p.frequency_covers_first_factor]
    second = [_ago(began, p.sign_in_frequency) for p in frequencies if not p.frequency_covers_first_factor]
    asked_by_app = with_app and (ask.app_wants_mfa or ask.app_wants_phishing_resistant)
    if with_app:
        first.append(ask.reauthenticate_after)
        second.append(_ago(began, ask.second_max_age))
        first.append(None if ask.max_age is None else _ago(began, timedelta(seconds=min(ask.max_age, _LONG))))
    return Requirement(
        mfa=(with_app and ask.app_wants_mfa) or any(p.mfa for p in factors),
        strengths=tuple(strengths[id] for id in sorted(strengths)),
        not_before=_latest(first),
        second_not_before=_latest(second),
        policy_ids=tuple(p.id for p in policies if p.mfa or p.strength or p.sign_in_frequency is not None or p.terms),
        asked_by_app=asked_by_app,
        terms=tuple(id for id in terms if id not in ask.accepted_terms),
    )


_LONG = 10 * 365 * 86_400
"""Seconds after which an age says nothing more; keeps a hostile max_age within the calendar."""


def _ago(began: datetime, age: timedelta | None) -> datetime | None:
    return None if age is None else began - age


def _latest(moments: Iterable[datetime | None]) -> datetime | None:
    return max((m for m in moments if m is not None), default=None)


def applies(p: AccessPolicy, ask: AccessRequest) -> bool:
    """Whether every condition of a policy, whatever its state, holds for `ask`."""
    return (
        _at_the_door(p, ask)
        and ("all" in p.client_types or ask.client_type in p.client_types)
        and ("All" in p.include_locations or not p.include_locations.isdisjoint(ask.location_ids))
        and ("All" not in p.exclude_locations and p.exclude_locations.isdisjoint(ask.location_ids))
        and _concerns(p.include_users, p.include_groups, p.include_roles, p.include_guests, ask)
        and not _concerns(p.exclude_users, p.exclude_groups, p.exclude_roles, p.exclude_guests, ask)
    )


def _at_the_door(p: AccessPolicy, ask: AccessRequest) -> bool:
    if p.include_contexts:
        return not p.include_contexts.isdisjoint(ask.contexts)
    return _names(p.include_apps, ask.app_id) and not _names(p.exclude_apps, ask.app_id)


def _names(targets: frozenset[str], id: str) -> bool:
    return id in targets or "All" in targets


def _concerns(
    users: frozenset[str],
    groups: frozenset[str],
    roles: frozenset[str],
    guests: GuestKinds | None,
    ask: AccessRequest,
) -> bool:
    return (
        _names(users, ask.user_id)
        or ("GuestsOrExternalUsers" in users and (ask.external or ask.user_type == "Guest"))
        or not groups.isdisjoint(ask.group_ids)
        or not roles.isdisjoint(ask.role_ids)
        or (guests is not None and _is_one_of(guests, ask))
    )


def _is_one_of(guests: GuestKinds, ask: AccessRequest) -> bool:
    kind = guest_kind(ask)
    if kind not in guests.kinds:
        return False
    return guests.tenants is None or ask.home_tenant_id in guests.tenants


def guest_kind(
    ask: AccessRequest,
) -> Literal["b2bCollaborationGuest", "b2bCollaborationMember", "internalGuest"] | None:
    """Graph's conditionalAccessGuestOrExternalUserTypes of who is asking; None for an internal member."""
    if ask.external:
        return "b2bCollaborationGuest" if ask.user_type == "Guest" else "b2bCollaborationMember"
    return "internalGuest" if ask.user_type == "Guest" else None
