"""Token exchange (RFC 8693): an app calls another app's API for the guest who called it."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from dpop_key import DpopKey, token_with
from openid_world import ISSUER, SCOPE, claims_of, refused

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
PAY, LEDGER = "api://pay", "api://ledger"


@pytest.fixture
def world(world):
    """CRM calls Pay, and Pay may read in Ledger."""
    world.api()
    world.configure(world.crm, "application", b2bIdp={"adminConsent": [f"{PAY}/pay.read"]})
    world.configure(world.api_row, "application", b2bIdp={"adminConsent": [f"{LEDGER}/ledger.read"]})
    scope = {"id": str(uuid.uuid4()), "value": "ledger.read"}
    write = {"id": str(uuid.uuid4()), "value": "ledger.write"}
    api = {"oauth2PermissionScopes": [scope, write]}
    world.ledger, world.ledger_secret = world.app("Ledger", identifierUris=[LEDGER], api=api)
    return world


@pytest.fixture
def called(world):
    """What CRM sends to Pay."""
    return world.tokens(scope=f"{SCOPE} {PAY}/pay.read")["access_token"]


def form(token, **changes):
    asked = {"grant_type": GRANT_TYPE, "subject_token": token, "subject_token_type": ACCESS_TOKEN, "resource": LEDGER}
    return {k: v for k, v in (asked | changes).items() if v is not None}


def exchanged(world, token, **changes):
    return world.token(world.api_row, world.api_secret, **form(token, **changes))


@pytest.mark.rfc("8693", "2.2.1")
def test_the_app_gets_a_token_for_the_other_api_and_says_that_it_acts(world, called):
    given = exchanged(world, called).json
    assert (given["issued_token_type"], given["token_type"]) == (ACCESS_TOKEN, "Bearer")
    assert "refresh_token" not in given
    token = claims_of(given["access_token"])
    assert (token["aud"], token["scp"], token["client_id"]) == (LEDGER, "ledger.read", world.api_row.app_id)
    assert token["act"] == {"sub": world.api_row.sp_id, "client_id": world.api_row.app_id}


@pytest.mark.parametrize("named", [{"audience": LEDGER}, {"resource": LEDGER, "audience": LEDGER}, {}])
def test_the_api_is_named_by_resource_audience_or_scope(world, called, named):
    asked = {"resource": None} | named | {"scope": f"{LEDGER}/ledger.read"}
    assert claims_of(exchanged(world, called, **asked).json["access_token"])["aud"] == LEDGER


def test_who_the_guest_is_is_told_where_the_app_may_know_it(world, called):
    asked = {"scope": "ledger.read profile"}
    assert refused(exchanged(world, called, **asked)) == (400, "invalid_scope")
    granted = [f"{LEDGER}/ledger.read", "profile"]
    world.configure(world.api_row, "application", b2bIdp={"adminConsent": granted})
    told, untold = (
        claims_of(exchanged(world, called, **more).json["access_token"]) for more in (asked, {"scope": "ledger.read"})
    )
    assert (told["oid"], told["sub"]) == (world.user.id, untold["sub"])
    assert "oid" not in untold


def test_it_lives_no_longer_than_the_token_that_it_came_from(world, called):
    world.later(minutes=8)
    given = exchanged(world, called).json
    assert given["expires_in"] == 120
    assert claims_of(given["access_token"])["exp"] == claims_of(called)["exp"]


def test_it_is_bound_to_the_key_of_the_app_that_acts(world, called):
    key = DpopKey()
    given = token_with(world, key.proof("/token"), world.api_row, world.api_secret, **form(called)).json
    assert claims_of(given["access_token"])["cnf"] == {"jkt": key.jkt}


def test_the_other_api_may_exchange_it_again_and_the_chain_is_told(world, called):
    first = exchanged(world, called).json["access_token"]
    world.configure(world.ledger, "application", b2bIdp={"adminConsent": [f"{PAY}/pay.read"]})
    second = world.token(world.ledger, world.ledger_secret, **form(first, resource=PAY)).json
    act = claims_of(second["access_token"])["act"]
    assert (act["client_id"], act["act"]["client_id"]) == (world.ledger.app_id, world.api_row.app_id)


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"subject_token": "x"}, "invalid_grant"),
        ({"subject_token_type": None}, "invalid_request"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"}, "invalid_request"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request"),
        ({"actor_token": "x"}, "invalid_request"),
        ({"resource": None}, "invalid_request"),
        ({"resource": "api://other"}, "invalid_target"),
        ({"resource": PAY}, "invalid_target"),
        ({"audience": PAY}, "invalid_target"),
        ({"scope": "ledger.write"}, "invalid_scope"),
        ({"scope": "nonsense"}, "invalid_scope"),
        ({"scope": f"{PAY}/pay.read"}, "invalid_scope"),
    ],
    ids=lambda c: str(c)[:60],
)
def test_what_is_asked_otherwise_is_refused(world, called, changes, error):
    assert refused(exchanged(world, called, **changes)) == (400, error)


def test_a_token_that_is_for_another_app_is_not_exchanged(world, called):
    asked = form(called, resource=PAY)
    assert refused(world.token(world.ledger, world.ledger_secret, **asked)) == (400, "invalid_grant")
    own = world.tokens()
    for token in (own["access_token"], own["id_token"], own["refresh_token"]):
        assert refused(exchanged(world, token)) == (400, "invalid_grant")


def test_an_apps_own_token_is_not_exchanged(world):
    world.assign(world.api_row, "Reader", world.crm.sp_id, "ServicePrincipal")
    own = world.token(grant_type="client_credentials", scope=f"{PAY}/.default").json["access_token"]
    assert refused(exchanged(world, own)) == (400, "invalid_grant")


def test_a_public_client_exchanges_nothing(world, called):
    spa, _ = world.app("Spa", spa={"redirectUris": ["https://spa.example/cb"]})
    assert refused(world.token(**form(called), client_id=spa.app_id)) == (400, "unauthorized_client")


def test_n_088_the_consent_of_now_counts(world, called):
    world.configure(world.api_row, "application", b2bIdp={"adminConsent": []})
    assert refused(exchanged(world, called)) == (400, "invalid_scope")


def test_n_088_the_guest_must_be_assigned_to_the_other_app_too(world, called):
    world.configure(world.ledger, "service_principal", appRoleAssignmentRequired=True)
    assert refused(exchanged(world, called)) == (400, "invalid_grant")


def test_n_088_the_policies_of_the_other_app_are_asked(world, called):
    body = {
        "displayName": "MFA",
        "state": "enabled",
        "conditions": {
            "users": {"includeUsers": ["All"]},
            "clientAppTypes": ["all"],
            "applications": {"includeApplications": [world.ledger.app_id]},
        },
        "grantControls": {"operator": "OR", "builtInControls": ["mfa"]},
    }
    world.done("POST", "/identity/conditionalAccess/policies", body)
    assert refused(exchanged(world, called)) == (400, "invalid_grant")


def test_n_100_what_ends_the_guests_session_ends_it(world, called):
    world.change(lambda w: w.grants.revoke_session(world.session, world.moment(), "user"))
    assert refused(exchanged(world, called)) == (400, "invalid_grant")


def test_n_126_revoking_the_first_grant_ends_what_came_from_it(world):
    given = world.tokens(scope=f"{SCOPE} {PAY}/pay.read")
    second = exchanged(world, given["access_token"]).json["access_token"]
    assert world.post("introspect", world.ledger, world.ledger_secret, token=second).json["active"] is True
    world.post("revoke", token=given["refresh_token"])
    assert world.post("introspect", world.ledger, world.ledger_secret, token=second).json == {"active": False}


def test_n_126_an_expired_token_is_not_exchanged(world, called):
    world.at += timedelta(minutes=10)
    assert refused(exchanged(world, called)) == (400, "invalid_grant")


def test_for_graph_it_has_what_the_guest_let_the_app_do_there(world, called):
    _ = world.admin
    assert refused(exchanged(world, called, resource=ISSUER, scope="User.Read")) == (400, "invalid_scope")
    world.change(lambda w: w.grants.consent(world.user.id, world.api_row.app_id, frozenset({"User.Read"}), world.at))
    token = exchanged(world, called, resource=ISSUER, scope="User.Read").json["access_token"]
    assert world.call("GET", "/me", token=token).json["id"] == world.user.id
