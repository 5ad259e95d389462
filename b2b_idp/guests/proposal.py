"""A change that somebody considers, as a file: conditional access policies, or a configuration file."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from b2b_idp.guests.configuration_file import MAX_BYTES, configuration_after
from b2b_idp.guests.configuration_file.reading import MAX_DEPTH, bad, compact
from b2b_idp.guests.policy_documents import checked_policy
from b2b_idp.model.access import AccessPolicy
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Problem
from b2b_idp.model.strict_json import read_json
from b2b_idp.policy.access_documents import access_policy_of
from b2b_idp.policy.requirement import Policies
from b2b_idp.store import Configuration, Store
from b2b_idp.store.configuration import CONDITIONAL_ACCESS

MOST_POLICIES = 1000


def proposed(
    store: Store, raw: bytes, *, issuer: str, check_issuer: Callable[[str], None], moment: Moment
) -> Configuration:
    """What would hold after the change that a file describes; nothing is changed.

    The file is a conditionalAccessPolicy, a list of them, `{"value": […]}`, or a configuration file. A policy takes the
    place of the one with its id, else of the one with its displayName, else it is added.
    Raises Problem(BAD_REQUEST), which says what is wrong where.
    """
    if len(raw) > MAX_BYTES:
        raise bad("The file is larger than 5 MB.")
    file = read_json(raw.removeprefix(codecs.BOM_UTF8), depth=MAX_DEPTH, fail=lambda why: bad(f"The file {why}."))
    if isinstance(file, dict) and "version" in file:
        return configuration_after(store, file, issuer=issuer, check_issuer=check_issuer, moment=moment)
    documents = file.get("value", [file]) if isinstance(file, dict) else file
    if not isinstance(documents, list) or not 0 < len(documents) <= MOST_POLICIES:
        raise bad(
            f"The file holds a conditional access policy, a list of 1 to {MOST_POLICIES}, or a configuration file."
        )
    with store.read() as r:
        return with_policies(r.configuration, documents, moment)


def with_policies(now: Configuration, documents: Sequence[Any], moment: Moment) -> Configuration:
    """The configuration with these conditional access policies laid over its own."""
    kept = {p.id: p for p in now.policies.all}
    changed: dict[str, AccessPolicy] = {}
    for number, document in enumerate(documents, 1):
        try:
            if not isinstance(document, dict):
                raise bad("is no object.")
            id = _id(document, kept) or moment.new_id()
            if id in changed:
                raise bad("stands twice.")
            checked = checked_policy(CONDITIONAL_ACCESS, document, now.named)
            changed[id] = access_policy_of(id, checked, now.named)
        except Problem as p:
            raise bad(f"Policy {number}{_called(document)}: {p.say}") from None
    return replace(now, policies=Policies((kept | changed).values()))


def _id(document: Mapping[str, Any], kept: Mapping[str, AccessPolicy]) -> str | None:
    given = document.get("id")
    if given is not None:
        if not isinstance(given, str) or not 0 < len(given) <= 64:
            raise bad("id is a policy's id.")
        return given.lower()
    name = document.get("displayName")
    named = [p.id for p in kept.values() if p.display_name == name]
    if len(named) > 1:
        raise bad("several policies have this displayName; say the id.")
    return named[0] if named else None


def _called(document: object) -> str:
    name = document.get("displayName") if isinstance(document, dict) else None
    return f" ({compact(name)[:100]})" if isinstance(name, str) else ""
