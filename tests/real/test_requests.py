"""npm openid-client registers itself, pushes its requests, signs them, checks the answers in JWTs, and has its tokens
bound to a key."""

from __future__ import annotations

from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.conformance import rfc
from tests.ports import free_port
from tests.real.conftest import ACCOUNTS, CALLBACK, furnished, redirect_uri
from tests.real.instance import Instance
from tests.real.nodes import NodeError, RelyingParty, foreign_home
from tests.real.recipes import HTTP, HTTPS
from tests.real.tls_front import tls_front

client = pytest.mark.client
EMAIL = "mia@foreign.example"


@contextmanager
def instance_over(way, folder):
    """An instance that does not run yet, and is reached over HTTP or HTTPS."""
    if way == HTTP:
        yield Instance(folder / "data", free_port())
        return
    with tls_front(folder, free_port()) as front, pytest.MonkeyPatch.context() as patch:
        for name, value in front.env.items():
            patch.setenv(name, value)
        yield Instance(folder / "data", front.backend, front.issuer)


@pytest.fixture(scope="module", params=[HTTP, HTTPS])
def place(request, tmp_path_factory):
    """One world for these tests, with a guest who is invited."""
    with (
        instance_over(request.param, tmp_path_factory.mktemp("requests")) as instance,
        foreign_home(ACCOUNTS, lambda issuer: redirect_uri(instance, issuer)) as home,
        RelyingParty() as rp,
    ):
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


def went(place, client_id, *, keep=False, **options):
    """The request's parameters in the browser, those of the answer, and what the relying party made of it."""
    url = place.rp.start(place.instance.issuer, client_id, CALLBACK, params={"login_hint": EMAIL}, **options)
    walk = place.driver(EMAIL).walk(url)
    assert walk.finished, (walk.pages, walk.end.text[-800:])
    done = place.rp.finish(walk.end.url, keep=keep)
    assert done["userinfo"]["sub"] == done["claims"]["sub"]
    return *(set(parse_qs(urlsplit(u).query)) for u in (url, walk.end.url)), done


@client("openid-client", "pushed requests")
@rfc("9126")
def test_a_pushed_request(place):
    asked, told, _ = went(place, place.app["appId"], client_secret=place.app["secret"], par=True)
    assert (asked, told) == ({"client_id", "request_uri"}, {"code", "state", "iss"})


@client("openid-client", "signed requests")
@rfc("9101")
def test_a_signed_request(place):
    asked, told, _ = went(place, app(place), auth="key", jar=True)
    assert (asked, told) == ({"client_id", "request"}, {"code", "state", "iss"})


@client("openid-client", "signed answers")
def test_a_signed_answer(place):
    _, told, _ = went(place, app(place), auth="key", jarm=True)
    assert told == {"response"}


ALL_OF_IT = {
    "auth": "key",
    "metadata": {"id_token_signed_response_alg": "PS256", "authorization_signed_response_alg": "PS256"},
    **dict.fromkeys(("par", "jar", "jarm", "dpop"), True),
}


@client("openid-client", "FAPI 2.0 with DPoP")
def test_all_of_it_as_the_profile_fapi2_has_it(place):
    client_id = app(place, profile="fapi2", requireSignedRequestObject=True)
    asked, told, done = went(place, client_id, **ALL_OF_IT)
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


@client("openid-client", "reuse of a refresh token")
def test_a_refresh_token_is_good_again_while_its_answer_may_be_lost_and_then_ends_all_that_came_of_it(place):
    went(place, place.app["appId"], keep=True, client_secret=place.app["secret"])
    first = place.rp.refresh("first")
    assert place.rp.refresh("first")["sub"] == first["sub"]
    assert place.rp.refresh("newest")["sub"] == first["sub"]
    for which in ("first", "newest"):
        with pytest.raises(NodeError) as refused:
            place.rp.refresh(which)
        assert refused.value.code == "invalid_grant", which


def test_who_signed_in_by_the_profile_fapi2_refreshes_and_signs_out(place):
    back = f"{CALLBACK}/signed-out"
    client_id = app(place, profile="fapi2", requireSignedRequestObject=True, postLogoutRedirectUris=[back])
    _, _, done = went(place, client_id, keep=True, **ALL_OF_IT)
    assert place.rp.refresh()["sub"] == done["claims"]["sub"]
    assert place.driver(EMAIL).walk(place.rp.end(back)).end.url == back
    with pytest.raises(NodeError) as refused:
        place.rp.refresh()
    assert refused.value.code == "invalid_grant"
