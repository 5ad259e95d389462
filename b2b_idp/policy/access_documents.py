"""Conditional access policies: documents in Graph's shape → values.

Bad input is Problem(BAD_REQUEST) that names the property; what would not be enforced is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, TypeVar

from pydantic import ConfigDict, Field, StringConstraints

from b2b_idp.model.access import ALL_TRUSTED, AccessPolicy, GuestKinds, Strength
from b2b_idp.model.problem import Code, Problem
from b2b_idp.policy.documents import Guid, Target, Text, Typed, parse
from b2b_idp.policy.named_documents import Named

_D = TypeVar("_D", bound=Typed)


class _ExternalTenants(Typed):
    membershipKind: Literal["all", "enumerated"]
    members: list[Guid] | None = None


class _GuestsOrExternalUsers(Typed):
    guestOrExternalUserTypes: str
    externalTenants: _ExternalTenants | None = None


class _Users(Typed):
    includeUsers: list[Target] = Field(default_factory=list)
    excludeUsers: list[Target] = Field(default_factory=list)
    includeGroups: list[Guid] = Field(default_factory=list)
    excludeGroups: list[Guid] = Field(default_factory=list)
    includeRoles: list[Guid] = Field(default_factory=list)
    excludeRoles: list[Guid] = Field(default_factory=list)
    includeGuestsOrExternalUsers: _GuestsOrExternalUsers | None = None
    excludeGuestsOrExternalUsers: _GuestsOrExternalUsers | None = None


_ContextId = Annotated[str, StringConstraints(pattern=r"^c[1-9][0-9]?$")]


class _Applications(Typed):
    includeApplications: list[Target] = Field(default_factory=list)
    excludeApplications: list[Target] = Field(default_factory=list)
    includeUserActions: list[str] = Field(default_factory=list, max_length=0)
    includeAuthenticationContextClassReferences: list[_ContextId] = Field(default_factory=list, max_length=99)


class _Locations(Typed):
    includeLocations: list[Target] = Field(default_factory=list, max_length=200)
    excludeLocations: list[Target] = Field(default_factory=list, max_length=200)


class _Conditions(Typed):
    users: _Users
    applications: _Applications
    clientAppTypes: list[Literal["all", "browser", "mobileAppsAndDesktopClients", "exchangeActiveSync", "other"]] = (
        Field(default=["all"], min_length=1)
    )
    locations: _Locations | None = None
    platforms: None = None
    devices: None = None
    clientApplications: None = None
    userRiskLevels: list[str] = Field(default_factory=list, max_length=0)
    signInRiskLevels: list[str] = Field(default_factory=list, max_length=0)
    servicePrincipalRiskLevels: list[str] = Field(default_factory=list, max_length=0)


class _StrengthReference(Typed):
    model_config = ConfigDict(extra="ignore", strict=True)
    id: Guid


class _GrantControls(Typed):
    operator: Literal["AND", "OR"] = "OR"
    builtInControls: list[Literal["block", "mfa"]] = Field(default_factory=list)
    customAuthenticationFactors: list[str] = Field(default_factory=list, max_length=0)
    termsOfUse: list[Guid] = Field(default_factory=list, max_length=20)
    authenticationStrength: _StrengthReference | None = None


class _Frequency(Typed):
    isEnabled: bool | None = None
    type: Literal["hours", "days"] | None = None
    value: int | None = Field(default=None, ge=1, le=365 * 24)
    frequencyInterval: Literal["timeBased", "everyTime"] | None = None
    authenticationType: Literal["primaryAndSecondaryAuthentication", "secondaryAuthentication"] | None = None


class _PersistentBrowser(Typed):
    isEnabled: bool | None = None
    mode: Literal["always", "never"] | None = None


class _SessionControls(Typed):
    signInFrequency: _Frequency | None = None
    persistentBrowser: _PersistentBrowser | None = None
    applicationEnforcedRestrictions: None = None
    cloudAppSecurity: None = None
    disableResilienceDefaults: bool | None = None


class ConditionalAccessPolicy(Typed):
    """Graph's conditionalAccessPolicy, as far as this version enforces it: what it would not enforce is refused."""

    id: str | None = None
    templateId: str | None = None
    displayName: Text
    description: str | None = None
    state: Literal["enabled", "disabled", "enabledForReportingButNotEnforced"]
    createdDateTime: str | None = None
    modifiedDateTime: str | None = None
    conditions: _Conditions
    grantControls: _GrantControls | None = None
    sessionControls: _SessionControls | None = None


