"""A home that answers by a form: its POST comes without our cookies, and is sent once more from here."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
import urllib3

from tests.conformance import rfc
from tests.conformance.basic import fields_of

CROSS = {"Origin": "https://login.fabrikam.example", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"}
OURS = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "document"}


@pytest.fixture
def away(b2b_idp):
    """A browser that went home, the callback's path, and what the home has for us."""
    home = b2b_idp.home_tenant("fabrikam.example")
    home.provider.metadata_overrides["response_modes_supported"] = ["form_post"]
    home.provider.next("ada-1", email="ada@fabrikam.example", email_verified=True)
    app = b2b_idp.app("Shop")
    b2b_idp.invite("ada@fabrikam.example")
    asked = {
        "client_id": app.client_id,
        "redirect_uri": app.redirect_uri,
        "response_type": "code",
        "scope": "openid",
        "login_hint": "ada@fabrikam.example",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
    }
    http = b2b_idp.flask.test_client()
    departure = http.get("/idp/authorize", query_string=asked).headers["Location"]
    assert dict(parse_qsl(urlsplit(departure).query))["response_mode"] == "form_post"
    back = urlsplit(urllib3.request("GET", departure, redirect=False).headers["Location"])
    return http, back.path, dict(parse_qsl(back.query)), b2b_idp


@rfc("Form Post", "2")
def test_the_answer_of_another_site_is_sent_again_from_here_and_taken(away):
    http, path, said, idp = away
    page = http.post(path, data=said, headers=CROSS)
    again = fields_of(page.text, f"{idp.issuer}{path.removeprefix('/idp')}")
    assert again == said
    assert "Set-Cookie" not in page.headers
    taken = http.post(path, data=again, headers=OURS)
    assert (taken.status_code, "/signin/" in taken.headers["Location"]) == (303, True)


def test_n_030_a_form_of_another_browser_is_refused_with_the_cookie_held_back_or_not(away):
    _, path, said, idp = away
    stranger = idp.flask.test_client()
    answer = stranger.post(path, data=said, headers=OURS)
    assert (answer.status_code, "data-error" in answer.text) == (400, True)


def test_n_031_a_form_is_taken_once(away):
    http, path, said, _ = away
    assert http.post(path, data=said, headers=OURS).status_code == 303
    assert http.post(path, data=said, headers=OURS).status_code == 400


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"state": ["a", "a"]}, 400),
        ({"state": "x" * 70_000}, 413),
        ({}, 400),
        ({"code": "c"}, 400),
    ],
    ids=["twice", "large", "empty", "no state"],
)
@pytest.mark.parametrize("headers", [CROSS, OURS], ids=["another site's", "ours"])
def test_a_form_that_is_no_answer(away, body, status, headers):
    http, path, said, _ = away
    answer = http.post(path, data=body, headers=headers)
    assert answer.status_code == (200 if headers is CROSS and body in ({}, {"code": "c"}) else status)
    assert http.post(path, data=said, headers=OURS).status_code == 303


def test_what_stands_in_the_address_of_a_form_is_not_read(away):
    http, path, said, _ = away
    assert http.post(path, query_string=said, headers=OURS).status_code == 400


def test_n_158_what_is_no_parameter_of_an_answer_is_not_sent_again(away):
    http, path, said, idp = away
    page = http.post(path, data=said | {"SAMLResponse": "PHg+"}, headers=CROSS)
    assert fields_of(page.text, f"{idp.issuer}{path.removeprefix('/idp')}") == said
