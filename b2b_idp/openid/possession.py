"""What a request proves of its sender: the DPoP proof in its header, at the endpoint's address as it is configured."""

from __future__ import annotations

from dataclasses import replace

from flask import request

from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.openid.client import Client
from b2b_idp.openid.parts import OpenIdParts
from b2b_idp.store import Reader
from b2b_idp.tokens.certificates import read_certificate
from b2b_idp.tokens.dpop import Proof, check_nonce, invalid_proof, read_proof, spend
from b2b_idp.tokens.possession import Confirmation


def proof_at(parts: OpenIdParts, endpoint: str, moment: Moment) -> Proof | None:
    """The DPoP proof that the request carries for this endpoint (`/token`), checked and not yet spent; None without
    one. Raises Problem(INVALID_DPOP_PROOF)."""
    sent = request.headers.get("DPoP")
    addresses = [parts.issuer + endpoint]
    if parts.mutual_tls is not None and parts.mutual_tls.url:
        addresses.append(parts.mutual_tls.url + endpoint)
    return None if sent is None else read_proof(sent, request.method, addresses, moment.at)


def certificate_at(parts: OpenIdParts) -> str | None:
    """Thumbprint of the connection's client certificate, where there is one."""
    found = read_certificate(request.headers.get(parts.mutual_tls.header)) if parts.mutual_tls else None
    return None if found is None else found.thumbprint


def bound(parts: OpenIdParts, client: Client, proof: Proof | None, moment: Moment) -> Client:
    """The client with what its tokens are bound to: the key of its proof, which is still to be spent, or its
    certificate.

    Raises Problem(INVALID_REQUEST) where it is registered for one of them and proves nothing, and
    Problem(USE_DPOP_NONCE).
    """
    app = client.app
    if proof is None and app.dpop_bound:
        raise Problem(Code.INVALID_REQUEST, "This app's tokens are bound to a key: send a DPoP proof (RFC 9449).")
    if client.certificate is None and app.certificate_bound:
        raise Problem(Code.INVALID_REQUEST, "This app's tokens are bound to its client certificate: connect with it.")
    if proof is not None and app.dpop_nonce:
        check_nonce(parts.vault, proof, moment)
    confirmation = Confirmation(
        jkt=None if proof is None else proof.jkt, x5t_s256=client.certificate if app.certificate_bound else None
    )
    if app.profile == "fapi2" and not confirmation.claim:
        raise Problem(Code.INVALID_REQUEST, "FAPI 2.0 tokens are bound: send a DPoP proof (RFC 9449).")
    return replace(client, confirmation=confirmation)


def pushed_key(
    parts: OpenIdParts, r: Reader, client: Client, proof: Proof | None, named: str | None, moment: Moment
) -> str | None:
    """The key that the code of a pushed request is bound to: that of the proof beside it (RFC 9449 §10.1), else the one
    that its `dpop_jkt` named. Raises Problem(INVALID_DPOP_PROOF) where they differ, and Problem(USE_DPOP_NONCE)."""
    if proof is None:
        return named
    if client.app.dpop_nonce:
        check_nonce(parts.vault, proof, moment)
    spend(r.writing(), parts.vault, proof)
    if named not in (None, proof.jkt):
        raise invalid_proof("dpop_jkt names another key")
    return proof.jkt
