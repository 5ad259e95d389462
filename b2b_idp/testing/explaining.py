"""Which rule made a claim: previewToken, which is the issuing code, says so for the token's person and app."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from b2b_idp.store import Store
from b2b_idp.testing.token_claims import Explanation

_AT_A_SIGN_IN = "the sign-in itself"


def explain(
    store: Store,
    graph: Callable[..., Any],
    issuer: str,
    kind: str,
    user_id: str,
    client_id: str,
    claims: Mapping[str, Any],
) -> Explanation:
    """The rules of one token, by the directory as it is now. `graph` calls the Graph API as the administrator."""
    with store.read() as r:
        user, app = r.users.by_id(user_id), r.apps.by_client_id(client_id)
        if kind == "access_token" and claims.get("aud") != issuer:
            # what an access token says is up to the API that it is for
            app = r.apps.by_identifier_uri(str(claims.get("aud"))) or app
    if user is None or app is None:
        return Explanation({}, {})
    answer = graph("POST", f"/servicePrincipals/{app.sp_id}/previewToken", {"userId": user.id})
    told = answer["explanations"]["idToken" if kind == "id_token" else "accessToken"]
    made, left_out = {}, {}
    for line in told:
        rule = "; ".join([line["origin"], *line["steps"]])
        if line["issued"]:
            made[line["claim"]] = rule
        elif line["claim"] in claims:
            # a preview has no sign-in, which is where such claims come from
            made[line["claim"]] = rule
        else:
            left_out[line["claim"]] = f"{rule}: {line['because']}" if line["because"] else rule
    for name in claims.keys() - made.keys():
        made[name] = _AT_A_SIGN_IN
    return Explanation(made, left_out, tuple(answer["problems"]))
