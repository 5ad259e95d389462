"""Claim names that a claims mapping policy may not produce: Entra's restricted claim sets of JWT and SAML, and ours."""

from __future__ import annotations

import unicodedata

RESTRICTED = frozenset(
    name.casefold()
    for name in [
        ".",
        "_claim_names",
        "_claim_sources",
        "aai",
        "access_token",
        "account_type",
        "acct",
        "acr",
        "acrs",
        "actor",
        "actortoken",
        "ageGroup",
        "aio",
        "altsecid",
        "amr",
        "app_chain",
        "app_displayname",
        "app_res",
        "appctx",
        "appctxsender",
        "appid",
        "appidacr",
        "assertion",
        "at_hash",
        "aud",
        "auth_data",
        "auth_time",
        "authorization_code",
        "azp",
        "azpacr",
        "bk_claim",
        "bk_enclave",
        "bk_pub",
        "brk_client_id",
        "brk_redirect_uri",
        "c_hash",
        "ca_enf",
        "ca_policy_result",
        "capolids",
        "capolids_latebind",
        "cc",
        "cert_token_use",
        "child_client_id",
        "child_redirect_uri",
        "client_id",
        "client_ip",
        "cloud_graph_host_name",
        "cloud_instance_host_name",
        "cloud_instance_name",
        "CloudAssignedMdmId",
        "cnf",
        "code",
        "controls",
        "controls_auds",
        "credential_keys",
        "csr",
        "csr_type",
        "ctry",
        "deviceid",
        "dns_names",
        "domain_dns_name",
        "domain_netbios_name",
        "e_exp",
        "email",
        "endpoint",
        "enfpolids",
        "exp",
        "expires_on",
        "fido_auth_data",
        "fido_ver",
        "fwd",
        "fwd_appidacr",
        "grant_type",
        "graph",
        "group_sids",
        "groups",
        "hasgroups",
        "hash_alg",
        "haswids",
        "home_oid",
        "home_puid",
        "home_tid",
        "iat",
        "identityprovider",
        "idp",
        "idtyp",
        "in_corp",
        "instance",
        "inviteTicket",
        "ipaddr",
        "isbrowserhostedapp",
        "iss",
        "isViral",
        "jwk",
        "key_id",
        "key_type",
        "login_hint",
        "mam_compliance_url",
        "mam_enrollment_url",
        "mam_terms_of_use_url",
        "mdm_compliance_url",
        "mdm_enrollment_url",
        "mdm_terms_of_use_url",
        "msgraph_host",
        "msproxy",
        "nameid",
        "nbf",
        "netbios_name",
        "nickname",
        "nonce",
        "oid",
        "on_prem_id",
        "onprem_sam_account_name",
        "onprem_sid",
        "openid2_id",
        "origin_header",
        "password",
        "platf",
        "polids",
        "pop_jwk",
        "preferred_username",
        "previous_refresh_token",
        "primary_sid",
        "prov_data",
        "puid",
        "pwd_exp",
        "pwd_url",
        "rdp_bt",
        "redirect_uri",
        "refresh_token",
        "refresh_token_issued_on",
        "refreshtoken",
        "request_nonce",
        "resource",
        "rh",
        "role",
        "roles",
        "rp_id",
        "rt_type",
        "scope",
        "scp",
        "secaud",
        "sid",
        "signature",
        "signin_state",
        "source_anchor",
        "src1",
        "src2",
        "sub",
        "target_deviceid",
        "tbid",
        "tbidv2",
        "tenant_ctry",
        "tenant_display_name",
        "tenant_id",
        "tenant_region_scope",
        "tenant_region_sub_scope",
        "thumbnail_photo",
        "tid",
        "tokenAutologonEnabled",
        "trustedfordelegation",
        "ttr",
        "unique_name",
        "upn",
        "user_agent",
        "user_setting_sync_url",
        "username",
        "uti",
        "ver",
        "verified_primary_email",
        "verified_secondary_email",
        "vnet",
        "vsm_binding_key",
        "wamcompat_client_info",
        "wamcompat_id_token",
        "wamcompat_scopes",
        "wids",
        "win_ver",
        "x5c_ca",
        "xcb2b_rclient",
        "xcb2b_rcloud",
        "xcb2b_rtenant",
        "ztdid",
    ]
)
"""Entra's restricted names, in folded case: we compare them case-insensitively."""

OURS = frozenset(["jti", "s_hash", "act", "may_act", "sub_jwk", "sub_id", "events", "txn", "cty"])
"""Names that mean something in our own tokens (RFC 7519, RFC 8693, RFC 8417)."""

PREFIXES = ("xms_", "extn.")

SAML = frozenset(
    f"{namespace}{name}"
    for namespace, names in {
        "http://schemas.microsoft.com/2012/01/devicecontext/claims/": "ismanaged",
        "http://schemas.microsoft.com/2014/02/devicecontext/claims/": "isknown",
        "http://schemas.microsoft.com/2014/03/": "psso",
        "http://schemas.microsoft.com/2014/09/devicecontext/claims/": "iscompliant",
        "http://schemas.microsoft.com/claims/": "authnmethodsreferences groups.link",
        "http://schemas.microsoft.com/identity/claims/": (
            "accesstoken acct agegroup aio identityprovider objectidentifier openid2_id puid scope tenantid xms_et"
        ),
        "http://schemas.microsoft.com/ws/2008/06/identity/claims/": (
            "authenticationinstant authenticationmethod confirmationkey denyonlyprimarygroupsid denyonlyprimarysid "
            "denyonlywindowsdevicegroup expiration expired groups groupsid ispersistent role samlissuername wids "
            "windowsdeviceclaim windowsdevicegroup windowsfqbnversion windowssubauthority windowsuserclaim "
            "windowsaccountname primarysid primarygroupsid"
        ),
        "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/": (
            "authentication authorizationdecision denyonlysid privatepersonalidentifier spn upn sid "
            "x500distinguishedname"
        ),
        "http://schemas.xmlsoap.org/ws/2009/09/identity/claims/": "actor",
    }.items()
    for name in names.split()
)
"""Entra's restricted SAML claims, those among them that it frees for apps with a signing key of their own for SAML."""

_LOOKALIKES = str.maketrans(
    "аеорсухіјѕһԁԛԝѵгкмтʏɡɑıⲟοαερνικυχτγօսոզհցյ",
    "aeopcyxijshdqwvrkmtygaiooaepvikuxtyounqhgj",
)
"""Letters of other scripts that are drawn as a Latin one (Unicode confusables), after case folding."""


def is_restricted(name: str) -> bool:
    """Whether a policy that makes a JWT claim of this name is refused: the name reads as a restricted one."""
    read = _as_read(name)
    return read in RESTRICTED or read in OURS or read.startswith(PREFIXES)


def is_restricted_in_saml(name: str) -> bool:
    """Whether a policy that names a SAML claim so is refused."""
    return _as_read(name) in SAML


def _as_read(name: str) -> str:
    """The name as a person would read it: compatibility forms, case and look-alike letters laid together."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).translate(_LOOKALIKES)
