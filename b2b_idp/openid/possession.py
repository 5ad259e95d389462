"""What a request proves of its sender: the DPoP proof in its header, at the endpoint's address as it is configured."""

from __future__ import annotations

from dataclasses import replace

from flask import request

from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.request import AuthorizeRequest
from b2b_idp.openid.client import Client
from b2b_idp.openid.parts import OpenIdParts
from b2b_idp.store import Reader
from b2b_idp.tokens.dpop import Proof, check_nonce, invalid_proof, read_proof, spend
from b2b_idp.tokens.possession import Confirmation


def proof_at(parts: OpenIdParts, endpoint: str, moment: Moment) -> Proof | None:
    """The DPoP proof that the request carries for this endpoint (`/token`), checked and not yet spent; None without
    one. Raises Problem(INVALID_DPOP_PROOF)."""
    sent = request.headers.get("DPoP")
    return None if sent is None else read_proof(sent, request.method, [f"{parts.issuer}{endpoint}"], moment.at)


def bound(parts: OpenIdParts, r: Reader, client: Client, proof: Proof | None, moment: Moment) -> Client:
    """The client with what its tokens are bound to: the key of its proof, which is good once.

    Raises Problem(INVALID_REQUEST) where it is registered for DPoP and sent no proof, and
    Problem(INVALID_DPOP_PROOF | USE_DPOP_NONCE).
    """
    if proof is None:
        if client.app.dpop_bound:
            raise Problem(Code.INVALID_REQUEST, "This app's tokens are bound to a key: send a DPoP proof (RFC 9449).")
        return client
    _spend(parts, r, client, proof, moment)
    return replace(client, confirmation=Confirmation(jkt=proof.jkt))


def bound_request(
    parts: OpenIdParts, r: Reader, client: Client, asked: AuthorizeRequest, proof: Proof | None, moment: Moment
) -> AuthorizeRequest:
    """A pushed request whose code is bound to the key of the proof beside it (RFC 9449 §10.1).

    Raises Problem(INVALID_DPOP_PROOF) where `dpop_jkt` names another key, and Problem(USE_DPOP_NONCE).
    """
    if proof is None:
        return asked
    _spend(parts, r, client, proof, moment)
    if asked.dpop_jkt not in (None, proof.jkt):
        raise invalid_proof("dpop_jkt names another key")
    return replace(asked, dpop_jkt=proof.jkt)


def _spend(parts: OpenIdParts, r: Reader, client: Client, proof: Proof, moment: Moment) -> None:
    if client.app.dpop_nonce:
        check_nonce(parts.vault, proof, moment)
    spend(r.writing(), parts.vault, proof)
