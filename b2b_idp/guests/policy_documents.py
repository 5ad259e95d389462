"""Policies as callers write them, of each kind: checked, and as they are kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from b2b_idp.claims.mapping import compile_mapping
from b2b_idp.guests.addresses import a_label
from b2b_idp.policy.access_documents import access_policy_of
from b2b_idp.policy.authentication_methods import email_method_of
from b2b_idp.policy.authorization import authorization_policy_of, domain_policy_of
from b2b_idp.policy.documents import parse
from b2b_idp.policy.named_documents import Named, agreement_of, context_of, location_of, strength_of
from b2b_idp.store.configuration import (
    AGREEMENT,
    AUTHENTICATION_CONTEXT,
    AUTHORIZATION,
    B2B_MANAGEMENT,
    CLAIMS_MAPPING,
    CONDITIONAL_ACCESS,
    EMAIL_METHOD,
    NAMED_LOCATION,
    STRENGTH,
)


class ClaimsMappingDocument(BaseModel):
    """Graph's claimsMappingPolicy: its definition is an array of one JSON text; the text, or for people the same JSON
    as an object, may also be written without the array."""

    model_config = ConfigDict(extra="forbid", strict=True)
    id: str | None = None
    displayName: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    description: Annotated[str, StringConstraints(max_length=1024)] | None = None
    definition: Annotated[list[str | dict[str, Any]], Field(min_length=1, max_length=1)] | dict[str, Any] | str
    isOrganizationDefault: bool | None = None
    b2bIdp: Any = None
    """Read-only; ignored when sent back."""


MAPPING_PROPERTIES = frozenset(ClaimsMappingDocument.model_fields)


def checked_policy(kind: str, document: Mapping[str, Any], named: Named) -> dict[str, Any]:
    """The policy as it is kept; what it names is among `named`. Raises Problem(BAD_REQUEST)."""
    if kind in _DATED:
        kept = _without_read_only(document)
        _DATED[kind](kept, named)
    else:
        kept = {k: v for k, v in document.items() if "@odata." not in k}
        _SIMPLE[kind](kept)
    if kind == STRENGTH and "combinationConfigurations" in kept:
        kept["combinationConfigurations"] = [_without_read_only(c) for c in kept["combinationConfigurations"]]
    return kept


def _check_mapping(document: dict[str, Any]) -> None:
    definition = parse(ClaimsMappingDocument, document).definition
    given = definition[0] if isinstance(definition, list) else definition
    compile_mapping([given] if isinstance(given, str) else given)
    for name in ("id", "b2bIdp"):
        document.pop(name, None)
    document["definition"] = [given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)]


_READ_ONLY = frozenset({"id", "createdDateTime", "modifiedDateTime", "requirementsSatisfied", "policyType", "version"})


def _without_read_only(document: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in document.items() if k not in _READ_ONLY}


def next_version(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Changed terms of use with their version, which we alone count: whoever accepted an earlier one accepts again once
    a text of a major version replaces it."""
    raised = after["file"] != before["file"] and any(
        text.get("isMajorVersion") is True for text in after["file"]["localizations"]
    )
    return dict(after) | {"version": before.get("version", 1) + raised}


_DATED: Mapping[str, Callable[[Mapping[str, Any], Named], object]] = MappingProxyType(
    {
        CONDITIONAL_ACCESS: lambda document, named: access_policy_of("", document, named),
        STRENGTH: lambda document, _: strength_of("", document),
        NAMED_LOCATION: lambda document, _: location_of("", document),
        AGREEMENT: lambda document, _: agreement_of("", document),
        AUTHENTICATION_CONTEXT: lambda document, _: context_of("c1", document),
    }
)
"""Kinds that are shown with when they were made and changed: what reads one, and raises Problem for a bad one."""
_SIMPLE: Mapping[str, Callable[[dict[str, Any]], object]] = MappingProxyType(
    {
        CLAIMS_MAPPING: _check_mapping,
        AUTHORIZATION: authorization_policy_of,
        B2B_MANAGEMENT: lambda document: domain_policy_of(document, a_label),
        EMAIL_METHOD: email_method_of,
    }
)
"""The others, which have no OData control information of their own."""
