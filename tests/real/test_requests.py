"""npm openid-client registers itself, pushes its requests, signs them, and is answered in JWTs that it checks."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from tests.conformance import rfc
from tests.real.conftest import ACCOUNTS, CALLBACK, furnished, redirect_uri
from tests.real.instance import Instance
from tests.real.nodes import RelyingParty, foreign_home, free_port

EMAIL = "mia@foreign.example"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """One world for these tests, with a guest who is invited."""
    instance = Instance(tmp_path_factory.mktemp("requests") / "data", free_port())
    with foreign_home(ACCOUNTS, lambda issuer: redirect_uri(instance, issuer)) as home, RelyingParty() as rp:
        instance.start()
        try:
            world = furnished(instance, home, rp)
            world.driver(EMAIL).walk(world.invite(EMAIL))
            yield world
        finally:
            instance.stop()


def app(place, **b2b):
    """The client id of an app that has the relying party's key."""
    ours = {"jwks": {"keys": [place.rp.key()]}} | b2b
    body = {"displayName": "Bank", "web": {"redirectUris": [CALLBACK]}, "b2bIdp": ours}
    client_id: str = place.instance.graph("POST", "/applications", body)["appId"]
    return client_id


def went(place, client_id, **options):
    """The request's parameters in the browser, those of the answer, and what the relying party made of it."""
    url = place.rp.start(place.instance.issuer, client_id, CALLBACK, params={"login_hint": EMAIL}, **options)
    walk = place.driver(EMAIL).walk(url)
    assert walk.finished, (walk.pages, walk.end.text[-800:])
    done = place.rp.finish(walk.end.url)
    assert done["userinfo"]["sub"] == done["claims"]["sub"]
    return *(set(parse_qs(urlsplit(u).query)) for u in (url, walk.end.url)), done


@rfc("9126")
def test_a_pushed_request(place):
    asked, told, _ = went(place, place.app["appId"], client_secret=place.app["secret"], par=True)
    assert (asked, told) == ({"client_id", "request_uri"}, {"code", "state", "iss"})


@rfc("9101")
def test_a_signed_request(place):
    asked, told, _ = went(place, app(place), auth="key", jar=True)
    assert (asked, told) == ({"client_id", "request"}, {"code", "state", "iss"})


def test_a_signed_answer(place):
    _, told, _ = went(place, app(place), auth="key", jarm=True)
    assert told == {"response"}


def test_all_of_it_as_the_profile_fapi2_has_it(place):
    metadata = {"id_token_signed_response_alg": "PS256", "authorization_signed_response_alg": "PS256"}
    client_id = app(place, profile="fapi2", requireSignedRequestObject=True)
    asked, told, done = went(place, client_id, auth="key", metadata=metadata, par=True, jar=True, jarm=True, dpop=True)
    assert (asked, told) == ({"client_id", "request_uri"}, {"response"})
    assert done["revoked"] is True


@rfc("7591")
def test_an_app_that_registers_itself(place):
    asked = {"displayName": "openid-client", "maximumUses": 1}
    token = place.instance.graph("POST", "/registrationTokens", asked)["secretText"]
    metadata = {"client_name": "Newcomer", "redirect_uris": [CALLBACK]}
    metadata["grant_types"] = ["authorization_code", "refresh_token"]
    client = place.rp.register(place.instance.issuer, token, metadata)
    _, told, done = went(place, client["client_id"], registered=True)
    assert told == {"code", "state", "iss"}
    assert done["claims"]["aud"] == client["client_id"] and done["refreshed"]["sub"] == done["claims"]["sub"]
    assert "oid" not in done["claims"] and done["revoked"]
