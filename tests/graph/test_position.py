"""`B2B-Position` and `B2B-At-Least`: a reader sees at least what it was told of."""

from __future__ import annotations

import pytest

from b2b_idp.graph.position import written
from b2b_idp.keys.vault import Vault
from b2b_idp.model.position import Position

USER = {"userPrincipalName": "ada@contoso.example", "displayName": "Ada"}


def test_each_write_says_how_far_the_database_was(api):
    made = api.call("POST", "/users", USER)
    assert made.status_code == 201
    for answer in (
        made,
        api.call("PATCH", f"/users/{made.json['id']}", {"displayName": "Ada L"}),
        api.call("DELETE", f"/users/{made.json['id']}"),
    ):
        assert answer.headers["B2B-Position"]
    assert "B2B-Position" not in api.call("GET", "/users").headers


def test_a_position_that_was_given_is_taken_back(api):
    position = api.call("POST", "/users", USER).headers["B2B-Position"]
    seen = api.call("GET", "/users", headers={"B2B-At-Least": position})
    assert "Ada" in {u["displayName"] for u in seen.json["value"]}


@pytest.mark.parametrize(
    "forged",
    ["", "0", "0/3000060", "eyJhIjoxfQ", "A" * 400, "\u00e9"],
)
@pytest.mark.parametrize(("method", "path", "body"), [("GET", "/users", None), ("POST", "/users", USER)])
def test_a_forged_position_is_refused_and_nothing_is_done(api, forged, method, path, body):
    answer = api.call(method, path, body, headers={"B2B-At-Least": forged})
    assert answer.status_code == 400
    assert api.call("GET", "/users?$filter=userPrincipalName eq 'ada@contoso.example'").json["value"] == []


def test_a_future_position_is_refused(api):
    future = written(api.vault, Position("one", 0, 1))
    assert api.call("GET", "/users", headers={"B2B-At-Least": future}).status_code == 400


def test_a_position_of_another_instance_is_forged_and_one_of_another_database_unknown(api):
    foreign = Position("7000000000000000000", 1, 99)
    assert api.call("GET", "/users", headers={"B2B-At-Least": written(Vault(b"x" * 32), foreign)}).status_code == 400
    assert api.call("GET", "/users", headers={"B2B-At-Least": written(api.vault, foreign)}).status_code == 200


def test_strangers_positions_are_not_read(api):
    answer = api.http.get("/idp/v1.0/users", headers={"B2B-At-Least": "x"})
    assert answer.status_code == 401
