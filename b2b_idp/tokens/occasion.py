"""What a token is made for, beside the person: the client, its request, and what happened at the sign-in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from b2b_idp.keys.vault import Vault
from b2b_idp.model.access import Counted
from b2b_idp.model.directory import App, ClientAuth
from b2b_idp.model.moment import Moment
from b2b_idp.tokens.possession import BEARER, Confirmation

_CAPABILITIES = frozenset({"cp1"})
"""Client capabilities that mean something (claims challenges)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """Without `moment` it is a preview, which no signer ever sees: no times and no ids."""

    issuer: str
    """Our own, whatever `iss` a token says."""
    vault: Vault
    client: App
    client_auth: ClientAuth
    scope: Sequence[str]
    counted: Counted | None
    """What the decision counted; None where nobody signed in."""
    nonce: str | None = None
    session_id: str | None = None
    grant_id: str | None = None
    address: str = ""
    """The browser's, at the sign-in."""
    capabilities: tuple[str, ...] = ()
    confirmation: Confirmation = BEARER
    """What the access token is bound to."""
    actor: Mapping[str, Any] | None = None
    """Who acts for the person by a token exchange (RFC 8693 §4.1)."""
    not_after: datetime | None = None
    """The access token lives no longer than this."""
    moment: Moment | None = None


def capabilities_of(claims_request: Mapping[str, Any]) -> tuple[str, ...]:
    """The client capabilities in a claims request (`{"access_token":{"xms_cc":{"values":["cp1"]}}}`)."""
    asked = (claims_request.get("access_token") or {}).get("xms_cc")
    values = asked.get("values") if isinstance(asked, dict) else None
    listed = values if isinstance(values, list) else []
    return tuple(dict.fromkeys(v for v in listed if isinstance(v, str) and v in _CAPABILITIES))
