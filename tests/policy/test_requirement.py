"""Which conditional access policies apply, and what they want together."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from b2b_idp.model.access import (
    AccessPolicy,
    Because,
    GuestKinds,
    NamedLocation,
    Reason,
    Requirement,
    locations_of,
)
from b2b_idp.model.evidence import Evidence, HomeStatement
from b2b_idp.model.home import Trust
from b2b_idp.policy.decide import ACR_VALUES, History, acr_satisfies
from b2b_idp.policy.evaluate import PolicyView, evaluate
from b2b_idp.policy.reasons import sentence
from b2b_idp.policy.requirement import AccessRequest, Policies, requirement
from b2b_idp.policy.strengths import MULTIFACTOR, PHISHING_RESISTANT
from b2b_idp.policy.vocabulary import PROFILES

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
GUEST = AccessRequest(
    user_id="maria",
    app_id="crm",
    home_tenant_id="fabrikam",
    group_ids=frozenset({"sales"}),
    role_ids=frozenset({"reader"}),
    at=AT,
)
MEMBER_OF_OURS = replace(GUEST, user_type="Member", external=False, home_tenant_id=None)
ALL: dict[str, Any] = {"include_users": frozenset({"All"}), "include_apps": frozenset({"All"})}


def policy(id: str = "p", **properties: Any) -> AccessPolicy:
    return AccessPolicy(id=id, display_name=id, **{"state": "enabled", "mfa": True, **ALL, **properties})


def applies(ask: AccessRequest, **properties: Any) -> bool:
    return requirement(ask, Policies([policy(**properties)])).requirement.mfa


@pytest.mark.parametrize(
    ("included", "who"),
    [
        ({"include_users": {"All"}}, True),
        ({"include_users": {"None"}}, False),
        ({"include_users": {"maria"}}, True),
        ({"include_users": {"GuestsOrExternalUsers"}}, True),
        ({"include_users": set(), "include_groups": {"sales"}}, True),
        ({"include_users": set(), "include_groups": {"finance"}}, False),
        ({"include_users": set(), "include_roles": {"reader"}}, True),
        ({"include_users": set()}, False),
        ({"include_apps": {"crm"}}, True),
        ({"include_apps": {"None"}}, False),
        ({"include_apps": {"wiki"}}, False),
        ({"client_types": {"mobileAppsAndDesktopClients"}}, False),
        ({"client_types": {"browser"}}, True),
    ],
)
def test_inclusion(included: dict[str, set[str]], who: bool) -> None:
    assert applies(GUEST, **{name: frozenset(targets) for name, targets in included.items()}) is who


@pytest.mark.parametrize(
    "excluded",
    [
        {"exclude_users": frozenset({"maria"})},
        {"exclude_users": frozenset({"GuestsOrExternalUsers"})},
        {"exclude_groups": frozenset({"sales"})},
        {"exclude_roles": frozenset({"reader"})},
        {"exclude_guests": GuestKinds(frozenset({"b2bCollaborationGuest"}))},
        {"exclude_apps": frozenset({"crm"})},
    ],
)
def test_exclusion_beats_inclusion(excluded: dict[str, Any]) -> None:
    assert not applies(GUEST, **excluded)


@pytest.mark.parametrize(
    ("user_type", "external", "kind"),
    [
        ("Guest", True, "b2bCollaborationGuest"),
        ("Member", True, "b2bCollaborationMember"),
        ("Guest", False, "internalGuest"),
    ],
)
def test_kinds_of_guest(user_type: Any, external: bool, kind: str) -> None:
    ask = replace(GUEST, user_type=user_type, external=external)
    kinds = ("b2bCollaborationGuest", "b2bCollaborationMember", "internalGuest")
    matching = [k for k in kinds if applies(ask, include_users=frozenset(), include_guests=GuestKinds(frozenset({k})))]
    assert matching == [kind]


def test_a_member_of_our_own_is_no_guest_of_any_kind() -> None:
    assert not applies(MEMBER_OF_OURS, include_users=frozenset({"GuestsOrExternalUsers"}))


@pytest.mark.parametrize(("tenants", "who"), [(None, True), ({"fabrikam"}, True), ({"litware"}, False)])
def test_kinds_of_guest_may_be_limited_to_home_tenants(tenants: set[str] | None, who: bool) -> None:
    kinds = GuestKinds(frozenset({"b2bCollaborationGuest"}), None if tenants is None else frozenset(tenants))
    assert applies(GUEST, include_users=frozenset(), include_guests=kinds) is who


def test_disabled_policies_never_count() -> None:
    assert requirement(GUEST, Policies([policy(state="disabled", block=True)])) == requirement(GUEST, Policies())


def test_report_only_policies_are_told_apart() -> None:
    """N-099"""
    required = requirement(GUEST, Policies([policy(state="enabledForReportingButNotEnforced", block=True)]))
    assert (required.requirement, required.blocks) == (Requirement(), ())
    assert [(w.policy_id, w.block, w.requirement.mfa) for w in required.report_only] == [("p", True, True)]


def test_policies_combine_as_all_must_hold() -> None:
    required = requirement(
        GUEST,
        Policies(
            [
                policy("c", mfa=False, strength=PHISHING_RESISTANT, sign_in_frequency=timedelta(hours=4)),
                policy("b", mfa=False, strength=MULTIFACTOR, sign_in_frequency=timedelta(hours=1)),
                policy("a"),
                policy("d", mfa=False, block=True),
            ]
        ),
    )
    assert required.blocks == ("d",)
    assert required.requirement == Requirement(
        mfa=True,
        strengths=(MULTIFACTOR, PHISHING_RESISTANT),
        not_before=AT - timedelta(hours=1),
        policy_ids=("a", "b", "c"),
    )


def test_a_frequency_may_concern_the_second_factor_only() -> None:
    wanted = requirement(
        GUEST, Policies([policy(sign_in_frequency=timedelta(hours=1), frequency_covers_first_factor=False)])
    ).requirement
    assert (wanted.not_before, wanted.second_not_before) == (None, AT - timedelta(hours=1))


def test_every_time_means_since_this_sign_in_began() -> None:
    began = AT - timedelta(minutes=2)
    wanted = requirement(replace(GUEST, began=began), Policies([policy(sign_in_frequency=timedelta(0))])).requirement
    assert wanted.not_before == began


def test_max_age_counts_back_from_when_the_sign_in_began() -> None:
    ask = replace(GUEST, max_age=300, began=AT - timedelta(minutes=2))
    assert requirement(ask, Policies()).requirement.not_before == AT - timedelta(minutes=7)


def test_the_largest_max_age_stays_within_the_calendar() -> None:
    assert requirement(replace(GUEST, max_age=10**30), Policies()).requirement.not_before is not None


def test_prompt_login_lets_no_earlier_factor_count() -> None:
    ask = replace(GUEST, reauthenticate_after=AT, max_age=3600)
    assert requirement(ask, Policies()).requirement.not_before == AT


def test_an_app_may_ask_for_mfa_itself() -> None:
    wanted = requirement(replace(GUEST, app_wants_mfa=True), Policies()).requirement
    assert (wanted.mfa, wanted.asked_by_app, wanted.policy_ids) == (True, True, ())


def test_each_policy_has_its_own_result_in_the_log() -> None:
    statement = HomeStatement("fabrikam", "https://login.fabrikam.example", "maria", ("pwd",), None, None, AT)
    evaluation = evaluate(
        GUEST,
        PolicyView(
            policies=Policies(
                (
                    policy("a", mfa=False, sign_in_frequency=None),
                    policy("b"),
                    policy("c", include_apps=frozenset({"wiki"})),
                    policy("d", state="disabled"),
                    policy("e", state="enabledForReportingButNotEnforced"),
                    policy("f", state="enabledForReportingButNotEnforced", include_apps=frozenset({"wiki"})),
                )
            ),
            trust=Trust(),
            vocabulary=PROFILES["rfc8176"],
        ),
        Evidence((statement,)),
        History(),
    )
    assert tuple((p.id, result) for p, result in evaluation.applied()) == (
        ("a", "success"),
        ("b", "failure"),
        ("c", "notApplied"),
        ("d", "notEnabled"),
        ("e", "reportOnlyInterrupted"),
        ("f", "reportOnlyNotApplied"),
    )


@pytest.mark.parametrize(
    ("conditions", "who"),
    [
        ({"include_locations": {"office"}}, True),
        ({"include_locations": {"elsewhere"}}, False),
        ({"include_locations": {"AllTrusted"}}, True),
        ({"exclude_locations": {"AllTrusted"}}, False),
        ({"exclude_locations": {"elsewhere"}}, True),
        ({"exclude_locations": {"All"}}, False),
    ],
)
def test_locations(conditions: dict[str, set[str]], who: bool) -> None:
    at_the_office = replace(GUEST, location_ids=frozenset({"office", "AllTrusted"}))
    assert applies(at_the_office, **{k: frozenset(v) for k, v in conditions.items()}) is who


@pytest.mark.parametrize(
    ("address", "where"),
    [
        ("203.0.113.9", {"office", "AllTrusted"}),
        ("::ffff:203.0.113.9", {"office", "AllTrusted"}),
        ("198.51.100.1", {"cafe"}),
        ("2001:db8::1", {"cafe"}),
        ("192.0.2.1", set()),
        ("", set()),
        ("203.0.113.9, 10.0.0.1", set()),
        ("unix:", set()),
    ],
)
def test_where_an_address_is(address: str, where: set[str]) -> None:
    places = {
        "office": NamedLocation("office", "Office", True, (ip_network("203.0.113.0/24"),)),
        "cafe": NamedLocation("cafe", "Cafe", False, (ip_network("198.51.100.0/24"), ip_network("2001:db8::/32"))),
    }
    assert locations_of(address, places) == where


def test_an_address_that_is_not_known_is_in_no_location() -> None:
    assert not applies(GUEST, include_locations=frozenset({"AllTrusted"}))
    assert applies(GUEST, exclude_locations=frozenset({"AllTrusted"}))


def test_a_policy_of_a_context_applies_where_it_is_asked_for_whatever_the_app() -> None:
    of_context: dict[str, Any] = {"include_apps": frozenset(), "include_contexts": frozenset({"c1"})}
    assert not applies(GUEST, **of_context)
    assert applies(replace(GUEST, contexts=frozenset({"c1", "c2"})), **of_context)
    assert not applies(replace(GUEST, contexts=frozenset({"c2"})), **of_context)


def test_terms_are_required_until_they_are_accepted() -> None:
    policies = Policies([policy(mfa=False, terms=("nda", "rules"))])
    assert requirement(GUEST, policies).requirement.terms == ("nda", "rules")
    accepted = replace(GUEST, accepted_terms=frozenset({"nda"}))
    assert requirement(accepted, policies).requirement.terms == ("rules",)


def test_of_a_choice_the_factor_is_asked_for_and_accepted_terms_stand_for_it() -> None:
    policies = Policies([policy(terms=("nda",), any_control=True)])
    wanted = requirement(GUEST, policies)
    assert (wanted.requirement.mfa, wanted.requirement.terms) == (True, ())
    assert wanted.instead is not None and (wanted.instead.mfa, wanted.instead.terms) == (False, ("nda",))
    accepted = replace(GUEST, accepted_terms=frozenset({"nda"}))
    assert not requirement(accepted, policies).requirement.mfa


def test_of_several_terms_to_choose_from_one_is_enough() -> None:
    policies = Policies([policy(mfa=False, terms=("nda", "rules"), any_control=True)])
    assert requirement(GUEST, policies).requirement.terms == ("nda",)
    accepted = replace(GUEST, accepted_terms=frozenset({"rules"}))
    assert requirement(accepted, policies).requirement.terms == ()


@pytest.mark.parametrize(
    ("said", "persistent"), [((), None), ((True,), True), ((False,), False), ((True, False), False), ((None,), None)]
)
def test_a_session_outlives_the_window_only_if_no_policy_says_never(said: tuple[Any, ...], persistent: Any) -> None:
    policies = Policies(policy(str(i), persistent_browser=p) for i, p in enumerate(said))
    assert requirement(GUEST, policies).persistent_browser is persistent


@pytest.mark.parametrize("code", Reason)
def test_every_reason_has_its_sentence(code: Reason) -> None:
    assert sentence(Because(code)).endswith(".")


def test_no_two_reasons_say_the_same() -> None:
    assert len({sentence(Because(code)) for code in Reason}) == len(Reason)


def test_a_sentence_names_its_parameters() -> None:
    because = Because(Reason.HOME_STRENGTH_ACCEPTED, None, {"strength": "Passwordless MFA"})
    assert sentence(because).endswith(" (strength: Passwordless MFA).")


@pytest.mark.parametrize("wanted", range(len(ACR_VALUES)))
@pytest.mark.parametrize("got", range(len(ACR_VALUES)))
def test_a_stronger_acr_satisfies_a_weaker_one(wanted: int, got: int) -> None:
    assert acr_satisfies(ACR_VALUES[wanted], ACR_VALUES[got]) is (got >= wanted)


@pytest.mark.parametrize("wanted", ["", "mfa", "phrh", "urn:x"])
def test_an_acr_that_is_not_ours_is_never_satisfied(wanted: str) -> None:
    assert not any(acr_satisfies(wanted, got) for got in (*ACR_VALUES, None, wanted))
