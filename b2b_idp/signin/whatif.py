"""The decision without a sign-in: the same function, for evaluate, `whatif` and the console. Changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from b2b_idp.keys.vault import Vault
from b2b_idp.model.access import Allow, AskHere, Refuse, locations_of
from b2b_idp.model.directory import App, User
from b2b_idp.model.evidence import Evidence, HomeStatement, LocalFactor, LocalMethod
from b2b_idp.model.home import Home
from b2b_idp.model.problem import Code, Problem
from b2b_idp.policy.decide import History
from b2b_idp.policy.evaluate import evaluate
from b2b_idp.policy.factors import LOCAL
from b2b_idp.signin.judging import access_request, available, offered, policy_view
from b2b_idp.signin.log import outcome_of, reasons_of
from b2b_idp.signin.view import View
from b2b_idp.store import Reader
from b2b_idp.tokens.claims import id_token
from b2b_idp.tokens.gather import subject_of
from b2b_idp.tokens.occasion import Occasion
from b2b_idp.tokens.preview import left_out


@dataclass(frozen=True, slots=True)
class WhatIf:
    """Answers what would be decided, and which claims the token would carry: unsigned, without times and ids."""

    issuer: str
    vault: Vault

    def evaluate(
        self,
        r: Reader,
        *,
        user: User,
        app: App,
        home: Home,
        amr: object,
        acr: str | None,
        auth_time: int | None,
        asked: bool,
        session_amr: list[str],
        session_time: int | None,
        at: datetime,
        address: str = "",
        contexts: Sequence[str] = (),
        client_type: str = "browser",
    ) -> dict[str, Any]:
        """`amr` as a home would send it: anything but a list of texts counts as absent. `auth_time`, `session_time`
        are NumericDates; `address` is the browser's, `contexts` are what the app asks for. The answer is JSON:
        outcome, reasons, requirement, challenges, termsOfUse, wouldIssue, leftOut."""
        listed = isinstance(amr, list) and all(isinstance(v, str) for v in amr) and len(amr) <= 100
        statement = HomeStatement(
            tenant_id=home.tenant_id,
            issuer=home.issuer,
            subject=user.identity.subject if user.identity and user.home_tenant_id == home.tenant_id else "",
            amr=tuple(amr) if listed and isinstance(amr, list) else None,
            acr=acr,
            auth_time=auth_time,
            at=at,
            asked=asked,
        )
        evidence = Evidence((statement,), _local(session_amr, session_time, at))
        groups = r.memberships.set_of(user, at)
        configuration = r.configuration
        view = View(
            configuration=configuration,
            app=app,
            home=home,
            trust=configuration.trust(home),
            user=user,
            invitation=None,
            invited=None,
            candidate=None,
            groups=groups,
            roles=r.directory.roles_of(user.id, groups),
            assigned=not app.assignment_required or bool(r.apps.role_ids(app.sp_id, [user.id, *groups])),
            address=address,
            locations=locations_of(address, configuration.named.locations),
            accepted_terms=r.agreements.accepted(user.id, configuration.named.agreements, at),
        )
        ask = access_request(view, user, None, statement, at, at)
        evaluation = evaluate(
            replace(ask, contexts=available(view, contexts), client_type=client_type),
            policy_view(view, None),
            evidence,
            History(asked_home=asked, local_methods=offered(view)),
        )
        decision, wanted = evaluation.decision, evaluation.requirement
        answer: dict[str, Any] = {
            "outcome": outcome_of(decision),
            "reasons": reasons_of(decision.reasons),
            "reportOnly": reasons_of(evaluation.report_only),
            "requirement": {
                "mfa": wanted.mfa,
                "authenticationStrengths": [s.id for s in wanted.strengths],
                "policyIds": list(wanted.policy_ids),
            },
            "challenges": [m.value for m in decision.methods] if isinstance(decision, AskHere) else [],
            "termsOfUse": list(decision.terms) if isinstance(decision, AskHere) else [],
            "wouldIssue": None,
            "leftOut": [],
        }
        if isinstance(decision, Refuse):
            answer["wayForward"] = decision.way_forward
        if isinstance(decision, Allow):
            made = id_token(
                subject_of(r, user, app, home, at),
                Occasion(
                    issuer=self.issuer,
                    vault=self.vault,
                    client=app,
                    client_auth="none",
                    scope=("openid", "profile", "email"),
                    counted=decision.counted,
                ),
            )
            answer["wouldIssue"] = made.claims
            answer["leftOut"] = left_out(made)
        return answer


def _local(amr: list[str], time: int | None, at: datetime) -> tuple[LocalFactor, ...]:
    """The challenges here that a session's amr stands for; `mfa` and a home's `pwd` beside it say nothing more."""
    values = set(amr) - {"mfa", "pwd"}
    if not values:
        return ()
    try:
        when = at if time is None else datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=time)
    except OverflowError:
        raise Problem(Code.BAD_REQUEST, "session.authTime is in no calendar.") from None
    methods = [m for m in (LocalMethod.PASSKEY, LocalMethod.TOTP) if not values.isdisjoint(LOCAL[m].amr)]
    if values - {value for m in methods for value in LOCAL[m].amr}:
        raise Problem(Code.BAD_REQUEST, "session.amr names what was done here: otp (TOTP), or hwk and user (passkey).")
    return tuple(LocalFactor(m, when) for m in methods)
