"""Every inner code has its word on every edge of the OpenID provider."""

from __future__ import annotations

import pytest
from flask import Flask

from b2b_idp.model.problem import Code, Problem
from b2b_idp.openid.errors import BEARER, PUSHED, REDIRECT, TOKEN
from b2b_idp.openid.responses import ascii_of, bearer_error, token_error

AUTHORIZATION_ERRORS = frozenset(
    "invalid_request unauthorized_client access_denied unsupported_response_type invalid_scope server_error "
    "temporarily_unavailable login_required interaction_required consent_required account_selection_required "
    "request_not_supported request_uri_not_supported unmet_authentication_requirements invalid_request_object "
    "invalid_request_uri invalid_authorization_details".split()
)
TOKEN_ERRORS = frozenset(
    "invalid_request invalid_client invalid_grant unauthorized_client unsupported_grant_type invalid_scope "
    "server_error temporarily_unavailable slow_down".split()
)
BEARER_ERRORS = frozenset(
    "invalid_request invalid_token insufficient_scope server_error temporarily_unavailable".split()
)
OURS = {Code.INTERNAL, Code.UNAVAILABLE, Code.BAD_SETTING}
"""What is never the caller's fault."""


@pytest.mark.parametrize("code", Code)
def test_the_app_is_told_a_registered_error(code):
    assert REDIRECT[code] in AUTHORIZATION_ERRORS


@pytest.mark.parametrize("code", Code)
@pytest.mark.parametrize(
    ("table", "words"),
    [(TOKEN, TOKEN_ERRORS), (PUSHED, TOKEN_ERRORS | AUTHORIZATION_ERRORS), (BEARER, BEARER_ERRORS)],
    ids=["token", "pushed", "bearer"],
)
def test_a_client_is_told_a_registered_error(code, table, words):
    status, word = table[code]
    assert word in words
    assert (status >= 500) == (code in OURS)


@pytest.mark.parametrize("code", [c for c in Code if c.value in AUTHORIZATION_ERRORS])
def test_a_code_that_has_the_protocols_name_is_told_by_it(code):
    assert REDIRECT[code] == code.value


@pytest.mark.parametrize("render", [token_error, bearer_error])
def test_what_is_for_the_administrator_stays_here(render):
    with Flask(__name__).app_context():
        answer = render(Problem(Code.INVALID_TOKEN, "Say this.", "the reason why"))
    assert "Say this." in answer.get_data(as_text=True)
    assert "the reason why" not in answer.get_data(as_text=True)


@pytest.mark.parametrize("text", ['a "b" c', "back\\slash", "line\r\nSet-Cookie: x", "ä…"])
def test_a_description_keeps_to_its_alphabet(text):
    said = ascii_of(text)
    assert all(" " <= c <= "~" and c not in '"\\' for c in said)
