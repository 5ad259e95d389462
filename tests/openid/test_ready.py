"""Metadata and key set of a provider alone: ready bytes, the same as its Flask application answers."""

from __future__ import annotations

import pytest
from flask import Flask

from b2b_idp import B2BIdp
from b2b_idp.extension import system_moment
from b2b_idp.keys.ring import KeyRing
from b2b_idp.testing.wsgi import exchange

DOCUMENTS = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/jwks")


@pytest.fixture(scope="module")
def keys():
    return KeyRing.in_memory(system_moment())


@pytest.fixture(params=["http://localhost:8000", "https://login.example/idp"])
def idp(request, keys):
    idp = B2BIdp(issuer=request.param, keys=KeyRing(keys.list(), None))
    idp.app = Flask("alone", static_folder=None)
    idp.behind = idp.app.wsgi_app
    idp.init_app(idp.app, alone=True)
    yield idp
    idp.store.close()


def get(idp, app, path, method="GET"):
    status, headers, body = exchange(app, method, idp.settings.issuer + path, {})
    return status, sorted(headers), body


@pytest.mark.parametrize("path", DOCUMENTS)
def test_ready_bytes_are_what_the_application_would_answer(idp, path):
    reached = []
    idp.app.before_request(lambda: reached.append(path))
    ready = get(idp, idp.app, path)
    assert ready[0] == 200
    assert reached == []
    assert get(idp, idp.behind, path) == ready
    assert reached == [path]


def test_the_key_set_is_the_newest(idp):
    before = get(idp, idp.app, "/jwks")[2]
    idp.keys.rotate(idp.moment())
    after = get(idp, idp.app, "/jwks")
    assert after[2] != before
    assert after == get(idp, idp.behind, "/jwks")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("OPTIONS", "/jwks", 200), ("HEAD", "/jwks", 200), ("POST", "/jwks", 405), ("GET", "/jwks?appid=x", 400)],
)
def test_all_else_is_the_applications(idp, method, path, status):
    assert get(idp, idp.app, path, method)[0] == status
