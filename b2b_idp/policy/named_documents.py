"""What conditional access policies name, from documents in Graph's shape: strengths, locations, terms of use, contexts.

Bad input is Problem(BAD_REQUEST) that names the property; what would not be enforced is refused.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from b2b_idp.model.access import Agreement, AuthenticationContext, NamedLocation, Strength
from b2b_idp.model.problem import Code, Problem
from b2b_idp.policy.documents import Guid, Text, Typed, duration_of, parse
from b2b_idp.policy.strengths import BUILT_IN, COMBINATIONS, is_mfa
from b2b_idp.policy.vocabulary import MODES


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What policies can name, by id."""

    strengths: Mapping[str, Strength] = field(default_factory=lambda: BUILT_IN)
    locations: Mapping[str, NamedLocation] = field(default_factory=dict)
    agreements: Mapping[str, Agreement] = field(default_factory=dict)
    contexts: Mapping[str, AuthenticationContext] = field(default_factory=dict)


# --- authenticationStrengthPolicies ----------------------------------------------------------------------------------

_Combination = Annotated[str, StringConstraints(min_length=3, max_length=120)]
_Aaguid = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$")]


class CombinationConfiguration(Typed):
    """Graph's fido2CombinationConfiguration: the makes of passkey that a combination is limited to."""

    odata_type: Literal["#microsoft.graph.fido2CombinationConfiguration"] = Field(
        default="#microsoft.graph.fido2CombinationConfiguration", alias="@odata.type"
    )
    id: Guid | None = None
    allowedAAGUIDs: list[_Aaguid] = Field(min_length=1, max_length=200)
    appliesToCombinations: list[_Combination] = Field(min_length=1, max_length=1)


class StrengthPolicy(Typed):
    """Graph's authenticationStrengthPolicy, a custom one."""

    id: Guid | None = None
    displayName: Annotated[str, StringConstraints(min_length=1, max_length=30)]
    description: Annotated[str, StringConstraints(max_length=100)] | None = None
    policyType: Literal["custom"] = "custom"
    requirementsSatisfied: Literal["mfa", "none"] | None = None
    """Read-only: it follows from the combinations."""
    createdDateTime: str | None = None
    modifiedDateTime: str | None = None
    allowedCombinations: list[_Combination] = Field(min_length=1, max_length=100)
    combinationConfigurations: list[CombinationConfiguration] = Field(default_factory=list, max_length=20)


def combination_of(text: str) -> frozenset[str]:
    """`password,softwareOath`, with or without blanks, in any order → its modes. Raises Problem(BAD_REQUEST)."""
    modes = [mode.strip() for mode in text.split(",")]
    unknown = [mode for mode in modes if mode not in MODES]
    if unknown:
        raise Problem(
            Code.BAD_REQUEST,
            f"allowedCombinations: {unknown[0][:60]!r} is none of {', '.join(sorted(MODES))}.",
        )
    if frozenset(modes) not in COMBINATIONS or len(set(modes)) != len(modes):
        raise Problem(Code.BAD_REQUEST, f"allowedCombinations: {text[:120]!r} is no combination that can be asked for.")
    return frozenset(modes)


def written(combination: Iterable[str]) -> str:
    """A combination as Graph writes it, the first factor first."""
    first = ("password", "federatedSingleFactor")
    return ",".join(sorted(combination, key=lambda mode: (mode not in first, mode)))


def strength_of(id: str, document: Mapping[str, Any]) -> Strength:
    """The custom strength that a document describes."""
    policy = parse(StrengthPolicy, document)
    combinations = frozenset(combination_of(text) for text in policy.allowedCombinations)
    limits: dict[frozenset[str], frozenset[str]] = {}
    for configuration in policy.combinationConfigurations:
        limited = combination_of(configuration.appliesToCombinations[0])
        if limited != frozenset({"fido2"}) or limited not in combinations:
            raise Problem(
                Code.BAD_REQUEST,
                "combinationConfigurations: allowedAAGUIDs are for the combination fido2, where the strength has it.",
            )
        if limited in limits:
            raise Problem(Code.BAD_REQUEST, "combinationConfigurations: one for each combination.")
        limits[limited] = frozenset(a.lower() for a in configuration.allowedAAGUIDs)
    return Strength(id, policy.displayName, combinations, MappingProxyType(limits))


def requirements_satisfied(strength: Strength) -> Literal["mfa", "none"]:
    """Graph's requirementsSatisfied of a strength."""
    return "mfa" if is_mfa(strength.combinations) else "none"


# --- namedLocations --------------------------------------------------------------------------------------------------

IP_LOCATION = "#microsoft.graph.ipNamedLocation"


class _Range(Typed):
    odata_type: Literal["#microsoft.graph.iPv4CidrRange", "#microsoft.graph.iPv6CidrRange"] = Field(alias="@odata.type")
    cidrAddress: Annotated[str, StringConstraints(max_length=64)]


class IpNamedLocation(Typed):
    """Graph's ipNamedLocation. Countries are no kind of location here: nothing tells an address's country surely."""

    odata_type: Literal["#microsoft.graph.ipNamedLocation"] = Field(alias="@odata.type")
    id: Guid | None = None
    displayName: Text
    createdDateTime: str | None = None
    modifiedDateTime: str | None = None
    isTrusted: bool = False
    ipRanges: list[_Range] = Field(min_length=1, max_length=2000)


