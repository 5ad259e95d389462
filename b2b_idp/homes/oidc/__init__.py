"""Home tenants that are OpenID providers."""

from b2b_idp.homes.oidc.client import OidcHomes
from b2b_idp.homes.oidc.evidence import SignedStatement
from b2b_idp.homes.oidc.logout_token import HomeLogout
from b2b_idp.homes.oidc.values import Departure, HomeAnswer, HomeReport, Pending, Profile

__all__ = ["Departure", "HomeAnswer", "HomeLogout", "HomeReport", "OidcHomes", "Pending", "Profile", "SignedStatement"]
