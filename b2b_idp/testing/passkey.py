"""A passkey without a device: an authenticator in software, which says whatever a test wants it to say."""

from __future__ import annotations

import json
import secrets
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import base64url_to_bytes, encode_cbor

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40
"""Flags of the authenticator data (WebAuthn §6.1)."""


@dataclass
class SoftwarePasskey:
    """One passkey (P-256, attestation `none`). It answers a page's options as a browser would, with `origin` and the
    relying party that it was asked for, unless a test sets what it says:

    `sign_count` is the count of the last answer, None: it keeps none. `user_verified`: the guest showed finger, face or
    PIN. `client_data` are members of the client data to say instead (`origin`, `challenge`, `crossOrigin`), `rp_id` the
    relying party to answer for instead.
    """

    aaguid: str = "00000000-0000-0000-0000-000000000000"
    sign_count: int | None = 0
    user_verified: bool = True
    client_data: Mapping[str, Any] = field(default_factory=dict)
    rp_id: str | None = None
    user_handle: bytes | None = None
    """Whose it is; None until it is registered."""
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()), repr=False)

    @property
    def id(self) -> str:
        """The credential id, base64url."""
        return _text(self.credential_id)

    def create(self, options: str, origin: str) -> str:
        """The RegistrationResponseJSON for a page's creation options. Raises ValueError when it is registered there."""
        asked = json.loads(options)
        if self.id in [c["id"] for c in asked.get("excludeCredentials", ())]:
            raise ValueError("InvalidStateError: this passkey is registered already")
        self.user_handle = base64url_to_bytes(asked["user"]["id"])
        attested = uuid.UUID(self.aaguid).bytes + len(self.credential_id).to_bytes(2, "big") + self.credential_id
        data = self._authenticator_data(asked["rp"]["id"], ATTESTED) + attested + self._cose_key()
        return self._answer(
            clientDataJSON=_text(self._client_data("webauthn.create", asked, origin)),
            attestationObject=_text(encode_cbor({"fmt": "none", "attStmt": {}, "authData": data})),
            transports=["internal"],
        )

    def get(self, options: str, origin: str) -> str:
        """The AuthenticationResponseJSON for a page's request options. Raises ValueError when another is asked for."""
        asked = json.loads(options)
        if self.id not in [c["id"] for c in asked["allowCredentials"]]:
            raise ValueError("NotAllowedError: another passkey is asked for")
        if self.sign_count is not None:
            self.sign_count += 1
        client_data = self._client_data("webauthn.get", asked, origin)
        data = self._authenticator_data(asked["rpId"], 0)
        signature = self.key.sign(data + sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(
            clientDataJSON=_text(client_data),
            authenticatorData=_text(data),
            signature=_text(signature),
            userHandle=_text(self.user_handle or b""),
        )

    def _answer(self, **response: Any) -> str:
        return json.dumps({"id": self.id, "rawId": self.id, "type": "public-key", "response": response})

    def _client_data(self, type: str, asked: Mapping[str, Any], origin: str) -> bytes:
        said = {"type": type, "challenge": asked["challenge"], "origin": origin, "crossOrigin": False}
        return json.dumps(said | dict(self.client_data)).encode()

    def _authenticator_data(self, rp_id: str, flags: int) -> bytes:
        flags |= PRESENT | (VERIFIED if self.user_verified else 0)
        hashed = sha256((self.rp_id or rp_id).encode()).digest()
        return hashed + bytes([flags]) + (self.sign_count or 0).to_bytes(4, "big")

    def _cose_key(self) -> bytes:
        point = self.key.public_key().public_numbers()
        # EC2, ES256, P-256 (RFC 9053 §7.1.1)
        return encode_cbor({1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")})


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
