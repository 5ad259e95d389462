"""Policies as callers write them, of each kind: checked, and as they are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from b2b_idp.claims.mapping import compile_mapping
from b2b_idp.guests.addresses import a_label
from b2b_idp.policy.access_documents import access_policy_of
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
    NAMED_LOCATION,
    STRENGTH,
)


class ClaimsMappingDocument(BaseModel):
    """Graph's claimsMappingPolicy: its definition is JSON in a text."""

    model_config = ConfigDict(extra="forbid", strict=True)
    id: str | None = None
    displayName: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    description: Annotated[str, StringConstraints(max_length=1024)] | None = None
    definition: list[str] = Field(min_length=1, max_length=1)
    isOrganizationDefault: bool | None = None


MAPPING_PROPERTIES = frozenset(ClaimsMappingDocument.model_fields)


def checked_policy(kind: str, document: Mapping[str, Any], named: Named) -> dict[str, Any]:
    """The policy as it is kept; what it names is among `named`. Raises Problem(BAD_REQUEST)."""
    return _CHECKS[kind](document, named)


_READ_ONLY = frozenset({"id", "createdDateTime", "modifiedDateTime", "requirementsSatisfied", "policyType"})


def _writable(document: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in document.items() if k not in _READ_ONLY}


def _access(document: Mapping[str, Any], named: Named) -> dict[str, Any]:
    kept = _writable(document)
    access_policy_of("", kept, named)
    return kept


def _strength(document: Mapping[str, Any], named: Named) -> dict[str, Any]:
    kept = _writable(document)
    strength_of("", kept)
    if "combinationConfigurations" in kept:
        kept["combinationConfigurations"] = [_writable(c) for c in kept["combinationConfigurations"]]
    return kept


def _location(document: Mapping[str, Any], named: Named) -> dict[str, Any]:
    kept = _writable(document)
    location_of("", kept)
    return kept


def _agreement(document: Mapping[str, Any], named: Named) -> dict[str, Any]:
    kept = _writable(document)
    agreement_of("", kept)
    return kept


def _context(document: Mapping[str, Any], named: Named) -> dict[str, Any]:
    kept = _writable(document)
    context_of("c1", kept)
    return kept


def _mapping(document: Mapping[str, Any], named: Named) -> dict[str, Any]:
    kept = _without_annotations(document)
    compile_mapping(parse(ClaimsMappingDocument, kept).definition)
    kept.pop("id", None)
    return kept


def _authorization(document: Mapping[str, Any], named: Named) -> dict[str, Any]:
    kept = _without_annotations(document)
    authorization_policy_of(kept)
    return kept


def _domains(document: Mapping[str, Any], named: Named) -> dict[str, Any]:
    kept = _without_annotations(document)
    domain_policy_of(kept, a_label)
    return kept


def _without_annotations(document: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in document.items() if "@odata." not in k}


_CHECKS: Mapping[str, Callable[[Mapping[str, Any], Named], dict[str, Any]]] = MappingProxyType(
    {
        CONDITIONAL_ACCESS: _access,
        STRENGTH: _strength,
        NAMED_LOCATION: _location,
        AGREEMENT: _agreement,
        AUTHENTICATION_CONTEXT: _context,
        CLAIMS_MAPPING: _mapping,
        AUTHORIZATION: _authorization,
        B2B_MANAGEMENT: _domains,
    }
)
