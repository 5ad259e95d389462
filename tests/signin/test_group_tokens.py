"""Dynamic groups in tokens: right in the first token after any change, whatever the lists say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from b2b_idp.guests import membership

SAMPLES = json.loads((Path(__file__).parents[1] / "groups" / "samples.json").read_text(encoding="utf-8"))
APPROVER = "00000000-0000-0000-0000-0000000000aa"
ROLE = {"id": APPROVER, "value": "Approver", "displayName": "Approver", "allowedMemberTypes": ["User"]}


def dynamic(kit, rule, name="Sales", **more):
    body = {"displayName": name, "groupTypes": ["DynamicMembership"], "membershipRule": rule}
    return kit.graph("POST", "/groups", body | more)["id"]


class Signed:
    """A guest who is signed in to an app, and refreshes."""

    def __init__(self, kit, guest, app):
        self.kit, self.app = kit, app
        self.first = kit.sign_in(guest, app)
        self.refresh_token = self.first.tokens["refresh_token"]

    def refreshed(self):
        """The claims of the next id_token; the error when there is none."""
        form = {"grant_type": "refresh_token", "refresh_token": self.refresh_token}
        client = self.kit.flask.test_client()
        answer = client.post("/idp/token", data=form, auth=(self.app.client_id, self.app.client_secret)).get_json()
        if "error" in answer:
            return answer["error"]
        self.refresh_token = answer["refresh_token"]
        return self.kit.verify(answer["id_token"], self.app.client_id)


@pytest.fixture
def ada(b2b_idp):
    b2b_idp.home_tenant("fabrikam.example")
    return b2b_idp.invite("ada@fabrikam.example", department="Sales")


def test_a_changed_department_is_in_the_next_tokens_groups_roles_and_claims_a_thousand_times(b2b_idp, ada):
    app = b2b_idp.app("CRM", claims={"dept": "department"}, groupMembershipClaims="SecurityGroup", appRoles=[ROLE])
    groups = {name: dynamic(b2b_idp, f'user.department -eq "{name}"', name) for name in ("Sales", "Finance")}
    assignment = {"principalId": groups["Finance"], "resourceId": app.sp_id, "appRoleId": APPROVER}
    b2b_idp.graph("POST", f"/servicePrincipals/{app.sp_id}/appRoleAssignedTo", assignment)
    guest = Signed(b2b_idp, ada, app)
    assert guest.first.id_token["groups"] == [groups["Sales"]]
    for n in range(1000):
        department = ("Finance", "Sales")[n % 2]
        b2b_idp.graph("PATCH", f"/users/{ada.id}", {"department": department})
        claims = guest.refreshed()
        assert (claims["groups"], claims["dept"]) == ([groups[department]], department)
        assert claims.get("roles") == (["Approver"] if department == "Finance" else None)


def test_the_token_does_not_wait_for_the_list(b2b_idp, ada, monkeypatch):
    monkeypatch.setattr(membership, "AT_ONCE", 0)
    app = b2b_idp.app("CRM", groupMembershipClaims="SecurityGroup")
    guest, group = Signed(b2b_idp, ada, app), dynamic(b2b_idp, 'user.department -eq "Sales"')
    assert b2b_idp.graph("GET", f"/groups/{group}/members")["value"] == []
    assert guest.refreshed()["groups"] == [group]
    b2b_idp.graph("PATCH", f"/groups/{group}", {"membershipRule": 'user.department -eq "Finance"'})
    assert "groups" not in guest.refreshed()


def test_conditional_access_and_assignment_by_group_follow_at_once(b2b_idp, ada):
    app = b2b_idp.app("CRM", assignment_required=True)
    staff = dynamic(b2b_idp, 'user.department -in ["Sales", "Finance"]', "Staff")
    finance = dynamic(b2b_idp, 'user.department -eq "Finance"', "Finance")
    assignment = {"principalId": staff, "resourceId": app.sp_id, "appRoleId": "00000000-0000-0000-0000-000000000000"}
    b2b_idp.graph("POST", f"/servicePrincipals/{app.sp_id}/appRoleAssignedTo", assignment)
    b2b_idp.require_mfa(app.client_id, includeGroups=[finance])
    guest = Signed(b2b_idp, ada, app)
    for department, allowed in (("Finance", False), ("Sales", True), ("Legal", False), ("sales", True)):
        b2b_idp.graph("PATCH", f"/users/{ada.id}", {"department": department})
        assert (guest.refreshed() == "invalid_grant") is not allowed, department


def test_what_if_sees_the_same_groups(b2b_idp, ada):
    home = b2b_idp._homes["fabrikam.example"]
    app = b2b_idp.app("CRM", groupMembershipClaims="SecurityGroup")
    group = dynamic(b2b_idp, 'user.department -eq "Sales"')
    assert b2b_idp.evaluate(ada, app, home, amr=["pwd"])["wouldIssue"]["groups"] == [group]


def test_n_150_a_guest_writes_nothing_that_rules_read(b2b_idp, ada):
    """Not by /me, not by the own id, whatever scopes the app has, and not by the home's word unless it is trusted."""
    scopes = ["User.Read", "User.ReadWrite.All", "Group.ReadWrite.All"]
    app = b2b_idp.app("Portal", b2bIdp={"adminConsent": scopes}, groupMembershipClaims="SecurityGroup")
    dynamic(b2b_idp, 'user.department -eq "Board"')
    signed = Signed(b2b_idp, ada, replace(app, scope=" ".join([app.scope, *scopes])))
    person = {"Authorization": f"Bearer {signed.first.tokens['access_token']}"}
    client = b2b_idp.flask.test_client()
    assert client.get("/idp/v1.0/me", headers=person).status_code == 200
    for path in ("/me", f"/users/{ada.id}"):
        answer = client.patch(f"/idp/v1.0{path}", json={"department": "Board"}, headers=person)
        assert answer.status_code in (403, 405), answer.text
    assert "groups" not in signed.refreshed()


