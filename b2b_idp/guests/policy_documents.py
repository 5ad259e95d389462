"""Policies as callers write them, of each kind: checked, and as they are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from b2b_idp.claims.mapping import compile_mapping
from b2b_idp.guests.addresses import a_label
from b2b_idp.model.problem import Code, Problem
from b2b_idp.policy.authorization import authorization_policy_of, domain_policy_of
from b2b_idp.policy.documents import access_policy_of
from b2b_idp.store.configuration import AUTHORIZATION, B2B_MANAGEMENT, CLAIMS_MAPPING, CONDITIONAL_ACCESS

MAPPING_PROPERTIES = frozenset("id displayName description definition isOrganizationDefault".split())


def checked_policy(kind: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """The policy as it is kept. Raises Problem(BAD_REQUEST)."""
    return _CHECKS[kind](document)


def _access(document: Mapping[str, Any]) -> dict[str, Any]:
    kept = {k: v for k, v in document.items() if k not in ("id", "createdDateTime", "modifiedDateTime")}
    access_policy_of("", kept)
    return kept


def _mapping(document: Mapping[str, Any]) -> dict[str, Any]:
    kept = _without_annotations(document)
    unknown = set(kept) - MAPPING_PROPERTIES
    if unknown:
        raise _bad(f"There is no property {sorted(unknown)[0][:60]}.")
    kept.pop("id", None)
    for name, longest in (("displayName", 256), ("description", 1024)):
        value = kept.get(name, "")
        if not isinstance(value, str | None) or len(value or "") > longest:
            raise _bad(f"{name} is a text of at most {longest} characters.")
    if not kept.get("displayName"):
        raise _bad("displayName is missing.")
    compile_mapping(kept.get("definition"))
    return kept


def _authorization(document: Mapping[str, Any]) -> dict[str, Any]:
    kept = _without_annotations(document)
    authorization_policy_of(kept)
    return kept


def _domains(document: Mapping[str, Any]) -> dict[str, Any]:
    kept = _without_annotations(document)
    domain_policy_of(kept, a_label)
    return kept


def _without_annotations(document: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in document.items() if "@odata." not in k}


def _bad(say: str) -> Problem:
    return Problem(Code.BAD_REQUEST, say)


_CHECKS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = MappingProxyType(
    {CONDITIONAL_ACCESS: _access, CLAIMS_MAPPING: _mapping, AUTHORIZATION: _authorization, B2B_MANAGEMENT: _domains}
)