def location_of(id: str, document: Mapping[str, Any]) -> NamedLocation:
    """The named location that a document describes."""
    if document.get("@odata.type") == "#microsoft.graph.countryNamedLocation":
        raise Problem(Code.BAD_REQUEST, "A location is an ipNamedLocation: nothing here tells an address's country.")
    location = parse(IpNamedLocation, document)
    networks = []
    for entry in location.ipRanges:
        try:
            network = ip_network(entry.cidrAddress)
        except ValueError:
            raise Problem(
                Code.BAD_REQUEST,
                f"ipRanges: {entry.cidrAddress[:64]!r} is no CIDR range such as 203.0.113.0/24 without host bits.",
            ) from None
        if f"iPv{network.version}" not in entry.odata_type:
            raise Problem(Code.BAD_REQUEST, f"ipRanges: {entry.cidrAddress[:64]!r} is not of the type that it names.")
        networks.append(network)
    return NamedLocation(id, location.displayName, location.isTrusted, tuple(networks))


# --- termsOfUse/agreements -------------------------------------------------------------------------------------------

MOST_TERMS_BYTES = 256 * 1024
"""The longest text of terms, all languages together."""


class _FileData(Typed):
    data: Annotated[str, StringConstraints(min_length=1, max_length=MOST_TERMS_BYTES * 4 // 3 + 4)]


class _Localization(Typed):
    id: Guid | None = None
    fileName: Text
    displayName: Text | None = None
    language: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
    isDefault: bool = False
    isMajorVersion: bool = False
    createdDateTime: str | None = None
    fileData: _FileData


class _AgreementFile(Typed):
    localizations: list[_Localization] = Field(min_length=1, max_length=40)


class AgreementDocument(Typed):
    """Graph's agreement, whose files are texts in UTF-8."""

    id: Guid | None = None
    displayName: Text
    isViewingBeforeAcceptanceRequired: bool = True
    isPerDeviceAcceptanceRequired: Literal[False] = False
    userReacceptRequiredFrequency: str | None = None
    termsExpiration: None = None
    createdDateTime: str | None = None
    file: _AgreementFile
    version: Annotated[int, Field(ge=1, le=1_000_000)] = 1


def agreement_of(id: str, document: Mapping[str, Any]) -> Agreement:
    """The terms of use that a document describes."""
    agreement = parse(AgreementDocument, document)
    texts = agreement.file.localizations
    if sum(text.isDefault for text in texts) != 1 and len(texts) > 1:
        raise Problem(Code.BAD_REQUEST, "file.localizations: exactly one is the default.")
    languages = [text.language.lower() for text in texts]
    if len(set(languages)) != len(languages):
        raise Problem(Code.BAD_REQUEST, "file.localizations: each language stands once.")
    for text in texts:
        text_of(text.fileData.data)
    every = agreement.userReacceptRequiredFrequency
    return Agreement(
        id, agreement.displayName, agreement.version, None if every is None else duration_of(every), document
    )


def text_of(data: str) -> str:
    """The text of a file of terms. Raises Problem(BAD_REQUEST)."""
    try:
        text = b64decode(data, validate=True).decode("utf-8")
    except ValueError:
        raise Problem(Code.BAD_REQUEST, "fileData.data is a plain text in UTF-8, as base64.") from None
    if re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", text) or not text.strip():
        raise Problem(Code.BAD_REQUEST, "fileData.data is a plain text, without control characters.")
    return text


def terms_in(agreement: Agreement, languages: Iterable[str]) -> tuple[str, str]:
    """(language, text) of an agreement for a reader of `languages`, best first; else its default."""
    texts = {t["language"]: t for t in agreement.properties["file"]["localizations"]}
    by_name = {name.lower(): name for name in texts} | {name.lower().partition("-")[0]: name for name in texts}
    default = next((name for name, t in texts.items() if t.get("isDefault")), next(iter(texts)))
    wanted = (by_name.get(w.lower()) or by_name.get(w.lower().partition("-")[0]) for w in languages)
    chosen = next((name for name in wanted if name is not None), default)
    return chosen, text_of(texts[chosen]["fileData"]["data"])


# --- authenticationContextClassReferences ----------------------------------------------------------------------------

CONTEXT_ID = re.compile(r"c[1-9][0-9]?")


class ContextDocument(Typed):
    """Graph's authenticationContextClassReference."""

    id: Annotated[str, StringConstraints(max_length=3)] | None = None
    displayName: Text
    description: Annotated[str, StringConstraints(max_length=1024)] | None = None
    isAvailable: bool = False


def context_of(id: str, document: Mapping[str, Any]) -> AuthenticationContext:
    """The authentication context that a document describes."""
    if not CONTEXT_ID.fullmatch(id):
        raise Problem(Code.BAD_REQUEST, "An authentication context is called c1 to c99.")
    context = parse(ContextDocument, document)
    return AuthenticationContext(id, context.displayName, context.isAvailable, document)
