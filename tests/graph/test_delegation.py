"""People call the API through apps: within the app's scopes, their own roles, and the authorization policy."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from b2b_idp.guests.roles import GLOBAL_ADMINISTRATOR, GUEST_INVITER, USER_ADMINISTRATOR
from b2b_idp.model.authorization import GUEST_AS_MEMBER, GUEST_RESTRICTED
from b2b_idp.testing.guest import GuestDriver
from b2b_idp.testing.home_tenant import Account
from b2b_idp.testing.walker import Walker

SCOPES = [
    *("User.Read", "User.Invite.All", "User.ReadWrite.All", "Group.ReadWrite.All", "Policy.Read.All"),
    *("RoleManagement.ReadWrite.Directory", "AuditLog.Read.All"),
]


def authorize(app, **more):
    """An authorization request's query."""
    asked = {"client_id": app.client_id, "redirect_uri": "https://app.example/callback", "response_type": "code"}
    asked |= {"scope": "openid", "code_challenge": "x" * 43, "code_challenge_method": "S256"}
    return urlencode(asked | more)


INVITATION = {
    "invitedUserEmailAddress": "new@litware.example",
    "inviteRedirectUrl": "https://app.example/",
}


class People:
    """Contoso with its own provider, fabrikam as a home tenant, and an app that may ask for Graph's scopes."""

    def __init__(self, kit):
        self.kit = kit
        kit.home_tenant("contoso.example", own=True)
        kit.home_tenant("fabrikam.example", trust_mfa=True)
        scope = " ".join(["openid", "profile", *SCOPES])
        made = kit.app("Portal", b2bIdp={"adminConsent": SCOPES})
        self.app = type(made)(made.client_id, made.client_secret, made.sp_id, made.object_id, scope)

    def signed_in(self, person, **more):
        """Somebody's access token, from a real sign-in."""
        return self.kit.sign_in(person, self.app, **more).tokens["access_token"]

    def call(self, token, method, path, body=None):
        client = self.kit.flask.test_client()
        return client.open(f"/idp/v1.0{path}", method=method, json=body, headers={"Authorization": f"Bearer {token}"})

    def give(self, person, role):
        body = {"principalId": person.id, "roleDefinitionId": role, "directoryScopeId": "/"}
        self.kit.graph("POST", "/roleManagement/directory/roleAssignments", body)

    def policy(self, **change):
        self.kit.graph("PATCH", "/policies/authorizationPolicy", change)


@pytest.fixture
def people(b2b_idp):
    return People(b2b_idp)


def test_a_member_signs_in_at_the_own_provider_and_is_the_directorys_user(people, b2b_idp):
    nina = b2b_idp.member("nina@contoso.example")
    signed_in = b2b_idp.sign_in(nina, people.app)
    assert (signed_in.id_token["oid"], signed_in.id_token["acct"]) == (nina.id, 0)
    assert "idp" not in signed_in.id_token
    again = b2b_idp.sign_in(nina, people.app)
    assert again.id_token["oid"] == nina.id


def test_whom_the_directory_does_not_have_the_own_provider_cannot_bring_in(people, b2b_idp):
    nina = b2b_idp.member("nina@contoso.example")
    stranger = type(nina)("x", "stranger@contoso.example", "", b2b_idp._driver())
    assert b2b_idp.sign_in(stranger, people.app).error == "not_invited"


def test_another_home_cannot_bring_in_a_member(people, b2b_idp):
    """N-036: the address that another home says is nobody's here."""
    b2b_idp.member("ceo@fabrikam.example")
    ceo = b2b_idp.member("boss@contoso.example", mail="boss@fabrikam.example")
    thief = type(ceo)("x", "boss@fabrikam.example", "", b2b_idp._driver())
    assert b2b_idp.sign_in(thief, people.app).error == "not_invited"


def test_the_own_provider_needs_no_domains_to_vouch_for_members(b2b_idp):
    own = b2b_idp.home_tenant("contoso.example", own=True)
    b2b_idp.graph("PATCH", f"/identity/identityProviders/{own.tenant_id}", {"b2bIdp": {"domains": []}})
    nina = b2b_idp.member("nina@contoso.example")
    signed_in = b2b_idp.sign_in(nina, b2b_idp.app("crm"), domain_hint=own.tenant_id)
    assert signed_in.id_token["oid"] == nina.id


