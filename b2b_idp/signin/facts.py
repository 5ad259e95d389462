"""A sign-in's facts: what is known, where it came from, and nothing else. The row keeps them as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from b2b_idp.model.directory import HomeIdentity
from b2b_idp.model.evidence import Evidence, HomeStatement, LocalFactor, LocalMethod
from b2b_idp.model.request import AuthorizeRequest


class Waiting(StrEnum):
    """The one thing that a sign-in waits for."""

    REALM = "realm"
    """the address that tells the home tenant"""
    DEPARTURE = "departure"
    """nothing: the browser is to be sent home as soon as it is seen"""
    HOME = "home"
    """the home tenant's answer"""
    EXCHANGE = "exchange"
    """our own exchange of the home's code; only a killed server leaves a sign-in here"""
    REDEEM = "redeem"
    EMAIL_CODE = "email_code"
    ACCESS_PASS = "access_pass"
    CHOICE = "choice"
    CHALLENGE = "challenge"
    REGISTRATION = "registration"
    RECOVERY_CODES = "recovery_codes"
    TERMS = "terms"
    CONSENT = "consent"
    REFUSED = "refused"
    """nothing: the OpenID side tells the app"""
    DONE = "done"


class TaskKind(StrEnum):
    """What a person may change about how they confirm who they are."""

    ADD = "add"
    REMOVE = "remove"
    RENAME = "rename"
    CODES = "codes"
    """draw fresh recovery codes"""
    SESSIONS = "sessions"
    """end all other sessions"""


@dataclass(frozen=True, slots=True)
class Task:
    """A change that a person asked for on their security page, made once this sign-in holds young MFA of theirs.
    `subject` is the factor's id, `name` its new name."""

    kind: TaskKind
    user_id: str
    subject: str = ""
    name: str = ""
    done: bool = False


@dataclass(frozen=True, slots=True)
class MailedCodeFact:
    """A code that was mailed for this sign-in: its digest, never the code. Newest wins; `number` counts them.
    Of a code that was never mailed the digest is no code's."""

    digest: str
    address: str
    sent_at: datetime
    tries: int = 0
    number: int = 1


