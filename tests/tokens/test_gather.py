"""What the directory says of a person for one app: groups as the app chooses, roles by direct membership."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest

from b2b_idp.claims.mapping import compile_mapping
from b2b_idp.guests.apps import create_app
from b2b_idp.keys.vault import Vault
from b2b_idp.model.directory import DEFAULT_APP_ROLE, RoleAssignment, Tenant, User
from b2b_idp.model.moment import Moment
from b2b_idp.store import Store
from b2b_idp.tokens.gather import app_roles, subject_of

AT = datetime(2026, 6, 1, 10, tzinfo=UTC)
MOMENT = Moment(AT, lambda: str(uuid.uuid4()), lambda: "secret")
SECURITY, DISTRIBUTION, OTHER = (f"bbbbbbbb-0000-0000-0000-00000000000{n}" for n in range(3))
ABOVE, TOP = "cccccccc-0000-0000-0000-000000000001", "dddddddd-0000-0000-0000-000000000001"
APPROVER, READER, OFF, BARE = (f"eeeeeeee-0000-0000-0000-00000000000{n}" for n in range(4))


class Directory:
    """A guest in a security group and a distribution list, and an app with four roles."""

    def __init__(self):
        self.store = Store("sqlite://", Vault(b"k" * 32))
        self.user = User(
            id=MOMENT.new_id(), user_type="Guest", upn="a#EXT#@c.example", mail="a@f.example", created_at=AT
        )
        with self.store.write() as w:
            w.documents.create_tenant(Tenant(MOMENT.new_id(), "Contoso", "contoso.example", AT))
            w.users.add(self.user)
            for id, security in ((SECURITY, True), (DISTRIBUTION, False), (OTHER, True)):
                w.apps.add_group(id, {"displayName": id, "securityEnabled": security}, AT)
            for id in (SECURITY, DISTRIBUTION):
                w.apps.add_member(id, self.user.id)

    def app(self, **more):
        roles = [(APPROVER, "Approver", True), (READER, "Reader", True), (OFF, "Off", False), (BARE, None, True)]
        document = {
            "displayName": "CRM",
            "appRoles": [
                {"id": id, "value": value, "displayName": id, "isEnabled": on, "allowedMemberTypes": ["User"]}
                for id, value, on in roles
            ],
        }
        sp = more.pop("sp", {})
        with self.store.write() as w:
            return create_app(w, document | more, MOMENT, service_principal=sp)

    def assign(self, app, role, principal, kind="User"):
        with self.store.write() as w:
            w.apps.assign(RoleAssignment(MOMENT.new_id(), principal, kind, app.sp_id, role, AT))

    def subject(self, row, trial=None):
        with self.store.read() as r:
            return subject_of(r, self.user, r.apps.by_client_id(row.app_id), None, AT, trial)


def mapping(**inner):
    return compile_mapping({"ClaimsMappingPolicy": {"Version": 1} | inner})


@pytest.fixture
def directory():
    made = Directory()
    yield made
    made.store.close()


@pytest.mark.parametrize(
    ("chosen", "groups"),
    [
        (None, ()),
        ("SecurityGroup", (SECURITY,)),
        ("All", (SECURITY, DISTRIBUTION)),
        ("ApplicationGroup", (DISTRIBUTION,)),
        ("SecurityGroup, ApplicationGroup", (SECURITY, DISTRIBUTION)),
        ("DirectoryRole", ()),
    ],
)
def test_group_membership_claims_choose_the_groups(directory, chosen, groups):
    app = directory.app(groupMembershipClaims=chosen)
    for group in (DISTRIBUTION, OTHER):
        directory.assign(app, DEFAULT_APP_ROLE, group, "Group")
    assert directory.subject(app).groups == groups


def nested(directory):
    """The security group is in another one, which is in a third."""
    with directory.store.write() as w:
        for id in (ABOVE, TOP):
            w.apps.add_group(id, {"displayName": f"Above {id}", "securityEnabled": True}, AT)
        w.apps.add_member(ABOVE, SECURITY)
        w.apps.add_member(TOP, ABOVE)


def test_groups_of_groups_count_for_security_groups_and_all(directory):
    nested(directory)
    app = directory.app(groupMembershipClaims="SecurityGroup")
    assert directory.subject(app).groups == (SECURITY, ABOVE, TOP)


def test_of_groups_assigned_to_the_app_those_count_that_have_the_person_directly(directory):
    nested(directory)
    app = directory.app(groupMembershipClaims="ApplicationGroup")
    directory.assign(app, DEFAULT_APP_ROLE, ABOVE, "Group")
    directory.assign(app, APPROVER, ABOVE, "Group")
    subject = directory.subject(app)
    assert (subject.groups, subject.roles) == ((), ())


def test_a_policys_group_filter_chooses_among_them(directory):
    nested(directory)
    app = directory.app(groupMembershipClaims="All", api={"acceptMappedClaims": True})
    by_name = {"MatchOn": "displayname", "Type": "prefix", "Value": "above"}
    assert directory.subject(app, mapping(GroupFilter=by_name)).groups == (ABOVE, TOP)


def test_a_policy_applies_only_where_the_app_accepts_it(directory):
    policy = mapping(ClaimsSchema=[{"Value": "gold", "JwtClaimType": "tier"}])
    accepting, other = directory.app(api={"acceptMappedClaims": True}), directory.app()
    assert directory.subject(accepting, policy).mapping is policy
    refused = directory.subject(other, policy)
    assert (refused.mapping, refused.refused) == (None, policy)


def test_roles_are_those_of_the_person_and_of_groups_that_have_the_person(directory):
    app = directory.app()
    directory.assign(app, READER, directory.user.id)
    directory.assign(app, APPROVER, SECURITY, "Group")
    assert directory.subject(app).roles == ("Approver", "Reader")


def test_a_role_of_a_group_that_has_others_only_is_not_the_persons(directory):
    app = directory.app()
    directory.assign(app, APPROVER, OTHER, "Group")
    assert directory.subject(app).roles == ()


def test_a_role_of_another_app_is_not_this_ones(directory):
    app, other = directory.app(), directory.app()
    directory.assign(other, APPROVER, directory.user.id)
    assert directory.subject(app).roles == ()


@pytest.mark.parametrize("role", [OFF, BARE])
def test_a_role_that_is_off_or_has_no_value_is_in_no_token(directory, role):
    app = directory.app()
    directory.assign(app, role, directory.user.id)
    assert directory.subject(app).roles == ()


@pytest.mark.parametrize("role", [APPROVER, DEFAULT_APP_ROLE])
def test_whoever_has_any_assignment_is_assigned(directory, role):
    app = directory.app(sp={"appRoleAssignmentRequired": True})
    assert not directory.subject(app).assigned
    directory.assign(app, role, SECURITY, "Group")
    assert directory.subject(app).assigned


def test_everybody_is_assigned_where_no_assignment_is_required(directory):
    assert directory.subject(directory.app()).assigned


def test_an_apps_permissions_on_an_api_are_those_of_its_service_principal(directory):
    client, api = directory.app(), directory.app()
    directory.assign(api, READER, client.sp_id, "ServicePrincipal")
    with directory.store.read() as r:
        apps = r.apps.by_client_id(client.app_id), r.apps.by_client_id(api.app_id)
        assert app_roles(r, *apps) == ("Reader",)
        assert app_roles(r, *reversed(apps)) == ()