def test_an_unverified_address_makes_nobody_a_member(people, b2b_idp):
    nina = b2b_idp.member("nina@contoso.example")
    own = b2b_idp._homes["contoso.example"]
    own.provider.script(Account(sub="x", email="nina@contoso.example", name="X"), email_verified=False)
    walk = nina.driver.walk(f"{b2b_idp.issuer}/authorize?{authorize(people.app, login_hint=nina.email)}")
    assert walk.end.error == "address_not_vouched"


@pytest.mark.parametrize("code_comes", [True, False])
def test_a_provider_that_does_not_say_verified_needs_a_mailed_code_for_a_member(people, b2b_idp, code_comes):
    """Whoever can write an address into the provider must not become the administrator who has it."""
    gala = b2b_idp.member("gala@contoso.example")
    people.give(gala, GLOBAL_ADMINISTRATOR)
    own = b2b_idp._homes["contoso.example"]
    own.provider.script(Account(sub="x", email="gala@contoso.example", name="X"), email_verified=None)
    driver = (
        gala.driver if code_comes else GuestDriver(Walker(b2b_idp._transport(), "https://app.example"), lambda: None)
    )
    walk = driver.walk(f"{b2b_idp.issuer}/authorize?{authorize(people.app, login_hint=gala.email)}")
    assert walk.pages[0] == "email-code"
    user = b2b_idp.graph("GET", f"/users/{gala.id}?$select=identities")
    assert (user["identities"][0]["issuerAssignedId"] == "x") is code_comes


def test_a_person_is_shown_themselves(people, b2b_idp):
    nina = b2b_idp.member("nina@contoso.example")
    token = people.signed_in(nina)
    assert people.call(token, "GET", "/me").json["userPrincipalName"] == "nina@contoso.example"
    assert people.call(token, "GET", "/me/memberOf").json["value"] == []
    assert people.call(people.kit._bearer(), "GET", "/me").status_code == 400


# --- who invites ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("allow", "member", "inviter", "guest"),
    [
        ("none", 403, 403, 403),
        ("adminsAndGuestInviters", 403, 201, 403),
        ("adminsGuestInvitersAndAllMembers", 201, 201, 403),
        ("everyone", 201, 201, 201),
    ],
)
def test_n_073_who_may_invite_is_the_policys_to_say(people, b2b_idp, allow, member, inviter, guest):
    nina, omar = b2b_idp.member("nina@contoso.example"), b2b_idp.member("omar@contoso.example")
    ada = b2b_idp.invite("ada@fabrikam.example")
    people.give(omar, GUEST_INVITER)
    tokens = [people.signed_in(p) for p in (nina, omar, ada)]
    people.policy(allowInvitesFrom=allow)
    answers = [people.call(t, "POST", "/invitations", INVITATION) for t in tokens]
    assert [a.status_code for a in answers] == [member, inviter, guest]
    refused = [a for a in answers if a.status_code == 403]
    assert {a.json["error"]["code"] for a in refused} <= {"Authorization_RequestDenied"}


def test_an_app_for_itself_invites_unless_the_policy_wants_administrators(people, b2b_idp):
    bearer = b2b_idp._bearer()
    for allow, status in [
        ("everyone", 201),
        ("adminsGuestInvitersAndAllMembers", 201),
        ("adminsAndGuestInviters", 403),
    ]:
        people.policy(allowInvitesFrom=allow)
        assert people.call(bearer, "POST", "/invitations", INVITATION).status_code == status


def test_the_inviting_person_is_the_sponsor_and_stands_in_the_log(people, b2b_idp):
    nina = b2b_idp.member("nina@contoso.example")
    made = people.call(people.signed_in(nina), "POST", "/invitations", INVITATION).json
    sponsors = b2b_idp.graph("GET", f"/users/{made['invitedUser']['id']}/sponsors")["value"]
    assert [s["id"] for s in sponsors] == [nina.id]
    entry = b2b_idp.graph("GET", "/auditLogs/directoryAudits?$top=1")["value"][0]
    assert entry["activityDisplayName"] == "Invite external user"
    assert entry["initiatedBy"]["user"]["id"] == nina.id
    assert entry["initiatedBy"]["app"]["appId"] == people.app.client_id


