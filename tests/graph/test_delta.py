"""Delta queries: everything once, then exactly what changed."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from graph_world import BASE


def follow(api, link):
    parts = urlsplit(link)
    return api.get(parts.path.partition("/v1.0")[2] + "?" + parts.query)


def test_users_come_once_then_as_they_change(api):
    ada, bob = api.guest(), api.guest("bob@fabrikam.example")
    first = api.get("/users/delta?$select=displayName,department")
    assert {u["id"] for u in first["value"]} == {ada, bob}
    assert follow(api, first["@odata.deltaLink"])["value"] == []
    api.call("PATCH", f"/users/{bob}", {"department": "Finance"})
    api.call("DELETE", f"/users/{ada}")
    second = follow(api, first["@odata.deltaLink"])
    assert second["value"] == [
        {"id": bob, "displayName": None, "department": "Finance"},
        {"id": ada, "@removed": {"reason": "changed"}},
    ]
    api.call("DELETE", f"/directory/deletedItems/{ada}")
    third = follow(api, second["@odata.deltaLink"])
    assert third["value"] == [{"id": ada, "@removed": {"reason": "deleted"}}]


def test_what_changes_on_the_first_way_through_is_not_lost(api):
    guests = {api.guest(f"g{n:03}@fabrikam.example") for n in range(250)}
    page = api.get("/users/delta")
    seen = {u["id"] for u in page["value"]}
    late = next(iter(seen))
    api.call("PATCH", f"/users/{late}", {"city": "Paris"})
    while "@odata.nextLink" in page:
        page = follow(api, page["@odata.nextLink"])
        seen |= {u["id"] for u in page["value"]}
    assert seen == guests
    assert [u["id"] for u in follow(api, page["@odata.deltaLink"])["value"]] == [late]


def test_groups_tell_members_that_come_and_go(api):
    group, guest = api.made("/groups", {"displayName": "Sales"})["id"], api.guest()
    first = api.get("/groups/delta")
    api.call("POST", f"/groups/{group}/members/$ref", {"@odata.id": f"{BASE}/users/{guest}"})
    second = follow(api, first["@odata.deltaLink"])
    assert second["value"] == [{"id": group, "members@delta": [{"@odata.type": "#microsoft.graph.user", "id": guest}]}]
    api.call("DELETE", f"/groups/{group}/members/{guest}/$ref")
    third = follow(api, second["@odata.deltaLink"])
    assert third["value"][0]["members@delta"][0]["@removed"] == {"reason": "deleted"}
    api.call("DELETE", f"/groups/{group}")
    assert follow(api, third["@odata.deltaLink"])["value"] == [{"id": group, "@removed": {"reason": "deleted"}}]


def test_latest_gives_a_place_and_nothing_else(api):
    api.guest()
    latest = api.get("/users/delta?$deltatoken=latest")
    assert latest["value"] == []
    bob = api.guest("bob@fabrikam.example")
    assert [u["id"] for u in follow(api, latest["@odata.deltaLink"])["value"]] == [bob]


@pytest.mark.parametrize(
    "query",
    ["$deltatoken=d.1.x", "$deltatoken=i.0.x", "$skiptoken=", "$filter=id eq 'x'", "$deltatoken=d.99999999999.y"],
)
def test_n_144_a_token_that_was_not_given_is_a_400(api, query):
    assert api.refused("GET", f"/users/delta?{query}")[0] == 400


@pytest.mark.parametrize("kind", ["users", "groups"])
def test_a_token_is_good_for_thirty_days_and_each_answer_gives_a_new_one(api, kind):
    first = api.get(f"/{kind}/delta")
    api.at += timedelta(days=29)
    second = follow(api, first["@odata.deltaLink"])
    api.at += timedelta(days=2)
    link = urlsplit(first["@odata.deltaLink"])
    assert api.refused("GET", f"/{kind}/delta?{link.query}") == (410, "syncStateNotFound")
    assert follow(api, second["@odata.deltaLink"])["value"] == []


def test_a_token_of_another_selection_is_a_400(api):
    link = urlsplit(api.get("/users/delta?$select=city")["@odata.deltaLink"])
    token = link.query.partition("$deltatoken=")[2]
    assert api.refused("GET", f"/users/delta?$deltatoken={token}")[0] == 400
