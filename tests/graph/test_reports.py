"""organization, domains, the logs, and the decision asked for without a sign-in."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from graph_world import NOBODY

EVALUATE = "/identity/conditionalAccess/evaluate"


def signin(api, minutes=0, error=0, **more):
    at = api.at + timedelta(minutes=minutes)
    document = {
        "id": str(uuid.uuid4()),
        "createdDateTime": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "userId": None,
        "appId": None,
        "correlationId": str(uuid.uuid4()),
        "status": {"errorCode": error},
    } | more
    with api.store.write() as w:
        w.logs.add_signin(document, at)
    return document


def test_the_organization_and_its_domain(api):
    (organization,) = api.get("/organization")["value"]
    assert (organization["id"], organization["displayName"]) == (api.tenant.id, "Contoso")
    assert organization["verifiedDomains"][0]["name"] == "contoso.example"
    assert api.get(f"/organization/{api.tenant.id}")["displayName"] == "Contoso"
    assert [d["id"] for d in api.get("/domains")["value"]] == ["contoso.example"]
    assert api.get("/domains/contoso.example")["isDefault"] is True
    assert api.refused("GET", "/domains/evil.example")[0] == 404


def test_sign_ins_are_shown_newest_first(api):
    first, second = signin(api), signin(api, minutes=1)
    assert [s["id"] for s in api.get("/auditLogs/signIns")["value"]] == [second["id"], first["id"]]
    assert api.get(f"/auditLogs/signIns/{first['id']}")["id"] == first["id"]
    assert api.refused("GET", f"/auditLogs/signIns/{NOBODY}")[0] == 404


def test_sign_ins_are_found(api):
    wanted = signin(api, error=500213, userId=NOBODY, minutes=5)
    signin(api, minutes=-5)
    for filter in (
        "status/errorCode eq 500213",
        f"userId eq '{NOBODY}'",
        f"correlationId eq '{wanted['correlationId']}'",
        f"id eq '{wanted['id']}'",
        "createdDateTime ge 2026-06-01T10:00:00Z",
        "createdDateTime ge 2026-06-01T10:00:00Z and createdDateTime le 2026-06-01T10:30:00Z",
    ):
        found = api.get(f"/auditLogs/signIns?$top=5&$filter={filter}")["value"]
        assert [s["id"] for s in found] == [wanted["id"]], filter


def test_a_change_is_audited_with_who_and_what(api):
    guest = api.guest(invitedUserDisplayName="Alice")
    (entry,) = api.get("/auditLogs/directoryAudits")["value"]
    assert (entry["activityDisplayName"], entry["result"]) == ("Invite external user", "success")
    assert entry["initiatedBy"]["app"]["appId"] == api.client.app_id
    assert entry["targetResources"][0]["id"] == guest
    assert datetime.fromisoformat(entry["activityDateTime"]) == api.at.astimezone(UTC)
    assert api.get(f"/auditLogs/directoryAudits/{entry['id']}")["id"] == entry["id"]


def test_a_refused_change_is_audited_too(api):
    api.refused("DELETE", f"/users/{NOBODY}")
    (entry,) = api.get("/auditLogs/directoryAudits")["value"]
    assert (entry["activityDisplayName"], entry["result"]) == ("Delete user", "failure")


def test_a_stranger_writes_nothing_into_the_audit_log(api):
    api.http.delete(f"/idp/v1.0/users/{NOBODY}")
    assert api.get("/auditLogs/directoryAudits")["value"] == []


# --- evaluate ---


class Question:
    """MFA is required of guests; the home is trusted for it, or not."""

    def __init__(self, api, trusted):
        home = api.made("/identity/identityProviders", api.provider())
        application, _ = api.app()
        trust = {"inboundTrust": {"isMfaAccepted": trusted}, "b2bIdp": {"mfaMaxAge": "PT12H"}}
        api.made("/policies/crossTenantAccessPolicy/partners", {"tenantId": home["id"]} | trust)
        api.made("/identity/conditionalAccess/policies", MFA_FOR_GUESTS)
        self.api = api
        self.home = {"tenantId": home["id"], "authTime": int(api.at.timestamp())}
        self.body = {"userId": api.guest(), "appId": application["appId"]}

    def ask(self, amr, home=None, **more):
        body = self.body | {"home": self.home | {"amr": amr} | (home or {})} | more
        answer = self.api.call("POST", EVALUATE, body)
        assert answer.status_code == 200, answer.text
        return answer.json["outcome"], [r["code"] for r in answer.json["reasons"]]

    def refused(self, home=None, **more):
        body = self.body | {"home": self.home | (home or {})} | more
        return self.api.refused("POST", EVALUATE, body)[0]


MFA_FOR_GUESTS = {
    "displayName": "MFA for guests",
    "state": "enabled",
    "conditions": {
        "applications": {"includeApplications": ["All"]},
        "users": {"includeUsers": ["GuestsOrExternalUsers"]},
    },
    "grantControls": {"operator": "OR", "builtInControls": ["mfa"]},
}


@pytest.fixture
def trusted(api):
    return Question(api, trusted=True)


@pytest.fixture
def untrusted(api):
    return Question(api, trusted=False)


def test_evaluate_decides_as_a_sign_in_would(trusted):
    assert trusted.ask(["pwd", "mfa"]) == ("allowed", ["home_mfa_accepted"])
    assert trusted.ask(["pwd"]) == ("askHome", ["home_step_up"])
    assert trusted.ask(["pwd"], asked=True)[0] == "askHere"


def test_n_080_an_untrusted_home_is_heard_and_not_believed(untrusted):
    assert untrusted.ask(["mfa", "hwk", "pin"]) == ("askHere", ["partner_not_trusted"])


def test_evaluate_counts_what_the_session_already_holds(untrusted):
    session = {"amr": ["otp"], "authTime": untrusted.home["authTime"]}
    outcome, reasons = untrusted.ask(["pwd"], session=session)
    assert outcome == "allowed" and reasons[-1] == "local_mfa_accepted"


@pytest.mark.parametrize("amr", [["hwk", "user"], ["hwk", "user", "otp"], ["pwd", "hwk", "user", "mfa"]], ids=str)
def test_a_session_may_hold_a_passkey_and_more(untrusted, amr):
    assert untrusted.ask(["pwd"], session={"amr": amr})[0] == "allowed"


@pytest.mark.parametrize(
    "session", [{"amr": ["sms"]}, {"amr": ["otp", "x"]}, {"amr": ["otp"], "authTime": 10**12}], ids=str
)
def test_a_session_that_nobody_can_have_here_is_a_400(untrusted, session):
    assert untrusted.refused(session=session) == 400


def test_evaluate_judges_at_the_time_that_is_asked_about(trusted):
    assert trusted.ask(["pwd", "mfa"], at="2026-06-01T21:00:00Z")[0] == "allowed"
    assert trusted.ask(["pwd", "mfa"], at="2026-06-01T23:00:00Z")[0] == "askHome"


@pytest.mark.parametrize(
    "amr",
    ["mfa", ["pwd", ["mfa"]], [{"v": "mfa"}], None, [1], ["x"] * 10_000],
    ids=lambda a: f"N-081 {str(a)[:20]}",
)
def test_an_amr_that_is_none_proves_nothing(trusted, amr):
    assert trusted.ask(amr)[0] == "askHome"


@pytest.mark.parametrize(
    "change",
    [
        {"userId": NOBODY}, {"userId": 5}, {"userId": None}, {"appId": NOBODY}, {"appId": []}, {"at": "soon"},
        {"at": 5}, {"at": "0001-01-01T00:00:00+14:00"}, {"at": "9999-12-31T23:59:59Z"}, {"asked": "yes"},
        {"session": 5}, {"session": {"amr": "otp"}}, {"session": {"amr": [1]}}, {"colour": "red"},
        {"session": {"authTime": "x"}},
    ],
    ids=str,
)  # fmt: skip
def test_a_question_that_is_none_is_a_400(trusted, change):
    assert trusted.refused(**change) == 400


@pytest.mark.parametrize(
    "home",
    [{"tenantId": NOBODY}, {"tenantId": 5}, {"authTime": "x"}, {"authTime": True}, {"authTime": 10**400},
     {"authTime": 1.5}, {"acr": 5}, {"colour": 1}],
    ids=lambda c: str(c)[:30],
)  # fmt: skip
def test_a_home_that_says_nothing_readable_is_a_400(trusted, home):
    assert trusted.refused(home) == 400


@pytest.mark.parametrize("home", [None, {}, "x"], ids=str)
def test_a_question_without_a_home_is_a_400(trusted, home):
    assert trusted.api.refused("POST", EVALUATE, trusted.body | {"home": home})[0] == 400


def test_evaluate_changes_nothing_but_the_audit_log(trusted):
    paths = ("/users", "/identity/identityProviders", "/applications", "/auditLogs/signIns")
    before = [trusted.api.get(p) for p in paths]
    trusted.ask(["pwd"])
    assert [trusted.api.get(p) for p in paths] == before
    assert "Evaluate conditional access" in trusted.api.call("GET", "/auditLogs/directoryAudits").text
