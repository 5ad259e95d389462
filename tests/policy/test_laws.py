"""The laws of the decision, for whatever evidence, trust and requirement there is."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import naive

from b2b_idp.model.access import AccessPolicy, Allow, AskHere, AskHome, GuestKinds, Refuse, Requirement, Strength
from b2b_idp.model.evidence import Evidence, HomeStatement, LocalFactor, LocalMethod, Vocabulary
from b2b_idp.model.home import Trust
from b2b_idp.policy.decide import History, decide
from b2b_idp.policy.evaluate import PolicyView, evaluate
from b2b_idp.policy.requirement import AccessRequest, Policies, applies, requirement
from b2b_idp.policy.strengths import BUILT_IN, MULTIFACTOR
from b2b_idp.policy.vocabulary import PROFILES, compile_vocabulary

CASES = 2000 if os.environ.get("CI") else 200


def law(*strategies: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A property test, of thousands of cases where nobody waits for it."""
    return lambda test: settings(max_examples=CASES, deadline=None)(given(*strategies)(test))


AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NOW = int(AT.timestamp())
AGES = (0, 5, 60, 300, 900, 3600, 50_000)
WITH_EMAIL = Strength(
    "custom",
    "First factor and mailed code",
    frozenset({frozenset({"password", "email"}), frozenset({"federatedSingleFactor", "email"})}),
)

ONE_FACTOR = Strength("one", "A password is enough", frozenset({frozenset({"password"})}))
WITH_CODE = Strength("code", "Password and code", frozenset({frozenset({"password", "softwareOath"})}))
OUR_KEYS = Strength(
    "keys", "Our keys", frozenset({frozenset({"fido2"})}), {frozenset({"fido2"}): frozenset({"ours", "also-ours"})}
)

STRENGTHS = [*BUILT_IN.values(), WITH_EMAIL, ONE_FACTOR, WITH_CODE, OUR_KEYS]

ages = st.sampled_from(AGES)
moments = st.none() | ages.map(lambda age: AT - timedelta(seconds=age))
values = st.sampled_from(["pwd", "pin", "otp", "sms", "tel", "hwk", "fpt", "user", "kba", "mca", "mfa", "MFA", "x"])
statements = st.builds(
    HomeStatement,
    tenant_id=st.just("fabrikam"),
    issuer=st.just("https://login.fabrikam.example"),
    subject=st.just("maria"),
    amr=st.none() | st.lists(values, max_size=4).map(tuple),
    acr=st.none() | st.sampled_from(["1", "mfa", "https://refeds.org/profile/mfa"]),
    auth_time=st.none() | st.sampled_from([0, -1, NOW + 20, NOW + 86_400]) | ages.map(lambda age: NOW - age),
    at=st.just(AT),
)
local_factors = st.builds(
    LocalFactor,
    st.sampled_from(list(LocalMethod)),
    ages.map(lambda age: AT - timedelta(seconds=age)),
    st.sampled_from([None, "ours", "theirs"]),
)
evidences = st.builds(
    Evidence,
    st.lists(statements, max_size=3).map(tuple),
    st.lists(local_factors, max_size=3).map(tuple),
)
trusts = st.builds(
    Trust,
    mfa_accepted=st.booleans(),
    when_home_cannot=st.sampled_from(["challengeHere", "block"]),
    mfa_max_age=st.none() | st.sampled_from([timedelta(minutes=10), timedelta(hours=12)]),
)
requirements = st.builds(
    Requirement,
    mfa=st.booleans(),
    strengths=st.lists(st.sampled_from(STRENGTHS), max_size=2, unique=True).map(tuple),
    not_before=moments,
    second_not_before=moments,
)
vocabularies = st.sampled_from(["used", "required", "ignored"]).map(
    lambda use: compile_vocabulary("rfc8176", {}, {}, None, use)
)
any_vocabulary = st.sampled_from(list(PROFILES.values()))
histories = st.builds(
    History, asked_home=st.booleans(), local_methods=st.frozensets(st.sampled_from(list(LocalMethod)))
)


@law(requirements, evidences, trusts, vocabularies, histories)
def test_decide_agrees_with_a_naive_second_one(
    q: Requirement, e: Evidence, t: Trust, v: Vocabulary, h: History
) -> None:
    decision = decide(q, e, t, v, h, AT)
    methods = sorted(decision.methods) if isinstance(decision, AskHere) else []
    outcome, expected = naive(q, e, t, v, h, AT)
    assert type(decision).__name__ == outcome
    assert len(methods) == 1 if expected == ["one of several"] else methods == expected


@law(requirements, evidences, trusts, any_vocabulary, histories)
def test_without_trust_nothing_from_home_counts_beyond_one_factor(
    q: Requirement, e: Evidence, t: Trust, v: Vocabulary, h: History
) -> None:
    """What an untrusted home says beyond its password may as well not have been said."""
    t = replace(t, mfa_accepted=False)
    bare = tuple(replace(s, acr=None, amr=("pwd",) if "pwd" in (s.amr or ()) else ()) for s in e.statements)
    assert decide(q, e, t, v, h, AT) == decide(q, replace(e, statements=bare), t, v, h, AT)


