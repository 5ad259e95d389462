"""What the libraries of real apps were seen to send and to need."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from hashlib import sha256
from urllib.parse import urlsplit

import pytest
from openid_world import claims_of

OPEN = (
    ("GET", "/idp/.well-known/openid-configuration"),
    ("GET", "/idp/.well-known/oauth-authorization-server"),
    ("GET", "/idp/jwks"),
    ("POST", "/idp/token"),
    ("GET", "/idp/userinfo"),
)
"""Endpoints that a page of any origin may call."""
MSAL = {"client_info": "1", "x-client-sku": "MSAL.Python", "x-client-ver": "1.39.0", "claims": '{"access_token":{}}'}


def listed(headers, name):
    return {word.strip().lower() for word in headers[name].split(",")}


@pytest.mark.parametrize(("method", "path"), OPEN)
def test_a_browser_that_asks_first_is_told_that_it_may_send_its_headers(unchanged, method, path):
    asked = {
        "Origin": "https://spa.example",
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type,dpop",
    }
    answer = unchanged.http.options(path, headers=asked)
    assert answer.status_code in (200, 204)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert {"authorization", "content-type", "dpop"} <= listed(answer.headers, "Access-Control-Allow-Headers")
    assert method.lower() in listed(answer.headers, "Access-Control-Allow-Methods")


@pytest.mark.parametrize(("method", "path"), OPEN)
def test_a_page_may_read_every_answer_and_the_headers_that_explain_a_refusal(unchanged, method, path):
    """Token and userinfo refuse here: nothing was sent along."""
    answer = unchanged.http.open(path, method=method, headers={"Origin": "https://spa.example"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert {"dpop-nonce", "www-authenticate"} <= listed(answer.headers, "Access-Control-Expose-Headers")
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize("path", ["/idp/authorize", "/idp/logout", "/idp/introspect", "/idp/revoke", "/idp/v1.0/users"])
def test_no_other_page_may_read_what_is_not_for_pages(unchanged, path):
    answer = unchanged.http.post(path, headers={"Origin": "https://spa.example"})
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_what_msal_adds_to_its_requests_changes_nothing(world):
    answer = world.exchange(world.code(**MSAL), **MSAL)
    assert answer.status_code == 200
    assert world.refresh(answer.json["refresh_token"], **MSAL).status_code == 200


def test_a_client_secret_that_is_not_encoded_is_the_same_as_one_that_is(world):
    """Ours have neither percent sign nor plus, so that clients which leave the encoding out are understood too."""
    assert re.fullmatch(r"[\w.~-]+", world.secret)


def test_at_hash_is_the_left_half_of_the_access_tokens_hash(world):
    tokens = world.tokens()
    half = urlsafe_b64encode(sha256(tokens["access_token"].encode()).digest()[:16]).decode().rstrip("=")
    assert claims_of(tokens["id_token"])["at_hash"] == half


def test_an_id_token_has_what_libraries_show_and_keep_accounts_by(world):
    claims = claims_of(world.tokens()["id_token"])
    assert {"sub", "preferred_username", "name", "oid", "tid"} <= claims.keys()


def test_the_pages_have_their_icon(world):
    page = world.http.get("/idp/signed-out-of-nowhere")
    icons = re.findall(r'<link rel="icon"[^>]* href="([^"]+)"', page.text)
    assert icons
    answer = world.http.get(urlsplit(icons[0]).path)
    assert (answer.status_code, answer.mimetype) == (200, "image/svg+xml")
