"""Who may call: no route without a token of ours that holds a permission of that route."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from graph_world import NOBODY

from b2b_idp.graph import apps, assignments, cross_tenant, groups, homes, policies, reports, users
from b2b_idp.guests.permissions import PERMISSIONS, TIER_ZERO
from b2b_idp.guests.roles import implied

TABLES = (users, groups, apps, assignments, homes, cross_tenant, policies, reports)
ROUTES = [r for table in TABLES for r in table.ROUTES]
EVERY_ROUTE = pytest.mark.parametrize("route", ROUTES, ids=lambda r: f"N-140 {r.method} {r.path}")


def path_of(route):
    return "/".join(NOBODY if part.startswith("<") else part for part in route.path.split("/"))


@EVERY_ROUTE
def test_without_a_token_every_route_is_401(unchanged, route):
    answer = unchanged.http.open("/idp/v1.0" + path_of(route), method=route.method, json={})
    assert answer.status_code == 401
    assert answer.json["error"]["code"] == "InvalidAuthenticationToken"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@EVERY_ROUTE
def test_without_its_permission_every_route_is_403(unchanged, route):
    others = {p for p in PERMISSIONS if implied([p]).isdisjoint(route.permissions)}
    refusal = unchanged.refused(route.method, path_of(route), {}, roles=others)
    assert refusal == (403, "Authorization_RequestDenied")


@EVERY_ROUTE
def test_every_permission_of_a_route_is_one_that_exists(route):
    assert set(route.permissions) <= set(PERMISSIONS)


@pytest.mark.parametrize("role", ["Policy.Read.All", "User.Read.All", "Application.Read.All"])
def test_evaluate_needs_to_read_users_policies_and_applications(api, role):
    held = {"Policy.Read.All", "User.Read.All", "Application.Read.All"} - {role}
    assert api.refused("POST", "/identity/conditionalAccess/evaluate", {}, roles=held)[0] == 403


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://idp.evil.example"},
        {"aud": "https://api.contoso.example"},
        {"tid": NOBODY},
        {"client_id": NOBODY},
        {"exp": 1},
    ],
    ids=lambda c: f"N-135 {next(iter(c))}",
)
def test_a_token_of_another_place_is_401(api, claims):
    token = api.token("User.Read.All", **claims)
    answer = api.http.get("/idp/v1.0/users", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json["error"]["code"]) == (401, "InvalidAuthenticationToken")


@pytest.mark.parametrize("type", ["JWT", "logout+jwt"])
def test_n_131_a_token_of_another_type_is_401(api, type):
    now = int(api.at.timestamp())
    claims = {"iss": "x", "aud": "x", "exp": now + 60, "roles": ["User.Read.All"]}
    token = api.keys.signer("ES256", api.at).sign(claims, type)
    assert api.http.get("/idp/v1.0/users", headers={"Authorization": f"Bearer {token}"}).status_code == 401


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Basic YTpi", "Bearer a b", "Bearer é", "Bearer ...", "bearer"]
)
def test_n_126_what_is_no_bearer_token_is_401(api, header):
    assert api.http.get("/idp/v1.0/users", headers={"Authorization": header}).status_code == 401


def test_a_token_ends(api):
    token = api.token("User.Read.All")
    api.at += timedelta(minutes=11)
    assert api.http.get("/idp/v1.0/users", headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_a_disabled_app_calls_no_more(api):
    with api.store.write() as w:
        w.apps.save(replace(w.apps.row(api.client.id), service_principal={"accountEnabled": False}))
    assert api.refused("GET", "/users") == (401, "InvalidAuthenticationToken")


def test_n_151_no_secret_for_an_app_that_may_more_than_the_caller(api):
    application, sp = api.app()
    api.grant(sp["id"], "Policy.ReadWrite.CrossTenantAccess")
    path = f"/applications/{application['id']}/addPassword"
    assert api.refused("POST", path, {}, roles=["Application.ReadWrite.All"]) == (
        403,
        "Authorization_RequestDenied",
    )


def test_nobody_grants_a_permission_that_it_does_not_hold(api):
    _, sp = api.app()
    body = {
        "principalId": sp["id"],
        "resourceId": api.graph.sp_id,
        "appRoleId": PERMISSIONS["Policy.ReadWrite.CrossTenantAccess"],
    }
    path = f"/servicePrincipals/{api.graph.sp_id}/appRoleAssignedTo"
    assert api.refused("POST", path, body, roles=["AppRoleAssignment.ReadWrite.All"])[0] == 403


@pytest.mark.parametrize("permission", sorted(TIER_ZERO))
def test_an_app_asks_people_for_what_is_tier_0_only_by_a_holders_grant(api, permission):
    """Whoever may consent for everybody makes nobody an administrator, and no partner trusted."""
    application, _ = api.app()
    path, change = f"/applications/{application['id']}", {"b2bIdp": {"adminConsent": [permission]}}
    consents = ["Application.ReadWrite.All", "DelegatedPermissionGrant.ReadWrite.All"]
    assert api.refused("PATCH", path, change, roles=consents)[0] == 403
    assert api.call("PATCH", path, change, roles=[*consents, permission]).status_code == 204
