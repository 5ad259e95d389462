"""Sender-constrained tokens: what a token is bound to, and whether its sender holds that (RFC 9449, RFC 8705)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from b2b_idp.model.problem import Code, Problem
from b2b_idp.tokens.dpop import Proof, check_token_hash, invalid_proof

TokenType = Literal["Bearer", "DPoP"]


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What a token is bound to (RFC 7800 `cnf`): the thumbprint of a DPoP key, of a client certificate, of neither."""

    jkt: str | None = None
    """RFC 7638 thumbprint of the key that signs DPoP proofs."""
    x5t_s256: str | None = None
    """SHA-256 of the client certificate in DER, base64url."""

    @property
    def claim(self) -> dict[str, str]:
        """The `cnf` claim; empty for a bearer token."""
        members = {"jkt": self.jkt, "x5t#S256": self.x5t_s256}
        return {name: value for name, value in members.items() if value is not None}

    @property
    def token_type(self) -> TokenType:
        return "DPoP" if self.jkt is not None else "Bearer"


BEARER = Confirmation()
"""Bound to nothing."""


@dataclass(frozen=True, slots=True)
class Presented:
    """An access token as a request carries it, and what the request proves of its sender."""

    token: str
    scheme: Literal["bearer", "dpop"] = "bearer"
    proof: Proof | None = None
    certificate: str | None = None
    """Thumbprint of the client certificate of the connection, as `Confirmation.x5t_s256`."""


def read_authorization(header: str | None) -> tuple[Literal["bearer", "dpop"], str]:
    """Scheme and access token of an Authorization header (RFC 6750 §2.1, RFC 9449 §7.1).

    Raises Problem(UNAUTHENTICATED) without one, Problem(INVALID_TOKEN) for what is not one token."""
    if header is None or not header.strip():
        raise Problem(Code.UNAUTHENTICATED, "Access token is empty. Send Authorization: Bearer …")
    scheme, _, rest = header.partition(" ")
    token = rest.strip()
    kind: Literal["bearer", "dpop"] = "dpop" if scheme.lower() == "dpop" else "bearer"
    if scheme.lower() != kind or not token or " " in token or "," in token:
        raise Problem(Code.INVALID_TOKEN, "The Authorization header is not one Bearer or DPoP token.")
    return kind, token


def check_possession(claims: Mapping[str, Any], presented: Presented) -> None:
    """Whether the sender holds what the token is bound to. Raises Problem(INVALID_TOKEN | INVALID_DPOP_PROOF)."""
    cnf = claims.get("cnf", {})
    jkt, x5t = (cnf.get("jkt"), cnf.get("x5t#S256")) if isinstance(cnf, dict) else (None, None)
    if cnf and jkt is None and x5t is None:
        raise _invalid("bound to something that is not known here")
    if (jkt is not None) != (presented.scheme == "dpop"):
        raise _invalid("a DPoP-bound token comes by the scheme DPoP, any other by Bearer")
    if jkt is not None:
        if presented.proof is None:
            raise invalid_proof("none was sent")
        if presented.proof.jkt != jkt:
            raise _invalid("bound to another key than the proof's")
        check_token_hash(presented.proof, presented.token)
    if x5t is not None and presented.certificate != x5t:
        raise _invalid("bound to another client certificate")


def _invalid(why: str) -> Problem:
    return Problem(Code.INVALID_TOKEN, "The token is not valid.", why)
