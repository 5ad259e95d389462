"""The authorization code (RFC 6749 §4.1.3) with PKCE (RFC 7636 §4.6)."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Any

from b2b_idp.keys.compact import encoded
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Problem
from b2b_idp.model.request import AuthorizeRequest
from b2b_idp.openid.client import Client
from b2b_idp.openid.grants.issue import invalid_grant, issue, remember_confirmation
from b2b_idp.openid.parts import OpenIdParts
from b2b_idp.signin import reconsider
from b2b_idp.store import Writer
from b2b_idp.store.grants import Grant

CODE_LIFETIME = timedelta(seconds=60)
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


def redeem_code(
    parts: OpenIdParts, w: Writer, client: Client, form: Mapping[str, str], moment: Moment
) -> dict[str, Any]:
    """The tokens of a code, once. Raises Problem(INVALID_GRANT)."""
    handle = parts.vault.read_handle("code", form.get("code", ""))
    grant = w.grants.by_id(handle.id) if handle else None
    if grant is None or grant.app_id != client.app.app_id:
        raise invalid_grant("unknown code, or another client's")
    if grant.code_used_at is not None:
        raise _used_twice(w, grant, moment)
    if moment.at >= grant.created_at + CODE_LIFETIME:
        raise invalid_grant("the code is too old")
    asked = AuthorizeRequest.from_json(grant.document["request"])
    if form.get("redirect_uri") != asked.redirect_uri:
        raise invalid_grant("redirect_uri differs from the request's")
    _check_verifier(asked.code_challenge, form.get("code_verifier"))
    if asked.dpop_jkt is not None and client.confirmation.jkt != asked.dpop_jkt:
        raise invalid_grant("the code is bound to a DPoP key that was not proved")
    standing = reconsider(w, grant, moment)
    resource, nonce, scope = form.get("resource"), standing.nonce, standing.scope
    # before the code is spent: refused tokens spend nothing, whoever tries again is no thief
    answer = issue(parts, w, client, grant, standing, scope, moment, resource=resource, nonce=nonce, generation=0)
    w.grants.use_code(grant.id, moment.at)
    remember_confirmation(w, grant, client)
    return answer


def _used_twice(w: Writer, grant: Grant, moment: Moment) -> Problem:
    """Whoever uses a code twice may have stolen it: what it gave is taken back (RFC 6749 §4.1.2)."""
    w.grants.revoke(grant.id, moment.at)
    return invalid_grant("the code was used before; its tokens are revoked")


def _check_verifier(challenge: str | None, verifier: str | None) -> None:
    if challenge is None:
        if verifier is not None:
            raise invalid_grant("a verifier without a challenge")
        return
    if verifier is None or not _VERIFIER.fullmatch(verifier):
        raise invalid_grant("code_verifier missing or malformed")
    made = encoded(sha256(verifier.encode()).digest())
    if not hmac.compare_digest(made, challenge):
        raise invalid_grant("code_verifier does not fit")
