"""The rules of `decisions.toml`, each asked of the whole policy engine."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from b2b_idp.model.access import AccessPolicy, Allow, AskHere, AskHome, Refuse, Requirement, Strength
from b2b_idp.model.evidence import Evidence, HomeStatement, LocalFactor, LocalMethod, StepUp
from b2b_idp.model.home import Collaboration, Targets, Trust
from b2b_idp.policy.decide import History, decide
from b2b_idp.policy.evaluate import Evaluation, PolicyView, evaluate
from b2b_idp.policy.reasons import sentence
from b2b_idp.policy.requirement import AccessRequest, Policies
from b2b_idp.policy.strengths import MULTIFACTOR, PASSWORDLESS, PHISHING_RESISTANT
from b2b_idp.policy.vocabulary import compile_vocabulary

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CASES = tomllib.loads((Path(__file__).parent / "decisions.toml").read_text())["case"]
OUTCOMES = {Allow: "allowed", AskHome: "ask_home", AskHere: "ask_here", Refuse: "refused"}
WANTS: dict[str, dict[str, Any]] = {
    "mfa": {"mfa": True},
    "block": {"block": True},
    "multifactor": {"strength": MULTIFACTOR},
    "passwordless": {"strength": PASSWORDLESS},
    "phishing_resistant": {"strength": PHISHING_RESISTANT},
}
INBOUND = {
    "applications": Collaboration(applications=Targets("blocked", frozenset({"crm"}))),
    "everybody": Collaboration(users=Targets("blocked", frozenset({"AllUsers"}))),
    "subject": Collaboration(users=Targets("blocked", frozenset({"maria"}))),
}
KNOWN_KEYS = {
    *(
        "says",
        "row",
        "requirement",
        "trust",
        "when_home_cannot",
        "mfa_max_age",
        "home",
        "home_amr",
        "home_acr",
    ),
    *(
        "profile",
        "entry_amr",
        "step_up",
        "auth_time_use",
        "auth_age",
        "auth_time",
        "asked",
        "local",
        "max_age",
    ),
    *(
        "methods",
        "report_only",
        "ask",
        "inbound",
        "decision",
        "because",
        "asks",
        "step_up_asked",
        "home_max_age",
    ),
    *("amr", "acr", "auth_time_is", "reported"),
}


def policy(id: str, wants: str, state: Any = "enabled") -> AccessPolicy:
    return AccessPolicy(
        id=id,
        display_name=id,
        state=state,
        include_users=frozenset({"All"}),
        include_apps=frozenset({"All"}),
        **WANTS[wants],
    )


def evaluated(case: dict[str, Any]) -> Evaluation:
    wanted = case["requirement"]
    wanted = [wanted] if isinstance(wanted, str) else wanted
    policies = [policy(f"policy-{w}", w) for w in wanted if w != "none"]
    if "report_only" in case:
        policies.append(policy("reporting", case["report_only"], "enabledForReportingButNotEnforced"))
    return evaluate(
        AccessRequest(
            user_id="maria-id",
            app_id="crm",
            home_subject=None if case.get("home") == "silent" else "maria",
            max_age=case.get("max_age"),
            at=AT,
            **case.get("ask", {}),
        ),
        PolicyView(
            policies=Policies(policies),
            trust=Trust(
                mfa_accepted=case.get("trust", False),
                when_home_cannot=case.get("when_home_cannot", "challengeHere"),
                mfa_max_age=timedelta(seconds=case["mfa_max_age"]) if "mfa_max_age" in case else None,
                inbound=INBOUND[case["inbound"]] if "inbound" in case else Collaboration(),
            ),
            vocabulary=compile_vocabulary(
                case.get("profile", "rfc8176"),
                case.get("entry_amr", {}),
                {},
                StepUp(case["step_up"]) if "step_up" in case else None,
                case.get("auth_time_use", "used"),
            ),
        ),
        Evidence(
            () if case.get("home") == "silent" else (statement(case),),
            tuple(LocalFactor(LocalMethod(m), AT - timedelta(seconds=ago)) for m, ago in case.get("local", ())),
        ),
        History(
            asked_home=case.get("asked", False),
            local_methods=frozenset(map(LocalMethod, case.get("methods", ("passkey", "totp", "recovery_code")))),
        ),
    )


def statement(case: dict[str, Any]) -> HomeStatement:
    time = case.get("auth_time", int(AT.timestamp()) - case.get("auth_age", 60))
    amr = case.get("home_amr")
    return HomeStatement(
        tenant_id="fabrikam",
        issuer="https://login.fabrikam.example",
        subject="maria",
        amr=None if amr is None else tuple(amr),
        acr=case.get("home_acr"),
        auth_time=None if time == "absent" else time,
        at=AT,
    )


@pytest.mark.parametrize("case", [pytest.param(c, id=" ".join([*c.get("row", ()), c["says"]])) for c in CASES])
def test_decision(case: dict[str, Any]) -> None:
    evaluation = evaluated(case)
    decision = evaluation.decision
    assert (OUTCOMES[type(decision)], [r.code for r in decision.reasons]) == (
        case["decision"],
        case["because"],
    )
    if isinstance(decision, AskHere) and "asks" in case:
        assert list(decision.methods) == case["asks"]
    if isinstance(decision, AskHome):
        assert decision.max_age == case.get("home_max_age")
        assert decision.step_up == case.get("step_up_asked", decision.step_up)
    if isinstance(decision, Allow):
        counted = decision.counted
        assert list(counted.amr) == case.get("amr", list(counted.amr))
        assert counted.acr == case.get("acr", counted.acr)
        if case.get("auth_time_is") == "unknown":
            assert counted.auth_time is None
        elif "auth_time_is" in case:
            assert counted.auth_time == int(AT.timestamp()) - case["auth_time_is"]
    assert [r.parameters["result"] for r in evaluation.report_only] == (
        [case["reported"]] if "reported" in case else []
    )


@pytest.mark.parametrize("case", [c for c in CASES if c["decision"] == "refused"], ids=lambda c: c["says"])
def test_a_refusal_says_what_to_do_next(case: dict[str, Any]) -> None:
    decision = evaluated(case).decision
    assert isinstance(decision, Refuse)
    assert decision.way_forward.endswith(".")
    assert all(sentence(r).endswith(".") for r in decision.reasons)


def test_an_unreachable_strength_names_the_methods_that_would_do() -> None:
    case = {
        "requirement": "phishing_resistant",
        "home_amr": ["pwd"],
        "methods": ["totp"],
    }
    decision = evaluated(case).decision
    assert isinstance(decision, Refuse)
    assert "fido2, windowsHelloForBusiness, x509CertificateMultiFactor" in decision.way_forward


def test_every_key_of_the_rows_is_used() -> None:
    """A misspelt key would make a row say less than it seems to."""
    assert {key for case in CASES for key in case} <= KNOWN_KEYS


@pytest.mark.parametrize(("asked", "outcome"), [(True, Allow), (False, AskHome)])
def test_only_the_answer_to_our_own_question_may_be_off_by_a_clocks_skew(asked: bool, outcome: type) -> None:
    """A home whose clock runs behind would else seem never to have authenticated anew."""
    began = AT - timedelta(seconds=10)
    answer = replace(statement({"home_amr": ["pwd"], "auth_age": 30}), asked=asked)
    decision = decide(
        Requirement(not_before=began),
        Evidence((answer,)),
        Trust(),
        compile_vocabulary("rfc8176", {}, {}, None, "used"),
        History(),
        AT,
    )
    assert isinstance(decision, outcome)


@pytest.mark.parametrize(("amr", "outcome"), [(["pwd"], Allow), ([], Refuse)])
def test_a_mailed_code_combines_with_a_password_at_most(amr: list[str], outcome: type) -> None:
    """Even where a strength lists it beside an unexplained first factor."""
    listed = frozenset({frozenset({"password", "email"}), frozenset({"federatedSingleFactor", "email"})})
    decision = decide(
        Requirement(strengths=(Strength("custom", "Mailed code", listed),)),
        Evidence((statement({"home_amr": amr}),), (LocalFactor(LocalMethod.EMAIL, AT),)),
        Trust(),
        compile_vocabulary("rfc8176", {}, {}, None, "used"),
        History(local_methods=frozenset({LocalMethod.EMAIL})),
        AT,
    )
    assert isinstance(decision, outcome)