# --- the samples ------------------------------------------------------------------------------------------------------


def test_the_sample_rules_hold_by_list_by_evaluate_and_by_token(b2b_idp):
    for domain in ("fabrikam.example", "litware.example"):
        b2b_idp.home_tenant(domain)
    people = {}
    for name, user in SAMPLES["users"].items():
        properties = {k: v for k, v in user.items() if v not in (None, []) and k not in _SET_APART}
        if user["userType"] == "Guest":
            people[name] = b2b_idp.invite(user["mail"], display_name=user["displayName"], **properties)
        else:
            upn = {"displayName": user["displayName"], "mail": user["mail"]}
            people[name] = b2b_idp.member(user["mail"], **upn, **properties)
    app = b2b_idp.app("CRM", groupMembershipClaims="SecurityGroup")
    wanted, open_ = {}, set()
    for sample in SAMPLES["rules"]:
        body = {"displayName": str(sample["id"]), "groupTypes": ["DynamicMembership"]}
        if not sample["valid"]:
            with pytest.raises(AssertionError, match=r"400 .*line 1, column"):
                b2b_idp.graph("POST", "/groups", body | {"membershipRule": sample["rule"]})
            continue
        made = b2b_idp.graph("POST", "/groups", body | {"membershipRule": sample["rule"]})
        if sample["members"] is not None:
            wanted[made["id"]] = (sample["rule"], set(sample["members"]))
        else:
            open_.add(made["id"])
    assert len(wanted) >= 20
    for group, (rule, names) in wanted.items():
        listed = b2b_idp.graph("GET", f"/groups/{group}/members?$select=id")["value"]
        assert {m["id"] for m in listed} == {people[n].id for n in names}, rule
        for name, person in people.items():
            ask = {"memberId": person.id}
            for path in (f"/groups/{group}", "/groups"):
                said = b2b_idp.graph(
                    "POST",
                    f"{path}/evaluateDynamicMembership",
                    ask | {"membershipRule": rule} if path == "/groups" else ask,
                )
                assert said["membershipRuleEvaluationResult"] is (name in names), (rule, name)
    for name in ("alice", "bob"):
        claims = b2b_idp.sign_in(people[name], app).id_token
        assert set(claims["groups"]) - open_ == {g for g, (_, names) in wanted.items() if name in names}


_SET_APART = ("userType", "displayName", "mail")
