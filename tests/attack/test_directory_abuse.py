"""People and apps with a little power in the directory do not make more of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from b2b_idp.guests.permissions import PERMISSIONS
from b2b_idp.guests.roles import GLOBAL_ADMINISTRATOR
from b2b_idp.model.directory import GRAPH_APP_ID
from b2b_idp.testing.home_tenant import Account
from tests.graph.test_delegation import INVITATION, SCOPES, People, authorize

NOBODY = "99999999-0000-4000-8000-000000000000"
ENDED = {"expirationDateTime": "2020-01-01T00:00:00Z"}


class Directory(People):
    """The people, and apps that act for themselves with the permissions a test says."""

    def __init__(self, kit):
        super().__init__(kit)
        rows = kit.graph("GET", "/servicePrincipals")["value"]
        self.graph_id = next(r["id"] for r in rows if r["appId"] == GRAPH_APP_ID)

    def grant(self, app, *permissions):
        for permission in permissions:
            body = {"principalId": app.sp_id, "resourceId": self.graph_id, "appRoleId": PERMISSIONS[permission]}
            self.kit.graph("POST", f"/servicePrincipals/{app.sp_id}/appRoleAssignments", body)

    def daemon(self, *permissions):
        """An app with these permissions, and its own token."""
        app = self.kit.app("Daemon")
        self.grant(app, *permissions)
        form = {"grant_type": "client_credentials", "scope": f"{self.kit.issuer}/.default"}
        return app, self.kit._token_request((app.client_id, app.client_secret), form)["access_token"]

    def reference(self, id):
        return {"@odata.id": f"{self.kit.issuer}/v1.0/directoryObjects/{id}"}

    def group(self, *members, **properties):
        made = self.kit.graph("POST", "/groups", {"displayName": "Group"} | properties)
        for member in members:
            self.kit.graph("POST", f"/groups/{made['id']}/members/$ref", self.reference(member.id))
        return made["id"]

    def batch(self, token, **part):
        return self.call(token, "POST", "/$batch", {"requests": [{"id": "1", "method": "GET", "url": "/me"} | part]})


@pytest.fixture
def directory(b2b_idp):
    return Directory(b2b_idp)


# --- what apps may ask people for -------------------------------------------------------------------------------------

WANTED = {"b2bIdp": {"adminConsent": ["RoleManagement.ReadWrite.Directory"]}}


def test_n_151_an_app_that_writes_apps_does_not_consent_for_an_administrator(directory):
    app, token = directory.daemon("Application.ReadWrite.All")
    assert directory.call(token, "PATCH", f"/applications/{app.object_id}", WANTED).status_code == 403
    assert directory.call(token, "POST", "/applications", {"displayName": "New"} | WANTED).status_code == 403
    spelled = {"b2bIdp": {"adminConsent": ["https://graph.microsoft.com/User.ReadWrite.All"]}}
    assert directory.call(token, "PATCH", f"/applications/{app.object_id}", spelled).status_code == 403


def test_n_151_what_an_app_was_consented_to_may_be_kept_and_taken_back(directory):
    app, token = directory.daemon("Application.ReadWrite.All", "User.Invite.All")
    directory.kit.graph("PATCH", f"/applications/{app.object_id}", {"b2bIdp": {"adminConsent": ["User.Invite.All"]}})
    path = f"/applications/{app.object_id}"
    assert directory.call(token, "PATCH", path, {"b2bIdp": {"adminConsent": ["User.Invite.All"]}}).status_code == 204
    assert directory.call(token, "PATCH", path, {"b2bIdp": {"adminConsent": []}}).status_code == 204


@pytest.mark.parametrize("scope", ["IdentityProvider.ReadWrite.All", "Policy.ReadWrite.CrossTenantAccess"])
def test_n_151_tier_0_is_consented_to_by_its_holders_only(directory, scope):
    app, token = directory.daemon("DelegatedPermissionGrant.ReadWrite.All")
    grant = {"clientId": app.sp_id, "consentType": "AllPrincipals", "resourceId": directory.graph_id, "scope": scope}
    assert directory.call(token, "POST", "/oauth2PermissionGrants", grant).status_code == 403
    grant["scope"] = "User.Invite.All"
    assert directory.call(token, "POST", "/oauth2PermissionGrants", grant).status_code == 201


@pytest.mark.parametrize(
    ("method", "below", "body"),
    [
        ("POST", "/addPassword", {}),
        ("PATCH", "", {"web": {"redirectUris": ["https://evil.example/callback"]}}),
        ("DELETE", "", None),
    ],
)
def test_n_151_an_app_that_acts_for_people_with_more_power_is_not_taken_over(directory, method, below, body):
    _, token = directory.daemon("Application.ReadWrite.All")
    path = f"/applications/{directory.app.object_id}{below}"
    assert directory.call(token, method, path, body).status_code == 403


def test_n_151_the_claims_of_a_stronger_app_are_not_mapped_anew(directory):
    _, token = directory.daemon("Policy.ReadWrite.ApplicationConfiguration")
    strong = directory.kit.app("Strong", claims={"dep": "department"})
    directory.grant(strong, "User.ReadWrite.All")
    of = f"/servicePrincipals/{strong.sp_id}/claimsMappingPolicies"
    policy = directory.kit.graph("GET", of)["value"][0]["id"]
    change = {"displayName": "Mine"}
    assert directory.call(token, "PATCH", f"/policies/claimsMappingPolicies/{policy}", change).status_code == 403
    assert directory.call(token, "DELETE", f"{of}/{policy}/$ref").status_code == 403


# --- the last administrator -------------------------------------------------------------------------------------------


@pytest.fixture
def gala(directory):
    return directory.kit.member("gala@contoso.example")


def test_n_152_the_last_administrators_account_does_not_expire(directory, gala):
    directory.give(gala, GLOBAL_ADMINISTRATOR)
    token, path = directory.kit._bearer(), f"/users/{gala.id}/setExpiration"
    assert directory.call(token, "POST", path, ENDED).status_code == 409
    later = {"expirationDateTime": "2999-01-01T00:00:00Z"}
    assert directory.call(token, "POST", path, later).status_code == 409


def test_n_152_an_administrator_whose_account_expired_is_no_other_administrator(directory, gala):
    uma = directory.kit.member("uma@contoso.example")
    for person in (gala, uma):
        directory.give(person, GLOBAL_ADMINISTRATOR)
    directory.kit.graph("POST", f"/users/{uma.id}/setExpiration", ENDED)
    assert directory.call(directory.kit._bearer(), "DELETE", f"/users/{gala.id}").status_code == 409


def test_n_152_the_last_administrator_by_a_group_stays_too(directory, gala):
    group = directory.group(gala, isAssignableToRole=True)
    directory.give(replace(gala, id=group), GLOBAL_ADMINISTRATOR)
    held = directory.kit.graph("GET", "/roleManagement/directory/roleAssignments")["value"][0]["id"]
    for path in (
        f"/users/{gala.id}",
        f"/groups/{group}/members/{gala.id}/$ref",
        f"/groups/{group}",
        f"/roleManagement/directory/roleAssignments/{held}",
    ):
        assert directory.call(directory.kit._bearer(), "DELETE", path).status_code == 409, path
    directory.give(gala, GLOBAL_ADMINISTRATOR)
    assert directory.call(directory.kit._bearer(), "DELETE", f"/groups/{group}").status_code == 204


def test_n_152_the_last_credential_that_can_grant_stays(directory):
    token = directory.kit._bearer()
    app = next(a for a in directory.kit.graph("GET", "/applications")["value"] if a["displayName"] == "Administrator")
    sp = next(s for s in directory.kit.graph("GET", "/servicePrincipals")["value"] if s["appId"] == app["appId"])
    held = directory.kit.graph("GET", f"/servicePrincipals/{sp['id']}/appRoleAssignments")["value"]
    granting = next(a["id"] for a in held if a["appRoleId"] == PERMISSIONS["AppRoleAssignment.ReadWrite.All"])
    secret = {"keyId": app["passwordCredentials"][0]["keyId"]}
    for method, path, body in [
        ("POST", f"/applications/{app['id']}/removePassword", secret),
        ("PATCH", f"/servicePrincipals/{sp['id']}", {"accountEnabled": False}),
        ("DELETE", f"/servicePrincipals/{sp['id']}/appRoleAssignments/{granting}", None),
    ]:
        assert directory.call(token, method, path, body).status_code == 409, path
    directory.daemon("AppRoleAssignment.ReadWrite.All")
    path = f"/applications/{app['id']}/removePassword"
    assert directory.call(token, "POST", path, secret).status_code == 204


# --- guests whom somebody else invited --------------------------------------------------------------------------------


def test_n_067_inviting_somebody_elses_guest_again_tells_no_link(directory):
    nina, ada = directory.kit.member("nina@contoso.example"), directory.kit.invite("ada@fabrikam.example")
    mine = directory.signed_in(nina)
    bob = directory.call(mine, "POST", "/invitations", INVITATION | {"inviteRedirectUrl": "https://app.example/"}).json
    again = INVITATION | {"inviteRedirectUrl": "https://evil.example/"}
    answer = directory.call(directory.signed_in(ada), "POST", "/invitations", again)
    assert (answer.status_code, answer.json["inviteRedeemUrl"]) == (201, None)
    assert answer.json["invitedUser"]["id"] == bob["invitedUser"]["id"]
    assert answer.json["inviteRedirectUrl"] == "https://app.example/"
    with directory.kit.idp.store.read() as r:
        assert [letter.kind for letter in r.outbox.about(bob["id"])] == ["invitation"]
    assert directory.call(mine, "POST", "/invitations", INVITATION).json["inviteRedeemUrl"]


def test_n_067_nor_that_of_a_guest_who_may_more_than_the_inviter(directory):
    bob = directory.kit.invite("bob@fabrikam.example")
    directory.give(bob, GLOBAL_ADMINISTRATOR)
    _, token = directory.daemon("User.ReadWrite.All")
    again = INVITATION | {"invitedUserEmailAddress": bob.email}
    assert directory.call(token, "POST", "/invitations", again).json["inviteRedeemUrl"] is None


def test_n_076_somebody_elses_invitation_is_not_sent_again(directory):
    nina, omar = directory.kit.member("nina@contoso.example"), directory.kit.member("omar@contoso.example")
    mine, theirs = directory.signed_in(nina), directory.signed_in(omar)
    made = directory.call(mine, "POST", "/invitations", INVITATION).json
    answers = [directory.call(theirs, "POST", f"/invitations/{id}/resend") for id in (made["id"], NOBODY)]
    assert [a.status_code for a in answers] == [404, 404]
    assert directory.call(mine, "POST", f"/invitations/{made['id']}/resend").status_code == 204


def test_n_076_inviting_other_peoples_guests_again_counts_too(directory):
    guests = [f"guest{n}@litware.example" for n in range(3)]
    for address in guests:
        directory.kit.invite(address)
    token = directory.signed_in(directory.kit.member("nina@contoso.example"))
    directory.policy(b2bIdp={"invitationsPerDay": 1})
    answers = [
        directory.call(token, "POST", "/invitations", INVITATION | {"invitedUserEmailAddress": a}) for a in guests
    ]
    assert [a.status_code for a in answers] == [201, 429, 429]


# --- what is told to guests -------------------------------------------------------------------------------------------


@pytest.fixture
def ada(directory):
    return directory.kit.invite("ada@fabrikam.example")


def test_n_141_asking_to_attest_does_not_tell_who_is_there(directory, ada):
    nina, token = directory.kit.member("nina@contoso.example"), directory.signed_in(ada)
    answers = [directory.call(token, "POST", f"/users/{id}/attest") for id in (nina.id, NOBODY)]
    assert [a.status_code for a in answers] == [403, 403]
    assert len({a.json["error"]["message"] for a in answers}) == 1


@pytest.mark.parametrize(
    "query",
    ["/members?$select=id,employeeId,identities", "?$expand=members($select=id,employeeId,identities)"],
)
def test_n_141_a_guest_is_told_who_is_in_its_group_and_no_more_of_them(directory, ada, query):
    nina = directory.kit.member("nina@contoso.example", employeeId="E-17")
    group, token = directory.group(ada, nina), directory.signed_in(ada)
    answer = directory.call(token, "GET", f"/groups/{group}{query}").json
    found = {m["id"]: (m["employeeId"], m["identities"]) for m in answer.get("value", answer.get("members"))}
    assert found[nina.id] == (None, [])
    assert found[ada.id][1] != []


def test_n_141_a_guest_does_not_find_out_by_filtering(directory, ada):
    nina = directory.kit.member("nina@contoso.example", employeeId="E-17")
    path = f"/groups/{directory.group(ada, nina)}/members?$filter=employeeId eq 'E-17'"
    assert directory.call(directory.signed_in(ada), "GET", path).json["value"] == []


def test_an_app_that_reads_groups_is_told_names_only(directory):
    nina = directory.kit.member("nina@contoso.example", employeeId="E-17")
    _, token = directory.daemon("Group.Read.All")
    path = f"/groups/{directory.group(nina)}/members?$select=displayName,employeeId"
    assert directory.call(token, "GET", path).json["value"][0]["employeeId"] is None
    assert directory.call(token, "GET", path).json["value"][0]["displayName"] == "Nina"


# --- who is taken for whom --------------------------------------------------------------------------------------------


def own_sign_in(directory, email, sub):
    """What comes of a sign-in at the organisation's own provider by somebody whom it says to have this address."""
    own = directory.kit._homes["contoso.example"]
    own.provider.script(Account(sub=sub, email=email, name="Somebody"))
    query = authorize(directory.app, domain_hint=own.tenant_id)
    return directory.kit._driver().walk(f"{directory.kit.issuer}/authorize?{query}").end.error


