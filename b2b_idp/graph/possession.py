"""The access token of a call, and the DPoP proof beside it: read once a request, whatever is made of the call."""

from __future__ import annotations

from flask import request

from b2b_idp.graph.api import GraphParts
from b2b_idp.tokens.bearer import ACCESS_TOKEN_TYPE
from b2b_idp.tokens.certificates import read_certificate
from b2b_idp.tokens.dpop import read_proof, spend_alone
from b2b_idp.tokens.possession import Presented, check_possession, read_authorization

PRESENTED = "b2b_idp.presented"
"""Where the WSGI environment keeps it: the parts of a batch are authorised by the batch's own proof."""


def presented(parts: GraphParts) -> Presented:
    """What the request presents. Its proof is spent the first time, in a transaction of its own: call it before any
    other is open. Raises Problem(UNAUTHENTICATED | INVALID_TOKEN | INVALID_DPOP_PROOF)."""
    known: Presented | None = request.environ.get(PRESENTED)
    if known is None:
        known = request.environ[PRESENTED] = _read(parts)
    return known


def _read(parts: GraphParts) -> Presented:
    scheme, token = read_authorization(request.headers.get("Authorization"))
    mutual_tls = parts.mutual_tls
    found = read_certificate(request.headers.get(mutual_tls.header)) if mutual_tls else None
    certificate = None if found is None else found.thumbprint
    if scheme == "bearer":
        return Presented(token, certificate=certificate)
    at = parts.moment().at
    bases = [parts.issuer] + ([mutual_tls.url] if mutual_tls and mutual_tls.url else [])
    addresses = [f"{base}/v1.0/{request.path.partition('/v1.0/')[2]}" for base in bases]
    proof = read_proof(request.headers.get("DPoP", ""), request.method, addresses, at)
    read = Presented(token, scheme, proof, certificate)
    # before it is written down: nobody fills the store who holds no token of this key
    check_possession(parts.keys.verify(token, ACCESS_TOKEN_TYPE, at), read)
    spend_alone(parts.store, parts.vault, proof)
    return read