@law(requirements, evidences, evidences, trusts, any_vocabulary, histories)
def test_more_evidence_never_turns_allowed_into_anything_else(
    q: Requirement, e: Evidence, more: Evidence, t: Trust, v: Vocabulary, h: History
) -> None:
    both = Evidence(e.statements + more.statements, e.local + more.local)
    if isinstance(decide(q, e, t, v, h, AT), Allow):
        assert isinstance(decide(q, both, t, v, h, AT), Allow)


@law(requirements, evidences, trusts, any_vocabulary, histories, st.data())
def test_whoever_passes_what_is_offered_is_allowed_and_never_asked_for_the_same_twice(
    q: Requirement, e: Evidence, t: Trust, v: Vocabulary, h: History, data: st.DataObject
) -> None:
    decision = decide(q, e, t, v, h, AT)
    asked: list[LocalMethod] = []
    while isinstance(decision, AskHere):
        method = data.draw(st.sampled_from(decision.methods))
        assert method not in asked
        asked.append(method)
        make = data.draw(st.sampled_from(sorted(decision.aaguids or {"any make"})))
        e = replace(e, local=(*e.local, LocalFactor(method, AT, make)))
        decision = decide(q, e, t, v, h, AT)
    assert not asked or isinstance(decision, Allow)


@law(requirements, evidences, trusts, any_vocabulary, histories)
def test_nobody_is_asked_for_a_factor_that_valid_evidence_holds(
    q: Requirement, e: Evidence, t: Trust, v: Vocabulary, h: History
) -> None:
    decision = decide(q, e, t, v, h, AT)
    if isinstance(decision, AskHere):
        floors = [m for m in (q.not_before, q.second_not_before) if m is not None]
        makes = decision.aaguids
        held = {
            f.method
            for f in e.local
            if all(f.at >= floor for floor in floors)
            and (f.method is not LocalMethod.PASSKEY or makes is None or f.aaguid in makes)
        }
        assert held.isdisjoint(decision.methods)


@law(requirements, evidences, trusts, any_vocabulary, histories)
def test_home_is_asked_for_more_at_most_once(q: Requirement, e: Evidence, t: Trust, v: Vocabulary, h: History) -> None:
    decision = decide(q, e, t, v, replace(h, asked_home=True), AT)
    assert not (isinstance(decision, AskHome) and (decision.step_up or e.statements))


@law(requirements, evidences, trusts, any_vocabulary, histories)
def test_the_token_says_mfa_only_where_it_was_accepted_or_done(
    q: Requirement, e: Evidence, t: Trust, v: Vocabulary, h: History
) -> None:
    decision = decide(q, e, t, v, h, AT)
    if isinstance(decision, Allow):
        counted = decision.counted
        assert ("mfa" in counted.amr) == counted.mfa
        assert len(set(counted.amr)) == len(counted.amr)
        assert counted.mfa or not q.mfa
        assert not counted.mfa or t.mfa_accepted or e.local


@law(requirements, evidences, trusts, any_vocabulary, histories)
def test_the_token_never_dates_a_factor_younger_than_it_is(
    q: Requirement, e: Evidence, t: Trust, v: Vocabulary, h: History
) -> None:
    decision = decide(q, e, t, v, h, AT)
    if isinstance(decision, Allow) and q.not_before is not None:
        assert decision.counted.auth_time is not None
        assert q.not_before.timestamp() <= decision.counted.auth_time <= NOW


policies = st.builds(
    AccessPolicy,
    id=st.uuids().map(str),
    display_name=st.just("A policy"),
    state=st.sampled_from(["enabled", "disabled", "enabledForReportingButNotEnforced"]),
    include_users=st.just(frozenset({"All"})),
    include_apps=st.sampled_from([frozenset({"All"}), frozenset({"other"})]),
    block=st.booleans(),
    mfa=st.booleans(),
    strength=st.none() | st.just(MULTIFACTOR),
    sign_in_frequency=st.none() | ages.map(lambda age: timedelta(seconds=age)),
    frequency_covers_first_factor=st.booleans(),
)
many_policies = st.lists(policies, max_size=4)
ASK = AccessRequest(user_id="maria-id", app_id="crm", at=AT)


@law(many_policies, evidences, trusts, any_vocabulary, histories)
def test_report_only_policies_never_change_the_outcome(
    ps: list[AccessPolicy], e: Evidence, t: Trust, v: Vocabulary, h: History
) -> None:
    enforced = [p for p in ps if p.state == "enabled"]
    with_them = evaluate(ASK, PolicyView(policies=Policies(ps), trust=t, vocabulary=v), e, h)
    without = evaluate(ASK, PolicyView(policies=Policies(enforced), trust=t, vocabulary=v), e, h)
    assert with_them.decision == without.decision
    assert with_them.requirement == without.requirement


