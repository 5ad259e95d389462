"""Microsoft's own JavaScript client of Graph, which takes https only: the issuer has a path and stands behind TLS."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.graph.graph_types import faults
from tests.ports import free_port
from tests.real.instance import Instance
from tests.real.nodes import NodeProcess
from tests.real.tls_front import tls_front

GUEST_INVITER = "95e79109-95c0-4d8e-aee3-d01accf2d47b"
NOBODY = "99999999-0000-0000-0000-000000000000"
READER = str(uuid.UUID(int=7))
ADVANCED = {"ConsistencyLevel": "eventual"}


class GraphClient(NodeProcess):
    """See graph_js/graph.mjs."""

    def __init__(self, instance: Instance) -> None:
        admin = {name: instance.init["admin"][name] for name in ("tokenEndpoint", "clientId", "clientSecret")}
        scope = "https://graph.microsoft.com/.default"
        super().__init__("graph_js/graph.mjs", admin | {"base": f"{instance.issuer}/", "scope": scope})

    def call(self, method: str, path: str, body=None, **more):
        answer = self.ask("call", method=method, path=path, body=body, **more)["answer"]
        assert answer is None or faults(answer) == []
        return answer

    def guest(self, **more):
        """The invitation of somebody new."""
        email = f"ada{uuid.uuid4().hex[:12]}@fabrikam.example"
        asked = {"invitedUserEmailAddress": email, "inviteRedirectUrl": "https://app.contoso.example/"}
        return self.call("post", "/invitations", asked | more)


@pytest.fixture(scope="module")
def instance(tmp_path_factory) -> Iterator[Instance]:
    folder, backend = tmp_path_factory.mktemp("front"), free_port()
    with tls_front(folder, backend) as front, pytest.MonkeyPatch.context() as patch:
        patch.setenv("NODE_EXTRA_CA_CERTS", str(front.authority))
        running = Instance(folder / "data", backend, front.issuer)
        running.start()
        yield running
        running.stop()


@pytest.fixture(scope="module")
def graph(instance: Instance) -> Iterator[GraphClient]:
    with GraphClient(instance) as client:
        yield client


@pytest.fixture
def app(graph: GraphClient):
    """Service principal of an app with a role."""
    role = {"id": READER, "displayName": "Reader", "description": "Reads", "value": "reader", "isEnabled": True}
    body = {"displayName": "CRM", "appRoles": [role | {"allowedMemberTypes": ["User"]}]}
    made = graph.call("post", "/applications", body)
    return graph.call("post", "/servicePrincipals", {"appId": made["appId"]})["id"]


@pytest.fixture
def group(graph: GraphClient):
    body = {"displayName": "Sales", "mailEnabled": False, "mailNickname": "sales", "securityEnabled": True}
    return graph.call("post", "/groups", body)["id"]


def test_the_quick_start_runs_unchanged(graph, app, group):
    body = {"roleTemplateId": GUEST_INVITER}
    role = graph.call("post", "/directoryRoles", body)["id"]
    made = graph.ask(
        "invite",
        email="quick@fabrikam.example",
        redirect="https://app.contoso.example/",
        sp=app,
        role=READER,
        group=group,
        directoryRole=role,
    )
    assert "/idp/redeem?ticket=" in made["redeemUrl"]
    assert {"id": made["guest"], "mail": "quick@fabrikam.example", "externalUserState": "PendingAcceptance"} in made[
        "pending"
    ]
    held = graph.call("get", f"/users/{made['guest']}/memberOf")["value"]
    assert {o["@odata.type"] for o in held} == {"#microsoft.graph.group", "#microsoft.graph.directoryRole"}


def test_the_page_iterator_follows_links_below_the_issuers_path(graph):
    for _ in range(5):
        graph.guest(invitedUserDisplayName="Paged")
    query = {"$filter": "displayName eq 'Paged'", "$top": "2", "$count": "true", "$select": "id,displayName"}
    rows = graph.ask("pages", path="/users", headers=ADVANCED, query=query)["rows"]
    assert len({row["id"] for row in rows}) == len(rows) == 5
    assert all(set(row) == {"id", "displayName"} for row in rows)


def test_a_delta_goes_on_from_its_link(graph):
    link = graph.ask("pages", path="/users/delta", query={"$select": "displayName"})["deltaLink"]
    guest = graph.guest()["invitedUser"]["id"]
    changed = graph.ask("pages", path=link)
    assert [row["id"] for row in changed["rows"]] == [guest] and changed["deltaLink"]


def test_a_batch_keeps_its_order(graph):
    guest = graph.guest()["invitedUser"]["id"]
    said = graph.ask(
        "batch",
        requests=[
            {"id": "1", "method": "PATCH", "path": f"/users/{guest}", "body": {"department": "Sales"}},
            {"id": "2", "method": "GET", "path": f"/users/{guest}?$select=department", "dependsOn": ["1"]},
            {"id": "3", "method": "GET", "path": f"/users/{NOBODY}", "dependsOn": ["2"]},
            {"id": "4", "method": "DELETE", "path": f"/users/{guest}", "dependsOn": ["3"]},
        ],
    )["answers"]
    assert {id: answer["status"] for id, answer in said.items()} == {"1": 204, "2": 200, "3": 404, "4": 424}
    assert said["2"]["body"]["department"] == "Sales"


def test_a_user_is_found_by_the_name_with_a_hash(graph):
    guest = graph.guest()["invitedUser"]["id"]
    name = graph.call("get", f"/users/{guest}")["userPrincipalName"]
    assert "#EXT#" in name
    assert graph.call("get", f"/users/{name.replace('#', '%23')}")["id"] == guest


def test_an_answer_without_body_is_none(graph, group):
    assert graph.call("patch", f"/groups/{group}", {"description": "of the south"}) is None
    assert graph.call("delete", f"/groups/{group}") is None


def test_an_error_is_a_graph_error(graph):
    said = graph.ask("refuse", method="get", path=f"/users/{NOBODY}")
    assert (said["statusCode"], said["code"]) == (404, "Request_ResourceNotFound")
    assert uuid.UUID(said["requestId"]) and NOBODY in said["message"] and said["date"].startswith("20")
