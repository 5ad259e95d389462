"""Documents that are kept already, read without ever raising: one that became bad closes what it concerns, no more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from b2b_idp.model.access import AccessPolicy
from b2b_idp.model.problem import Problem
from b2b_idp.policy.access_documents import access_policy_of, closed_policy_of
from b2b_idp.policy.named_documents import Named

_T = TypeVar("_T")


def readable(
    documents: Mapping[str, Mapping[str, Any]],
    read: Callable[[str, Mapping[str, Any]], _T],
    problems: dict[str, str],
) -> dict[str, _T]:
    """By id, what can be read; why the others cannot is added to `problems`."""
    found = {}
    for id, document in documents.items():
        try:
            found[id] = read(id, document)
        except Problem as problem:
            problems[id] = problem.say
    return found


def stored_policy_of(id: str, document: Mapping[str, Any], named: Named) -> AccessPolicy:
    """The conditional access policy of a kept document. One that is not enforceable any more, as what it names is gone,
    blocks whom and what it names, and tells why in `problem`."""
    try:
        return access_policy_of(id, document, named)
    except Problem as problem:
        return closed_policy_of(id, document, named, problem.say)