@dataclass(frozen=True, slots=True)
class HomeProfile:
    """Who the home says it is. An address here is what the home vouches for, not an identity; `attributes` are what
    may follow it, by directory property, None where the home says that there is none."""

    email: str | None = None
    email_verified: bool | None = None
    attributes: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """All facts of a sign-in. `request` is None when it began from an invitation's link, or for a `task`, instead of at
    an app."""

    began_at: datetime
    request: AuthorizeRequest | None = None
    task: Task | None = None
    invitation_id: str | None = None
    """The invitation whose mailed link began this sign-in, in this browser."""
    landing: str | None = None
    """Where the link's guest goes afterwards (inviteRedirectUrl)."""
    session_id: str | None = None
    """The session whose evidence was taken over at the start."""
    tenant_id: str | None = None
    """The home tenant chosen, by hint, address or invitation."""
    email: str | None = None
    """The address typed or hinted; only ever a hint."""
    departures: int = 0
    """How often the browser was sent home; also the generation that the answer's `state` must have."""
    pending: Mapping[str, Any] | None = None
    """What the home adapter must remember until the answer (nonce, code_verifier …)."""
    asked_home: bool = False
    """The home was asked for MFA, or for a fresh sign-in, in this sign-in."""
    identity: HomeIdentity | None = None
    profile: HomeProfile | None = None
    evidence: Evidence = Evidence()
    signed: tuple[str, ...] = ()
    """What the home signed in this sign-in, newest last: sealed (base64), until the log has it."""
    home_session: str | None = None
    """The session at home that its last answer told of, as sessions keep it."""
    accepted: bool = False
    """The guest accepted the invitation on our page."""
    address_proved: str | None = None
    """An address whose mailed code was typed in this browser, in this sign-in."""
    mail_proved_at: datetime | None = None
    """When this browser last proved the guest's own address, by mailed link or mailed code."""
    redeemed_at: datetime | None = None
    """When a sign-in that a mailed link began in this browser bound the guest."""
    mailed_code: MailedCodeFact | None = None
    with_pass: bool = False
    """The guest wants to prove with a one-time pass, or nothing else would do, that a factor may be registered."""
    pass_id: str | None = None
    """The one-time pass that was used in this sign-in."""
    method: LocalMethod | None = None
    """The challenge that the guest chose."""
    choosing: bool = False
    """The guest asked for another challenge than the one shown, and has not chosen yet."""
    passkey_challenge: str | None = None
    """What the next passkey answer must be over (base64url); gone with that answer."""
    totp_secret: str | None = None
    """The sealed secret (base64) shown for registration and not yet proven."""
    recovery_codes: tuple[str, ...] = ()
    """Sealed (base64), until the guest has seen them once."""
    consent_given: bool = False
    granted: tuple[str, str] | None = None
    """Ids of the grant and session that concluded it."""
    persistent: bool = False
    """The session outlives the browser's window."""
    refusal: tuple[str, str, str] | None = None
    """Code, sentence and the home's error word of a refusal that the app has yet to be told."""

    def to_json(self) -> dict[str, Any]:
        return {f.name: _encode(v) for f in fields(self) if (v := getattr(self, f.name)) != f.default}

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> Known:
        d = dict(document)
        for name in ("began_at", "mail_proved_at", "redeemed_at"):
            if d.get(name) is not None:
                d[name] = _instant(d[name])
        if d.get("request") is not None:
            d["request"] = AuthorizeRequest.from_json(d["request"])
        if d.get("identity") is not None:
            d["identity"] = HomeIdentity(**d["identity"])
        if d.get("profile") is not None:
            d["profile"] = HomeProfile(**d["profile"])
        if "evidence" in d:
            d["evidence"] = evidence_from_json(d["evidence"])
        if d.get("mailed_code") is not None:
            code = dict(d["mailed_code"])
            d["mailed_code"] = MailedCodeFact(**(code | {"sent_at": _instant(code["sent_at"])}))
        if d.get("task") is not None:
            d["task"] = Task(**(d["task"] | {"kind": TaskKind(d["task"]["kind"])}))
        if d.get("method") is not None:
            d["method"] = LocalMethod(d["method"])
        for name in ("recovery_codes", "signed"):
            d[name] = tuple(d.get(name, ()))
        for name in ("refusal", "granted"):
            if d.get(name) is not None:
                d[name] = tuple(d[name])
        return Known(**d)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _instant(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def evidence_to_json(evidence: Evidence) -> dict[str, Any]:
    """Evidence as sessions and grants keep it."""
    return {
        "statements": [_encode(s) for s in evidence.statements],
        "local": [_encode(f) for f in evidence.local],
    }


def evidence_from_json(document: Mapping[str, Any]) -> Evidence:
    return Evidence(
        tuple(
            HomeStatement(**(s | {"amr": None if s["amr"] is None else tuple(s["amr"]), "at": _instant(s["at"])}))
            for s in document.get("statements", ())
        ),
        tuple(
            LocalFactor(LocalMethod(f["method"]), _instant(f["at"]), f.get("aaguid"), f.get("factor_id"))
            for f in document.get("local", ())
        ),
    )


def _encode(value: Any) -> Any:
    if isinstance(value, datetime):
        return (value - _EPOCH) // timedelta(microseconds=1)
    if isinstance(value, AuthorizeRequest):
        return value.to_json()
    if isinstance(value, Evidence):
        return evidence_to_json(value)
    if isinstance(value, tuple):
        return list(value)
    if hasattr(value, "__dataclass_fields__"):
        return {f.name: _encode(getattr(value, f.name)) for f in fields(value)}
    return value
