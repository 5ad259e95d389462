"""organization, domains, the logs, and the decision asked for without a sign-in."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from graph_world import NOBODY

from b2b_idp.guests.permissions import PERMISSIONS

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


@pytest.fixture
def question(api):
    home = api.made("/identity/identityProviders", api.provider())
    application, _ = api.app()
    return {
        "userId": api.guest(),
        "appId": application["appId"],
        "home": {"tenantId": home["id"], "amr": ["pwd"]},
    }


def test_evaluate_passes_on_what_was_asked(api, question):
    home = question["home"] | {"acr": "1", "authTime": 1780300000}
    body = question | {
        "home": home,
        "asked": True,
        "session": {"amr": ["otp"], "authTime": 1780300001},
        "at": "2026-06-01T12:00:00Z",
    }
    answer = api.call("POST", EVALUATE, body)
    assert (answer.status_code, answer.json["outcome"]) == (200, "allowed")
    (asked,) = api.asked
    assert (asked["user"].id, asked["app"].app_id, asked["home"].tenant_id) == (
        question["userId"],
        question["appId"],
        home["tenantId"],
    )
    assert (asked["amr"], asked["acr"], asked["auth_time"], asked["asked"]) == (
        ["pwd"],
        "1",
        1780300000,
        True,
    )
    assert (asked["session_amr"], asked["session_time"]) == (["otp"], 1780300001)
    assert asked["at"] == datetime(2026, 6, 1, 12, tzinfo=UTC)


def test_evaluate_takes_now_where_no_time_is_given(api, question):
    api.call("POST", EVALUATE, question)
    assert api.asked[0]["at"] == api.at


@pytest.mark.parametrize(
    "amr", ["mfa", ["pwd", ["mfa"]], [{"v": "mfa"}], None, [1], ["x"] * 10_000], ids=lambda a: str(a)[:20]
)
def test_n_081_an_amr_that_is_none_is_a_question_all_the_same(api, question, amr):
    question["home"]["amr"] = amr
    assert api.call("POST", EVALUATE, question).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"userId": NOBODY}, {"userId": 5}, {"userId": None}, {"appId": NOBODY}, {"appId": []}, {"home": None},
        {"home": {}}, {"home": {"tenantId": NOBODY}}, {"home": "x"}, {"asked": "yes"}, {"at": "soon"}, {"at": 5},
        {"at": "0001-01-01T00:00:00+14:00"}, {"at": "9999-12-31T23:59:59Z"},
        {"session": 5}, {"session": {"amr": "otp"}}, {"session": {"amr": [1]}},
        {"session": {"authTime": "x"}}, {"colour": "red"},
    ],
    ids=str,
)  # fmt: skip
def test_a_question_that_is_none_is_a_400(api, question, change):
    assert api.refused("POST", EVALUATE, question | change)[0] == 400


@pytest.mark.parametrize(
    "change",
    [
        {"authTime": "x"},
        {"authTime": True},
        {"authTime": 10**400},
        {"authTime": 1.5},
        {"acr": 5},
        {"colour": 1},
    ],
    ids=lambda c: str(c)[:30],
)
def test_a_home_that_says_nothing_readable_is_a_400(api, question, change):
    question["home"] |= change
    assert api.refused("POST", EVALUATE, question)[0] == 400


def test_evaluate_changes_nothing_but_the_audit_log(api, question):
    before = [api.get(p) for p in ("/users", "/identity/identityProviders", "/applications")]
    api.call("POST", EVALUATE, question, roles=PERMISSIONS)
    assert [api.get(p) for p in ("/users", "/identity/identityProviders", "/applications")] == before
    assert "Evaluate conditional access" in api.call("GET", "/auditLogs/directoryAudits").text