def test_n_036_a_name_that_is_taken_leads_to_nobody_elses_mail(directory):
    nina = directory.kit.member("nina@contoso.example")
    admin = directory.kit.member("adm-nina@contoso.example", mail=nina.email)
    directory.give(admin, GLOBAL_ADMINISTRATOR)
    assert own_sign_in(directory, nina.email, "nina") is None
    assert own_sign_in(directory, nina.email, "somebody else") == "not_invited"


def test_n_036_nor_does_the_name_of_a_deleted_member(directory):
    nina = directory.kit.member("nina@contoso.example")
    directory.give(directory.kit.member("adm-nina@contoso.example", mail=nina.email), GLOBAL_ADMINISTRATOR)
    directory.kit.graph("DELETE", f"/users/{nina.id}")
    assert own_sign_in(directory, nina.email, "nina") == "not_invited"


def test_n_036_an_address_that_two_members_have_names_neither(directory):
    for name in ("a", "b"):
        directory.kit.member(f"{name}@contoso.example", mail="office@contoso.example")
    assert own_sign_in(directory, "office@contoso.example", "x") == "not_invited"


# --- batches and repeated requests ------------------------------------------------------------------------------------


def test_n_146_a_batch_in_a_batch_is_refused_in_every_spelling(directory, gala):
    inner = {"requests": [{"id": "1", "method": "GET", "url": "/me"}]}
    more = {"method": "POST", "headers": {"Content-Type": "application/json"}, "body": inner}
    token = directory.signed_in(gala)
    for url in ("/$batch", "/%24batch", "/$b%61tch", "/%2e%2e/v1.0/$batch", "$batch?x"):
        assert directory.batch(token, url=url, **more).status_code == 400, url


@pytest.mark.parametrize("value", ["a\rb", "a\nb", "a\x00b"])
def test_n_146_a_header_with_control_characters_is_a_400(directory, gala, value):
    assert directory.batch(directory.signed_in(gala), headers={"X-Note": value}).status_code == 400


def test_another_app_is_not_given_the_first_ones_answer_again(directory, gala):
    made = directory.kit.app("Other", b2bIdp={"adminConsent": SCOPES})
    other = replace(made, scope=directory.app.scope)
    tokens = [directory.kit.sign_in(gala, app).tokens["access_token"] for app in (directory.app, other)]
    client = directory.kit.flask.test_client()
    links = [
        client.post(
            "/idp/v1.0/invitations",
            json=INVITATION,
            headers={"Authorization": f"Bearer {token}", "client-request-id": NOBODY},
        ).json["inviteRedeemUrl"]
        for token in tokens
    ]
    assert links[0] != links[1]