def test_a_person_invites_no_more_than_the_policys_number_a_day(people, b2b_idp):
    token = people.signed_in(b2b_idp.member("nina@contoso.example"))
    people.policy(b2bIdp={"invitationsPerDay": 2})
    statuses = [
        people.call(token, "POST", "/invitations", INVITATION | {"invitedUserEmailAddress": f"g{n}@litware.example"})
        for n in range(3)
    ]
    assert [a.status_code for a in statuses] == [201, 201, 429]
    assert int(statuses[2].headers["Retry-After"]) > 0


def test_n_072_a_member_is_invited_by_an_administrator_only(people, b2b_idp):
    nina, uma = b2b_idp.member("nina@contoso.example"), b2b_idp.member("uma@contoso.example")
    people.give(uma, USER_ADMINISTRATOR)
    as_member = INVITATION | {"invitedUserType": "Member"}
    assert people.call(people.signed_in(nina), "POST", "/invitations", as_member).status_code == 403
    assert people.call(people.signed_in(uma), "POST", "/invitations", as_member).status_code == 201


@pytest.mark.parametrize(
    "gift",
    [
        {"b2bIdp": {"groups": ["00000000-0000-4000-8000-000000000001"]}},
        {"b2bIdp": {"properties": {"department": "Finance"}}},
        {"b2bIdp": {"appRoles": [{"resourceId": "00000000-0000-4000-8000-000000000001"}]}},
        {"invitedUserSponsors": [{"id": "00000000-0000-4000-8000-000000000001"}]},
    ],
)
def test_what_an_invitation_gives_is_judged_as_if_asked_for_alone(people, b2b_idp, gift):
    token = people.signed_in(b2b_idp.member("nina@contoso.example"))
    assert people.call(token, "POST", "/invitations", INVITATION | gift).status_code == 403
    assert b2b_idp.graph("GET", "/users?$filter=userType eq 'Guest'")["value"] == []


# --- what else people may ---------------------------------------------------------------------------------------------


def test_n_074_a_guest_inviter_invites_and_no_more(people, b2b_idp):
    omar, ada = b2b_idp.member("omar@contoso.example"), b2b_idp.invite("ada@fabrikam.example")
    people.give(omar, GUEST_INVITER)
    group = b2b_idp.graph("POST", "/groups", {"displayName": "Sales"})
    token = people.signed_in(omar)
    reference = {"@odata.id": f"{b2b_idp.issuer}/v1.0/directoryObjects/{ada.id}"}
    for method, path, body in [
        ("PATCH", f"/users/{ada.id}", {"department": "Finance"}),
        ("PATCH", f"/users/{ada.id}", {"userType": "Member"}),
        ("POST", f"/groups/{group['id']}/members/$ref", reference),
        ("GET", "/policies/crossTenantAccessPolicy/partners", None),
        ("GET", "/auditLogs/directoryAudits", None),
    ]:
        assert people.call(token, method, path, body).status_code == 403, path


def test_n_151_a_user_administrator_makes_no_global_administrator(people, b2b_idp):
    uma = b2b_idp.member("uma@contoso.example")
    people.give(uma, USER_ADMINISTRATOR)
    body = {"principalId": uma.id, "roleDefinitionId": GLOBAL_ADMINISTRATOR, "directoryScopeId": "/"}
    token = people.signed_in(uma)
    assert people.call(token, "POST", "/roleManagement/directory/roleAssignments", body).status_code == 403


def test_nobody_changes_an_administrator_who_may_more(people, b2b_idp):
    uma, gala = b2b_idp.member("uma@contoso.example"), b2b_idp.member("gala@contoso.example")
    people.give(uma, USER_ADMINISTRATOR)
    people.give(gala, GLOBAL_ADMINISTRATOR)
    token = people.signed_in(uma)
    assert people.call(token, "PATCH", f"/users/{gala.id}", {"accountEnabled": False}).status_code == 403
    assert people.call(token, "DELETE", f"/users/{gala.id}").status_code == 403
    nina = b2b_idp.member("nina@contoso.example")
    assert people.call(token, "PATCH", f"/users/{nina.id}", {"accountEnabled": False}).status_code == 204


