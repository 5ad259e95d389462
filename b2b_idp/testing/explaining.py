"""Which rule made a claim: the provider's own code says so, run again for the token's person and app."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from b2b_idp.extension import B2BIdp, system_moment
from b2b_idp.model.access import Counted
from b2b_idp.testing.token_claims import Explanation
from b2b_idp.tokens import claims as making
from b2b_idp.tokens.gather import subject_of


def explain(idp: B2BIdp, kind: str, user_id: str, client_id: str, claims: Mapping[str, Any]) -> Explanation:
    """The rules of one token, from the directory as it is now; what was decided and asked for is the token's own."""
    issuer = idp.settings.issuer
    counted = Counted(
        tuple(claims.get("amr", ())),
        claims.get("acr"),
        claims.get("auth_time"),
        contexts=tuple(claims.get("acrs", ())),
    )
    with idp.store.read() as r:
        user, app = r.users.by_id(user_id), r.apps.by_client_id(client_id)
        if user is None or app is None:
            return Explanation({}, {})
        home = r.configuration.homes.get(user.home_tenant_id or "")
        subject = subject_of(r, user, app, home)
        if kind == "id_token":
            made = making.id_token(
                subject,
                counted,
                issuer=issuer,
                vault=idp.vault,
                scope=("openid", "profile", "email"),
                nonce=claims.get("nonce"),
                session_id="session" if "sid" in claims else None,
                access_token="access" if "at_hash" in claims else None,
                moment=system_moment(),
            )
        else:
            api = r.apps.by_identifier_uri(claims["aud"]) if claims["aud"] != issuer else None
            made = making.access_token(
                subject_of(r, user, api, home) if api is not None else subject,
                app,
                counted,
                issuer=issuer,
                vault=idp.vault,
                audience=claims["aud"],
                scope=str(claims.get("scope", "")).split(),
                grant_id="grant",
                client_auth="client_secret",
                moment=system_moment(),
            )
    return Explanation(made.origins, made.absent)
