"""Microsoft's own Python client of Graph, msgraph-sdk, unchanged but for its base URL and credential.

Every answer it gets is judged by Graph's types, too.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest
import urllib3
from azure.core.credentials import AccessToken
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph import GraphServiceClient
from msgraph.generated.applications.item.add_password.add_password_post_request_body import AddPasswordPostRequestBody
from msgraph.generated.directory_objects.get_by_ids.get_by_ids_post_request_body import GetByIdsPostRequestBody
from msgraph.generated.groups.delta.delta_request_builder import DeltaRequestBuilder as GroupsDelta
from msgraph.generated.groups.groups_request_builder import GroupsRequestBuilder
from msgraph.generated.groups.item.members.graph_user.graph_user_request_builder import GraphUserRequestBuilder
from msgraph.generated.models.allow_invites_from import AllowInvitesFrom
from msgraph.generated.models.app_role import AppRole
from msgraph.generated.models.app_role_assignment import AppRoleAssignment
from msgraph.generated.models.application import Application
from msgraph.generated.models.authorization_policy import AuthorizationPolicy
from msgraph.generated.models.claims_mapping_policy import ClaimsMappingPolicy
from msgraph.generated.models.conditional_access_applications import ConditionalAccessApplications
from msgraph.generated.models.conditional_access_condition_set import ConditionalAccessConditionSet
from msgraph.generated.models.conditional_access_enumerated_external_tenants import (
    ConditionalAccessEnumeratedExternalTenants,
)
from msgraph.generated.models.conditional_access_external_tenants_membership_kind import (
    ConditionalAccessExternalTenantsMembershipKind,
)
from msgraph.generated.models.conditional_access_grant_control import ConditionalAccessGrantControl
from msgraph.generated.models.conditional_access_grant_controls import ConditionalAccessGrantControls
from msgraph.generated.models.conditional_access_guest_or_external_user_types import (
    ConditionalAccessGuestOrExternalUserTypes,
)
from msgraph.generated.models.conditional_access_guests_or_external_users import (
    ConditionalAccessGuestsOrExternalUsers,
)
from msgraph.generated.models.conditional_access_policy import ConditionalAccessPolicy
from msgraph.generated.models.conditional_access_policy_state import ConditionalAccessPolicyState
from msgraph.generated.models.conditional_access_session_controls import ConditionalAccessSessionControls
from msgraph.generated.models.conditional_access_users import ConditionalAccessUsers
from msgraph.generated.models.cross_tenant_access_policy_configuration_partner import (
    CrossTenantAccessPolicyConfigurationPartner,
)
from msgraph.generated.models.cross_tenant_access_policy_inbound_trust import CrossTenantAccessPolicyInboundTrust
from msgraph.generated.models.directory_role import DirectoryRole
from msgraph.generated.models.group import Group
from msgraph.generated.models.invitation import Invitation
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.oidc_client_secret_authentication import OidcClientSecretAuthentication
from msgraph.generated.models.oidc_identity_provider import OidcIdentityProvider
from msgraph.generated.models.oidc_response_type import OidcResponseType
from msgraph.generated.models.password_credential import PasswordCredential
from msgraph.generated.models.reference_create import ReferenceCreate
from msgraph.generated.models.reference_update import ReferenceUpdate
from msgraph.generated.models.service_principal import ServicePrincipal
from msgraph.generated.models.sign_in_frequency_interval import SignInFrequencyInterval
from msgraph.generated.models.sign_in_frequency_session_control import SignInFrequencySessionControl
from msgraph.generated.models.signin_frequency_type import SigninFrequencyType
from msgraph.generated.models.unified_role_assignment import UnifiedRoleAssignment
from msgraph.generated.models.user import User
from msgraph.generated.role_management.directory.role_assignments.role_assignments_request_builder import (
    RoleAssignmentsRequestBuilder,
)
from msgraph.generated.users.count.count_request_builder import CountRequestBuilder
from msgraph.generated.users.delta.delta_request_builder import DeltaRequestBuilder as UsersDelta
from msgraph.generated.users.item.user_item_request_builder import UserItemRequestBuilder
from msgraph.generated.users.users_request_builder import UsersRequestBuilder
from msgraph_core.requests.batch_request_content import BatchRequestContent
from msgraph_core.requests.batch_request_item import BatchRequestItem
from msgraph_core.tasks.page_iterator import PageIterator

from tests.graph.graph_types import errors_fault, faults
from tests.ports import free_port
from tests.real.instance import Instance

GUEST_INVITER = "95e79109-95c0-4d8e-aee3-d01accf2d47b"
NOBODY = "99999999-0000-0000-0000-000000000000"
READER = uuid.UUID(int=7)
NO_ROLE = uuid.UUID(int=0)
MAPPING = '{"ClaimsMappingPolicy":{"Version":1,"ClaimsSchema":[{"Source":"user","ID":"mail","JwtClaimType":"m"}]}}'


class Credential:
    """azure.core's TokenCredential by client credentials at our token endpoint."""

    def __init__(self, admin: dict[str, str]) -> None:
        self._admin = admin

    def get_token(self, *scopes: str, **_options: object) -> AccessToken:
        fields = {"grant_type": "client_credentials", "scope": " ".join(scopes)}
        fields |= {"client_id": self._admin["clientId"], "client_secret": self._admin["clientSecret"]}
        body, form = urlencode(fields), {"Content-Type": "application/x-www-form-urlencoded"}
        answer = urllib3.request("POST", self._admin["tokenEndpoint"], body=body, headers=form).json()
        return AccessToken(answer["access_token"], int(time.time()) + answer["expires_in"])


