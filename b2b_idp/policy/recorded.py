"""What `evaluate` saw when a sign-in ended, as compact JSON: enough to decide it again by other policies."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Union, get_args, get_origin, get_type_hints

from b2b_idp.model.evidence import Evidence, HomeStatement, LocalFactor, LocalMethod
from b2b_idp.model.json_text import json_bytes
from b2b_idp.policy.decide import History
from b2b_idp.policy.requirement import AccessRequest

VERSION = 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_APART = ("at", "began", "user_id", "home_subject", "group_ids", "role_ids", "home_tenant_id")
"""Fields of an AccessRequest that differ from one sign-in to the next: kept beside `ask`, whose rest often equals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A sign-in that ended: who asked for what, on what evidence, and `outcome` (`allowed` or the refusal's code) with
    the code of its last reason. Trust and vocabulary are not here: they are those of the home `ask.home_tenant_id`.

    `local_only`: a directory role or scope made a factor registered here necessary (`Trust.local_only`).
    """

    ask: AccessRequest
    evidence: Evidence
    history: History
    local_only: bool
    outcome: str
    reason: str | None = None

    @property
    def began(self) -> datetime:
        return self.ask.began or self.ask.at


def to_text(recorded: Recorded) -> str:
    """Compact JSON; times are microseconds (since 1970), an auth_time stays a NumericDate."""
    ask = recorded.ask
    document = {
        "v": VERSION,
        "at": micros(ask.at),
        "began": micros(recorded.began),
        "user": ask.user_id,
        "subject": ask.home_subject,
        "groups": sorted(ask.group_ids),
        "roles": sorted(ask.role_ids),
        "home": ask.home_tenant_id,
        "ask": {
            name: _plain(value)
            for name, default in _ASKED.items()
            if name not in _APART and (value := getattr(ask, name)) != default
        },
        "said": [[s.amr, s.acr, s.auth_time, micros(s.at), s.asked] for s in recorded.evidence.statements],
        "did": [[f.method.value, micros(f.at), f.aaguid] for f in recorded.evidence.local],
        "asked": recorded.history.asked_home,
        "canAsk": recorded.history.home_can_ask,
        "offered": sorted(recorded.history.local_methods),
        "localOnly": recorded.local_only,
        "outcome": recorded.outcome,
        "reason": recorded.reason,
    }
    return json_bytes(document).decode()


def from_document(d: Mapping[str, Any]) -> Recorded:
    """The reverse of `to_text`, of its parsed JSON. The issuer of a statement, which decides nothing, is not kept."""
    subject = d["subject"] or ""
    return Recorded(
        ask=AccessRequest(
            at=instant(d["at"]),
            began=instant(d["began"]),
            user_id=d["user"],
            home_subject=d["subject"],
            group_ids=frozenset(d["groups"]),
            role_ids=frozenset(d["roles"]),
            home_tenant_id=d["home"],
            **{name: _READ[name](value) for name, value in d["ask"].items() if name in _READ},
        ),
        evidence=Evidence(
            tuple(
                HomeStatement(
                    d["home"] or "", "", subject, None if amr is None else tuple(amr), acr, time, instant(at), asked
                )
                for amr, acr, time, at, asked in d["said"]
            ),
            tuple(LocalFactor(LocalMethod(method), instant(at), aaguid) for method, at, aaguid in d["did"]),
        ),
        history=History(
            asked_home=d["asked"],
            home_can_ask=d["canAsk"],
            local_methods=frozenset(LocalMethod(m) for m in d["offered"]),
        ),
        local_only=d["localOnly"],
        outcome=d["outcome"],
        reason=d["reason"],
    )


def micros(at: datetime) -> int:
    """Microseconds since 1970."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def instant(microseconds: int) -> datetime:
    """The reverse of `micros`."""
    return _EPOCH + timedelta(microseconds=microseconds)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return micros(value)
    if isinstance(value, timedelta):
        return value // timedelta(microseconds=1)
    if isinstance(value, frozenset):
        return sorted(value)
    return value


def _reader(kind: Any) -> Callable[[Any], Any]:
    """How a field of this type is read from JSON."""
    kinds = [k for k in get_args(kind) if k is not type(None)] if _is_union(kind) else [kind]
    origin = get_origin(kinds[0]) or kinds[0]
    if origin is datetime:
        return lambda value: None if value is None else instant(value)
    if origin is timedelta:
        return lambda value: None if value is None else timedelta(microseconds=value)
    if origin in (frozenset, tuple):
        return lambda value: None if value is None else origin(value)
    return lambda value: value


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in (Union, types.UnionType)


_ASKED: Mapping[str, Any] = {f.name: f.default for f in fields(AccessRequest)}
"""Field → default (or MISSING): what is as by default is not written."""
assert all(f.default_factory is MISSING for f in fields(AccessRequest))
_READ: Mapping[str, Callable[[Any], Any]] = {
    name: _reader(kind) for name, kind in get_type_hints(AccessRequest).items() if name not in _APART
}
