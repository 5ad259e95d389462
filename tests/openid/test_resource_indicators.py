"""Resource indicators (RFC 8707): an app says which API its token is for."""

from __future__ import annotations

import pytest
from openid_world import ISSUER, SCOPE, answered, claims_of, refused

PAY = "api://pay"


@pytest.fixture
def world(world):
    world.api()
    world.configure(world.crm, "application", b2bIdp={"adminConsent": [f"{PAY}/pay.read"]})
    return world


def granted(world, **more):
    return world.code(scope=f"{SCOPE} pay.read", resource=PAY, **more)


@pytest.mark.rfc("8707", "2")
def test_the_scopes_of_the_api_that_is_named_go_by_their_bare_names(world):
    given = world.exchange(granted(world)).json
    token = claims_of(given["access_token"])
    assert token["aud"] == PAY
    assert "pay.read" in token["scp"].split()


@pytest.mark.rfc("8707", "2.2")
@pytest.mark.parametrize("own", [ISSUER, "https://graph.microsoft.com"])
def test_a_token_may_be_for_ourselves_instead_and_then_it_opens_userinfo(world, own):
    given = world.exchange(granted(world), resource=own).json
    assert claims_of(given["access_token"])["aud"] == ISSUER
    assert f"{PAY}/pay.read" not in given["scope"].split()
    assert world.userinfo(given["access_token"]).json["name"] == "Ada"
    again = world.refresh(given["refresh_token"], resource=PAY).json
    assert claims_of(again["access_token"])["aud"] == PAY


@pytest.mark.rfc("8707", "2.1")
@pytest.mark.parametrize("resource", ["api://other", "nonsense", PAY + "/", PAY + "#x"])
def test_an_api_that_is_not_known_is_an_invalid_target(world, resource):
    assert answered(world.authorize(scope=SCOPE, resource=resource))["error"] == "invalid_target"


@pytest.mark.rfc("8707", "2")
def test_two_at_once_are_an_invalid_target(world):
    assert answered(world.authorize(resource=[PAY, ISSUER]))["error"] == "invalid_target"
    assert refused(world.exchange(granted(world), resource=[PAY, ISSUER])) == (400, "invalid_target")


def test_the_scopes_are_of_the_api_that_is_named(world):
    asked = {"scope": f"{SCOPE} {PAY}/pay.read", "resource": ISSUER}
    assert answered(world.authorize(**asked))["error"] == "invalid_target"
    assert answered(world.authorize(scope=SCOPE, resource=PAY))["error"] == "invalid_scope"


@pytest.mark.rfc("8707", "2.2")
def test_n_116_no_token_is_for_an_api_that_was_not_granted(world):
    code = world.code()
    assert refused(world.exchange(code, resource=PAY)) == (400, "invalid_target")
    kept = world.exchange(code).json["refresh_token"]
    assert refused(world.refresh(kept, resource=PAY)) == (400, "invalid_target")


def test_a_lost_answer_is_given_again_for_the_same_resource_only(world):
    kept = world.exchange(granted(world)).json["refresh_token"]
    first = world.refresh(kept, resource=ISSUER).json
    assert refused(world.refresh(kept)) == (400, "invalid_scope")
    assert world.refresh(kept, resource=ISSUER).json["refresh_token"] == first["refresh_token"]


def test_an_app_for_itself_may_name_the_resource_alone(world):
    world.assign(world.api_row, "Reader", world.crm.sp_id, "ServicePrincipal")
    given = world.token(grant_type="client_credentials", resource=PAY).json
    assert claims_of(given["access_token"])["aud"] == PAY
    crossed = world.token(grant_type="client_credentials", resource=PAY, scope=f"{ISSUER}/.default")
    assert refused(crossed) == (400, "invalid_target")
