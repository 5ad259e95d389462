"""Optional claims of an application's tokens (Graph optionalClaims): the names there are, and what each may add."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

GROUP_FORMATS = (
    "sam_account_name",
    "dns_domain_and_sam_account_name",
    "netbios_domain_and_sam_account_name",
    "cloud_displayname",
)
"""How groups are named instead of by object id; of several the first is taken."""
EMIT_AS_ROLES = "emit_as_roles"
UPN_FORMATS = ("include_externally_authenticated_upn", "include_externally_authenticated_upn_without_hash")

KNOWN: Mapping[str, frozenset[str]] = MappingProxyType(
    dict.fromkeys(
        (
            "acct acrs auth_time aud ctry email family_name fwd given_name in_corp ipaddr login_hint onprem_sid "
            "preferred_username pwd_exp pwd_url sid tenant_ctry tenant_region_scope verified_primary_email "
            "verified_secondary_email vnet xms_cc xms_edov xms_pdl xms_pl xms_tpl ztdid"
        ).split(),
        frozenset[str](),
    )
    | {
        "aud": frozenset({"use_guid"}),
        "groups": frozenset({*GROUP_FORMATS, EMIT_AS_ROLES}),
        "idtyp": frozenset({"include_user_token"}),
        "upn": frozenset(UPN_FORMATS),
    }
)
"""Name → the additionalProperties that it takes (Entra's v2.0 set, and the v1.0 names, which change nothing here)."""

EXTENSION = re.compile(r"extension_([0-9a-f]{32})_([A-Za-z0-9_]{1,200})", re.IGNORECASE)
"""A directory extension as a claim: `extension_{appId without hyphens}_{attribute}`, source `user`."""


@dataclass(frozen=True, slots=True)
class OptionalClaim:
    """One entry: `source` is `user` for a directory extension, else None; `essential` changes nothing, as in Entra."""

    name: str
    source: str | None = None
    properties: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OptionalClaims:
    """What an application asks for: in id_tokens for it, and in access tokens to it as an API."""

    id_token: tuple[OptionalClaim, ...] = ()
    access_token: tuple[OptionalClaim, ...] = ()
