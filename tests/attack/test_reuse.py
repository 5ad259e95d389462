"""A stolen refresh token that is tried ends its family, even at a time when it would not have been good."""

from __future__ import annotations


def test_n_115_reuse_ends_the_family_also_while_the_guest_could_not_use_it(b2b_idp):
    b2b_idp.home_tenant("fabrikam.example")
    guest, app = b2b_idp.invite("ada@fabrikam.example"), b2b_idp.app("Expenses")

    def refresh(token):
        form = {"grant_type": "refresh_token", "refresh_token": token}
        auth = (app.client_id, app.client_secret)
        return b2b_idp.flask.test_client().post("/idp/token", data=form, auth=auth).get_json()

    def assignment_required(yes):
        b2b_idp.graph("PATCH", f"/servicePrincipals/{app.sp_id}", {"appRoleAssignmentRequired": yes})

    first = b2b_idp.sign_in(guest, app).tokens["refresh_token"]
    second = refresh(first)["refresh_token"]
    third = refresh(second)["refresh_token"]
    assignment_required(True)
    assert refresh(first)["error"] == "invalid_grant"
    assignment_required(False)
    assert refresh(third)["error"] == "invalid_grant"


def test_a_refusal_that_is_nobodys_fault_leaves_the_family_alive(b2b_idp):
    b2b_idp.home_tenant("fabrikam.example")
    guest, app = b2b_idp.invite("ada@fabrikam.example"), b2b_idp.app("Expenses")
    token = b2b_idp.sign_in(guest, app).tokens["refresh_token"]
    client, auth = b2b_idp.flask.test_client(), (app.client_id, app.client_secret)
    form = {"grant_type": "refresh_token", "refresh_token": token}
    for required, status in ((True, 400), (False, 200)):
        b2b_idp.graph("PATCH", f"/servicePrincipals/{app.sp_id}", {"appRoleAssignmentRequired": required})
        assert client.post("/idp/token", data=form, auth=auth).status_code == status


def test_a_lost_answer_is_given_again_for_the_scope_it_was_given_for(b2b_idp):
    b2b_idp.home_tenant("fabrikam.example")
    guest, app = b2b_idp.invite("ada@fabrikam.example"), b2b_idp.app("Expenses")
    client, auth = b2b_idp.flask.test_client(), (app.client_id, app.client_secret)

    def refresh(token, **scope):
        form = {"grant_type": "refresh_token", "refresh_token": token} | scope
        return client.post("/idp/token", data=form, auth=auth).get_json()

    token = b2b_idp.sign_in(guest, app).tokens["refresh_token"]
    narrow = refresh(token, scope="openid email")
    assert refresh(token)["error"] == "invalid_scope"
    assert refresh(token, scope="email openid")["refresh_token"] == narrow["refresh_token"]
    wide = refresh(narrow["refresh_token"])
    assert refresh(narrow["refresh_token"], scope="openid")["error"] == "invalid_scope"
    assert refresh(narrow["refresh_token"])["refresh_token"] == wide["refresh_token"]
