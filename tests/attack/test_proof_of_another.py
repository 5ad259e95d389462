"""What one person proved in a browser is not another's who signs in there next."""

from __future__ import annotations

from dataclasses import replace

import pytest

from b2b_idp.testing.kit import Kit


@pytest.mark.parametrize("parameters", [{"max_age": "0"}, {"prompt": "login"}])
def test_n_097_the_mailbox_of_one_guest_proves_no_first_factor_of_another(b2b_idp: Kit, parameters) -> None:
    b2b_idp.home_tenant("northwind.example")
    wiki, crm = b2b_idp.app("Wiki"), b2b_idp.app("CRM", requires="mfa")
    vic, mal = b2b_idp.invite("vic@northwind.example"), b2b_idp.invite("mal@northwind.example")
    b2b_idp.sign_in(vic, wiki)
    assert "email-code" in b2b_idp.sign_in(mal, crm).pages
    mal.driver._mailbox, mal.driver.authenticator = lambda: None, None
    as_vic = b2b_idp.sign_in(replace(vic, driver=mal.driver), crm, login_hint=mal.email, **parameters)
    assert (as_vic.id_token, as_vic.pages[-1]) == (None, "email-code")
    with b2b_idp.idp.store.read() as r:
        assert r.factors.methods(vic.id) == frozenset()
