"""authentication: what a user has registered here, one-time passes (Graph's Temporary Access Pass), resets."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from datetime import timedelta

import graph_types
import pytest
from graph_world import AT, NOBODY

from b2b_idp.factors import totp
from b2b_idp.guests.roles import GLOBAL_ADMINISTRATOR
from b2b_idp.store.factors import TotpFactor
from b2b_idp.store.signins import SessionRow

WRITE = "UserAuthenticationMethod.ReadWrite.All"
READ = "UserAuthenticationMethod.Read.All"


@pytest.fixture
def guest(api):
    return api.guest()


def passes(guest):
    return f"/users/{guest}/authentication/temporaryAccessPassMethods"


def oath(guest):
    return f"/users/{guest}/authentication/softwareOathMethods"


def with_totp(api, guest, many=1):
    """Ids of authenticators that the guest has, with a list of recovery codes and a session."""
    with api.store.write() as w:
        ids = [str(uuid.uuid4()) for _ in range(many)]
        for n, id in enumerate(ids):
            at = AT + timedelta(minutes=n)
            w.factors.add_totp(TotpFactor(id, guest, totp.new_secret(api.moment()), 0, at))
        w.factors.set_recovery_codes(guest, [b"a" * 32, b"b" * 32])
        user = w.users.by_id(guest)
        w.users.save(replace(user, proved_mail=user.mail))
        session = str(uuid.uuid4())
        w.signins.add_session(
            SessionRow(id=session, user_id=guest, evidence={}, created_at=AT, expires_at=AT + timedelta(days=1))
        )
    return ids, session


def ended(api, session):
    with api.store.read() as r:
        return r.signins.session(session).ended_at is not None


def subjects(api):
    with api.store.read() as r:
        return [m.subject for m in r.outbox.latest()]


def audits(api, activity):
    rows = api.get("/auditLogs/directoryAudits")["value"]
    return [a for a in rows if a["activityDisplayName"] == activity]


# --- one-time passes ------------------------------------------------------------------------------------------------


def test_a_pass_is_told_once_as_graph_tells_it(api, guest):
    made = api.made(passes(guest), {})
    assert graph_types.faults(made) == []
    assert len(made["temporaryAccessPass"].replace("-", "")) == 16  # of 32 letters each: 80 bits
    assert (made["lifetimeInMinutes"], made["isUsableOnce"], made["isUsable"]) == (60, True, True)
    assert made["methodUsabilityReason"] == "EnabledByPolicy"
    one, listed = api.get(f"{passes(guest)}/{made['id']}"), api.get(passes(guest))
    assert one["temporaryAccessPass"] is None
    assert [row["id"] for row in listed["value"]] == [made["id"]]
    assert graph_types.faults(one) == graph_types.faults(listed) == []
    code = made["temporaryAccessPass"]
    everything = json.dumps([one, listed, api.get("/auditLogs/directoryAudits"), api.get(passes(guest))])
    assert code not in everything
    assert code.replace("-", "") not in everything


def test_what_is_registered_lists_the_pass_too(api, guest):
    [factor], _ = with_totp(api, guest)
    made = api.made(passes(guest), {})
    answer = api.get(f"/users/{guest}/authentication/methods")
    assert {row["id"] for row in answer["value"]} == {factor, made["id"]}
    assert graph_types.faults(answer) == []
    one = api.get(f"/users/{guest}/authentication/methods/{factor}")
    assert one["@odata.type"] == "#microsoft.graph.softwareOathAuthenticationMethod"
    assert api.get(f"/users/{guest}/authentication/methods?$select=id&$orderby=createdDateTime desc")["value"]


def test_a_new_pass_replaces_the_one_before(api, guest):
    old, new = api.made(passes(guest), {}), api.made(passes(guest), {"lifetimeInMinutes": 10})
    assert [row["id"] for row in api.get(passes(guest))["value"]] == [new["id"]]
    assert api.refused("GET", f"{passes(guest)}/{old['id']}") == (404, "Request_ResourceNotFound")


@pytest.mark.parametrize(
    ("later", "said"),
    [(0, "NotYetValid"), (60, "EnabledByPolicy"), (119, "EnabledByPolicy"), (120, "Expired")],
)
def test_a_pass_is_usable_from_its_start_for_its_lifetime(api, guest, later, said):
    start = (AT + timedelta(minutes=60)).isoformat()
    id = api.made(passes(guest), {"startDateTime": start, "lifetimeInMinutes": 60})["id"]
    api.at = AT + timedelta(minutes=later)
    row = api.get(f"{passes(guest)}/{id}")
    assert (row["methodUsabilityReason"], row["isUsable"]) == (said, said == "EnabledByPolicy")


def test_a_start_in_the_past_is_now(api, guest):
    made = api.made(passes(guest), {"startDateTime": "2001-01-01T00:00:00Z"})
    assert made["startDateTime"] == made["createdDateTime"]


@pytest.mark.parametrize(
    "body",
    [
        {"lifetimeInMinutes": 9},
        {"lifetimeInMinutes": 43201},
        {"lifetimeInMinutes": "60"},
        {"lifetimeInMinutes": True},
        {"isUsableOnce": "yes"},
        {"startDateTime": "tomorrow"},
        {"startDateTime": "2999-12-31T23:59:59Z"},
        {"temporaryAccessPass": "0000-0000-0000-0000"},
        {"isUsable": True},
        {"id": NOBODY},
        {"pass": 1},
        [],
    ],
)
def test_a_pass_that_cannot_be_is_400_and_none_is_made(api, guest, body):
    assert api.refused("POST", passes(guest), body)[0] == 400
    assert api.get(passes(guest))["value"] == []


def test_a_pass_is_taken_back(api, guest):
    id = api.made(passes(guest), {})["id"]
    assert api.call("DELETE", f"{passes(guest)}/{id}").status_code == 204
    assert api.get(passes(guest))["value"] == []
    assert api.refused("DELETE", f"{passes(guest)}/{id}")[0] == 404
    assert len(audits(api, "Delete Temporary Access Pass")) == 2  # the refused attempt too


def test_the_guest_is_mailed_that_there_is_a_pass_but_not_the_pass(api, guest):
    with_totp(api, guest)
    code = api.made(passes(guest), {})["temporaryAccessPass"]
    with api.store.read() as r:
        [letter] = [m for m in r.outbox.latest() if m.kind == "notice"]
    assert "one-time pass" in letter.body
    assert code not in letter.body
    [entry] = audits(api, "Create Temporary Access Pass")
    assert entry["targetResources"][0]["id"] == guest


@pytest.mark.parametrize("role", [READ, "User.ReadWrite.All", "Directory.ReadWrite.All"])
def test_only_who_may_write_authentication_methods_gives_takes_and_resets(api, guest, role):
    [factor], _ = with_totp(api, guest)
    id = api.made(passes(guest), {})["id"]
    for method, path, body in (
        ("POST", passes(guest), {}),
        ("DELETE", f"{passes(guest)}/{id}", None),
        ("DELETE", f"{oath(guest)}/{factor}", None),
        ("POST", f"/users/{guest}/authentication/reset", None),
    ):
        assert api.refused(method, path, body, roles=(role,))[0] == 403


def test_nobody_gives_a_pass_to_or_resets_who_may_more(api, guest):
    [factor], _ = with_totp(api, guest)
    id = api.made(passes(guest), {})["id"]
    held = {"principalId": guest, "roleDefinitionId": GLOBAL_ADMINISTRATOR, "directoryScopeId": "/"}
    api.made("/roleManagement/directory/roleAssignments", held)
    for method, path, body in (
        ("POST", passes(guest), {}),
        ("DELETE", f"{passes(guest)}/{id}", None),
        ("DELETE", f"{oath(guest)}/{factor}", None),
        ("POST", f"/users/{guest}/authentication/reset", None),
    ):
        assert api.refused(method, path, body, roles=(WRITE,))[0] == 403
    assert [row["id"] for row in api.get(oath(guest))["value"]] == [factor]


# --- removing and resetting -----------------------------------------------------------------------------------------


def test_one_of_two_factors_is_deleted_alone(api, guest):
    [old, new], session = with_totp(api, guest, many=2)
    assert api.call("DELETE", f"{oath(guest)}/{old}").status_code == 204
    assert [row["id"] for row in api.get(oath(guest))["value"]] == [new]
    with api.store.read() as r:
        assert r.factors.recovery_codes_left(guest) == 2
    assert not ended(api, session)
    [entry] = audits(api, "Admin deleted security info")
    [change] = entry["targetResources"][0]["modifiedProperties"]
    assert (json.loads(change["oldValue"]), json.loads(change["newValue"])) == ([old, new], [new])
    assert subjects(api)[0] == "The security of your account at Contoso"


def test_the_last_factor_takes_recovery_codes_and_sessions_with_it(api, guest):
    [factor], session = with_totp(api, guest)
    assert api.call("DELETE", f"{oath(guest)}/{factor}").status_code == 204
    with api.store.read() as r:
        assert r.factors.methods(guest) == frozenset()
    assert ended(api, session)


@pytest.mark.parametrize("id", [NOBODY, "x"])
def test_a_factor_that_is_not_there_is_404_and_nothing_goes(api, guest, id):
    [factor], _ = with_totp(api, guest)
    assert api.refused("DELETE", f"{oath(guest)}/{id}") == (404, "Request_ResourceNotFound")
    assert api.refused("GET", f"{oath(guest)}/{id}") == (404, "Request_ResourceNotFound")
    assert api.refused("DELETE", f"/users/{guest}/authentication/fido2Methods/{factor}")[0] == 404
    assert [row["id"] for row in api.get(oath(guest))["value"]] == [factor]


def test_another_guests_factor_is_not_this_ones(api, guest):
    other = api.guest("bob@fabrikam.example")
    [factor], _ = with_totp(api, other)
    assert api.refused("DELETE", f"{oath(guest)}/{factor}")[0] == 404
    assert [row["id"] for row in api.get(oath(other))["value"]] == [factor]


def test_all_factors_are_reset_in_one_call(api, guest):
    _, session = with_totp(api, guest, many=3)
    api.made(passes(guest), {})
    assert api.call("POST", f"/users/{guest}/authentication/reset").status_code == 204
    assert api.get(f"/users/{guest}/authentication/methods")["value"] == []
    with api.store.read() as r:
        assert r.factors.methods(guest) == frozenset()
    assert ended(api, session)
    assert len(audits(api, "Reset security info")) == 1
