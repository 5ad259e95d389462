"""The providers that are measured, b2b-idp first."""

from benchmarks.contenders.b2b_idp import B2bIdp, B2bIdpPostgres
from benchmarks.contenders.contender import Contender
from benchmarks.contenders.dex import Dex
from benchmarks.contenders.keycloak import Keycloak
from benchmarks.contenders.oidc_provider import OidcProvider, OidcProviderPostgres

OURS: tuple[type[B2bIdp], ...] = (B2bIdp, B2bIdpPostgres)
ALL: tuple[type[Contender], ...] = (*OURS, OidcProvider, OidcProviderPostgres, Dex, Keycloak)

__all__ = ["ALL", "OURS", "B2bIdp", "B2bIdpPostgres", "Contender"]
