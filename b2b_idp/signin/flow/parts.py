"""What the sign-in's verbs work with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from b2b_idp.factors.passkeys import RelyingParty
from b2b_idp.homes.oidc import OidcHomes
from b2b_idp.keys.vault import Vault
from b2b_idp.metrics import Metrics
from b2b_idp.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInParts:
    """Wired by the extension."""

    issuer: str
    """As configured, byte for byte."""
    store: Store
    vault: Vault
    homes: OidcHomes
    """Speaks to home tenants."""
    home_recheck: timedelta
    """How long a session lives after home's last word."""
    metrics: Metrics

    @property
    def party(self) -> RelyingParty:
        """As whom passkeys know us."""
        return RelyingParty.of(self.issuer)