def test_a_scope_gives_no_more_than_the_person_has(people, b2b_idp):
    nina = b2b_idp.member("nina@contoso.example")
    token = people.signed_in(nina)
    assert people.call(token, "GET", "/users").status_code == 200
    assert people.call(token, "PATCH", f"/users/{nina.id}", {"department": "Board"}).status_code == 403


def test_a_role_gives_no_more_than_the_apps_scopes(people, b2b_idp):
    gala = b2b_idp.member("gala@contoso.example")
    people.give(gala, GLOBAL_ADMINISTRATOR)
    narrow = type(people.app)(*[getattr(people.app, n) for n in ("client_id", "client_secret", "sp_id", "object_id")])
    token = b2b_idp.sign_in(gala, narrow).tokens["access_token"]
    assert people.call(token, "GET", "/users").status_code == 403
    assert people.call(token, "POST", "/groups", {"displayName": "Mine"}).status_code == 403


def test_n_152_the_last_global_administrator_stays(people, b2b_idp):
    gala = b2b_idp.member("gala@contoso.example")
    people.give(gala, GLOBAL_ADMINISTRATOR)
    bearer = b2b_idp._bearer()
    assert people.call(bearer, "DELETE", f"/users/{gala.id}").status_code == 409
    assert people.call(bearer, "PATCH", f"/users/{gala.id}", {"accountEnabled": False}).status_code == 409
    held = b2b_idp.graph("GET", "/roleManagement/directory/roleAssignments")["value"][0]
    path = f"/roleManagement/directory/roleAssignments/{held['id']}"
    assert people.call(bearer, "DELETE", path).status_code == 409
    people.give(b2b_idp.member("uma@contoso.example"), GLOBAL_ADMINISTRATOR)
    assert people.call(bearer, "DELETE", path).status_code == 204


def test_the_owner_of_a_group_keeps_its_members(people, b2b_idp):
    nina, ada = b2b_idp.member("nina@contoso.example"), b2b_idp.invite("ada@fabrikam.example")
    group = b2b_idp.graph("POST", "/groups", {"displayName": "Sales"})
    at = f"{b2b_idp.issuer}/v1.0/directoryObjects/"
    token, path = people.signed_in(nina), f"/groups/{group['id']}/members/$ref"
    assert people.call(token, "POST", path, {"@odata.id": at + ada.id}).status_code == 403
    b2b_idp.graph("POST", f"/groups/{group['id']}/owners/$ref", {"@odata.id": at + nina.id})
    assert people.call(token, "POST", path, {"@odata.id": at + ada.id}).status_code == 204


def test_the_owner_of_a_group_writes_no_membership_rule(people, b2b_idp):
    nina = b2b_idp.member("nina@contoso.example")
    path = f"/groups/{b2b_idp.graph('POST', '/groups', {'displayName': 'Sales'})['id']}"
    at = f"{b2b_idp.issuer}/v1.0/directoryObjects/"
    b2b_idp.graph("POST", f"{path}/owners/$ref", {"@odata.id": at + nina.id})
    token = people.signed_in(nina)
    rule = {"groupTypes": ["DynamicMembership"], "membershipRule": "user.objectId -ne null"}
    assert people.call(token, "PATCH", path, rule).status_code == 403
    assert b2b_idp.graph("GET", path)["membershipRule"] is None
    assert people.call(token, "PATCH", path, {"description": "Who sells"}).status_code == 204
    b2b_idp.graph("PATCH", path, rule)
    assert people.call(token, "PATCH", path, {"membershipRuleProcessingState": "Paused"}).status_code == 403


# --- what guests may read ---------------------------------------------------------------------------------------------


@pytest.fixture
def ada(b2b_idp, people):
    return b2b_idp.invite("ada@fabrikam.example")


