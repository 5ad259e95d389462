"""The API's description: complete, valid, and what the API does."""

from __future__ import annotations

import pytest
from described import DOCUMENT, operation
from graph_world import ISSUER
from openapi_spec_validator import OpenAPIV31SpecValidator

from b2b_idp.graph import ROUTES, described
from b2b_idp.graph.odata.options import LARGEST_PAGE
from b2b_idp.graph.openapi import document, operation_id, template
from b2b_idp.version import __version__

OPERATIONS = [(method, path, o) for path, methods in DOCUMENT["paths"].items() for method, o in methods.items()]
SCHEMAS = DOCUMENT["components"]["schemas"]


def test_it_is_there_for_everybody_and_served_as_json(api):
    answer = api.http.get("/idp/v1.0/openapi.json")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert (answer.json["openapi"], answer.json["info"]["version"]) == ("3.1.0", __version__)
    assert answer.json == DOCUMENT


def test_it_is_valid_openapi():
    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []


@pytest.mark.parametrize(("prefix", "server"), [("", "/v1.0"), ("/idp", "/idp/v1.0")])
def test_the_server_is_relative_and_below_the_issuers_path(prefix, server):
    made = document(described(), prefix)
    assert made["servers"] == [{"url": server}]
    flows = made["components"]["securitySchemes"]["clientCredentials"]["flows"]
    assert flows["clientCredentials"]["tokenUrl"] == f"{prefix}/token"
    assert ISSUER not in str(made)


def test_every_route_of_the_table_is_described():
    missing = [r.path for r in ROUTES if "/graph." not in r.path and operation(r.method, template(r.path)) is None]
    assert missing == []


def test_nothing_is_described_that_is_no_route():
    routes = {(r.method.lower(), template(r.path)) for r in described()}
    others = {("post", "/$batch"), ("get", "/openapi.json")}
    assert {(method, path) for method, path, _ in OPERATIONS} == routes | others


def test_each_operation_has_an_id_of_its_own():
    ids = [o["operationId"] for _, _, o in OPERATIONS]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("route", [r for r in ROUTES if r.body], ids=operation_id)
def test_a_body_is_described_by_the_model_that_validates_it(route):
    reference = operation(route.method, template(route.path))["requestBody"]["content"]["application/json"]["schema"]
    name = reference["$ref"].rpartition("/")[2]
    assert name in (route.body.__name__, f"{route.body.__name__}.Change") and name in SCHEMAS
    fields = {f.alias or n for n, f in route.body.model_fields.items()}
    assert set(SCHEMAS[name]["properties"]) == fields


@pytest.mark.parametrize("route", [r for r in ROUTES if r.method == "GET"], ids=operation_id)
def test_whatever_is_read_has_a_type(route):
    assert route.gives and (route.gives.removesuffix("[]") in SCHEMAS)


def test_a_change_requires_nothing():
    assert all("required" not in schema for name, schema in SCHEMAS.items() if name.endswith(".Change"))


def test_every_operation_but_this_document_needs_a_token():
    assert [path for _, path, o in OPERATIONS if o.get("security") == []] == ["/openapi.json"]
    assert all("401" in o["responses"] for _, path, o in OPERATIONS if path != "/openapi.json")


def test_what_is_made_links_to_where_it_is_found():
    links = DOCUMENT["paths"]["/users"]["post"]["responses"]["201"]["links"]
    assert links["get_users_key"] == {"operationId": "get_users_key", "parameters": {"key": "$response.body#/id"}}
    invited = DOCUMENT["paths"]["/invitations"]["post"]["responses"]["201"]["links"]["invitedUser"]
    assert invited["parameters"] == {"key": "$response.body#/invitedUser/id"}


def test_links_name_operations_that_there_are():
    ids = {o["operationId"] for _, _, o in OPERATIONS}
    links = [link for _, _, o in OPERATIONS for r in o["responses"].values() for link in r.get("links", {}).values()]
    assert links and all(link["operationId"] in ids for link in links)


def test_the_largest_page_is_the_one_that_is_enforced(api):
    top = next(p for p in DOCUMENT["components"]["parameters"].values() if p["name"] == "$top")["schema"]
    assert top["maximum"] == LARGEST_PAGE
    assert api.call("GET", f"/users?$top={top['maximum']}").status_code == 200
    assert api.call("GET", f"/users?$top={top['maximum'] + 1}").status_code == 400


@pytest.mark.parametrize("route", [r for r in ROUTES if r.method == "GET" and "<" not in r.path], ids=operation_id)
def test_what_can_be_selected_is_what_the_description_says(api, route):
    names = [
        DOCUMENT["components"]["parameters"][p["$ref"].rpartition("/")[2]]
        for p in operation("GET", route.path)["parameters"]
    ]
    for option in names:
        if option["name"] in ("$select", "$expand", "$orderby"):
            words = option["schema"]["items"]["enum"]
            for word in words:
                answer = api.call("GET", f"{route.path}?{option['name']}={word}")
                assert answer.status_code == 200, (word, answer.text)


def test_the_less_travelled_answers_are_as_described_too(api):
    """The `api` compares each answer with the description; these no other test asks for."""
    guest, manager = api.guest(), api.guest("bob@fabrikam.example")
    group = api.made("/groups", {"displayName": "Sales"})["id"]
    _, sp = api.app()
    assert api.call("PUT", f"/users/{guest}/manager/$ref", {"@odata.id": f"/users/{manager}"}).status_code == 204
    assert api.call("DELETE", f"/users/{guest}/manager/$ref").status_code == 204
    assert api.call("POST", f"/users/{guest}/attest").status_code == 204
    for action in ("getMemberObjects", "getMemberGroups"):
        assert api.call("POST", f"/users/{guest}/{action}", {"securityEnabledOnly": False}).status_code == 200
    template_id = api.get("/directoryRoleTemplates")["value"][0]["id"]
    held = {"principalId": guest, "roleDefinitionId": template_id}
    held = api.made("/roleManagement/directory/roleAssignments", held)["id"]
    mapping = {"displayName": "Mapping", "definition": ['{"ClaimsMappingPolicy":{"Version":1}}']}
    mapping = api.made("/policies/claimsMappingPolicies", mapping)["id"]
    for path in (
        f"/users/{guest}/authentication/methods",
        f"/users/{guest}/authentication/softwareOathMethods",
        f"/users/{guest}/authentication/fido2Methods",
        f"/groups/{group}/memberOf",
        f"/directoryRoleTemplates/{template_id}",
        f"/roleManagement/directory/roleDefinitions/{template_id}",
        f"/roleManagement/directory/roleAssignments/{held}",
        f"/servicePrincipals/{sp['id']}/appRoleAssignments",
        "/policies/crossTenantAccessPolicy",
        f"/policies/claimsMappingPolicies/{mapping}",
        "/openapi.json",
    ):
        assert api.call("GET", path).status_code == 200, path
    assert api.call("PATCH", f"/policies/claimsMappingPolicies/{mapping}", {"displayName": "M"}).status_code == 204
    assert api.call("DELETE", f"/users/{manager}").status_code == 204
    assert api.call("GET", f"/directory/deletedItems/{manager}").status_code == 200
