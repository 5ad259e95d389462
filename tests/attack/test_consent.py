"""What an administrator granted is the administrator's to take back, whatever the guest agreed to on the way."""

from __future__ import annotations

from dataclasses import replace

import pytest

READ = "api://orders/read"


@pytest.fixture
def guest(b2b_idp):
    b2b_idp.home_tenant("fabrikam.example")
    return b2b_idp.invite("ada@fabrikam.example")


@pytest.fixture
def client(b2b_idp):
    """An app that an administrator lets read orders."""
    scope = {"id": "5b3c1a52-0d4b-4d0c-9a55-8a5f7c1f0c11", "value": "read", "isEnabled": True}
    api = b2b_idp.graph(
        "POST",
        "/applications",
        {
            "displayName": "Orders",
            "identifierUris": ["api://orders"],
            "api": {"oauth2PermissionScopes": [scope]},
        },
    )
    b2b_idp.graph("POST", "/servicePrincipals", {"appId": api["appId"]})
    app = b2b_idp.app("Reports", b2bIdp={"adminConsent": [READ]})
    return replace(app, scope=f"openid offline_access {READ}")


def withdraw(b2b_idp, client):
    b2b_idp.graph("PATCH", f"/applications/{client.object_id}", {"b2bIdp": {"adminConsent": []}})


def test_a_withdrawn_grant_ends_the_next_sign_in_of_a_guest_who_had_agreed(b2b_idp, guest, client):
    assert b2b_idp.sign_in(guest, client).access_token["aud"] == "api://orders"
    withdraw(b2b_idp, client)
    after = b2b_idp.sign_in(guest, client)
    assert after.error == "access_denied"
    assert after.tokens == {}


def test_n_100_a_withdrawn_grant_ends_the_refresh_family(b2b_idp, guest, client):
    tokens = b2b_idp.sign_in(guest, client).tokens
    withdraw(b2b_idp, client)
    answer = b2b_idp.flask.test_client().post(
        "/idp/token",
        data={"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]},
        auth=(client.client_id, client.client_secret),
    )
    assert (answer.status_code, answer.get_json()["error"]) == (400, "invalid_grant")


def test_what_the_guest_alone_agreed_to_outlives_the_administrators_grant(b2b_idp, guest, client):
    b2b_idp.sign_in(guest, client)
    withdraw(b2b_idp, client)
    after = b2b_idp.sign_in(guest, replace(client, scope="openid offline_access"))
    assert after.error is None
    assert after.pages == []