def test_n_141_a_guest_does_not_list_the_directory(people, b2b_idp, ada):
    other, token = b2b_idp.member("nina@contoso.example"), people.signed_in(ada)
    group = b2b_idp.graph("POST", "/groups", {"displayName": "Board"})
    for path in (
        "/users",
        "/groups",
        "/auditLogs/signIns",
        f"/users/{other.id}",
        f"/groups/{group['id']}",
        "/users/delta",
    ):
        assert people.call(token, "GET", path).status_code == 403, path
    nobody = people.call(token, "GET", "/users/99999999-0000-4000-8000-000000000000")
    somebody = people.call(token, "GET", f"/users/{other.id}")
    assert nobody.json["error"]["message"] == somebody.json["error"]["message"]
    assert people.call(token, "GET", "/me").status_code == 200
    assert people.call(token, "GET", f"/users/{ada.id}").status_code == 200


def test_a_guest_sees_the_groups_it_is_in_unless_restricted(people, b2b_idp, ada):
    group = b2b_idp.graph("POST", "/groups", {"displayName": "Project"})
    at = f"{b2b_idp.issuer}/v1.0/directoryObjects/{ada.id}"
    b2b_idp.graph("POST", f"/groups/{group['id']}/members/$ref", {"@odata.id": at})
    token = people.signed_in(ada)
    assert people.call(token, "GET", f"/groups/{group['id']}/members").status_code == 200
    people.policy(guestUserRoleId=GUEST_RESTRICTED)
    assert people.call(token, "GET", f"/groups/{group['id']}/members").status_code == 403
    assert people.call(token, "GET", "/me/memberOf").status_code == 200


def test_expanding_shows_a_guest_no_more_than_asking_would(people, b2b_idp, ada):
    nina = b2b_idp.member("nina@contoso.example")
    b2b_idp.graph("PUT", f"/users/{ada.id}/manager/$ref", {"@odata.id": f"{b2b_idp.issuer}/v1.0/users/{nina.id}"})
    token = people.signed_in(ada)
    for path in (f"/users/{ada.id}/manager", "/me?$expand=manager", "/me?$expand=sponsors"):
        assert people.call(token, "GET", path).status_code == 403, path
    assert people.call(token, "GET", "/me?$expand=memberOf").status_code == 200


def test_guests_read_as_members_where_the_policy_says_so(people, b2b_idp, ada):
    people.policy(guestUserRoleId=GUEST_AS_MEMBER)
    assert people.call(people.signed_in(ada), "GET", "/users").status_code == 200


def test_n_150_nobody_writes_the_attributes_that_rules_read_of_themselves(people, b2b_idp, ada):
    nina = b2b_idp.member("nina@contoso.example")
    for person in (ada, nina):
        token = people.signed_in(person)
        for path in ("/me", f"/users/{person.id}", f"/users('{person.id}')"):
            assert people.call(token, "PATCH", path, {"department": "Board"}).status_code in (403, 405), path
        assert b2b_idp.graph("GET", f"/users/{person.id}?$select=department")["department"] is None


# --- power needs a factor of ours -------------------------------------------------------------------------------------


def test_a_guest_with_a_directory_role_proves_a_factor_here_whatever_the_trust(b2b_idp, people, ada):
    crm = b2b_idp.app("crm", requires="mfa")
    b2b_idp.sign_in(ada, crm, amr=["pwd", "otp", "mfa"])
    people.give(ada, GUEST_INVITER)
    signed_in = b2b_idp.sign_in(ada, crm, amr=["pwd", "otp", "mfa"], prompt="login")
    assert [x["where"] for x in signed_in.asked] == ["here"]
    assert [r.code for r in signed_in.decision.reasons] == ["local_factor_required", "local_mfa_accepted"]


def test_a_member_at_the_own_provider_needs_none(b2b_idp, people):
    omar = b2b_idp.member("omar@contoso.example")
    people.give(omar, GLOBAL_ADMINISTRATOR)
    assert b2b_idp.sign_in(omar, b2b_idp.app("crm")).asked == []


def test_roles_stand_in_wids_where_the_app_asks(b2b_idp, people):
    omar = b2b_idp.member("omar@contoso.example")
    people.give(omar, GUEST_INVITER)
    app = b2b_idp.app("admin", groupMembershipClaims="DirectoryRole")
    assert b2b_idp.sign_in(omar, app).id_token["wids"] == [GUEST_INVITER]
