"""What the directory says about a guest counts in the sign-in at once: expiry, deletion, the domain list, landing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from freezegun import freeze_time

from b2b_idp.testing.guest import GuestDriver
from b2b_idp.testing.home_tenant import Account
from b2b_idp.testing.walker import Walker


@pytest.fixture
def fabrikam(b2b_idp):
    return b2b_idp.home_tenant("fabrikam.example", trust_mfa=True)


@pytest.fixture
def crm(b2b_idp):
    return b2b_idp.app("crm")


def block(kit, domain):
    lists = {"InvitationsAllowedAndBlockedDomainsPolicy": {"BlockedDomains": [domain]}}
    body = {"displayName": "Domains", "definition": [json.dumps({"B2BManagementPolicy": lists})]}
    kit.graph("POST", "/policies/b2bManagementPolicies", body)


def test_a_pending_guest_of_a_domain_blocked_meanwhile_does_not_get_in(b2b_idp, fabrikam, crm):
    ada = b2b_idp.invite("ada@fabrikam.example")
    block(b2b_idp, "fabrikam.example")
    assert b2b_idp.sign_in(ada, crm).error == "inbound_blocked"
    assert b2b_idp.graph("GET", f"/users/{ada.id}")["externalUserState"] == "PendingAcceptance"


def test_a_guest_who_is_in_stays_in_when_the_domain_is_blocked(b2b_idp, fabrikam, crm):
    ada = b2b_idp.invite("ada@fabrikam.example")
    b2b_idp.sign_in(ada, crm)
    block(b2b_idp, "fabrikam.example")
    assert b2b_idp.sign_in(ada, crm, prompt="login").id_token["oid"] == ada.id


def test_an_expired_guest_is_refused_and_a_prolonged_one_is_not(b2b_idp, fabrikam, crm):
    ada = b2b_idp.invite("ada@fabrikam.example")
    signed_in = b2b_idp.sign_in(ada, crm)
    ends = datetime.now(UTC) + timedelta(hours=1)
    path, end = f"/users/{ada.id}/setExpiration", ends.strftime("%Y-%m-%dT%H:%M:%SZ")
    b2b_idp.graph("POST", path, {"expirationDateTime": end})
    with freeze_time(ends + timedelta(minutes=1)):
        refreshed = b2b_idp._token_request(
            (crm.client_id, crm.client_secret),
            {"grant_type": "refresh_token", "refresh_token": signed_in.tokens["refresh_token"]},
        )
        assert refreshed["error"] == "invalid_grant"
        assert b2b_idp.sign_in(ada, crm).error == "guest_disabled"
        b2b_idp.graph("POST", path, {"expirationDateTime": None})
        assert b2b_idp.sign_in(ada, crm).id_token["oid"] == ada.id


def test_n_065_a_guest_deleted_between_mail_and_click_is_not_made_again(b2b_idp, fabrikam, crm):
    ada = b2b_idp.invite("ada@fabrikam.example")
    b2b_idp.graph("DELETE", f"/users/{ada.id}")
    walk = ada.driver.walk(ada.redeem_url)
    assert (walk.end.status, walk.end.error) == (400, "invitation_invalid")
    assert b2b_idp.graph("GET", "/users?$filter=userType eq 'Guest'")["value"] == []


def test_a_deleted_guests_session_and_tokens_end_and_restored_they_sign_in_again(b2b_idp, fabrikam, crm):
    ada = b2b_idp.invite("ada@fabrikam.example")
    signed_in = b2b_idp.sign_in(ada, crm)
    b2b_idp.graph("DELETE", f"/users/{ada.id}")
    form = {"grant_type": "refresh_token", "refresh_token": signed_in.tokens["refresh_token"]}
    assert b2b_idp._token_request((crm.client_id, crm.client_secret), form)["error"] == "invalid_grant"
    assert b2b_idp.sign_in(ada, crm).id_token is None
    b2b_idp.graph("POST", f"/directory/deletedItems/{ada.id}/restore")
    assert b2b_idp.sign_in(ada, crm).id_token["oid"] == ada.id


def test_who_is_invited_again_after_deletion_takes_up_the_identity_and_the_old_account_must_redeem(
    b2b_idp, fabrikam, crm
):
    first = b2b_idp.invite("ada@fabrikam.example")
    b2b_idp.sign_in(first, crm)
    b2b_idp.graph("DELETE", f"/users/{first.id}")
    second = b2b_idp.invite("ada@fabrikam.example")
    assert b2b_idp.sign_in(second, crm).id_token["oid"] == second.id
    b2b_idp.graph("POST", f"/directory/deletedItems/{first.id}/restore")
    restored = b2b_idp.graph("GET", f"/users/{first.id}?$select=externalUserState,identities")
    assert restored["externalUserState"] == "PendingAcceptance"
    assert b2b_idp.sign_in(second, crm).id_token["oid"] == second.id


@pytest.mark.parametrize(("origins", "lands"), [([], False), (["https://intranet.example"], True)])
def test_a_browser_lands_only_where_an_app_or_the_policy_says(b2b_idp, fabrikam, origins, lands):
    b2b_idp.graph("PATCH", "/policies/authorizationPolicy", {"b2bIdp": {"redirectOrigins": origins}})
    body = {"invitedUserEmailAddress": "ada@fabrikam.example", "inviteRedirectUrl": "https://intranet.example/welcome"}
    link = b2b_idp.graph("POST", "/invitations", body)["inviteRedeemUrl"]
    fabrikam.provider.script(Account(sub="s", email="ada@fabrikam.example", name="Ada"))
    driver = GuestDriver(Walker(b2b_idp._transport(), "https://intranet.example"), lambda: None)
    walk = driver.walk(link)
    assert walk.pages[-1] == ("redeem" if lands else "me")


def test_the_last_sign_in_is_told_of_each_user(b2b_idp, fabrikam, crm):
    ada, bob = b2b_idp.invite("ada@fabrikam.example"), b2b_idp.invite("bob@fabrikam.example")
    b2b_idp.sign_in(ada, crm)
    path = "/users?$select=id,signInActivity&$filter=signInActivity/lastSignInDateTime ge 2020-01-01T00:00:00Z"
    assert [u["id"] for u in b2b_idp.graph("GET", path)["value"]] == [ada.id]
    assert b2b_idp.graph("GET", f"/users/{bob.id}?$select=signInActivity")["signInActivity"] is None
