"""How we speak to a home: the best of what its metadata offers and its entry allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from b2b_idp.homes.oidc.metadata import Metadata
from b2b_idp.homes.oidc.strict import misconfigured
from b2b_idp.model.home import Home

SIGNED_BY = ("RS256", "ES256", "PS256")
"""Our keys, in the order in which they are taken: what homes register where nobody says else comes first."""
PROVED_BY = ("ES256", "EdDSA")
"""For DPoP (RFC 9449), where each sign-in has a key of its own: one that is made in no time."""

Authentication = Literal["client_secret_basic", "client_secret_post", "private_key_jwt"]
ResponseMode = Literal["query", "form_post"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """What will be done at a home. An algorithm that is None: not done."""

    authentication: Authentication
    assertion_alg: str | None
    """Of client assertions (RFC 7523)."""
    pushed: bool
    """The request goes by the back channel (RFC 9126)."""
    object_alg: str | None
    """Of the request object (RFC 9101)."""
    proof_alg: str | None
    """Of the proofs that bind access tokens (RFC 9449)."""
    response_mode: ResponseMode


def ways_of(home: Home, metadata: Metadata) -> Ways:
    """Raises Problem(HOME_MISCONFIGURED) where the home wants what we cannot do."""
    if metadata.par_required and metadata.par_endpoint is None:
        raise misconfigured("it takes pushed requests only, and its metadata has no address for them")
    authentication = _authentication(home, metadata)
    return Ways(
        authentication=authentication,
        assertion_alg=_assertion_alg(metadata) if authentication == "private_key_jwt" else None,
        pushed=metadata.par_endpoint is not None,
        object_alg=_object_alg(metadata, authentication),
        proof_alg=_first(PROVED_BY, metadata.proof_algorithms),
        response_mode=_response_mode(metadata),
    )


def _authentication(home: Home, metadata: Metadata) -> Authentication:
    if home.client_auth == "private_key_jwt":
        if "private_key_jwt" not in metadata.auth_methods:
            raise misconfigured("its metadata does not name private_key_jwt; give its entry a client secret")
        return "private_key_jwt"
    if home.client_secret is None:
        raise misconfigured("no client secret is kept for this home")
    if "client_secret_basic" in metadata.auth_methods:
        return "client_secret_basic"
    if "client_secret_post" in metadata.auth_methods:
        return "client_secret_post"
    raise misconfigured("its token endpoint takes no client secret; register private_key_jwt")


def _assertion_alg(metadata: Metadata) -> str:
    alg = _first(SIGNED_BY, metadata.auth_algorithms or ("RS256",))
    if alg is None:
        raise misconfigured(f"its token endpoint takes client assertions by none of {', '.join(SIGNED_BY)}")
    return alg


def _object_alg(metadata: Metadata, authentication: Authentication) -> str | None:
    """Signed where the home wants that, or where nothing else keeps a guest from editing the request; only a home that
    has our keys can read it."""
    has_our_keys = authentication == "private_key_jwt"
    alg = _first(SIGNED_BY, metadata.object_algorithms) if has_our_keys else None
    if metadata.object_required:
        if alg is None:
            raise misconfigured(
                f"it takes signed requests only: register private_key_jwt there, with one of {', '.join(SIGNED_BY)}"
            )
        return alg
    return alg if metadata.par_endpoint is None else None


def _response_mode(metadata: Metadata) -> ResponseMode:
    if "query" in metadata.response_modes:
        return "query"
    if "form_post" in metadata.response_modes:
        return "form_post"
    raise misconfigured("its metadata names neither query nor form_post among its response modes")


def _first(ours: Sequence[str], theirs: Sequence[str]) -> str | None:
    return next((alg for alg in ours if alg in theirs), None)
