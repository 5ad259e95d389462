"""Which conditional access policies apply to a request, and what they and the app want of it together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from b2b_idp.model.access import AccessPolicy, GuestKinds, Requirement
from b2b_idp.model.directory import UserType


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
    max_age: int | None = None
    """Seconds, as the app asked (OpenID Connect Core §3.1.2.1), counted back from when the sign-in began."""
    reauthenticate_after: datetime | None = None
    """With prompt=login: when the sign-in began; no factor from before it counts."""
    app_wants_mfa: bool = False
    second_max_age: timedelta | None = None
    """As `max_age`, for the second factor only."""
    at: datetime
    began: datetime | None = None


@dataclass(frozen=True, slots=True)
class Would:
    """What a report-only policy would have wanted."""

    policy_id: str
    requirement: Requirement
    block: bool


@dataclass(frozen=True, slots=True)
class Required:
    """What must hold, which policies block, what report-only ones would have wanted; in order of policy id.

    `applying` are the enabled policies that apply.
    """

    requirement: Requirement
    blocks: tuple[str, ...] = ()
    report_only: tuple[Would, ...] = ()
    applying: frozenset[str] = frozenset()


def requirement(ask: AccessRequest, policies: Sequence[AccessPolicy]) -> Required:
    """What `ask` must satisfy: everything that the applying policies and the app itself want, at once.

    The order of `policies` says nothing. Report-only policies change neither requirement nor blocks.
    """
    applying = sorted((p for p in policies if p.state != "disabled" and _applies(p, ask)), key=lambda p: p.id)
    enabled = [p for p in applying if p.state == "enabled"]
    reporting = [p for p in applying if p.state != "enabled"]
    return Required(
        _together(ask, enabled, with_app=True),
        tuple(p.id for p in enabled if p.block),
        tuple(Would(p.id, required_by(ask, p), p.block) for p in reporting),
        frozenset(p.id for p in enabled),
    )


def required_by(ask: AccessRequest, policy: AccessPolicy) -> Requirement:
    """What one applying policy wants by itself."""
    return _together(ask, (policy,), with_app=False)


def _together(ask: AccessRequest, policies: Sequence[AccessPolicy], *, with_app: bool) -> Requirement:
    began = ask.began or ask.at
    strengths = {p.strength.id: p.strength for p in policies if p.strength is not None}
    frequencies = [p for p in policies if p.sign_in_frequency is not None]
    first = [_ago(began, p.sign_in_frequency) for p in frequencies if p.frequency_covers_first_factor]
    second = [_ago(began, p.sign_in_frequency) for p in frequencies if not p.frequency_covers_first_factor]
    asked_by_app = with_app and ask.app_wants_mfa
    if with_app:
        first.append(ask.reauthenticate_after)
        second.append(_ago(began, ask.second_max_age))
        first.append(None if ask.max_age is None else _ago(began, timedelta(seconds=min(ask.max_age, _LONG))))
    return Requirement(
        mfa=asked_by_app or any(p.mfa for p in policies),
        strengths=tuple(strengths[id] for id in sorted(strengths)),
        not_before=_latest(first),
        second_not_before=_latest(second),
        policy_ids=tuple(p.id for p in policies if p.mfa or p.strength or p.sign_in_frequency is not None),
        asked_by_app=asked_by_app,
    )


_LONG = 10 * 365 * 86_400
"""Seconds after which an age says nothing more; keeps a hostile max_age within the calendar."""


def _ago(began: datetime, age: timedelta | None) -> datetime | None:
    return None if age is None else began - age


def _latest(moments: Iterable[datetime | None]) -> datetime | None:
    return max((m for m in moments if m is not None), default=None)


def _applies(p: AccessPolicy, ask: AccessRequest) -> bool:
    return (
        _names(p.include_apps, ask.app_id)
        and not _names(p.exclude_apps, ask.app_id)
        and ("all" in p.client_types or ask.client_type in p.client_types)
        and _concerns(p.include_users, p.include_groups, p.include_roles, p.include_guests, ask)
        and not _concerns(p.exclude_users, p.exclude_groups, p.exclude_roles, p.exclude_guests, ask)
    )


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