_GUEST_KINDS = frozenset(
    "internalGuest b2bCollaborationGuest b2bCollaborationMember b2bDirectConnectUser otherExternalUser "
    "serviceProvider none".split()
)


def _guest_kinds(value: _GuestsOrExternalUsers | None) -> GuestKinds | None:
    if value is None:
        return None
    kinds = frozenset(k.strip() for k in value.guestOrExternalUserTypes.split(","))
    if not kinds <= _GUEST_KINDS:
        raise Problem(
            Code.BAD_REQUEST,
            f"guestOrExternalUserTypes does not know {', '.join(sorted(kinds - _GUEST_KINDS))[:200]}.",
        )
    tenants = value.externalTenants
    if tenants is None or tenants.membershipKind == "all":
        return GuestKinds(kinds)
    return GuestKinds(kinds, frozenset(tenants.members or ()))


def _frequency(controls: _SessionControls | None) -> tuple[timedelta | None, bool]:
    frequency = controls.signInFrequency if controls else None
    if frequency is None or frequency.isEnabled is False:
        return None, True
    first_too = frequency.authenticationType != "secondaryAuthentication"
    if frequency.frequencyInterval == "everyTime":
        return timedelta(0), first_too
    if frequency.type is None or frequency.value is None:
        raise Problem(Code.BAD_REQUEST, "signInFrequency needs `type` and `value`, or frequencyInterval everyTime.")
    return timedelta(**{frequency.type: frequency.value}), first_too


def _locations(locations: _Locations | None, known: Named) -> tuple[frozenset[str], frozenset[str]]:
    if locations is None:
        return frozenset({"All"}), frozenset()
    included, excluded = frozenset(locations.includeLocations), frozenset(locations.excludeLocations)
    strange = sorted((included | excluded) - {"All", ALL_TRUSTED} - known.locations.keys())
    if strange:
        raise Problem(Code.BAD_REQUEST, f"conditions.locations: no named location has the id {strange[0][:60]}.")
    if not included:
        raise Problem(Code.BAD_REQUEST, "conditions.locations.includeLocations names at least one, or All.")
    return included, excluded


def _strength(controls: _GrantControls, known: Named) -> Strength | None:
    if controls.authenticationStrength is None:
        return None
    strength = known.strengths.get(controls.authenticationStrength.id)
    if strength is None:
        raise Problem(Code.BAD_REQUEST, "grantControls.authenticationStrength: no strength has this id.")
    return strength


def _check_controls(controls: _GrantControls, strength: Strength | None, known: Named) -> None:
    if strength and "mfa" in controls.builtInControls:
        raise Problem(Code.BAD_REQUEST, "A policy asks for `mfa` or for an authenticationStrength, not for both.")
    if "block" in controls.builtInControls and (strength or controls.termsOfUse or len(controls.builtInControls) > 1):
        raise Problem(Code.BAD_REQUEST, "`block` stands alone among the grant controls.")
    strange = [id for id in controls.termsOfUse if id not in known.agreements]
    if strange:
        raise Problem(Code.BAD_REQUEST, f"grantControls.termsOfUse: no agreement has the id {strange[0]}.")


def _check_door(applications: _Applications, known: Named) -> None:
    contexts = applications.includeAuthenticationContextClassReferences
    if contexts and (applications.includeApplications or applications.excludeApplications):
        raise Problem(Code.BAD_REQUEST, "conditions.applications names applications or authentication contexts.")
    strange = [id for id in contexts if id not in known.contexts]
    if strange:
        raise Problem(
            Code.BAD_REQUEST, f"conditions.applications: the authentication context {strange[0]} is not there."
        )


def _persistent(controls: _SessionControls | None, applications: _Applications) -> bool | None:
    persistent = controls.persistentBrowser if controls else None
    if persistent is None or persistent.isEnabled is False:
        return None
    if persistent.mode is None:
        raise Problem(Code.BAD_REQUEST, "sessionControls.persistentBrowser needs `mode`: always or never.")
    if applications.includeApplications != ["All"]:
        raise Problem(
            Code.BAD_REQUEST, "persistentBrowser is for policies of all applications: a browser has one session."
        )
    return persistent.mode == "always"


