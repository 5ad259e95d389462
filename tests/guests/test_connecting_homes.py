"""Connecting home tenants: each issuer, tenant and domain once, and never a domain that anybody can have."""

from __future__ import annotations

import pytest
from guests_world import moment

from b2b_idp.guests.homes import add_home, change_home
from b2b_idp.model.moment import tenant_id_of
from b2b_idp.model.problem import Code, Problem

ISSUER = "https://idp.fabrikam.example"


def document(issuer=ISSUER, domains=(), tenant_id=None, **more):
    extension = {"domains": list(domains)} | ({"tenantId": tenant_id} if tenant_id else {})
    return {
        "@odata.type": "#microsoft.graph.oidcIdentityProvider",
        "displayName": "Fabrikam",
        "clientId": "contoso",
        "issuer": issuer,
        "clientAuthentication": {
            "@odata.type": "#microsoft.graph.oidcClientSecretAuthentication",
            "clientSecret": "not-a-real-secret",
        },
        "b2bIdp": extension,
    } | more


def add(directory, *args, **more):
    with directory.store.write() as w:
        return add_home(w, document(*args, **more), moment())


def refused(directory, *args, **more):
    with pytest.raises(Problem) as e:
        add(directory, *args, **more)
    return e.value.code


def home(directory, tenant_id):
    with directory.store.read() as r:
        return r.configuration.homes[tenant_id]


def test_the_tenant_id_follows_from_the_issuer(directory):
    assert add(directory) == tenant_id_of(ISSUER)


def test_the_secret_is_kept_apart_from_the_document(directory):
    kept = home(directory, add(directory))
    assert kept.client_secret == "not-a-real-secret"
    assert "not-a-real-secret" not in str(kept.properties) and "not-a-real-secret" not in repr(kept)


def test_no_second_home_has_the_issuer_or_the_tenant_id_not_even_of_a_deleted_one(directory):
    tenant_id = add(directory)
    assert refused(directory) is Code.CONFLICT
    assert refused(directory, "https://other.example", tenant_id=tenant_id) is Code.CONFLICT
    with directory.store.write() as w:
        w.documents.delete_home(tenant_id, moment().at)
    assert refused(directory) is Code.CONFLICT


def test_domains_are_kept_as_a_labels(directory):
    tenant_id = add(directory, domains=["Fabrikam.Example.", "bücher.example"])
    assert home(directory, tenant_id).domains == ("fabrikam.example", "xn--bcher-kva.example")


def test_a_domain_belongs_to_one_home(directory):
    add(directory, domains=["fabrikam.example"])
    assert refused(directory, "https://other.example", domains=["FABRIKAM.example"]) is Code.CONFLICT


@pytest.mark.parametrize("domain", ["gmail.com", "Outlook.com", "icloud.com."])
def test_no_home_is_authoritative_for_a_public_mail_domain(directory, domain):
    assert refused(directory, domains=[domain]) is Code.BAD_REQUEST


def test_the_metadata_stands_at_the_issuer(directory):
    elsewhere = "https://evil.example/.well-known/openid-configuration"
    assert refused(directory, wellKnownEndpoint=elsewhere) is Code.BAD_REQUEST
    assert (
        home(directory, add(directory)).properties["wellKnownEndpoint"] == ISSUER + "/.well-known/openid-configuration"
    )


def test_the_subject_comes_from_sub(directory):
    assert refused(directory, inboundClaimMapping={"sub": "email"}) is Code.BAD_REQUEST


@pytest.mark.parametrize("member", ["b2bIdp", "clientAuthentication", "inboundClaimMapping", "issuer", "displayName"])
@pytest.mark.parametrize("value", [[1], 7, True, [["a", "b"]]], ids=str)
def test_a_member_of_another_type_is_refused(directory, member, value):
    assert refused(directory, **{member: value}) is Code.BAD_REQUEST


@pytest.mark.parametrize("member", ["b2bIdp", "clientAuthentication", "inboundClaimMapping"])
def test_a_text_where_an_object_belongs_is_refused(directory, member):
    assert refused(directory, **{member: "text"}) is Code.BAD_REQUEST


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://x.example"},
        {"b2bIdp": {"own": True}},
        {"b2bIdp": {"tenantId": "0" * 8 + "-0000-0000-0000-" + "0" * 12}},
    ],
    ids=["issuer", "own", "tenantId"],
)
def test_what_a_home_is_cannot_be_changed(directory, change):
    tenant_id = add(directory)
    with pytest.raises(Problem) as e, directory.store.write() as w:
        change_home(w, tenant_id, document(**change))
    assert e.value.code is Code.BAD_REQUEST


def test_a_change_that_names_no_secret_keeps_it(directory):
    tenant_id = add(directory)
    without = {"@odata.type": "#microsoft.graph.oidcClientSecretAuthentication"}
    with directory.store.write() as w:
        change_home(w, tenant_id, document(displayName="Renamed", clientAuthentication=without))
    kept = home(directory, tenant_id)
    assert (kept.display_name, kept.client_secret) == ("Renamed", "not-a-real-secret")
