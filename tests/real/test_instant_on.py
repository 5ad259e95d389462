"""The first token after any change is right, whatever a replica lags; `instant_on.py` counts it at length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.real.instant_on import MFA, Servers, servers


@pytest.fixture(scope="module")
def both() -> Iterator[Servers]:
    with servers() as made:
        yield made


def test_no_answer_is_wrong_though_a_replica_is_thirty_seconds_late(both: Servers) -> None:
    with both.world(seed=1) as world:
        world.run(150)
        assert world.wrong == {}, "\n".join(world.examples)
        assert world.done["sign-in"] > 50
        assert world.done["refresh"] > 0


def test_answers_are_wrong_where_a_replica_is_believed(both: Servers) -> None:
    """The test above can fail."""
    with both.world(seed=2) as world:
        world.run(60, believed=True)
        wrong = sum(world.wrong.values())
        assert wrong > 0, f"of 60 interleavings {wrong} were wrong"


def test_n_163_what_was_just_redeemed_assigned_or_revoked_counts_at_once(both: Servers) -> None:
    with both.world(seed=3) as world:
        kit, app, guest = world.kit, world.app, world._invited(9000)
        guest.kit.driver.walk(guest.kit.redeem_url)
        came = kit.sign_in(guest.kit, app, amr=MFA, scope="openid offline_access")
        assert came.id_token is not None, came.pages
        assert came.id_token["roles"] == ["Reader"]

        def refreshed(token: str) -> dict[str, Any]:
            form = {"grant_type": "refresh_token", "refresh_token": token}
            return kit._token_request((app.client_id, app.client_secret), form)

        world._assign(guest, "Approver")
        answer = refreshed(came.tokens["refresh_token"])
        assert set(kit.verify(answer["id_token"], app.client_id)["roles"]) == {"Reader", "Approver"}

        kit.graph("POST", f"/users/{guest.kit.id}/revokeSignInSessions")
        # whichever server is asked
        assert {refreshed(answer["refresh_token"])["error"] for _ in range(8)} == {"invalid_grant"}
        assert both.slow.position() != both.primary.position(), "the replica was not late"
