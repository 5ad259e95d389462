"""Recorded sign-ins decided again: by the same policies they go as they went, by others as those would have it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2b_idp.model.access import AccessPolicy, Allow, AskHere, AskHome, Reason, Refuse
from b2b_idp.model.evidence import Evidence, HomeStatement, LocalFactor, LocalMethod
from b2b_idp.model.home import Collaboration, Targets, Trust
from b2b_idp.policy.decide import History
from b2b_idp.policy.evaluate import PolicyView, evaluate
from b2b_idp.policy.recorded import Recorded, from_document, to_text
from b2b_idp.policy.replay import Both, Course, Replay, World, course
from b2b_idp.policy.requirement import AccessRequest, Policies
from b2b_idp.policy.strengths import BUILT_IN
from b2b_idp.policy.vocabulary import PROFILES

BEGAN = datetime(2026, 3, 2, 9, 0, 0, 250_000, tzinfo=UTC)
HOME = "fabrikam"
OFFERED = frozenset({LocalMethod.PASSKEY, LocalMethod.TOTP, LocalMethod.RECOVERY_CODE})

ids = st.sampled_from(["u1", "u2"])
groups = st.frozensets(st.sampled_from(["g1", "g2", "g3"]), max_size=2)
hours = st.sampled_from([None, timedelta(0), timedelta(minutes=2), timedelta(hours=1), timedelta(hours=12)])
policies = st.builds(
    AccessPolicy,
    id=st.uuids().map(str),
    display_name=st.just("P"),
    state=st.sampled_from(["enabled", "enabled", "disabled", "enabledForReportingButNotEnforced"]),
    include_users=st.sampled_from([frozenset({"All"}), frozenset({"u1"}), frozenset({"GuestsOrExternalUsers"})]),
    exclude_users=st.sampled_from([frozenset(), frozenset({"u2"})]),
    include_groups=groups,
    exclude_groups=groups,
    include_apps=st.sampled_from([frozenset({"All"}), frozenset({"crm"})]),
    include_locations=st.sampled_from([frozenset({"All"}), frozenset({"office"})]),
    block=st.sampled_from([False, False, False, True]),
    mfa=st.booleans(),
    strength=st.none() | st.sampled_from(list(BUILT_IN.values())),
    terms=st.sampled_from([(), ("terms",)]),
    any_control=st.booleans(),
    sign_in_frequency=hours,
    frequency_covers_first_factor=st.booleans(),
)
trusts = st.builds(
    Trust,
    mfa_accepted=st.booleans(),
    when_home_cannot=st.sampled_from(["challengeHere", "block"]),
    mfa_max_age=st.sampled_from([None, timedelta(minutes=1), timedelta(hours=12)]),
    inbound=st.builds(
        Collaboration,
        users=st.sampled_from([Targets(), Targets("blocked", frozenset({"maria"}))]),
        applications=st.sampled_from([Targets(), Targets("allowed", frozenset({"crm"}))]),
    ),
)
views = st.builds(
    PolicyView,
    policies=st.lists(policies, max_size=3).map(Policies),
    trust=trusts,
    vocabulary=st.sampled_from(list(PROFILES.values())),
    home_enabled=st.sampled_from([True, True, True, False]),
)
asks = st.builds(
    AccessRequest,
    user_id=ids,
    group_ids=groups,
    home_tenant_id=st.just(HOME),
    home_subject=st.sampled_from(["maria", "joao"]),
    user_enabled=st.sampled_from([True, True, False]),
    app_id=st.sampled_from(["crm", "erp"]),
    assignment_required=st.booleans(),
    assigned=st.booleans(),
    location_ids=st.sampled_from([frozenset(), frozenset({"office"})]),
    accepted_terms=st.sampled_from([frozenset(), frozenset({"terms"})]),
    max_age=st.sampled_from([None, None, 0, 3600]),
    reauthenticate_after=st.sampled_from([None, None, BEGAN]),
    second_max_age=st.sampled_from([None, None, timedelta(minutes=10)]),
    app_wants_mfa=st.booleans(),
    at=st.just(BEGAN),
    began=st.just(BEGAN),
)
answers = st.sampled_from([None, (), ("pwd",), ("pwd", "otp"), ("pwd", "mfa"), ("hwk",), ("x",)])
ages = st.sampled_from([None, 0, 60, 61, 119, 3600, 3601, 40_000, 50_000, -20])


def said(ask: AccessRequest, amr: tuple[str, ...] | None, age: int | None, at: datetime, asked: bool) -> HomeStatement:
    time = None if age is None else int(at.timestamp()) - age
    return HomeStatement(HOME, "", ask.home_subject or "", amr, None, time, at, asked)


@st.composite
def sign_ins(draw: st.DrawFn, view: PolicyView) -> Recorded:
    """A sign-in as the server takes it: asked and answered until it is allowed, refused, or the guest goes away."""
    ask: AccessRequest = draw(asks)
    known = Evidence()
    if draw(st.booleans()):  # a session from before
        earlier = BEGAN - timedelta(seconds=draw(st.sampled_from([1, 90, 7200])))
        known = Evidence((said(ask, draw(answers), draw(ages), earlier, draw(st.booleans())),))
        if draw(st.booleans()):
            known = replace(known, local=(LocalFactor(draw(st.sampled_from(list(OFFERED))), earlier),))
    at, asked_home, decision = BEGAN, False, None
    for _ in range(6):
        at += timedelta(seconds=7)
        now = replace(ask, at=at)
        if not known.statements:
            stranger = replace(now, user_id="", group_ids=frozenset(), home_subject=None, user_enabled=True)
            now = replace(stranger, assigned=False, accepted_terms=frozenset())
        history = History(asked_home=asked_home, local_methods=OFFERED)
        decision = evaluate(now, view, known, history).decision
        if isinstance(decision, AskHome):
            more = decision.step_up or decision.max_age is not None
            asked_home |= more
            known = replace(known, statements=(*known.statements, said(ask, draw(answers), draw(ages), at, more)))
        elif isinstance(decision, AskHere) and decision.methods and draw(st.booleans()):
            passed = LocalFactor(draw(st.sampled_from(decision.methods)), at)
            known = replace(known, local=(*known.local, passed))
        else:
            break
    assert decision is not None
    last = decision.reasons[-1].code.value if decision.reasons else None
    return Recorded(
        ask=replace(ask, at=at),
        evidence=known,
        history=History(asked_home=asked_home, local_methods=OFFERED),
        local_only=False,
        outcome="allowed" if isinstance(decision, Allow) else "refused",
        reason=last,
    )


def world(view: PolicyView) -> World:
    return World.of({HOME: view}, replace(view, home_enabled=False))


def document(recorded: Recorded) -> Mapping[str, Any]:
    parsed: Mapping[str, Any] = json.loads(to_text(recorded))
    return parsed


@given(views.flatmap(sign_ins))
def test_what_is_written_reads_as_it_was(recorded: Recorded) -> None:
    assert from_document(document(recorded)) == recorded


@given(st.data(), views)
def test_by_the_policies_of_then_a_sign_in_goes_as_it_went(data: st.DataObject, view: PolicyView) -> None:
    recorded = data.draw(sign_ins(view))
    went = course(recorded, view)
    last = evaluate(recorded.ask, view, recorded.evidence, recorded.history).decision
    if recorded.evidence.statements:
        outcomes = {Allow: "allowed", Refuse: "refused", AskHere: "askHere", AskHome: "askHome"}
        assert went.outcome == outcomes[type(last)]
    assert (went.outcome == "allowed") == (recorded.outcome == "allowed")


@given(st.data(), views)
def test_unchanged_policies_change_nothing(data: st.DataObject, view: PolicyView) -> None:
    assert Replay(world(view), world(view)).both(document(data.draw(sign_ins(view)))).effect == "same"


@given(st.data(), views, views)
def test_what_is_decided_once_for_many_is_what_each_would_get(
    data: st.DataObject, view: PolicyView, other: PolicyView
) -> None:
    """The memory of equal sign-ins is exact: it confuses no two that any policy tells apart."""
    replay = Replay(world(view), world(other))
    for recorded in data.draw(st.lists(sign_ins(view), min_size=2, max_size=6)):
        before, after = (course(recorded, w.view(HOME, local_only=False)) for w in (world(view), world(other)))
        assert replay.both(document(recorded)) == Both.of(before, after)


# --- what a change means ---

PASSWORD, MFA_AT_HOME = ("pwd",), ("pwd", "mfa")
EVERYWHERE = {"include_users": frozenset({"All"}), "include_apps": frozenset({"All"})}
REQUIRE_MFA = AccessPolicy(id="p", display_name="MFA", state="enabled", mfa=True, **EVERYWHERE)  # type: ignore[arg-type]
BLOCK = AccessPolicy(id="b", display_name="Closed", state="enabled", block=True, **EVERYWHERE)  # type: ignore[arg-type]


def view(*enforced: AccessPolicy, trusted: bool = True) -> PolicyView:
    return PolicyView(policies=Policies(enforced), trust=Trust(mfa_accepted=trusted), vocabulary=PROFILES["rfc8176"])


def signed_in(
    amr: tuple[str, ...], *local: LocalMethod, asked: bool = False, earlier: bool = False, outcome: str = "allowed"
) -> Recorded:
    at = BEGAN - timedelta(minutes=5) if earlier else BEGAN + timedelta(seconds=5)
    ask = AccessRequest(
        user_id="u1",
        home_tenant_id=HOME,
        home_subject="maria",
        app_id="crm",
        at=BEGAN + timedelta(minutes=1),
        began=BEGAN,
    )
    evidence = Evidence((said(ask, amr, 0, at, asked),), tuple(LocalFactor(m, at) for m in local))
    history = History(asked_home=asked, local_methods=OFFERED)
    return Recorded(ask=ask, evidence=evidence, history=history, local_only=False, outcome=outcome)


TOTP = LocalMethod.TOTP


@pytest.mark.parametrize(
    ("sign_in", "before", "after", "expected"),
    [
        (signed_in(PASSWORD), view(), view(REQUIRE_MFA), "askedMore"),
        (signed_in(MFA_AT_HOME), view(), view(REQUIRE_MFA), "same"),
        (signed_in(MFA_AT_HOME), view(), view(REQUIRE_MFA, trusted=False), "askedMore"),
        (signed_in(PASSWORD), view(), view(BLOCK), "refused"),
        (signed_in(PASSWORD, outcome="blocked_by_policy"), view(BLOCK), view(), "noMoreRefused"),
        (signed_in(MFA_AT_HOME, TOTP), view(REQUIRE_MFA, trusted=False), view(REQUIRE_MFA), "askedLess"),
        (signed_in(PASSWORD, TOTP), view(REQUIRE_MFA, trusted=False), view(REQUIRE_MFA), "askedElsewhere"),
        (signed_in(MFA_AT_HOME, asked=True), view(REQUIRE_MFA), view(), "askedLess"),
        (signed_in(PASSWORD, TOTP, earlier=True), view(REQUIRE_MFA, trusted=False), view(), "same"),
        (signed_in(PASSWORD), view(), view(replace(REQUIRE_MFA, state="disabled")), "same"),
        (signed_in(PASSWORD), view(), view(replace(BLOCK, state="enabledForReportingButNotEnforced")), "same"),
    ],
    ids=[
        "more is asked where home said less",
        "home says it unasked",
        "the home's word does not count",
        "blocked",
        "no more blocked",
        "a trusted home spares the challenge here",
        "the home is asked instead",
        "the home is not asked any more",
        "a remembered challenge was none in this sign-in",
        "a disabled policy",
        "a policy that only reports",
    ],
)
def test_what_a_change_means_for_the_guest(
    sign_in: Recorded, before: PolicyView, after: PolicyView, expected: str
) -> None:
    assert Replay(world(before), world(after)).both(document(sign_in)).effect == expected


def test_who_could_register_nothing_is_let_in_once_nothing_is_asked() -> None:
    stuck = signed_in(PASSWORD, outcome="registration_needs_proof")
    both = Replay(world(view(REQUIRE_MFA, trusted=False)), world(view())).both(document(stuck))
    assert both.before.reasons[-1].code is Reason.REGISTRATION_NEEDS_PROOF
    assert (both.effect, both.policy_id) == ("noMoreRefused", "p")


def test_a_home_that_answered_the_step_up_with_an_error_was_asked() -> None:
    sign_in = replace(signed_in(PASSWORD, TOTP), history=History(asked_home=True, local_methods=OFFERED))
    assert course(sign_in, view(REQUIRE_MFA)) == Course("allowed", True, 1, course(sign_in, view(REQUIRE_MFA)).reasons)


def test_the_sign_in_of_a_home_that_was_deleted_is_refused() -> None:
    gone = replace(view(), home_enabled=False)
    both = Replay(world(view()), World.of({}, gone)).both(document(signed_in(PASSWORD)))
    assert both.after.outcome == "refused"


def test_whoever_holds_power_needs_a_factor_registered_here_in_a_replay_too() -> None:
    ask = replace(signed_in(MFA_AT_HOME).ask, app_wants_mfa=True)
    powerful = replace(signed_in(MFA_AT_HOME), ask=ask, local_only=True)
    before = Replay(world(view()), world(view())).both(document(powerful)).before
    assert before.outcome == "askHere"
    assert before.reasons[0].code is Reason.LOCAL_FACTOR_REQUIRED
