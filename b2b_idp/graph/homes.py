"""identityProviders: how home tenants speak."""

from __future__ import annotations

from typing import Any

from b2b_idp.graph.api import Answer, Call, Route, etag_of, not_found, writer
from b2b_idp.graph.body import bad
from b2b_idp.guests.homes import add_home, change_home
from b2b_idp.model.home import Home
from b2b_idp.policy.documents import OIDC_PROVIDER, IdentityProvider
from b2b_idp.signin.flow.depart import redirect_uri
from b2b_idp.signin.home_logout import backchannel_logout_uri, post_logout_redirect_uri
from b2b_idp.signin.reports import seen_document
from b2b_idp.store import Configuration

BUILT_IN = "EmailOtpSignup-OAUTH"
"""Graph's id of the identity provider that mails codes."""


def _home_row(call: Call, home: Home) -> dict[str, Any]:
    if home.mailed:
        return {
            "@odata.type": "#microsoft.graph.builtInIdentityProvider",
            "id": BUILT_IN,
            "displayName": home.display_name,
            "identityProviderType": "EmailOTP",
        }
    document = dict(home.properties)
    extension = dict(document.get("b2bIdp") or {})
    extension |= {
        "tenantId": home.tenant_id,
        "domains": list(home.domains),
        "own": home.own,
        "redirectUri": redirect_uri(call.parts.issuer, home.tenant_id),
        "backChannelLogoutUri": backchannel_logout_uri(call.parts.issuer, home.tenant_id),
        "postLogoutRedirectUri": post_logout_redirect_uri(call.parts.issuer, home.tenant_id),
        "endSession": home.end_session,
        "stepUpSeen": seen_document(call.w.reports.step_up_of(home.tenant_id)),
    }
    row = {
        "@odata.type": OIDC_PROVIDER,
        "id": home.tenant_id,
        "displayName": home.display_name,
        "clientId": home.client_id,
        "issuer": home.issuer,
        "wellKnownEndpoint": home.well_known,
        "responseType": "code",
        "scope": home.scope,
        "clientAuthentication": document.get("clientAuthentication"),
        "inboundClaimMapping": document.get("inboundClaimMapping"),
    }
    return row | {"b2bIdp": extension}


_HOME_PROPERTIES = frozenset(
    "id displayName clientId issuer wellKnownEndpoint responseType scope clientAuthentication "
    "inboundClaimMapping identityProviderType b2bIdp".split()
)


def _home(call: Call, id: str) -> Home:
    configuration: Configuration = call.w.configuration
    home = configuration.homes.get(id.lower())
    if id.lower() == BUILT_IN.lower():
        return configuration.mailed_home
    if home is None or home.mailed:
        raise not_found(id)
    return home


def _connected(call: Call, id: str) -> Home:
    home = _home(call, id)
    if home.mailed:
        raise bad(
            f"{BUILT_IN} is built in. PATCH /policies/authenticationMethodsPolicy/authenticationMethodConfigurations/"
            "Email switches it."
        )
    return home


def _homes(call: Call) -> Answer:
    rows = [_home_row(call, h) for h in call.w.configuration.homes.values()]
    return call.collection("identity/identityProviders", rows, call.query(_HOME_PROPERTIES))


def _get_home(call: Call, id: str) -> Answer:
    row = _home_row(call, _home(call, id))
    answer = call.entity("identity/identityProviders", row, call.query(_HOME_PROPERTIES).select)
    # what sign-ins have shown is not what an administrator changes under If-Match
    call.etag = etag_of(row | {"b2bIdp": row.get("b2bIdp", {}) | {"stepUpSeen": None}})
    return answer


def _add_home(call: Call) -> Answer:
    document = call.body()
    if document.get("@odata.type", OIDC_PROVIDER) not in (OIDC_PROVIDER, OIDC_PROVIDER.lstrip("#")):
        raise bad("Only #microsoft.graph.oidcIdentityProvider can be added.")
    document.pop("id", None)
    if isinstance(document.get("issuer"), str):
        call.parts.check_issuer(document["issuer"])
    tenant_id = add_home(writer(call), document, call.moment)
    row = _home_row(call, _fresh_home(call, tenant_id))
    call.target("IdentityProvider", tenant_id, row["displayName"], {}, row)
    return call.entity("identity/identityProviders", row), 201


def _fresh_home(call: Call, tenant_id: str) -> Home:
    """The home as the store has it after the change in this same transaction."""
    writer(call).reload()
    return _home(call, tenant_id)


def _change_home(call: Call, id: str) -> Answer:
    home = _connected(call, id)
    change = call.body()
    merged = _merged(dict(home.properties), change)
    merged.pop("id", None)
    before = _home_row(call, home)
    change_home(writer(call), home.tenant_id, merged)
    after = _home_row(call, _fresh_home(call, home.tenant_id))
    call.target("IdentityProvider", home.tenant_id, home.display_name, before, after)
    return None


def _delete_home(call: Call, id: str) -> Answer:
    home = _connected(call, id)
    before = _home_row(call, home)
    writer(call).documents.delete_home(home.tenant_id, call.moment.at)
    call.target("IdentityProvider", home.tenant_id, home.display_name, before, {})
    return None


def _merged(document: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """PATCH changes only what it names: complex values are merged, lists and simple ones replaced."""
    merged = dict(document)
    for name, value in change.items():
        before = merged.get(name)
        if name in ("b2bIdp", "clientAuthentication") and isinstance(before, dict) and isinstance(value, dict):
            merged[name] = before | value
        else:
            merged[name] = value
    return merged


_READ_HOMES = ("IdentityProvider.Read.All", "IdentityProvider.ReadWrite.All")
_WRITE_HOMES = ("IdentityProvider.ReadWrite.All",)

ROUTES = [
    Route("GET", "/identity/identityProviders", _READ_HOMES, _homes, gives="identityProvider[]"),
    Route(
        "POST",
        "/identity/identityProviders",
        _WRITE_HOMES,
        _add_home,
        "Add identity provider",
        body=IdentityProvider,
        gives="identityProvider",
    ),
    Route("GET", "/identity/identityProviders/<id>", _READ_HOMES, _get_home, gives="identityProvider"),
    Route(
        "PATCH",
        "/identity/identityProviders/<id>",
        _WRITE_HOMES,
        _change_home,
        "Update identity provider",
        body=IdentityProvider,
    ),
    Route("DELETE", "/identity/identityProviders/<id>", _WRITE_HOMES, _delete_home, "Delete identity provider"),
]
