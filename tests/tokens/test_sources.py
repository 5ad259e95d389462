"""What each ID of a claims mapping policy reads of the directory."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from b2b_idp.claims.mapping import compile_mapping
from b2b_idp.model.directory import App, Tenant, User, all_tags
from b2b_idp.tokens.gather import Subject
from b2b_idp.tokens.sources import sources_of

AT = datetime(2026, 6, 1, 10, tzinfo=UTC)
TEXTS = (
    "givenName surname displayName department companyName streetAddress postalCode preferredLanguage mailNickname city "
    "state country jobTitle employeeId mobilePhone officeLocation consentProvidedForMinor"
).split()
EXTENSION = "extension_0123456789abcdef0123456789abcdef_costCentre"
USER = User(
    id="u-1",
    user_type="Guest",
    upn="ada_fabrikam.example#EXT#@contoso.example",
    mail="ada@fabrikam.example",
    creation_type="Invitation",
    created_at=AT,
    properties={name: f"the {name}" for name in TEXTS}
    | {
        "faxNumber": "+41 1",
        "businessPhones": ["+41 2", "+41 3"],
        "otherMails": ["a@x.example", "b@x.example"],
        "onPremisesExtensionAttributes": {f"extensionAttribute{n}": f"e{n}" for n in range(1, 16)},
        EXTENSION: ["7", "8"],
    },
)
READS = {
    **{name.lower(): f"the {name}" for name in TEXTS},
    **{f"extensionattribute{n}": f"e{n}" for n in range(1, 16)},
    "objectid": "u-1",
    "mail": "ada@fabrikam.example",
    "userprincipalname": "ada_fabrikam.example#EXT#@contoso.example",
    "usertype": "Guest",
    "creationtype": "Invitation",
    "accountenabled": True,
    "createddatetime": "2026-06-01T10:00:00Z",
    "othermail": "a@x.example",
    "telephonenumber": "+41 2",
    "facsimiletelephonenumber": "+41 1",
    "assignedroles": ["Reader"],
    "lastpasswordchangedatetime": None,
    "onpremisessamaccountname": None,
    "proxyaddresses": None,
}


def app(name):
    return App(
        id=name,
        app_id=name,
        sp_id=f"sp-{name}",
        display_name=name,
        created_at=AT,
        sp_properties={"tags": ["one", "two"]},
    )


def read(entry):
    tenant = Tenant("t", "Contoso", "contoso.example", AT)
    subject = Subject(
        user=USER, app=app("Pay"), home=None, tenant=tenant, groups=(), roles=("Reader",), mapping=None, assigned=True
    )
    policy = {"ClaimsMappingPolicy": {"Version": 1, "ClaimsSchema": [entry | {"JwtClaimType": "c"}]}}
    return compile_mapping(policy).apply(sources_of(subject, app("CRM")))[0].value


@pytest.mark.parametrize("id", READS)
def test_an_id_of_the_user_reads_the_property_of_graph(id):
    assert read({"Source": "user", "ID": id}) == READS[id]


def test_a_directory_extension_is_the_property_of_its_name():
    assert read({"Source": "user", "ExtensionID": EXTENSION.upper()}) == ["7", "8"]


@pytest.mark.parametrize(("source", "name"), [("application", "CRM"), ("resource", "Pay"), ("audience", "Pay")])
def test_application_is_the_client_and_the_others_the_app_that_the_token_is_for(source, name):
    ids = {"displayname": name, "objectid": f"sp-{name}", "tags": "one"}
    assert {id: read({"Source": source, "ID": id}) for id in ids} == ids


def test_the_tags_of_an_application_are_its_service_principals_too():
    assert all_tags({"tags": ["one", "three"]}, {"tags": ["one", "two"]}) == ["one", "two", "three"]
    assert all_tags({"tags": None}, {}) == []