def played_out(
    ps: list[AccessPolicy], e: Evidence, t: Trust, v: Vocabulary, h: History, answer: HomeStatement
) -> tuple[type, list[LocalMethod]]:
    """How a sign-in ends, and what was asked here, where the home always answers the same and the guest passes all."""
    view, asked = PolicyView(policies=Policies(ps), trust=t, vocabulary=v), []
    for _ in range(10):
        decision = evaluate(ASK, view, e, h).decision
        if isinstance(decision, AskHome):
            e = replace(e, statements=(*e.statements, replace(answer, asked=True)))
            h = replace(h, asked_home=h.asked_home or decision.step_up or decision.max_age is not None)
        elif isinstance(decision, AskHere):
            asked.append(decision.methods[0])
            e = replace(e, local=(*e.local, LocalFactor(asked[-1], AT)))
        else:
            return type(decision), asked
    raise AssertionError("the sign-in does not end")


@law(many_policies, evidences, trusts, any_vocabulary, histories, statements)
def test_a_sign_in_always_ends(
    ps: list[AccessPolicy], e: Evidence, t: Trust, v: Vocabulary, h: History, answer: HomeStatement
) -> None:
    end, asked = played_out(ps, e, t, v, h, answer)
    assert end in (Allow, Refuse)
    assert len(set(asked)) == len(asked)


@law(st.lists(policies, min_size=1, max_size=4), evidences, trusts, any_vocabulary, histories, statements, st.data())
def test_removing_a_policy_never_adds_a_challenge(
    ps: list[AccessPolicy],
    e: Evidence,
    t: Trust,
    v: Vocabulary,
    h: History,
    answer: HomeStatement,
    data: st.DataObject,
) -> None:
    left = list(ps)
    left.remove(data.draw(st.sampled_from(ps)))
    end, asked = played_out(ps, e, t, v, h, answer)
    if end is Allow:
        end_without, asked_without = played_out(left, e, t, v, h, answer)
        assert end_without is Allow
        assert len(asked_without) <= len(asked)


aimed = st.builds(
    AccessPolicy,
    id=st.uuids().map(str),
    display_name=st.just("A policy"),
    state=st.sampled_from(["enabled", "disabled", "enabledForReportingButNotEnforced"]),
    include_users=st.sampled_from([frozenset(), frozenset({"All"}), frozenset({"maria-id"})]),
    include_groups=st.sampled_from([frozenset(), frozenset({"sales"})]),
    include_guests=st.none()
    | st.builds(
        GuestKinds,
        st.just(frozenset({"b2bCollaborationGuest"})),
        st.none() | st.frozensets(st.sampled_from(["fabrikam", "litware"]), max_size=2),
    ),
    include_apps=st.frozensets(st.sampled_from(["All", "None", "crm", "wiki"]), max_size=2),
    exclude_apps=st.frozensets(st.sampled_from(["crm", "wiki"]), max_size=1),
    include_contexts=st.frozensets(st.sampled_from(["c1", "c2"]), max_size=1),
    mfa=st.just(True),
)
asks = st.builds(
    AccessRequest,
    user_id=st.sampled_from(["maria-id", "other"]),
    app_id=st.sampled_from(["crm", "wiki", ""]),
    home_tenant_id=st.sampled_from([None, "fabrikam", "litware"]),
    group_ids=st.frozensets(st.sampled_from(["sales"])),
    contexts=st.frozensets(st.sampled_from(["c1", "c2"])),
    at=st.just(AT),
)


@law(asks, st.lists(aimed, max_size=8))
def test_the_index_leaves_out_no_policy_that_applies(ask: AccessRequest, ps: list[AccessPolicy]) -> None:
    candidates = Policies(ps).for_request(ask.app_id, ask.home_tenant_id)
    found = [p.id for p in candidates if applies(p, ask)]
    assert found == sorted(p.id for p in ps if p.state != "disabled" and applies(p, ask))


@law(many_policies, evidences, trusts, any_vocabulary, histories)
def test_all_policies_must_hold_at_once(
    ps: list[AccessPolicy], e: Evidence, t: Trust, v: Vocabulary, h: History
) -> None:
    together = evaluate(ASK, PolicyView(policies=Policies(ps), trust=t, vocabulary=v), e, h).decision
    if isinstance(together, Allow):
        for p in ps:
            alone = evaluate(ASK, PolicyView(policies=Policies([p]), trust=t, vocabulary=v), e, h).decision
            assert isinstance(alone, Allow)


@law(st.permutations(range(4)), many_policies)
def test_the_order_of_policies_says_nothing(order: list[int], ps: list[AccessPolicy]) -> None:
    shuffled = [ps[i] for i in order if i < len(ps)]
    assert requirement(ASK, Policies(shuffled)) == requirement(ASK, Policies(ps))
