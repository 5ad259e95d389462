"""A stored policy that became bad closes what it names, reaches at least as far as it was meant to, never raises."""

from __future__ import annotations

from typing import Any

import pytest

from b2b_idp.model.access import Strength
from b2b_idp.policy.named_documents import Named, strength_of
from b2b_idp.policy.stored import readable, stored_policy_of

GONE = "6b2f0c1e-0000-4000-8000-000000000001"
CRM = "6b2f0c1e-0000-4000-8000-000000000002"
STRENGTH = {"operator": "OR", "authenticationStrength": {"id": GONE}}


def document(**changes: Any) -> dict[str, Any]:
    conditions = {"users": {"includeUsers": ["GuestsOrExternalUsers"], "excludeUsers": [GONE]}}
    conditions |= {"applications": {"includeApplications": [CRM]}} | changes.pop("conditions", {})
    mfa = {"operator": "OR", "builtInControls": ["mfa"]}
    return {"displayName": "P", "state": "enabled", "conditions": conditions, "grantControls": mfa} | changes


def test_one_that_is_well_stays_as_it_is() -> None:
    policy = stored_policy_of("p", document(), Named())
    assert (policy.block, policy.mfa, policy.problem) == (False, True, None)


@pytest.mark.parametrize(
    "bad",
    [
        {"grantControls": STRENGTH},
        {"grantControls": {"operator": "OR", "builtInControls": ["mfa"], "termsOfUse": [GONE]}},
        {"grantControls": {"operator": "OR", "builtInControls": ["unheard of"]}},
        {"conditions": {"locations": {"includeLocations": [GONE], "excludeLocations": []}}},
        {"grantControls": None},
        {"sessionControls": 7},
    ],
    ids=["strength", "terms", "control", "location", "no control", "nonsense"],
)
def test_it_blocks_whom_and_what_it_names_and_says_why(bad: dict[str, Any]) -> None:
    policy = stored_policy_of("p", document(**bad), Named())
    assert policy.block
    assert policy.problem
    assert (policy.include_users, policy.exclude_users) == ({"GuestsOrExternalUsers"}, {GONE})
    assert (policy.include_apps, policy.include_locations) == ({CRM}, {"All"})


@pytest.mark.parametrize("state", ["disabled", "enabledForReportingButNotEnforced"])
def test_one_that_is_not_enforced_is_not_enforced_either_when_it_is_bad(state: str) -> None:
    assert stored_policy_of("p", document(state=state, grantControls=STRENGTH), Named()).state == state


@pytest.mark.parametrize(
    ("conditions", "reaches"),
    [
        ({"users": None}, ({"All"}, {CRM}, {"All"})),
        ({"users": {"includeUsers": 7}}, ({"All"}, {CRM}, {"All"})),
        ({"applications": {"includeApplications": "x"}}, ({"GuestsOrExternalUsers"}, {"All"}, {"All"})),
        (
            {"locations": {"includeLocations": ["All"], "excludeLocations": [GONE]}},
            ({"GuestsOrExternalUsers"}, {CRM}, {"All"}),
        ),
    ],
)
def test_a_condition_that_cannot_be_read_holds_for_all(conditions: dict[str, Any], reaches: object) -> None:
    policy = stored_policy_of("p", document(conditions=conditions), Named())
    assert policy.block
    assert (policy.include_users, policy.include_apps, policy.include_locations) == reaches
    assert policy.exclude_locations == frozenset()


@pytest.mark.parametrize("nonsense", [{}, {"conditions": []}, {"conditions": {"users": {"includeUsers": [[]]}}}])
def test_nonsense_closes_all(nonsense: dict[str, Any]) -> None:
    policy = stored_policy_of("p", nonsense, Named())
    assert (policy.block, policy.state, policy.include_users, policy.include_apps) == (
        True,
        "enabled",
        {"All"},
        {"All"},
    )


def test_of_what_policies_name_the_readable_is_kept_and_the_rest_told() -> None:
    problems: dict[str, str] = {}
    good = {"displayName": "Keys", "allowedCombinations": ["fido2"]}
    found = readable({"good": good, "bad": {"displayName": "x"}}, strength_of, problems)
    assert [(id, type(value)) for id, value in found.items()] == [("good", Strength)]
    assert "allowedCombinations" in problems["bad"]
