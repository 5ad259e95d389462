"""claimsMappingPolicy → a compiled mapping → claims with their origin (Entra's policy type, plain entries).

Entries with a Value, or a Source and ID, are compiled; claim transformations, extension attributes and group filters
are refused with a sentence that says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from b2b_idp.claims.definition import bad, read
from b2b_idp.claims.restricted import is_restricted
from b2b_idp.model.problem import Problem

Sources = Mapping[str, Mapping[str, Any]]
"""Source (user, application, resource, audience, company) → attribute by ID in folded case → value or None."""

_USER_IDS = frozenset(
    (
        "surname givenname displayname objectid mail userprincipalname department onpremisessamaccountname "
        "netbiosname dnsdomainname onpremisesecurityidentifier companyname streetaddress postalcode "
        "preferredlanguage onpremisesuserprincipalname mailnickname othermail country city state jobtitle "
        "employeeid facsimiletelephonenumber assignedroles accountenabled consentprovidedforminor "
        "createddatetime creationtype lastpasswordchangedatetime mobilephone officelocation "
        "onpremisesdomainname onpremisesimmutableid onpremisessyncenabled preferreddatalocation "
        "proxyaddresses usertype telephonenumber"
    ).split()
    + [f"extensionattribute{n}" for n in range(1, 16)]
)
_IDS: Mapping[str, frozenset[str]] = {
    "user": _USER_IDS,
    "application": frozenset({"displayname", "objectid", "tags"}),
    "resource": frozenset({"displayname", "objectid", "tags"}),
    "audience": frozenset({"displayname", "objectid", "tags"}),
    "company": frozenset({"tenantcountry"}),
}
_SINGLE = frozenset({"othermail", "tags", "proxyaddresses"})
"""Collections of which a claim carries the first value only."""

_MEMBERS = frozenset(
    "Version IncludeBasicClaimSet ClaimsSchema ClaimsTransformation ClaimsTransformations GroupFilter "
    "audienceOverride issuerWithApplicationId".split()
)
_ENTRY_MEMBERS = frozenset(
    "Value Source ID ExtensionID TransformationId JwtClaimType SamlClaimType SAMLNameForm".split()
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One compiled ClaimsSchema entry that makes a JWT claim: a constant, or an attribute of a source."""

    claim: str
    line: int
    constant: str | None = None
    source: str = ""
    id: str = ""

    def value(self, sources: Sources) -> Any:
        if self.constant is not None:
            return self.constant
        found = sources.get(self.source, {}).get(self.id)
        if self.id in _SINGLE and isinstance(found, list | tuple):
            found = found[0] if found else None
        return None if found in ("", [], ()) else found

    @property
    def origin(self) -> str:
        """Where the claim comes from, for whoever asks why."""
        if self.constant is not None:
            return f"claims mapping policy, ClaimsSchema[{self.line}]: the constant value"
        return f"claims mapping policy, ClaimsSchema[{self.line}]: {self.source}.{self.id}"


@dataclass(frozen=True, slots=True)
class GroupFilter:
    """A policy's GroupFilter: groups whose name starts with, ends with or contains a text, in any case."""

    match_on: Literal["displayname", "samaccountname"]
    type: Literal["prefix", "suffix", "contains"]
    value: str
    """In folded case."""

    def admits(self, name: str | None) -> bool:
        """Whether a group passes, by its displayName or onPremisesSamAccountName as `match_on` says."""
        folded = (name or "").casefold()
        match self.type:
            case "prefix":
                return folded.startswith(self.value)
            case "suffix":
                return folded.endswith(self.value)
            case "contains":
                return self.value in folded


@dataclass(frozen=True, slots=True)
class MappedClaim:
    """A claim that a policy made (`value`), or would have made had its source held anything (`value` None)."""

    name: str
    value: Any
    origin: str
    steps: tuple[str, ...] = ()
    """One readable line for each transformation that ran, in order."""
    because: str | None = None
    """Why there is no value."""


