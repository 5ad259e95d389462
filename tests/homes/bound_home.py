"""A home tenant that binds its access tokens by DPoP, and looks at each proof as our own provider does at apps'."""

from __future__ import annotations

import json

import jwt
from flask import Response, request
from homes_world import moment

from b2b_idp.model.problem import Problem
from b2b_idp.tokens.dpop import check_token_hash, read_proof

ALGORITHMS = {"dpop_signing_alg_values_supported": ["ES256"]}


class BoundHome:
    """Puts itself before the endpoints of `world.provider`. `proofs` are those that were sent, good or not, by path,
    and `forms` what came with them to the token endpoint. `wants` is the nonce that is asked for, by path;
    `keeps_asking`: whatever the proof holds."""

    def __init__(self, world):
        self.provider = world.provider
        self.provider.metadata_overrides |= ALGORITHMS
        self.provider.tamper["token"] = lambda answer: answer | {"token_type": "DPoP"}
        self.proofs = {"/token": [], "/userinfo": []}
        self.forms = []
        self.schemes = []
        self.wants = {}
        self.keeps_asking = False
        self.provider.wsgi.before_request(self._look)

    def claims(self, path):
        """What the proofs sent there say."""
        return [jwt.decode(p, options={"verify_signature": False}) for p in self.proofs[path]]

    def challenge(self, path):
        """The answer to a proof that lacks the nonce."""
        nonce = self.wants[path] + (f"-{len(self.proofs[path])}" if self.keeps_asking else "")
        if path == "/userinfo":
            return answer(401, {}, {"WWW-Authenticate": 'DPoP error="use_dpop_nonce"', "DPoP-Nonce": nonce})
        return answer(400, {"error": "use_dpop_nonce"}, {"DPoP-Nonce": nonce})

    def _look(self):
        path = request.path
        if path not in self.proofs:
            return None
        sent = request.headers.getlist("DPoP")
        self.proofs[path] += sent
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if path == "/userinfo":
            self.schemes.append(scheme)
        else:
            self.forms.append(request.form.to_dict())
        if scheme == "Bearer":
            return None
        try:
            (one,) = sent
            proof = read_proof(one, request.method, [self.provider.issuer + path], moment().at)
            if path == "/userinfo":
                check_token_hash(proof, token)
        except (ValueError, Problem) as e:
            return answer(400, {"error": "invalid_dpop_proof", "error_description": str(e)})
        if path in self.wants and (self.keeps_asking or proof.nonce != self.wants[path]):
            return self.challenge(path)
        if path == "/userinfo":
            request.environ["HTTP_AUTHORIZATION"] = f"Bearer {token}"
        return None


def answer(status, document, headers=None):
    return Response(json.dumps(document), status, headers, content_type="application/json")
