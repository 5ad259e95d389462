"""Home tenants that are OpenID providers."""

from b2b_idp.homes.oidc.client import Departure, HomeAnswer, HomeReport, OidcHomes, Pending, Profile

__all__ = ["Departure", "HomeAnswer", "HomeReport", "OidcHomes", "Pending", "Profile"]
