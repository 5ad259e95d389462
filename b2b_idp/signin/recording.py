"""What the log keeps of a sign-in for reports and replays."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from b2b_idp.homes.oidc import SignedStatement
from b2b_idp.keys.vault import Vault
from b2b_idp.model.directory import User
from b2b_idp.model.json_text import from_json_text, json_bytes
from b2b_idp.model.problem import Problem
from b2b_idp.policy.evaluate import Evaluation
from b2b_idp.policy.factors import LOCAL, says_mfa
from b2b_idp.policy.recorded import Recorded, to_text
from b2b_idp.signin.details import last_reason
from b2b_idp.signin.facts import Known
from b2b_idp.signin.judging import question
from b2b_idp.signin.view import View
from b2b_idp.store.logs import SigninFacts


def facts_of(
    known: Known,
    view: View,
    user: User | None,
    evaluation: Evaluation | None,
    problem: Problem | None,
    signed: bytes | None,
    at: datetime,
) -> SigninFacts:
    """The log's columns. A sign-in can be replayed when guest and app are known."""
    statement = known.evidence.statements[-1] if known.evidence.statements else None
    outcome = problem.code.value if problem else "allowed"
    replay = None
    if user is not None and view.app is not None:
        ask, policies, evidence, history = question(known, view, user, at)
        reason = last_reason(evaluation)
        replay = to_text(
            Recorded(
                ask=ask,
                evidence=evidence,
                history=history,
                local_only=policies.trust.local_only,
                outcome=outcome,
                reason=reason.value if reason else None,
            )
        )
    return SigninFacts(
        home_tenant_id=view.home.tenant_id if view.home else None,
        outcome=outcome,
        asked_home=known.asked_home and (evaluation is None or evaluation.requirement.anything),
        home_mfa=statement is not None and view.home is not None and says_mfa(statement, view.home.vocabulary),
        local_mfa=any(f.at >= known.began_at and LOCAL[f.method].kinds for f in known.evidence.local),
        replay=replay,
        evidence=signed,
    )


def sealed(statement: SignedStatement | None, vault: Vault, signin_id: str) -> str | None:
    """A home's signed statement as the sign-in's row carries it on."""
    if statement is None:
        return None
    return b64encode(vault.seal(json_bytes(statement.to_json()), _context(signin_id))).decode()


def opened(signed: Iterable[str], vault: Vault, signin_id: str) -> bytes | None:
    """The signed statements of a sign-in as the log keeps them: a JSON list, oldest first; None when there are none."""
    found = [from_json_text(vault.open(b64decode(text), _context(signin_id))) for text in signed]
    return json_bytes(found) if found else None


@dataclass(frozen=True, slots=True)
class SignedAgain:
    """A home's signed statement, verified anew. `matches_log` is None for any but the last: the log tells only that."""

    signature_holds: bool
    thumbprint: str
    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    matches_log: bool | None

    def to_json(self) -> dict[str, Any]:
        return {
            "signatureHolds": self.signature_holds,
            "keyThumbprint": self.thumbprint,
            "header": dict(self.header),
            "claims": dict(self.claims),
            "matchesLog": self.matches_log,
        }


def signed_again(kept: bytes, document: Mapping[str, Any]) -> list[SignedAgain]:
    """The signed statements that the log keeps of a sign-in, compared with its `document`."""
    statements = [SignedStatement.from_json(d) for d in json.loads(kept)]
    told = (document.get("b2bIdp") or {}).get("homeEvidence") or {}
    found = []
    for number, statement in enumerate(statements, 1):
        checked = statement.checked()
        header, claims = checked or ({}, {})
        last = number == len(statements)
        found.append(
            SignedAgain(
                checked is not None, statement.thumbprint, header, claims, _as_told(claims, told) if last else None
            )
        )
    return found


def _as_told(claims: Mapping[str, Any], told: Mapping[str, Any]) -> bool:
    pairs = (("iss", "issuer"), ("amr", "amr"), ("acr", "acr"), ("auth_time", "authTime"))
    return all(told.get(kept) is None or claims.get(claim) == told[kept] for claim, kept in pairs) and bool(told)


def _context(signin_id: str) -> str:
    return "signed:" + signin_id
