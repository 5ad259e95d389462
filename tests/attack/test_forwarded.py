"""What a stranger's headers and posts cannot do."""

from __future__ import annotations


def test_n_157_forwarded_headers_of_an_untrusted_peer_are_ignored(b2b_idp):
    b2b_idp.home_tenant("fabrikam.example")
    forged = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}
    plain = b2b_idp.flask.test_client().get("/idp/.well-known/openid-configuration").data
    assert b2b_idp.flask.test_client().get("/idp/.well-known/openid-configuration", headers=forged).data == plain
    app = b2b_idp.app("crm")
    query = f"client_id={app.client_id}&redirect_uri=https://app.example/callback&response_type=code&scope=openid"
    pkce = f"&prompt=none&code_challenge={'A' * 43}&code_challenge_method=S256"
    b2b_idp.flask.test_client().get(f"/idp/authorize?{query}{pkce}", headers=forged)
    row = b2b_idp.graph("GET", "/auditLogs/signIns?$top=1")["value"][0]
    assert row["ipAddress"] == "127.0.0.1"


def test_n_158_a_saml_response_at_a_callback_is_not_read(b2b_idp):
    home = b2b_idp.home_tenant("fabrikam.example")
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>'
    answer = b2b_idp.flask.test_client().post(f"/idp/federation/{home.tenant_id}/callback", data={"SAMLResponse": bomb})
    assert (answer.status_code, 'data-error="signin_unknown"' in answer.text) == (400, True)
    assert "aaaa" not in answer.text
