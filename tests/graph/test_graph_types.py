"""Every answer is what Microsoft Graph's own types say; `graph_types` is the judge."""

from __future__ import annotations

import uuid

import pytest
from graph_types import errors_fault, faults

from b2b_idp.testing.kit import Kit

GUEST_INVITER = "95e79109-95c0-4d8e-aee3-d01accf2d47b"
NOBODY = "99999999-0000-0000-0000-000000000000"
READER = str(uuid.UUID(int=7))
MAPPING = (
    '{"ClaimsMappingPolicy":{"Version":1,"ClaimsSchema":[{"Source":"user","ID":"department","JwtClaimType":"d"}]}}'
)
STRENGTH = "00000000-0000-0000-0000-000000000004"
EVERYBODY = {"applications": {"includeApplications": ["All"]}, "users": {"includeUsers": ["All"]}}


class World:
    """One of everything, made through the API; `made` has the answer to each creation, by its path."""

    def __init__(self, kit):
        self.kit = kit
        self.ids: dict[str, str] = {}
        self.made: dict[str, dict] = {}
        self.missing: dict[str, str] = {}
        home = kit.home_tenant("fabrikam.example", trust_mfa=True)
        self.ids["home"] = home.tenant_id
        guest = kit.invite("ada@fabrikam.example", department="Sales", otherMails=["ada@litware.example"])
        role = {"id": READER, "displayName": "Reader", "description": "Reads", "value": "reader", "isEnabled": True}
        app = kit.app("CRM", appRoles=[role | {"allowedMemberTypes": ["User"]}], requires="mfa")
        kit.sign_in(guest, app, amr=["pwd", "mfa"])
        kit.sign_in(guest, app, amr=["pwd"])
        self.ids |= {"guest": guest.id, "app": app.object_id, "appId": app.client_id, "sp": app.sp_id}
        self.create()

    def create(self):
        post = self.post
        post(
            "/invitations",
            {
                "invitedUserEmailAddress": "bo@litware.example",
                "inviteRedirectUrl": "https://app.contoso.example/",
                "invitedUserMessageInfo": {"messageLanguage": "de-DE", "customizedMessageBody": "Hello"},
            },
        )
        post("/users", {"displayName": "Max", "userPrincipalName": "max@contoso.example", "accountEnabled": True})
        group = {"displayName": "Sales", "mailEnabled": False, "mailNickname": "sales", "securityEnabled": True}
        group["isAssignableToRole"] = True
        self.ids["group"] = post("/groups", group)["id"]
        self.reference("/groups/{group}/members", "guest")
        self.reference("/groups/{group}/owners", "guest")
        self.reference("/users/{guest}/sponsors", "guest")
        post("/users/{guest}/appRoleAssignments", self.assignment("guest"))
        post("/groups/{group}/appRoleAssignments", self.assignment("group"))
        self.ids["role"] = post("/directoryRoles", {"roleTemplateId": GUEST_INVITER}).get("id", NOBODY)
        self.reference("/directoryRoles/{role}/members", "guest")
        post(
            "/roleManagement/directory/roleAssignments",
            {"principalId": self.ids["group"], "roleDefinitionId": GUEST_INVITER, "directoryScopeId": "/"},
        )
        self.ids["mapping"] = post(
            "/policies/claimsMappingPolicies", {"displayName": "Department", "definition": [MAPPING]}
        )["id"]
        self.reference("/servicePrincipals/{sp}/claimsMappingPolicies", "mapping", "policies/claimsMappingPolicies")
        tenants = {
            "@odata.type": "#microsoft.graph.conditionalAccessEnumeratedExternalTenants",
            "membershipKind": "enumerated",
            "members": [self.ids["home"]],
        }
        kinds = "b2bCollaborationGuest,b2bCollaborationMember"
        guests = {"guestOrExternalUserTypes": kinds, "externalTenants": tenants}
        post(
            "/identity/conditionalAccess/policies",
            {
                "displayName": "Guests of Fabrikam",
                "state": "enabledForReportingButNotEnforced",
                "conditions": EVERYBODY | {"users": {"includeGuestsOrExternalUsers": guests}},
                "grantControls": {"operator": "OR", "authenticationStrength": {"id": STRENGTH}},
                "sessionControls": {
                    "signInFrequency": {
                        "isEnabled": True,
                        "type": "hours",
                        "value": 4,
                        "frequencyInterval": "timeBased",
                    }
                },
            },
        )
        post("/applications/{app}/addPassword", {"passwordCredential": {"displayName": "second"}})

    def assignment(self, principal):
        return {"principalId": self.ids[principal], "resourceId": self.ids["sp"], "appRoleId": READER}

    def post(self, path, body):
        """Makes something; what is refused is told by the test of its path, not here."""
        try:
            self.made[path] = self.kit.graph("POST", path.format(**self.ids), body) or {}
        except AssertionError as refused:
            self.missing[path] = str(refused)
        return self.made.get(path, {"id": NOBODY})

    def reference(self, path, key, collection="directoryObjects"):
        self.post(path + "/$ref", {"@odata.id": f"{self.kit.issuer}/v1.0/{collection}/{self.ids[key]}"})

    def get(self, path):
        return self.kit.graph("GET", path.format(**self.ids))


@pytest.fixture(scope="module")
def world():
    kit = Kit()
    yield World(kit)
    kit.close()


CREATIONS = """
/invitations
/users
/groups
/users/{guest}/appRoleAssignments
/groups/{group}/appRoleAssignments
/directoryRoles
/roleManagement/directory/roleAssignments
/policies/claimsMappingPolicies
/identity/conditionalAccess/policies
/applications/{app}/addPassword
""".split()

