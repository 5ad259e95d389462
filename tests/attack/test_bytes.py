"""Addresses, methods and bodies that no client of good faith sends."""

from __future__ import annotations

from io import BytesIO

import pytest
from flask import Flask

from b2b_idp import B2BIdp

ISSUER = "http://localhost"
MACHINES = ("token", "userinfo", "introspect", "revoke", "jwks", ".well-known/openid-configuration")


@pytest.fixture(scope="module")
def alone():
    """A served instance: the application is nothing but the provider."""
    app = Flask("alone", static_folder=None)
    B2BIdp(issuer=ISSUER).init_app(app, alone=True)
    return app.test_client()


@pytest.fixture(scope="module")
def below():
    """The provider in a host's application."""
    app = Flask("host", static_folder=None)
    B2BIdp(app, issuer=ISSUER + "/idp")
    return app.test_client()


@pytest.mark.parametrize("path", ["/nope", "/%00", "/%0d%0aX:1", "/..%2f..%2fetc", "/%ff%fe", "/signin/x", "/"])
def test_n_168_an_address_that_is_none_is_our_page(alone, path):
    answer = alone.get(path)
    assert answer.status_code == 404
    assert 'data-page="error"' in answer.text
    assert "Content-Security-Policy" in answer.headers
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "X" not in answer.headers


def test_n_168_below_a_prefix_too_and_the_hosts_own_stays_its(below):
    assert 'data-page="error"' in below.get("/idp/nope").text
    assert "data-page" not in below.get("/nope").text


@pytest.mark.parametrize("path", MACHINES)
def test_a_wrong_method_is_json_where_machines_speak(alone, below, path):
    for client, at in ((alone, f"/{path}"), (below, f"/idp/{path}")):
        answer = client.put(at)
        assert (answer.status_code, answer.get_json()["error"]) == (405, "invalid_request")
        assert answer.headers["Cache-Control"] == "no-store"
        assert "OPTIONS" in answer.headers["Allow"]


def test_a_wrong_method_is_a_page_where_people_look(alone):
    answer = alone.delete("/authorize")
    assert answer.status_code == 405
    assert 'data-page="error"' in answer.text
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize("method", ["TRACE", "FOO"])
@pytest.mark.parametrize("path", ["/v1.0/users", "/v1.0/nope", "/beta/users"])
def test_a_method_unheard_of_is_graphs_error(alone, method, path):
    answer = alone.open(path, method=method)
    assert answer.status_code == 405
    assert set(answer.get_json()["error"]["innerError"]) == {"date", "request-id", "client-request-id"}


@pytest.mark.parametrize(("size", "status"), [(64 * 1024, 401), (64 * 1024 + 1, 413), (1 << 20, 413)])
@pytest.mark.parametrize("declared", [True, False])
def test_a_form_over_64_kb_is_refused_whether_its_length_was_declared_or_not(alone, size, status, declared):
    body = b"client_id=x&a=".ljust(size, b"a")
    length = {"content_length": size} if declared else {"environ_overrides": {"wsgi.input_terminated": True}}
    answer = alone.post(
        "/token", input_stream=BytesIO(body), content_type="application/x-www-form-urlencoded", **length
    )
    assert answer.status_code == status
    assert answer.is_json


@pytest.mark.parametrize("path", ["/token", "/revoke", "/introspect", "/userinfo"])
def test_n_168_a_form_of_thousands_of_parameters_is_refused_unread(alone, path):
    form = "&".join(f"p{n}=1" for n in range(8000))
    answer = alone.post(path, data=form, content_type="application/x-www-form-urlencoded")
    assert (answer.status_code, answer.get_json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("path", ["/idp/authorize", "/idp/redeem", "/idp/v1.0/users"])
def test_an_address_longer_than_16_kb_is_refused(b2b_idp, path):
    answer = b2b_idp.flask.test_client().get(f"{path}?x={'a' * 17_000}")
    assert answer.status_code in (400, 414)
    assert b2b_idp.flask.test_client().get(f"{path}?x={'a' * 15_000}").status_code in (400, 401)
