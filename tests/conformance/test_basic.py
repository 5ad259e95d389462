"""OpenID Connect Basic OP: the answer comes in the address."""

from __future__ import annotations

import time

import pytest

from tests.conformance import conformance
from tests.conformance.basic import BasicConditions


class TestBasic(BasicConditions):
    mode = "query"


@pytest.fixture
def guest(b2b_idp):
    b2b_idp.home_tenant("fabrikam.example")
    return b2b_idp.invite("ada@fabrikam.example")


@conformance("oidcc-prompt-login")
@conformance("oidcc-max-age-1")
@pytest.mark.parametrize("given", [{"prompt": "login"}, {"max_age": "1"}], ids=str)
def test_a_second_sign_in_is_asked_for_and_moves_auth_time(b2b_idp, guest, given):
    app = b2b_idp.app("Expenses")
    first = b2b_idp.sign_in(guest, app, auth_time=int(time.time()) - 60)
    assert b2b_idp.sign_in(guest, app).id_token["auth_time"] == first.id_token["auth_time"]
    assert b2b_idp.sign_in(guest, app, **given).id_token["auth_time"] > first.id_token["auth_time"]
