"""A home that is down when its guest is to be sent there."""

from __future__ import annotations

from urllib.parse import urlencode

from b2b_idp.testing.kit import Kit


def test_the_guest_is_told_and_goes_on_when_home_is_back(b2b_idp: Kit) -> None:
    home = b2b_idp.home_tenant("fabrikam.example").provider
    app = b2b_idp.app("CRM")
    ada = b2b_idp.invite("ada@fabrikam.example")
    asked = {"client_id": app.client_id, "redirect_uri": app.redirect_uri, "response_type": "code", "scope": "openid"}
    asked |= {"code_challenge": "a" * 43, "code_challenge_method": "S256"}
    browser = ada.driver.walker
    who = browser.get(f"{b2b_idp.issuer}/authorize?{urlencode(asked)}")

    home.stop()
    told = browser.submit(who, email=ada.email)

    assert told.error == "home_unavailable"
    home.start()
    [again] = [link for link in told.links if "/signin/" in link]
    assert browser.get(again).url.startswith(f"{home.issuer}/authorize")