@dataclass(frozen=True, slots=True)
class ClaimsMapping:
    """A compiled policy. `include_basic` False leaves out the basic claim set (name, preferred_username …)."""

    include_basic: bool
    entries: tuple[Entry, ...]
    group_filter: GroupFilter | None = None
    """Which groups `groups` may name; None for all."""
    audience_override: str | None = None
    """`aud` for an app with a signing key of its own; an absolute URI."""
    issuer_with_application_id: bool = False
    """Whether `iss` names the app, for an app with a signing key of its own."""
    problems: tuple[str, ...] = ()
    """What of a stored policy is left out, and why."""

    def apply(self, sources: Sources) -> list[MappedClaim]:
        """The policy's claims for these sources, in the policy's order. Missing data makes a claim with value None,
        which a token leaves out."""
        made = [(e, e.value(sources)) for e in self.entries]
        return [
            MappedClaim(e.claim, v, e.origin, because=f"{e.source}.{e.id} is empty" if v is None else None)
            for e, v in made
        ]


def compile_stored(definition: object) -> ClaimsMapping:
    """Compiles a definition that is kept. Never raises: what is wrong is left out and told in `problems`."""
    try:
        return compile_mapping(definition)
    except Problem as e:
        return ClaimsMapping(False, (), problems=(e.say,))


def compile_mapping(definition: object) -> ClaimsMapping:
    """Compiles a definition as Graph carries it. Raises Problem(BAD_REQUEST) naming the entry that is wrong."""
    policy = read(definition)
    unknown = set(policy) - _MEMBERS
    if unknown:
        raise bad(f"unknown member {sorted(unknown)[0][:80]}.")
    if policy.get("Version") != 1 or isinstance(policy["Version"], bool):
        raise bad("Version is 1.")
    for name in ("ClaimsTransformation", "ClaimsTransformations", "GroupFilter"):
        if policy.get(name):
            raise bad(f"{name} is not supported by this version.")
    schema = policy.get("ClaimsSchema", [])
    if not isinstance(schema, list):
        raise bad("ClaimsSchema is an array.")
    entries = [e for line, entry in enumerate(schema) if (e := _entry(line, entry)) is not None]
    names = [e.claim for e in entries]
    for name in names:
        if names.count(name) > 1:
            raise bad(f"two entries make the claim {name}.")
    return ClaimsMapping(_boolean(policy.get("IncludeBasicClaimSet", True)), tuple(entries))


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise bad("IncludeBasicClaimSet is true or false.")


def _entry(line: int, entry: object) -> Entry | None:
    here = f"ClaimsSchema[{line}]"
    if not isinstance(entry, dict):
        raise bad(f"{here} is an object.")
    unknown = set(entry) - _ENTRY_MEMBERS
    if unknown:
        raise bad(f"{here}: unknown member {sorted(unknown)[0][:80]}.")
    for name, value in entry.items():
        if not isinstance(value, str):
            raise bad(f"{here}.{name} is a string.")
    claim = entry.get("JwtClaimType")
    for name in (claim, entry.get("SamlClaimType")):
        if name is not None and (not name or len(name) > 255):
            raise bad(f"{here}: a claim type has 1 to 255 characters.")
    if claim is not None and is_restricted(claim):
        raise bad(f"{here}: the claim name {claim} is restricted, choose another.")
    if "Value" in entry:
        if set(entry) & {"Source", "ID", "ExtensionID", "TransformationId"}:
            raise bad(f"{here} has either a Value or a Source, not both.")
        return None if claim is None else Entry(claim, line, constant=entry["Value"])
    source, id = entry.get("Source", "").casefold(), entry.get("ID", "").casefold()
    if source == "transformation" or "TransformationId" in entry or "ExtensionID" in entry:
        raise bad(f"{here}: transformations and extension attributes are not supported by this version.")
    if source not in _IDS:
        raise bad(f"{here}: Source is one of {', '.join(sorted(_IDS))}.")
    if id not in _IDS[source]:
        raise bad(f"{here}: {source} has no ID {id[:80] or '(none)'}.")
    return None if claim is None else Entry(claim, line, source=source, id=id)
