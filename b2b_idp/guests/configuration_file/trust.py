"""Where a change raises trust: what it makes believed, let in, or no longer asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta

from b2b_idp.guests.addresses import a_label
from b2b_idp.guests.configuration_file.state import (
    ACCESS,
    APPS,
    AUTHORIZATION_POLICY,
    DOMAIN_POLICY,
    EMAIL,
    GROUPS,
    HOMES,
    LOCATIONS,
    PARTNERS,
    STRENGTHS,
    Document,
    State,
    closed,
)
from b2b_idp.model.access import AccessPolicy, GuestKinds
from b2b_idp.model.authorization import GUEST_AS_MEMBER, GUEST_LIMITED, GUEST_RESTRICTED, AuthorizationPolicy
from b2b_idp.model.directory import GRAPH_APP_ID
from b2b_idp.model.home import Partner, Targets, Trust, effective_trust
from b2b_idp.policy.access_documents import access_policy_of
from b2b_idp.policy.authentication_methods import email_method_of
from b2b_idp.policy.authorization import authorization_policy_of, domain_policy_of
from b2b_idp.policy.documents import home_of, partner_of
from b2b_idp.policy.stored import stored_policy_of
from b2b_idp.store.configuration import DEFAULT

Path = tuple[str, ...]


def raised(section: str, id: str, before: State, after: State) -> list[Path]:
    """The properties of one document by whose change trust is raised; the empty path is the document as a whole."""
    rule = _RULES.get(section)
    return [] if rule is None else list(rule(id, before, after))


# --- homes ------------------------------------------------------------------------------------------------------------

_TIME = {"required": 0, "used": 1, "ignored": 2}


def _home(id: str, before: State, after: State) -> Iterator[Path]:
    new = after[HOMES].get(id)
    if new is None:
        return
    if id not in before[HOMES]:
        yield ()
        return
    was, now = (home_of(id, document, None) for document in (before[HOMES][id], new))
    if set(now.domains) - set(was.domains):
        yield ("b2bIdp", "domains")
    if now.enabled and not was.enabled:
        yield ("b2bIdp", "enabled")
    if before[HOMES][id].get("inboundClaimMapping") != new.get("inboundClaimMapping"):
        yield ("inboundClaimMapping",)
    old, words = was.vocabulary, now.vocabulary
    more = any(
        set(modes) - set(earlier.get(value, ()))
        for earlier, later in ((old.amr, words.amr), (old.acr, words.acr))
        for value, modes in later.items()
    )
    looser = _TIME[words.auth_time] > _TIME[old.auth_time]
    if more or looser or old.otp_is_mailed > words.otp_is_mailed or words.addresses_assigned > old.addresses_assigned:
        yield ("b2bIdp", "authenticationContext")


# --- partners ---------------------------------------------------------------------------------------------------------


def _partner(id: str, before: State, after: State) -> Iterator[Path]:
    was, now = _trust(id, before), _trust(id, after)
    if now.mfa_accepted and not was.mfa_accepted:
        yield ("inboundTrust",)
    if _wider(was.inbound.users, now.inbound.users) or _wider(was.inbound.applications, now.inbound.applications):
        yield ("b2bCollaborationInbound",)
    if now.automatic_consent and not was.automatic_consent:
        yield ("automaticUserConsentSettings",)
    if was.when_home_cannot == "block" and now.when_home_cannot != "block":
        yield ("b2bIdp", "whenHomeCannot")
    if _longer(was.mfa_max_age, now.mfa_max_age):
        yield ("b2bIdp", "mfaMaxAge")
    if now.trusted_attributes - was.trusted_attributes:
        yield ("b2bIdp", "trustedAttributes")


def _trust(id: str, state: State) -> Trust:
    default = partner_of(DEFAULT, state[PARTNERS].get(DEFAULT, {}))
    own: Partner | None = None
    if id != DEFAULT and id in state[PARTNERS]:
        own = partner_of(id, state[PARTNERS][id])
    return effective_trust(own, default)


def _longer(was: timedelta | None, now: timedelta | None) -> bool:
    return was is not None and (now is None or now > was)


def _wider(was: Targets, now: Targets) -> bool:
    return not _within(_reach(now), _reach(was))


def _reach(targets: Targets) -> tuple[bool, frozenset[str]]:
    """(all but these, or none but these)."""
    everybody = not targets.targets.isdisjoint({"AllUsers", "AllApplications"})
    if everybody:
        return targets.access == "allowed", frozenset()
    return targets.access == "blocked", targets.targets


def _within(inner: tuple[bool, frozenset[str]], outer: tuple[bool, frozenset[str]]) -> bool:
    (inner_all, inner_set), (outer_all, outer_set) = inner, outer
    if inner_all:
        return outer_all and outer_set <= inner_set
    return inner_set.isdisjoint(outer_set) if outer_all else inner_set <= outer_set


# --- policies ---------------------------------------------------------------------------------------------------------


def _access(id: str, before: State, after: State) -> Iterator[Path]:
    old, new = before[ACCESS].get(id), after[ACCESS].get(id)
    if old is None:
        return
    was = stored_policy_of(id, old, before.named)
    if was.state != "enabled":
        return
    if new is None:
        yield ()
        return
    now = access_policy_of(id, new, after.named)
    if now.state != "enabled":
        yield ("state",)
    if not _covers(now, was):
        yield ("conditions",)
    fewer = not set(was.terms) <= set(now.terms) or (now.any_control and not was.any_control)
    weaker = was.block or (was.mfa and not (now.mfa or now.strength)) or _weaker_strength(was, now)
    if not now.block and (weaker or fewer):
        yield ("grantControls",)
    seldom = _longer(was.sign_in_frequency, now.sign_in_frequency)
    seldom = seldom or (now.persistent_browser is True and was.persistent_browser is not True)
    seldom = seldom or (was.persistent_browser is False and now.persistent_browser is None)
    if not now.block and (seldom or (was.frequency_covers_first_factor and not now.frequency_covers_first_factor)):
        yield ("sessionControls",)


def _strength(id: str, before: State, after: State) -> Iterator[Path]:
    was, now = before.named.strengths.get(id), after.named.strengths.get(id)
    if was is None or now is None:
        return
    if not now.combinations <= was.combinations:
        yield ("allowedCombinations",)
    if any(c not in now.aaguids or not now.aaguids[c] <= makes for c, makes in was.aaguids.items()):
        yield ("combinationConfigurations",)


def _location(id: str, before: State, after: State) -> Iterator[Path]:
    """Policies may be for a place, or for all but it: either way a place that changes may let more in."""
    was, now = before.named.locations.get(id), after.named.locations.get(id)
    if was is None or now is None:
        return
    if set(was.networks) != set(now.networks):
        yield ("ipRanges",)
    if was.trusted != now.trusted:
        yield ("isTrusted",)


def _weaker_strength(was: AccessPolicy, now: AccessPolicy) -> bool:
    return was.strength is not None and (
        now.strength is None or not now.strength.combinations <= was.strength.combinations
    )


def _covers(now: AccessPolicy, was: AccessPolicy) -> bool:
    """Whether a policy still concerns everybody and every app that it did."""
    everybody = "All" in now.include_users
    included = everybody or (
        was.include_users <= now.include_users
        and was.include_groups <= now.include_groups
        and was.include_roles <= now.include_roles
        and _kinds_within(was.include_guests, now.include_guests)
    )
    excluded = (
        now.exclude_users <= was.exclude_users
        and now.exclude_groups <= was.exclude_groups
        and now.exclude_roles <= was.exclude_roles
        and _kinds_within(now.exclude_guests, was.exclude_guests)
    )
    apps = "All" in now.include_apps or was.include_apps <= now.include_apps
    clients = "all" in now.client_types or was.client_types <= now.client_types
    contexts = was.include_contexts <= now.include_contexts and (
        bool(was.include_contexts) == bool(now.include_contexts)
    )
    places = "All" in now.include_locations or was.include_locations <= now.include_locations
    places = places and now.exclude_locations <= was.exclude_locations
    doors = apps and contexts and now.exclude_apps <= was.exclude_apps
    return included and excluded and doors and clients and places


def _kinds_within(inner: GuestKinds | None, outer: GuestKinds | None) -> bool:
    if inner is None:
        return True
    if outer is None or not inner.kinds <= outer.kinds:
        return False
    return outer.tenants is None or (inner.tenants is not None and inner.tenants <= outer.tenants)


_INVITERS = {"none": 0, "adminsAndGuestInviters": 1, "adminsGuestInvitersAndAllMembers": 2, "everyone": 3}
_GUESTS = {GUEST_RESTRICTED: 0, GUEST_LIMITED: 1, GUEST_AS_MEMBER: 2}


def _authorization(id: str, before: State, after: State) -> Iterator[Path]:
    was, now = (_policy(state[AUTHORIZATION_POLICY].get(id)) for state in (before, after))
    if _INVITERS[now.allow_invites_from] > _INVITERS[was.allow_invites_from]:
        yield ("allowInvitesFrom",)
    if _GUESTS[now.guest_user_role_id] > _GUESTS[was.guest_user_role_id]:
        yield ("guestUserRoleId",)
    for name, old, new in (
        ("invitationsPerDay", was.invitations_per_day, now.invitations_per_day),
        ("guestLifetimeDays", was.guest_lifetime_days, now.guest_lifetime_days),
    ):
        if old is not None and (new is None or new > old):
            yield ("b2bIdp", name)
    if now.redirect_origins - was.redirect_origins:
        yield ("b2bIdp", "redirectOrigins")
    if was.powers_need_local_factor and not now.powers_need_local_factor:
        yield ("b2bIdp", "powersNeedLocalFactor")


def _policy(document: Document | None) -> AuthorizationPolicy:
    return AuthorizationPolicy() if document is None else authorization_policy_of(document)


def _domains(id: str, before: State, after: State) -> Iterator[Path]:
    was, now = (_list(state[DOMAIN_POLICY].get(id)) for state in (before, after))
    if not _within(now, was):
        yield ("definition",) if id in after[DOMAIN_POLICY] else ()


def _email(id: str, before: State, after: State) -> Iterator[Path]:
    was, now = (email_method_of(state[EMAIL].get(id, {})) for state in (before, after))
    if now.signs_in and not was.signs_in:
        yield ("allowExternalIdToUseEmailOtp",)
    if now.second_factor and not was.second_factor:
        yield ("state",)


def _list(document: Document | None) -> tuple[bool, frozenset[str]]:
    policy = None if document is None else domain_policy_of(closed(document), a_label)
    return (True, frozenset()) if policy is None else (policy.kind == "block", policy.domains)


# --- groups and apps --------------------------------------------------------------------------------------------------


def _group(id: str, before: State, after: State) -> Iterator[Path]:
    was, now = before[GROUPS].get(id, {}), after[GROUPS].get(id, {})
    if now.get("isAssignableToRole") and set(now.get("members", ())) - set(was.get("members", ())):
        yield ("members",)


def _app(id: str, before: State, after: State) -> Iterator[Path]:
    known, new = before[APPS].get(id), after[APPS].get(id)
    if new is None:
        return
    was, now = (d.get("application", {}) for d in (known or {}, new))
    old, ours = was.get("b2bIdp", {}), now.get("b2bIdp", {})
    if set(ours.get("adminConsent", ())) - set(old.get("adminConsent", ())):
        yield ("application", "b2bIdp", "adminConsent")
    if now.get("api", {}).get("acceptMappedClaims") and not was.get("api", {}).get("acceptMappedClaims"):
        yield ("application", "api", "acceptMappedClaims")
    if old.get("requirePkce", True) and not ours.get("requirePkce", True):
        yield ("application", "b2bIdp", "requirePkce")
    for name in ("profile", "requirePushedAuthorizationRequests", "requireSignedRequestObject"):
        if old.get(name) and not ours.get(name):
            yield ("application", "b2bIdp", name)
    if ours.get("requestObjectSigningAlg") == "none" != old.get("requestObjectSigningAlg"):
        yield ("application", "b2bIdp", "requestObjectSigningAlg")
    if (
        {_role(a) for a in new.get("appRoleAssignments", ())}
        - {_role(a) for a in (known or {}).get("appRoleAssignments", ())}
        - {None}
    ):
        yield ("appRoleAssignments",)
    if known is None:
        return
    sp, sp_now = known.get("servicePrincipal", {}), new.get("servicePrincipal", {})
    if sp.get("appRoleAssignmentRequired") and not sp_now.get("appRoleAssignmentRequired"):
        yield ("servicePrincipal", "appRoleAssignmentRequired")
    if not sp.get("accountEnabled", True) and sp_now.get("accountEnabled", True):
        yield ("servicePrincipal", "accountEnabled")
    keys = (old.get("jwks") or {}).get("keys", ())
    if any(key not in keys for key in (ours.get("jwks") or {}).get("keys", ())):
        yield ("application", "b2bIdp", "jwks")


def _role(assignment: Document) -> str | None:
    """A permission of the Graph API that an app holds."""
    return str(assignment["role"]) if assignment["app"] == GRAPH_APP_ID else None


_RULES: Mapping[str, Callable[[str, State, State], Iterator[Path]]] = {
    HOMES: _home,
    PARTNERS: _partner,
    STRENGTHS: _strength,
    LOCATIONS: _location,
    ACCESS: _access,
    AUTHORIZATION_POLICY: _authorization,
    EMAIL: _email,
    DOMAIN_POLICY: _domains,
    GROUPS: _group,
    APPS: _app,
}