ENTITIES = """
/users/{guest}
/users/{guest}?$select=id,displayName,identities,creationType,externalUserStateChangeDateTime,createdDateTime
/users/{guest}?$expand=manager($select=id,displayName)
/groups/{group}
/groups/{group}?$expand=members
/directoryObjects/{guest}
/directoryObjects/{group}
/directoryObjects/{sp}
/directoryRoles/{role}
/applications/{app}
/applications(appId='{appId}')
/applications/{app}?$select=id,appRoles
/servicePrincipals/{sp}
/servicePrincipals(appId='{appId}')
/policies/crossTenantAccessPolicy
/policies/crossTenantAccessPolicy/default
/policies/crossTenantAccessPolicy/partners/{home}
/policies/claimsMappingPolicies/{mapping}
/policies/authorizationPolicy
/policies/authenticationStrengthPolicies/00000000-0000-0000-0000-000000000004
/identity/identityProviders/{home}
""".split()

COLLECTIONS = """
/users
/users?$count=true&$top=1
/users?$select=id,userType,onPremisesExtensionAttributes
/users?$filter=externalUserState%20eq%20'PendingAcceptance'
/users?$expand=manager
/users/delta
/users/{guest}/memberOf
/users/{guest}/transitiveMemberOf
/users/{guest}/sponsors
/users/{guest}/appRoleAssignments
/users/{guest}/authentication/methods
/users/{guest}/authentication/fido2Methods
/groups
/groups/delta
/groups/{group}/members
/groups/{group}/transitiveMembers
/groups/{group}/owners
/groups/{group}/appRoleAssignments
/directoryRoles
/directoryRoles/{role}/members
/directoryRoleTemplates
/roleManagement/directory/roleAssignments
/roleManagement/directory/roleDefinitions
/applications
/servicePrincipals
/servicePrincipals/{sp}/appRoleAssignedTo
/servicePrincipals/{sp}/claimsMappingPolicies
/policies/crossTenantAccessPolicy/partners
/policies/claimsMappingPolicies
/policies/authenticationStrengthPolicies
/identity/identityProviders
/identity/conditionalAccess/policies
/organization
/domains
/auditLogs/signIns
/auditLogs/directoryAudits
""".split()

EMPTY_HERE = {"/users/{guest}/authentication/methods", "/users/{guest}/authentication/fido2Methods"}
"""The world's guest has no factor registered here."""


@pytest.mark.parametrize("path", CREATIONS)
def test_what_was_made_is_of_graphs_type(world, path):
    assert path not in world.missing, world.missing[path]
    assert faults(world.made[path]) == []


@pytest.mark.parametrize("path", ENTITIES)
def test_one_object_is_of_graphs_type(world, path):
    assert faults(world.get(path)) == []


@pytest.mark.parametrize("path", COLLECTIONS)
def test_a_collection_is_of_graphs_type(world, path):
    answer = world.get(path)
    assert faults(answer) == []
    assert answer["value"] or path in EMPTY_HERE


def test_deleted_users_are_of_graphs_type(world):
    id = world.post("/users", {"displayName": "Gone", "userPrincipalName": "gone@contoso.example"})["id"]
    world.kit.graph("DELETE", f"/users/{id}")
    assert faults(world.get(f"/directory/deletedItems/{id}")) == []
    answer = world.get("/directory/deletedItems/microsoft.graph.user")
    assert faults(answer) == [] and id in [row["id"] for row in answer["value"]]


@pytest.mark.parametrize(
    "method,path",
    [
        ("GET", f"/users/{NOBODY}"),
        ("PUT", "/users"),
        ("GET", "/nothing"),
        ("POST", "/groups"),
        ("GET", "/users?$top=x"),
    ],
)
def test_an_error_is_of_graphs_form(world, method, path):
    bearer = {"Authorization": f"Bearer {world.kit._bearer()}"}
    answer = world.kit.flask.test_client().open(f"/idp/v1.0{path}", method=method, headers=bearer)
    assert answer.status_code >= 400 and errors_fault(answer.json) == []


# --- the judge itself ------------------------------------------------------------------------------------------------

CONTEXT = "https://idp.contoso.example/v1.0/$metadata#"


@pytest.mark.parametrize(
    "shape,answer",
    {
        "unknown property": ("users/$entity", {"colour": "red"}),
        "wrong type": ("users/$entity", {"accountEnabled": "true"}),
        "a list is asked for": ("users/$entity", {"businessPhones": "1"}),
        "never null": ("users/$entity", {"businessPhones": None}),
        "a date without its zone": ("users/$entity", {"createdDateTime": "2026-06-01T10:00:00"}),
        "an id that is no GUID": ("users/$entity", {"id": "ada"}),
        "unknown set": ("people/$entity", {}),
        "unknown member of an enumeration": ("policies/authorizationPolicy/$entity", {"allowInvitesFrom": "some"}),
        "unselected property": ("users(id)/$entity", {"mail": "ada@fabrikam.example"}),
        "an object of no type": ("directoryObjects", {"value": [{"id": NOBODY}]}),
        "an object of another type": ("users", {"value": [{"@odata.type": "#microsoft.graph.group"}]}),
        "a relative link": ("users", {"value": [], "@odata.nextLink": "/v1.0/users?$skiptoken=x"}),
    }.values(),
)
def test_the_judge_finds_what_is_wrong(shape, answer):
    assert faults({"@odata.context": CONTEXT + shape} | answer) != []


def test_the_judge_lets_our_own_extension_pass():
    assert faults({"@odata.context": CONTEXT + "users/$entity", "b2bIdp": {"anything": 1}}) == []
