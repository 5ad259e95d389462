"""How long one decision takes, as policies and partners grow. Prints microseconds; the growth is what matters.

`python -m benchmarks.decide`. A third of the policies are for everybody everywhere in report-only or disabled state or
for other people, the others name an app, a home tenant, or both, as administrators' policies do.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from b2b_idp.model.access import AccessPolicy, Allow, GuestKinds
from b2b_idp.model.evidence import Evidence, HomeStatement
from b2b_idp.model.home import Partner, Trust, effective_trust
from b2b_idp.policy.decide import History
from b2b_idp.policy.evaluate import PolicyView, evaluate
from b2b_idp.policy.requirement import AccessRequest, Policies
from b2b_idp.policy.strengths import MULTIFACTOR
from b2b_idp.policy.vocabulary import PROFILES

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ROUNDS = 20_000
GUESTS = frozenset({"b2bCollaborationGuest"})


def policy(n: int) -> AccessPolicy:
    """The n-th of a tenant's policies."""
    plain = AccessPolicy(id=f"{n:08d}", display_name=f"Policy {n}", state="enabled", mfa=True)
    match n % 6:
        case 0:
            return replace(plain, include_users=frozenset({"All"}), include_apps=frozenset({f"app-{n}"}))
        case 1:
            kinds = GuestKinds(GUESTS, frozenset({f"tenant-{n}"}))
            return replace(plain, include_guests=kinds, include_apps=frozenset({"All"}))
        case 2:
            kinds = GuestKinds(GUESTS, frozenset({f"tenant-{n}"}))
            return replace(plain, include_guests=kinds, include_apps=frozenset({f"app-{n}"}), strength=MULTIFACTOR)
        case 3:
            users = frozenset({f"user-{n}"})
            return replace(plain, include_users=users, include_apps=frozenset({f"app-{n}"}))
        case 4:
            return replace(plain, include_groups=frozenset({f"group-{n}"}), include_apps=frozenset({f"app-{n}"}))
        case _:
            return replace(plain, state="disabled", include_users=frozenset({"All"}), include_apps=frozenset({"All"}))


def world(policies: int, partners: int) -> Callable[[], None]:
    """One sign-in's decision among so many policies and partners: MFA for guests, proved at a trusted home."""
    everybody = AccessPolicy(
        id="ffffffff",
        display_name="MFA for guests",
        state="enabled",
        include_users=frozenset({"GuestsOrExternalUsers"}),
        include_apps=frozenset({"All"}),
        mfa=True,
        sign_in_frequency=timedelta(hours=12),
    )
    arranged = Policies([*(policy(n) for n in range(policies - 1)), everybody])
    default = Partner(tenant_id="default")
    trusts = {f"tenant-{n}": effective_trust(Partner(tenant_id=f"tenant-{n}"), default) for n in range(partners)}
    trusts["fabrikam"] = Trust(mfa_accepted=True)
    statement = HomeStatement(
        "fabrikam", "https://login.fabrikam.example", "maria", ("pwd", "mfa"), None, int(AT.timestamp()) - 60, AT
    )
    evidence, history = Evidence((statement,)), History()
    ask = AccessRequest(
        user_id="maria",
        app_id="app-0",
        home_tenant_id="fabrikam",
        home_subject="maria",
        group_ids=frozenset(f"group-{n}" for n in range(20)),
        at=AT,
    )

    def decide() -> None:
        view = PolicyView(policies=arranged, trust=trusts["fabrikam"], vocabulary=PROFILES["rfc8176"])
        assert isinstance(evaluate(ask, view, evidence, history).decision, Allow)

    return decide


def microseconds(decide: Callable[[], None]) -> float:
    """The best of five runs, for one call."""
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(ROUNDS // 5):
            decide()
        best = min(best, time.perf_counter() - began)
    return best / (ROUNDS // 5) * 1e6


def main() -> None:
    print("policies  partners  µs a decision  against the smallest")
    smallest = 0.0
    for policies, partners in ((1, 1), (10, 100), (50, 1_000), (500, 1), (500, 5_000)):
        took = microseconds(world(policies, partners))
        smallest = smallest or took
        print(f"{policies:8}  {partners:8}  {took:13.1f}  {took / smallest:8.2f}")


if __name__ == "__main__":
    main()
