"""Optional claims: what an application asks for in its tokens beyond what is always there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal

from b2b_idp.model.optional_claims import EXTENSION, UPN_FORMATS, OptionalClaim
from b2b_idp.tokens.gather import Subject
from b2b_idp.tokens.made import Made, Why
from b2b_idp.tokens.names import sid_of
from b2b_idp.tokens.occasion import Occasion

Token = Literal["idToken", "accessToken"]
Found = tuple[Any, str]
"""A value, and why there is none if it is None."""


def add_optional(
    made: Made, entries: tuple[OptionalClaim, ...], subject: Subject, occasion: Occasion, token: Token
) -> None:
    """Adds what the entries ask for and we have; the rest is told as absent. What a token has without being asked
    (`acct`, `auth_time` …), and `groups`, whose entry only says in which form, are made elsewhere."""
    for entry in entries:
        extension = EXTENSION.fullmatch(entry.name)
        origin = f"optionalClaims.{token}: {entry.name}"
        if extension is not None:
            value, because = _extension(subject, entry.name)
            made.put_by_rule(f"extn.{extension[2]}", value, Why(origin, because=because))
        elif entry.name in _NEVER:
            made.put_by_rule(entry.name, None, Why(origin, because=_NEVER[entry.name]))
        elif entry.name in _READ:
            only = entry.name in _ACCESS_ONLY and token == "idToken"
            value, because = (None, _ACCESS_ONLY[entry.name]) if only else _READ[entry.name](subject, occasion, entry)
            made.put_by_rule(entry.name, value, Why(origin, because=because))


def _extension(subject: Subject, name: str) -> Found:
    kept = {k.casefold(): v for k, v in subject.user.properties.items()}
    return kept.get(name.casefold()), f"user.{name} is empty"


def _country(subject: Subject, _: Occasion, __: OptionalClaim) -> Found:
    country = str(subject.user.properties.get("country") or "")
    two = len(country) == 2 and country.isascii() and country.isalpha()
    return country.upper() if two else None, "user.country is not a code of two letters"


def _email(subject: Subject, _: Occasion, __: OptionalClaim) -> Found:
    return subject.user.proved_mail, "no address was proved at redemption"


def _verified(subject: Subject, _: Occasion, __: OptionalClaim) -> Found:
    proved = subject.user.proved_mail
    return [proved] if proved else None, "no address was proved at redemption"


def _edov(subject: Subject, _: Occasion, __: OptionalClaim) -> Found:
    return True if subject.user.proved_mail else None, "no address was proved at redemption"


def _property(name: str, *, profile: bool = False) -> Callable[[Subject, Occasion, OptionalClaim], Found]:
    def read(subject: Subject, occasion: Occasion, _: OptionalClaim) -> Found:
        if profile and "profile" not in occasion.scope:
            return None, "it needs the scope profile"
        return subject.user.properties.get(name), f"user.{name} is empty"

    return read


def _login_hint(subject: Subject, _: Occasion, __: OptionalClaim) -> Found:
    return subject.user.mail or subject.user.upn, ""


def _upn(subject: Subject, occasion: Occasion, entry: OptionalClaim) -> Found:
    if "profile" not in occasion.scope:
        return None, "it needs the scope profile"
    upn = subject.user.upn
    if not subject.user.is_guest:
        return upn, ""
    wanted = next((p for p in entry.properties if p in UPN_FORMATS), None)
    if wanted is None:
        return None, f"a guest's is told only with additionalProperties {UPN_FORMATS[0]}"
    return upn if wanted == UPN_FORMATS[0] else upn.replace("#EXT#", "_EXT_"), ""


def _address(_: Subject, occasion: Occasion, __: OptionalClaim) -> Found:
    return occasion.address or None, "the browser's address is known only at a sign-in"


def _capabilities(_: Subject, occasion: Occasion, __: OptionalClaim) -> Found:
    return list(occasion.capabilities), "the client names no capability in its claims request"


def _idtyp(_: Subject, __: Occasion, entry: OptionalClaim) -> Found:
    wanted = "include_user_token" in entry.properties
    return "user" if wanted else None, "in tokens for people it needs additionalProperties include_user_token"


def _session(_: Subject, occasion: Occasion, __: OptionalClaim) -> Found:
    if occasion.session_id is None:
        return None, "the session is known only at a sign-in"
    return sid_of(occasion.vault, occasion.session_id, occasion.client), ""


_READ: Mapping[str, Callable[[Subject, Occasion, OptionalClaim], Found]] = MappingProxyType(
    {
        "ctry": _country,
        "email": _email,
        "family_name": _property("surname", profile=True),
        "given_name": _property("givenName", profile=True),
        "idtyp": _idtyp,
        "ipaddr": _address,
        "login_hint": _login_hint,
        "onprem_sid": _property("onPremisesSecurityIdentifier"),
        "sid": _session,
        "upn": _upn,
        "verified_primary_email": _verified,
        "xms_cc": _capabilities,
        "xms_edov": _edov,
        "xms_pl": _property("preferredLanguage"),
    }
)
_ACCESS_ONLY: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(("idtyp", "xms_cc"), "it stands in access tokens only")
    | {"sid": "every id_token of a sign-in has it anyway"}
)
_NEVER: Mapping[str, str] = MappingProxyType(
    {
        "aud": "it changes tokens of version 1.0 only",
        "preferred_username": "it changes tokens of version 1.0 only",
        "fwd": "no forwarded address is kept",
        "in_corp": "no corporate network is known here",
        "pwd_exp": "no password is kept here",
        "pwd_url": "no password is kept here",
        "tenant_ctry": "the tenant's country is not kept",
        "tenant_region_scope": "the tenant has no region",
        "verified_secondary_email": "only one address is proved",
        "vnet": "no virtual network is known here",
        "xms_pdl": "no preferred data location is kept",
        "xms_tpl": "the tenant's preferred language is not kept",
        "ztdid": "no devices are known here",
    }
)
"""What Entra knows and we do not."""
