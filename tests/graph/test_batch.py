"""`$batch`: parts in their order of dependence, each authorised by itself."""

from __future__ import annotations

import pytest
from graph_world import BASE, NOBODY


def batch(api, *requests, **more):
    return api.call("POST", "/$batch", {"requests": list(requests)}, **more)


def part(id, url, method="GET", **more):
    return {"id": id, "method": method, "url": url} | more


def by_id(answer):
    assert answer.status_code == 200, answer.text
    return {r["id"]: r for r in answer.json["responses"]}


JSON = {"Content-Type": "application/json"}
INVITATION = {"invitedUserEmailAddress": "x@fabrikam.example", "inviteRedirectUrl": "https://app.contoso.example/"}


def test_parts_are_answered_as_if_they_came_alone(api):
    guest = api.guest()
    answers = by_id(
        batch(
            api,
            part("1", "/users?$count=true&$filter=endsWith(mail,'@fabrikam.example')"),
            part("2", "/invitations", "POST", headers=JSON, body=INVITATION),
            part("3", f"{BASE}/users/{guest}"),
            part("4", f"users/{NOBODY}"),
            part("5", f"/users/{guest}", "PATCH", headers=JSON, body={"city": "Paris"}),
        )
    )
    assert [answers[id]["status"] for id in "12345"] == [200, 201, 200, 404, 204]
    assert answers["1"]["body"]["@odata.count"] == 1
    assert answers["2"]["body"]["status"] == "PendingAcceptance"
    assert answers["4"]["body"]["error"]["code"] == "Request_ResourceNotFound"
    assert "body" not in answers["5"]


@pytest.mark.parametrize("word", ["dependsOn", "depends_on"])
def test_a_part_waits_for_those_it_depends_on(api, word):
    guest = api.guest()
    patch = part("late", f"/users/{guest}?$select=city", **{word: ["FIRST"]})
    first = part("first", f"/users/{guest}", "PATCH", headers=JSON, body={"city": "Rome"})
    assert by_id(batch(api, patch, first))["late"]["body"]["city"] == "Rome"


def test_a_part_whose_dependency_failed_is_424(api):
    answers = by_id(
        batch(
            api,
            part("1", "/invitations", "POST", headers=JSON, body=INVITATION | {"inviteRedirectUrl": "x"}),
            part("2", "/organization", dependsOn=["1"]),
            part("3", "/organization", dependsOn=["2"]),
            part("4", "/organization"),
        )
    )
    assert [answers[id]["status"] for id in "1234"] == [400, 424, 424, 200]


def test_n_146_each_part_is_authorised_by_itself(api):
    guest = api.guest()
    asked = [part("1", f"/users/{guest}"), part("2", "/auditLogs/signIns"), part("3", f"/users/{guest}", "DELETE")]
    answers = by_id(batch(api, *asked, roles=["User.Read.All"]))
    assert [answers[id]["status"] for id in "123"] == [200, 403, 403]
    assert api.get(f"/users/{guest}")["id"] == guest


def test_a_part_brings_no_authorization_of_its_own(api):
    asked = part("1", "/auditLogs/signIns", headers={"Authorization": f"Bearer {api.token('AuditLog.Read.All')}"})
    assert by_id(batch(api, asked, roles=["User.Read.All"]))["1"]["status"] == 403


@pytest.mark.parametrize(
    "requests",
    [
        [part(str(n), "/organization") for n in range(21)],
        [part("1", "/a", dependsOn=["2"]), part("2", "/b", dependsOn=["1"])],
        [part("1", "/a", dependsOn=["1"])],
        [part("1", "/a", dependsOn=["9"])],
        [part("a", "/organization"), part("A", "/organization")],
        [part("1", "http://evil.example/v1.0/users")],
        [part("1", "//evil.example/users")],
        [part("1", "../../console")],
        [part("1", "/users/../../console")],
        [part("1", "/users/..\\..\\console")],
        [part("1", "/$batch", "POST", headers=JSON, body={"requests": []})],
        [part("1", "/%24batch", "POST", headers=JSON, body={"requests": []})],
        [part("1", "/users\r\nX: y")],
        [part("1", "/users", "TRACE")],
        [part("1", "/users", "POST", body={})],
        [part("1", "/users", headers={"X": "a\nb"})],
        [part("1", None)],
        [{"id": "1"}],
        ["x"],
        [],
        None,
    ],
)
def test_n_146_a_bad_batch_is_a_400_and_nothing_of_it_is_done(api, requests):
    body = {"requests": requests}
    assert api.refused("POST", "/$batch", body) == (400, "Request_BadRequest")


def test_a_batch_without_a_token_is_401(api):
    answer = api.http.post("/idp/v1.0/$batch", json={"requests": [part("1", "/users")]})
    assert (answer.status_code, answer.json["error"]["code"]) == (401, "InvalidAuthenticationToken")
