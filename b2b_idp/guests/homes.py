"""Connecting home tenants: what must be true of an identityProvider beyond its shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from b2b_idp.guests.addresses import PUBLIC_MAIL, a_label
from b2b_idp.model.home import MAILED_TENANT_ID
from b2b_idp.model.moment import Moment, tenant_id_of
from b2b_idp.model.problem import Code, Problem
from b2b_idp.policy.documents import (
    OIDC_PROVIDER,
    PRIVATE_JWT_AUTHENTICATION,
    SECRET_AUTHENTICATION,
    IdentityProvider,
    home_of,
    parse,
    partner_of,
)
from b2b_idp.store import Writer

READ_ONLY = frozenset({"redirectUri", "backChannelLogoutUri", "postLogoutRedirectUri", "stepUpSeen"})
"""Members of `b2bIdp` that are told, and ignored when they are sent back."""


def well_known(issuer: str) -> str:
    """The one address of an issuer's metadata (OpenID Connect Discovery §4)."""
    return issuer.rstrip("/") + "/.well-known/openid-configuration"


def without_secret(document: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """The document as it is kept, and the secret that was in it. Raises Problem(BAD_REQUEST) for another shape."""
    parse(IdentityProvider, document)
    kept = dict(document)
    authentication = dict(kept.get("clientAuthentication") or {})
    secret = authentication.pop("clientSecret", None)
    kept["clientAuthentication"] = authentication
    kept["b2bIdp"] = {k: v for k, v in (kept.get("b2bIdp") or {}).items() if k not in READ_ONLY}
    return kept, secret if isinstance(secret, str) and secret else None


def add_home(w: Writer, document: Mapping[str, Any], moment: Moment) -> str:
    """Adds an identityProvider, checked; its tenantId. Raises Problem(BAD_REQUEST | CONFLICT)."""
    kept, secret = without_secret(document)
    extension = dict(kept.get("b2bIdp") or {})
    issuer = kept.get("issuer")
    tenant_id = str(extension.get("tenantId") or (tenant_id_of(issuer) if isinstance(issuer, str) else "")).lower()
    extension["tenantId"] = tenant_id
    kept["b2bIdp"] = extension
    home = home_of(tenant_id, kept, secret)
    if home.client_auth == "client_secret" and secret is None:
        raise Problem(Code.BAD_REQUEST, "clientAuthentication.clientSecret is missing.")
    if tenant_id == MAILED_TENANT_ID or w.documents.home_issuer_taken(home.issuer, tenant_id):
        raise Problem(Code.CONFLICT, "An identity provider with this issuer or tenantId exists, or existed.")
    kept["wellKnownEndpoint"] = _checked_well_known(kept, home.issuer)
    extension["domains"] = checked_domains(w, home.domains, tenant_id)
    _check_mapping(home.claim_mapping)
    w.documents.add_home(tenant_id, kept, secret, moment.at)
    return tenant_id


def change_home(w: Writer, tenant_id: str, document: Mapping[str, Any]) -> None:
    """Replaces an identityProvider by its changed document; issuer, tenantId and own stay as they are."""
    before = w.configuration.homes[tenant_id]
    kept, secret = without_secret(document)
    home = home_of(tenant_id, kept, secret)
    extension = dict(kept.get("b2bIdp") or {})
    if home.issuer != before.issuer or home.own != before.own:
        raise Problem(Code.BAD_REQUEST, "issuer and b2bIdp.own cannot be changed.")
    if str(extension.get("tenantId", tenant_id)).lower() != tenant_id:
        raise Problem(Code.BAD_REQUEST, "b2bIdp.tenantId cannot be changed.")
    if home.client_auth == "client_secret" and secret is None and before.client_secret is None:
        raise Problem(Code.BAD_REQUEST, "clientAuthentication.clientSecret is missing.")
    kept["wellKnownEndpoint"] = _checked_well_known(kept, home.issuer)
    extension["domains"] = checked_domains(w, home.domains, tenant_id)
    extension["tenantId"] = tenant_id
    kept["b2bIdp"] = extension
    _check_mapping(home.claim_mapping)
    w.documents.save_home(tenant_id, kept, secret)


def _checked_well_known(document: Mapping[str, Any], issuer: str) -> str:
    given = document.get("wellKnownEndpoint")
    if given not in (None, well_known(issuer)):
        raise Problem(Code.BAD_REQUEST, f"wellKnownEndpoint is {well_known(issuer)}: the issuer and the known path.")
    return well_known(issuer)


def _check_mapping(mapping: Mapping[str, str]) -> None:
    if mapping.get("sub", "sub") != "sub":
        raise Problem(Code.BAD_REQUEST, "inboundClaimMapping.sub is sub, nothing else.")


def checked_domains(w: Writer, domains: Iterable[str], tenant_id: str) -> list[str]:
    """Domains as A-labels, each of one home only, none that the public shares."""
    found: dict[str, None] = {}
    for domain in domains:
        label = a_label(domain)
        if label in PUBLIC_MAIL:
            raise Problem(Code.BAD_REQUEST, f"Anybody can have an address at {label}: no home is authoritative for it.")
        if w.documents.domain_owner(label) not in (None, tenant_id):
            raise Problem(Code.CONFLICT, f"The domain {label} belongs to another identity provider.")
        found[label] = None
    return list(found)


def connect(
    w: Writer,
    *,
    issuer: str,
    name: str,
    client_id: str,
    client_secret: str | None,
    domains: Iterable[str],
    profile: str,
    trust_mfa: bool,
    moment: Moment,
    own: bool = False,
) -> str:
    """Adds a home tenant and, when its MFA is accepted, its partner entry; its tenantId. `own`: the organisation's own
    provider, where members sign in, which needs no entry."""
    by_secret = client_secret is not None
    document: dict[str, Any] = {
        "@odata.type": OIDC_PROVIDER,
        "displayName": name,
        "clientId": client_id,
        "issuer": issuer,
        "responseType": "code",
        "scope": "openid profile email",
        "clientAuthentication": {
            "@odata.type": SECRET_AUTHENTICATION if by_secret else PRIVATE_JWT_AUTHENTICATION,
            **({"clientSecret": client_secret} if by_secret else {}),
        },
        "b2bIdp": {"domains": list(domains), "own": own, "authenticationContext": {"profile": profile}},
    }
    tenant_id = add_home(w, document, moment)
    if trust_mfa and not own:
        entry = {"tenantId": tenant_id, "inboundTrust": {"isMfaAccepted": True}}
        partner_of(tenant_id, entry)
        w.documents.set_partner(tenant_id, entry)
    return tenant_id