def access_policy_of(id: str, document: Mapping[str, Any], known: Named) -> AccessPolicy:
    """The conditional access policy that a document describes; what it names is among `known`."""
    policy = parse(ConditionalAccessPolicy, document)
    users, applications = policy.conditions.users, policy.conditions.applications
    controls = policy.grantControls or _GrantControls()
    strength = _strength(controls, known)
    _check_controls(controls, strength, known)
    _check_door(applications, known)
    frequency, first_too = _frequency(policy.sessionControls)
    persistent = _persistent(policy.sessionControls, applications)
    wanted = controls.builtInControls or strength or controls.termsOfUse
    if not wanted and frequency is None and persistent is None:
        raise Problem(Code.BAD_REQUEST, "A policy needs a grant control or a session control.")
    included, excluded = _locations(policy.conditions.locations, known)
    return AccessPolicy(
        id=id,
        display_name=policy.displayName,
        state=policy.state,
        **_people(users),
        **_doors(applications),
        client_types=frozenset(policy.conditions.clientAppTypes),
        include_locations=included,
        exclude_locations=excluded,
        block="block" in controls.builtInControls,
        mfa="mfa" in controls.builtInControls,
        strength=strength,
        terms=tuple(controls.termsOfUse),
        any_control=controls.operator == "OR"
        and (len(controls.builtInControls) + (strength is not None) + len(controls.termsOfUse)) > 1,
        sign_in_frequency=frequency,
        frequency_covers_first_factor=first_too,
        persistent_browser=persistent,
        properties=document,
    )


def _people(users: _Users) -> dict[str, Any]:
    return {
        "include_users": frozenset(users.includeUsers),
        "exclude_users": frozenset(users.excludeUsers),
        "include_groups": frozenset(users.includeGroups),
        "exclude_groups": frozenset(users.excludeGroups),
        "include_roles": frozenset(users.includeRoles),
        "exclude_roles": frozenset(users.excludeRoles),
        "include_guests": _guest_kinds(users.includeGuestsOrExternalUsers),
        "exclude_guests": _guest_kinds(users.excludeGuestsOrExternalUsers),
    }


def _doors(applications: _Applications) -> dict[str, Any]:
    return {
        "include_apps": frozenset(applications.includeApplications),
        "exclude_apps": frozenset(applications.excludeApplications),
        "include_contexts": frozenset(applications.includeAuthenticationContextClassReferences),
    }


def closed_policy_of(id: str, document: Mapping[str, Any], known: Named, problem: str) -> AccessPolicy:
    """A stored policy that is not enforceable, as one that blocks. A condition that cannot be read holds for all: it
    reaches at least as far as it was meant to. Never raises."""
    written = document.get("conditions")
    conditions = written if isinstance(written, Mapping) else {}
    applications = _or_none(_Applications, conditions.get("applications"))
    places = _or_none(_Locations, conditions.get("locations"))
    included, excluded = frozenset({"All"}), frozenset[str]()
    if places is not None:
        there = frozenset({"All", ALL_TRUSTED, *known.locations})
        excluded = there & frozenset(places.excludeLocations)
        if places.includeLocations and there.issuperset(places.includeLocations):
            included = frozenset(places.includeLocations)
    state = document.get("state")
    return AccessPolicy(
        id=id,
        display_name=str(document.get("displayName") or id),
        state=state if state in ("disabled", "enabledForReportingButNotEnforced") else "enabled",
        **_people_or_all(conditions.get("users")),
        **(_doors(applications) if applications is not None else {"include_apps": frozenset({"All"})}),
        include_locations=included,
        exclude_locations=excluded,
        block=True,
        problem=problem,
        properties=document,
    )


def _people_or_all(document: object) -> dict[str, Any]:
    try:
        return _people(parse(_Users, document))
    except Problem:
        return {"include_users": frozenset({"All"})}


def _or_none(kind: type[_D], document: object) -> _D | None:
    try:
        return None if document is None else parse(kind, document)
    except Problem:
        return None