class Judge:
    """Looks at every answer on its way to the client."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    async def __call__(self, response) -> None:
        await response.aread()
        if not response.content:
            return
        where = f"{response.request.method} {response.request.url.path}"
        if response.url.path.endswith("/$count"):
            return
        answer = response.json()
        answers = {where: (response.status_code, answer)}
        if response.url.path.endswith("$batch"):
            answers = {f"{where} {a['id']}": (a["status"], a["body"]) for a in answer["responses"] if "body" in a}
        for place, (status, body) in answers.items():
            found = errors_fault(body) if status >= 400 else faults(body)
            self.faults += [f"{place}: {fault}" for fault in found]


@pytest.fixture(scope="module")
def instance(tmp_path_factory) -> Iterator[Instance]:
    running = Instance(tmp_path_factory.mktemp("graph") / "data", free_port())
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def run() -> Iterator[Callable]:
    with asyncio.Runner() as runner:
        yield runner.run


@pytest.fixture(scope="module")
def judged(instance: Instance) -> SimpleNamespace:
    client = GraphServiceClient(Credential(instance.init["admin"]), ["https://graph.microsoft.com/.default"])
    client.request_adapter.base_url = instance.init["graph"]
    judge = Judge()
    client.request_adapter._http_client.event_hooks = {"response": [judge]}
    return SimpleNamespace(client=client, judge=judge)


@pytest.fixture
def graph(judged: SimpleNamespace) -> Iterator[GraphServiceClient]:
    judged.judge.faults.clear()
    yield judged.client
    assert judged.judge.faults == []


@pytest.fixture
def guest(graph, run) -> str:
    """Object id that an invitation returned a moment ago."""
    return run(invite(graph)).invited_user.id


async def invite(graph: GraphServiceClient, email: str = "", **more) -> Invitation:
    asked = Invitation(
        invited_user_email_address=email or f"ada{uuid.uuid4().hex[:12]}@fabrikam.example",
        invite_redirect_url="https://app.contoso.example/",
        **more,
    )
    made = await graph.invitations.post(asked)
    assert made is not None
    return made


async def an_app(graph: GraphServiceClient, **more) -> tuple[Application, ServicePrincipal]:
    app = await graph.applications.post(Application(display_name="CRM", **more))
    return app, await graph.service_principals.post(ServicePrincipal(app_id=app.app_id))


async def a_group(graph: GraphServiceClient, **more) -> Group:
    asked = Group(display_name="Sales", mail_enabled=False, mail_nickname="sales", security_enabled=True, **more)
    return await graph.groups.post(asked)


def reference(graph: GraphServiceClient, id: str) -> ReferenceCreate:
    return ReferenceCreate(odata_id=f"{graph.request_adapter.base_url}/directoryObjects/{id}")


def asking(builder: type, **parameters) -> RequestConfiguration:
    """A request with query options; those of advanced queries bring their header."""
    names = {n: f for n, f in vars(builder).items() if n.endswith("QueryParameters")}
    (made,) = names.values()
    asked = RequestConfiguration(query_parameters=made(**parameters))
    asked.headers.add("ConsistencyLevel", "eventual")
    return asked


def refused(run, call) -> ODataError:
    with pytest.raises(ODataError) as caught:
        run(call)
    return caught.value


# --- inviting --------------------------------------------------------------------------------------------------------


def test_an_invitation_has_its_link_its_state_and_its_guest(graph, run):
    made = run(invite(graph, invited_user_display_name="Ada Alder", send_invitation_message=False))
    assert made.status == "PendingAcceptance"
    assert "/redeem?ticket=" in made.invite_redeem_url
    assert uuid.UUID(made.invited_user.id)
    assert (made.invited_user_display_name, made.invited_user_type) == ("Ada Alder", "Guest")


def test_an_invitation_refused_is_an_odata_error(graph, run):
    error = refused(run, invite(graph, "not an address"))
    assert error.response_status_code == 400
    assert error.error.code == "Request_BadRequest" and error.error.message
    assert error.error.inner_error.request_id and error.error.inner_error.client_request_id
    assert error.error.inner_error.date is not None


# --- the id that an invitation returned, used in the very next call --------------------------------------------------


def test_the_guest_of_an_invitation_can_be_read_at_once(graph, run, guest):
    user = run(graph.users.by_user_id(guest).get())
    assert (user.user_type, user.external_user_state) == ("Guest", "PendingAcceptance")


def test_the_guest_of_an_invitation_is_assigned_an_app_role_at_once(graph, run):
    async def script():
        role = AppRole(id=READER, display_name="Reader", description="Reads", value="reader", is_enabled=True)
        role.allowed_member_types = ["User"]
        _, sp = await an_app(graph, app_roles=[role])
        guest = (await invite(graph)).invited_user.id
        wanted = AppRoleAssignment(principal_id=uuid.UUID(guest), resource_id=uuid.UUID(sp.id), app_role_id=READER)
        made = await graph.service_principals.by_service_principal_id(sp.id).app_role_assigned_to.post(wanted)
        held = await graph.users.by_user_id(guest).app_role_assignments.get()
        return made, held

    made, held = run(script())
    assert (made.principal_type, made.app_role_id, made.resource_display_name) == ("User", READER, "CRM")
    assert [(a.id, a.created_date_time) for a in held.value] == [(made.id, made.created_date_time)]


def test_the_guest_of_an_invitation_joins_a_group_at_once(graph, run):
    async def script():
        group = await a_group(graph)
        guest = (await invite(graph)).invited_user.id
        await graph.groups.by_group_id(group.id).members.ref.post(reference(graph, guest))
        members = await graph.groups.by_group_id(group.id).members.get()
        groups = await graph.users.by_user_id(guest).member_of.get()
        return group, guest, members, groups

    group, guest, members, groups = run(script())
    assert [(type(m), m.id) for m in members.value] == [(User, guest)]
    assert [(type(g), g.id) for g in groups.value] == [(Group, group.id)]


def test_the_guest_of_an_invitation_gets_a_directory_role_at_once(graph, run):
    async def script():
        try:
            await graph.directory_roles.post(DirectoryRole(role_template_id=GUEST_INVITER))
        except ODataError as error:  # it was activated before
            assert "conflicting" in error.error.message
        roles = await graph.directory_roles.get()
        role = next(r for r in roles.value if r.role_template_id == GUEST_INVITER)
        guest = (await invite(graph)).invited_user.id
        await graph.directory_roles.by_directory_role_id(role.id).members.ref.post(reference(graph, guest))
        members = await graph.directory_roles.by_directory_role_id(role.id).members.get()
        held = await graph.users.by_user_id(guest).member_of.get()
        return guest, members, held

    guest, members, held = run(script())
    assert guest in [m.id for m in members.value if isinstance(m, User)]
    assert [r.role_template_id for r in held.value if isinstance(r, DirectoryRole)] == [GUEST_INVITER]


def test_the_guest_of_an_invitation_gets_a_role_assignment_at_once(graph, run, guest):
    wanted = UnifiedRoleAssignment(principal_id=guest, role_definition_id=GUEST_INVITER, directory_scope_id="/")
    made = run(graph.role_management.directory.role_assignments.post(wanted))
    assert (made.principal_id, made.role_definition_id, made.directory_scope_id) == (guest, GUEST_INVITER, "/")
    definition = run(
        graph.role_management.directory.role_definitions.by_unified_role_definition_id(GUEST_INVITER).get()
    )
    assert definition.display_name == "Guest Inviter" and definition.is_built_in is True


def test_the_guest_of_an_invitation_is_in_the_next_delta(graph, run):
    async def script():
        page = await graph.users.delta.get()
        while page.odata_next_link:
            page = await graph.users.delta.with_url(page.odata_next_link).get()
        guest = (await invite(graph)).invited_user.id
        return guest, await graph.users.delta.with_url(page.odata_delta_link).get()

    guest, changed = run(script())
    assert [u.id for u in changed.value] == [guest] and changed.odata_delta_link


# --- lists -----------------------------------------------------------------------------------------------------------


def test_guests_are_listed_by_state(graph, run, guest):
    asked = asking(
        UsersRequestBuilder,
        filter="userType eq 'Guest' and externalUserState eq 'PendingAcceptance'",
        select=["id", "mail", "externalUserState", "externalUserStateChangeDateTime"],
        count=True,
        top=999,
    )
    found = run(graph.users.get(asked))
    assert guest in [u.id for u in found.value] and found.odata_count == len(found.value)
    assert {u.external_user_state for u in found.value} == {"PendingAcceptance"}
    assert all(u.external_user_state_change_date_time.tzinfo is not None for u in found.value)


def test_the_page_iterator_sees_everybody_once(graph, run):
    async def script():
        for _ in range(5):
            await invite(graph, invited_user_display_name="Paged")
        first = await graph.users.get(
            asking(UsersRequestBuilder, filter="displayName eq 'Paged'", select=["id"], top=2, count=True)
        )
        seen: list[str] = []
        await PageIterator(first, graph.request_adapter).iterate(lambda user: seen.append(user.id) or True)
        return seen

    seen = run(script())
    assert len(seen) == len(set(seen)) == 5


def test_search_and_order_go_with_the_header_of_advanced_queries(graph, run):
    async def script():
        for name in ("Zoe Searched", "Amy Searched"):
            await invite(graph, invited_user_display_name=name)
        return await graph.users.get(
            asking(
                UsersRequestBuilder,
                search='"displayName:Searched"',
                orderby=["displayName"],
                select=["displayName"],
                count=True,
            )
        )

    assert [u.display_name for u in run(script()).value] == ["Amy Searched", "Zoe Searched"]


def test_the_number_of_users_is_plain_text(graph, run, guest):
    assert run(graph.users.count.get(asking(CountRequestBuilder))) >= 1


def test_a_relation_is_expanded_with_its_own_select(graph, run):
    async def script():
        manager = await graph.users.post(
            User(
                display_name="Max",
                user_principal_name=f"max{uuid.uuid4().hex[:8]}@contoso.example",
                account_enabled=True,
            )
        )
        guest = (await invite(graph)).invited_user.id
        await graph.users.by_user_id(guest).manager.ref.put(reference_to(graph, manager.id))
        shown = await graph.users.by_user_id(guest).get(
            asking(UserItemRequestBuilder, select=["id"], expand=["manager($select=id,displayName)"])
        )
        return manager, shown

    manager, shown = run(script())
    assert (type(shown.manager), shown.manager.id, shown.manager.display_name) == (User, manager.id, "Max")


def reference_to(graph: GraphServiceClient, id: str):
    return ReferenceUpdate(odata_id=f"{graph.request_adapter.base_url}/users/{id}")


def test_a_list_is_cast_to_one_type(graph, run):
    async def script():
        inner, outer = await a_group(graph), await a_group(graph)
        guest = (await invite(graph)).invited_user.id
        builder = graph.groups.by_group_id(outer.id).members
        for id in (inner.id, guest):
            await builder.ref.post(reference(graph, id))
        everything = await builder.get()
        only = await builder.graph_user.get(asking(GraphUserRequestBuilder, count=True))
        return guest, inner.id, everything, only

    guest, inner, everything, only = run(script())
    assert {(type(m), m.id) for m in everything.value} == {(User, guest), (Group, inner)}
    assert [m.id for m in only.value] == [guest]


def test_memberships_are_cast_to_groups_and_to_roles(graph, run, guest):
    async def script():
        group, user = await a_group(graph), graph.users.by_user_id(guest)
        await graph.groups.by_group_id(group.id).members.ref.post(reference(graph, guest))
        wanted = UnifiedRoleAssignment(principal_id=guest, role_definition_id=GUEST_INVITER, directory_scope_id="/")
        await graph.role_management.directory.role_assignments.post(wanted)
        return group.id, await user.member_of.graph_group.get(), await user.member_of.graph_directory_role.get()

    id, groups, roles = run(script())
    assert [(type(g), g.id) for g in groups.value] == [(Group, id)]
    assert [(type(r), r.role_template_id) for r in roles.value] == [(DirectoryRole, GUEST_INVITER)]


def test_role_assignments_of_one_guest_are_listed_with_the_guest(graph, run, guest):
    async def script():
        assignments = graph.role_management.directory.role_assignments
        await assignments.post(
            UnifiedRoleAssignment(principal_id=guest, role_definition_id=GUEST_INVITER, directory_scope_id="/")
        )
        return await assignments.get(
            asking(RoleAssignmentsRequestBuilder, filter=f"principalId eq '{guest}'", expand=["principal"])
        )

    (found,) = run(script()).value
    assert (type(found.principal), found.principal.id, found.principal_id) == (User, guest, guest)


def test_groups_are_found_by_name(graph, run):
    async def script():
        await a_group(graph, description="of the south")
        return await graph.groups.get(asking(GroupsRequestBuilder, filter="startswith(displayName,'Sal')", count=True))

    assert all(g.display_name == "Sales" and g.security_enabled for g in run(script()).value)


# --- changing and removing -------------------------------------------------------------------------------------------


def test_a_user_is_changed_deleted_restored(graph, run, guest):
    async def script():
        user = graph.users.by_user_id(guest)
        await user.patch(User(department="Sales", account_enabled=False))
        shown = await user.get(asking(UserItemRequestBuilder, select=["department", "accountEnabled"]))
        await user.delete()
        with pytest.raises(ODataError) as gone:
            await user.get()
        deleted = await graph.directory.deleted_items.graph_user.get()
        back = await graph.directory.deleted_items.by_directory_object_id(guest).restore.post()
        return shown, gone.value, deleted, back, await user.get()

    shown, gone, deleted, back, again = run(script())
    assert (shown.department, shown.account_enabled) == ("Sales", False)
    assert (gone.response_status_code, gone.error.code) == (404, "Request_ResourceNotFound")
    assert guest in [u.id for u in deleted.value]
    assert (type(back), back.id, again.id) == (User, guest, guest)


def test_a_deleted_user_is_removed_in_the_delta(graph, run, guest):
    async def script():
        page = await graph.users.delta.get(asking(UsersDelta, select=["displayName"]))
        while page.odata_next_link:
            page = await graph.users.delta.with_url(page.odata_next_link).get()
        await graph.users.by_user_id(guest).delete()
        return await graph.users.delta.with_url(page.odata_delta_link).get()

    (removed,) = run(script()).value
    assert removed.id == guest and removed.additional_data["@removed"] in ({"reason": "changed"}, {"reason": "deleted"})


def test_a_new_member_is_in_the_groups_delta(graph, run):
    async def script():
        group = await a_group(graph)
        page = await graph.groups.delta.get(asking(GroupsDelta, select=["displayName", "members"]))
        while page.odata_next_link:
            page = await graph.groups.delta.with_url(page.odata_next_link).get()
        guest = (await invite(graph)).invited_user.id
        await graph.groups.by_group_id(group.id).members.ref.post(reference(graph, guest))
        return group.id, guest, await graph.groups.delta.with_url(page.odata_delta_link).get()

    id, guest, changed = run(script())
    (row,) = (g for g in changed.value if g.id == id)
    assert [str(m["id"]) for m in row.additional_data["members@delta"]] == [guest]


def test_a_member_leaves_a_group(graph, run, guest):
    async def script():
        group = graph.groups.by_group_id((await a_group(graph)).id)
        await group.members.ref.post(reference(graph, guest))
        await group.members.by_directory_object_id(guest).ref.delete()
        return await group.members.get()

    assert run(script()).value == []


def test_sessions_are_revoked(graph, run, guest):
    assert run(graph.users.by_user_id(guest).revoke_sign_in_sessions.post()).value is True


def test_objects_are_fetched_by_ids(graph, run, guest):
    found = run(graph.directory_objects.get_by_ids.post(GetByIdsPostRequestBody(ids=[guest], types=["user"])))
    assert [(type(o), o.id) for o in found.value] == [(User, guest)]


# --- apps and policies -----------------------------------------------------------------------------------------------


def test_an_app_gets_a_password(graph, run):
    async def script():
        app, _ = await an_app(graph)
        asked = AddPasswordPostRequestBody(password_credential=PasswordCredential(display_name="first"))
        made = await graph.applications.by_application_id(app.id).add_password.post(asked)
        return made, await graph.applications_with_app_id(app.app_id).get()

    made, app = run(script())
    assert made.secret_text and made.key_id == app.password_credentials[0].key_id
    assert app.password_credentials[0].secret_text is None and made.end_date_time.tzinfo is not None


def test_a_partner_is_trusted_for_mfa(graph, run):
    tenant_id = str(uuid.uuid4())

    async def script():
        trust = CrossTenantAccessPolicyInboundTrust(is_mfa_accepted=True)
        partners = graph.policies.cross_tenant_access_policy.partners
        wanted = CrossTenantAccessPolicyConfigurationPartner(tenant_id=tenant_id, inbound_trust=trust)
        made = await partners.post(wanted)
        one = partners.by_cross_tenant_access_policy_configuration_partner_tenant_id(tenant_id)
        trust.is_mfa_accepted = False
        await one.patch(CrossTenantAccessPolicyConfigurationPartner(inbound_trust=trust))
        changed = await one.get()
        await one.delete()
        return made, changed, await graph.policies.cross_tenant_access_policy.default.get()

    made, changed, default = run(script())
    assert (made.tenant_id, made.inbound_trust.is_mfa_accepted) == (tenant_id, True)
    assert changed.inbound_trust.is_mfa_accepted is False and changed.b2b_collaboration_inbound is None
    assert default.is_service_default is True and default.inbound_trust.is_mfa_accepted is False


def test_a_home_tenant_is_an_oidc_identity_provider(graph, run):
    issuer = f"http://127.0.0.1:{free_port()}/{uuid.uuid4().hex}"

    async def script():
        made = await graph.identity.identity_providers.post(
            OidcIdentityProvider(
                display_name="Fabrikam",
                client_id="contoso",
                issuer=issuer,
                well_known_endpoint=f"{issuer}/.well-known/openid-configuration",
                response_type=OidcResponseType.Code,
                scope="openid profile email",
                client_authentication=OidcClientSecretAuthentication(client_secret="not-a-real-secret"),
            )
        )
        return made, await graph.identity.identity_providers.get()

    made, all_ = run(script())
    assert type(made) is OidcIdentityProvider
    assert type(made.client_authentication) is OidcClientSecretAuthentication
    assert made.client_authentication.client_secret is None and made.response_type == [OidcResponseType.Code]
    assert made.id in [p.id for p in all_.value if type(p) is OidcIdentityProvider]


def test_a_policy_asks_the_guests_of_one_partner_for_mfa(graph, run):
    guests = ConditionalAccessGuestsOrExternalUsers(
        guest_or_external_user_types=ConditionalAccessGuestOrExternalUserTypes.B2bCollaborationGuest,
        external_tenants=ConditionalAccessEnumeratedExternalTenants(members=[str(uuid.uuid4())]),
    )
    wanted = ConditionalAccessPolicy(
        display_name="MFA for Fabrikam",
        state=ConditionalAccessPolicyState.EnabledForReportingButNotEnforced,
        conditions=ConditionalAccessConditionSet(
            users=ConditionalAccessUsers(include_guests_or_external_users=guests),
            applications=ConditionalAccessApplications(include_applications=["All"]),
        ),
        session_controls=ConditionalAccessSessionControls(
            sign_in_frequency=SignInFrequencySessionControl(
                is_enabled=True,
                type=SigninFrequencyType.Hours,
                value=4,
                frequency_interval=SignInFrequencyInterval.TimeBased,
            )
        ),
        grant_controls=ConditionalAccessGrantControls(
            operator="OR", built_in_controls=[ConditionalAccessGrantControl.Mfa]
        ),
    )
    guests.external_tenants.membership_kind = ConditionalAccessExternalTenantsMembershipKind.Enumerated
    made = run(graph.identity.conditional_access.policies.post(wanted))
    shown = made.conditions.users.include_guests_or_external_users
    assert made.state == ConditionalAccessPolicyState.EnabledForReportingButNotEnforced
    assert made.grant_controls.built_in_controls == [ConditionalAccessGrantControl.Mfa]
    assert made.session_controls.sign_in_frequency.value == 4
    assert type(shown.external_tenants) is ConditionalAccessEnumeratedExternalTenants


def test_a_claims_mapping_policy_is_put_on_an_app(graph, run):
    async def script():
        policy = await graph.policies.claims_mapping_policies.post(
            ClaimsMappingPolicy(display_name="Mail", definition=[MAPPING])
        )
        _, sp = await an_app(graph)
        on = graph.service_principals.by_service_principal_id(sp.id).claims_mapping_policies
        address = f"{graph.request_adapter.base_url}/policies/claimsMappingPolicies/{policy.id}"
        await on.ref.post(ReferenceCreate(odata_id=address))
        return policy, await on.get()

    policy, on = run(script())
    assert [p.id for p in on.value] == [policy.id] and policy.definition == [MAPPING]


def test_who_may_invite_is_in_the_authorization_policy(graph, run):
    async def script():
        policy = graph.policies.authorization_policy
        before = await policy.get()
        await policy.patch(AuthorizationPolicy(allow_invites_from=AllowInvitesFrom.AdminsAndGuestInviters))
        after = await policy.get()
        await policy.patch(AuthorizationPolicy(allow_invites_from=before.allow_invites_from))
        return before, after

    before, after = run(script())
    assert before.allow_invites_from == AllowInvitesFrom.Everyone
    assert after.allow_invites_from == AllowInvitesFrom.AdminsAndGuestInviters
    assert after.guest_user_role_id == before.guest_user_role_id


def test_strengths_organization_domains_and_logs_are_read(graph, run, guest):
    async def script():
        return (
            await graph.policies.authentication_strength_policies.get(),
            await graph.organization.get(),
            await graph.domains.get(),
            await graph.audit_logs.directory_audits.get(),
            await graph.audit_logs.sign_ins.get(),
        )

    strengths, organization, domains, audits, signins = run(script())
    assert [s.policy_type.value for s in strengths.value] == ["builtIn"] * 3
    assert organization.value[0].verified_domains[0].name == domains.value[0].id == "contoso.example"
    newest = audits.value[0]
    assert (newest.activity_display_name, newest.target_resources[0].id) == ("Invite external user", guest)
    assert newest.activity_date_time.tzinfo is not None and newest.initiated_by.app.app_id
    assert signins.value == []


# --- many at once ----------------------------------------------------------------------------------------------------


def test_a_batch_answers_each_request(graph, run, guest):
    async def script():
        read = graph.users.by_user_id(guest).to_get_request_information()
        wrong = graph.users.by_user_id(NOBODY).to_get_request_information()
        new = graph.invitations.to_post_request_information(
            Invitation(
                invited_user_email_address=f"bo{uuid.uuid4().hex[:8]}@fabrikam.example",
                invite_redirect_url="https://app.contoso.example/",
            )
        )
        for asked in (read, wrong, new):
            asked.path_parameters["baseurl"] = graph.request_adapter.base_url
        first, second = BatchRequestItem(read, "1"), BatchRequestItem(wrong, "2")
        third = BatchRequestItem(new, "3", depends_on=["1"])
        fourth = BatchRequestItem(read, "4", depends_on=["2"])
        content = BatchRequestContent({item.id: item for item in (first, second, third, fourth)})
        return await graph.batch.post(content)

    answer = run(script())
    assert {id: answer.get_response_by_id(id).status for id in "1234"} == {"1": 200, "2": 404, "3": 201, "4": 424}
    assert answer.get_response_by_id("1").content_type == "application/json"


# --- refusals --------------------------------------------------------------------------------------------------------


def test_a_token_that_is_none_is_an_odata_error(instance, run):
    class Nonsense:
        def get_token(self, *_scopes: str, **_options: object) -> AccessToken:
            return AccessToken("nonsense", int(time.time()) + 600)

    stranger = GraphServiceClient(Nonsense(), ["https://graph.microsoft.com/.default"])
    stranger.request_adapter.base_url = instance.init["graph"]
    error = refused(run, stranger.users.get())
    assert (error.response_status_code, error.error.code) == (401, "InvalidAuthenticationToken")


def test_a_filter_that_is_not_understood_is_an_odata_error(graph, run):
    error = refused(run, graph.users.get(asking(UsersRequestBuilder, filter="colour eq 'red'")))
    assert error.response_status_code == 400 and "colour" in error.error.message


def test_a_second_assignment_of_the_same_role_is_an_odata_error(graph, run, guest):
    async def script():
        _, sp = await an_app(graph)
        wanted = AppRoleAssignment(principal_id=uuid.UUID(guest), resource_id=uuid.UUID(sp.id), app_role_id=NO_ROLE)
        for _ in range(2):
            await graph.users.by_user_id(guest).app_role_assignments.post(wanted)

    error = refused(run, script())
    assert error.response_status_code == 400 and "already exists" in error.error.message
