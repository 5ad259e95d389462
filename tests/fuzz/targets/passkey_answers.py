"""What a browser says for a passkey: registrations and assertions, edited as JSON and below it, in the client data and
the authenticator's bytes; an edited assertion is signed again."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from hashlib import sha256
from random import Random
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import base64url_to_bytes, encode_cbor

from b2b_idp.factors import passkeys
from b2b_idp.factors.passkeys import RefusedAnswer, RelyingParty
from b2b_idp.keys.vault import Vault
from b2b_idp.store.factors import Passkey
from b2b_idp.testing.passkey import SoftwarePasskey
from tests.fuzz.mutation import Mutator

PARTY = RelyingParty.of("https://idp.contoso.example/idp")
HANDLE = passkeys.user_handle(Vault(b"k" * 32), "6b2f0c1e-0000-4000-8000-000000000001")
CHALLENGE = urlsafe_b64encode(b"c" * 32).decode().rstrip("=")
WORDS = (
    *("id", "rawId", "response", "type", "public-key", "clientDataJSON", "attestationObject", "authenticatorData"),
    *(
        "signature",
        "userHandle",
        "transports",
        "internal",
        "origin",
        "challenge",
        "crossOrigin",
        "topOrigin",
        CHALLENGE,
    ),
    *("webauthn.get", "webauthn.create", PARTY.origin, "fmt", "none", "packed", "attStmt", "authData", "x5c"),
)


class PasskeyAnswers:
    def __init__(self) -> None:
        self._phone = SoftwarePasskey()
        options = passkeys.registration_options(PARTY, "Contoso", HANDLE, "m@x.example", "M", (), CHALLENGE)
        self._registration = json.loads(self._phone.create(options, PARTY.origin))
        made = passkeys.verify_registration(PARTY, CHALLENGE, json.dumps(self._registration))
        self._passkey = Passkey(
            id="1",
            user_id="2",
            credential_id=made.credential_id,
            public_key=made.public_key,
            sign_count=0,
            aaguid=made.aaguid,
            transports=(),
            name="Passkey",
            backed_up=False,
            created_at=datetime(2026, 6, 1, tzinfo=UTC),
        )
        options = passkeys.assertion_options(PARTY, [self._passkey], CHALLENGE)
        self._assertion = json.loads(self._phone.get(options, PARTY.origin))

    def make(self, random: Random) -> tuple[str, str]:
        """`registration` or `assertion`, and its JSON."""
        edit = Mutator(random, WORDS)
        kind, answer = random.choice((("registration", self._registration), ("assertion", self._assertion)))
        answer = {**answer, "response": dict(answer["response"])}
        said = answer["response"]
        match random.randrange(5):
            case 0:
                answer = edit.document(answer)
            case 1:
                client = json.loads(base64url_to_bytes(said["clientDataJSON"]))
                said["clientDataJSON"] = _text(edit.written(edit.document(client)).encode("utf-8", "surrogatepass"))
            case 2 if kind == "registration":
                said["attestationObject"] = _text(edit.raw(base64url_to_bytes(said["attestationObject"])))
            case 3 if kind == "registration":
                data = edit.raw(self._authenticator_data())
                statement = random.choice(({}, {}, {"alg": -7, "sig": b"x"}, {"x5c": [b"x"]}))
                fmt = random.choice(("none", "none", "packed", "tpm", "fido-u2f"))
                said["attestationObject"] = _text(encode_cbor({"fmt": fmt, "attStmt": statement, "authData": data}))
            case _ if kind == "assertion":
                said["authenticatorData"] = _text(edit.raw(base64url_to_bytes(said["authenticatorData"])))
        if kind == "assertion" and edit.often(0.8):
            self._sign(answer)
        return kind, edit.written(answer)

    def _authenticator_data(self) -> bytes:
        attestation = base64url_to_bytes(self._registration["response"]["attestationObject"])
        return passkeys.parse_attestation_object(attestation).auth_data and attestation[-(37 + 16 + 2 + 32 + 77) :]

    def _sign(self, answer: Any) -> None:
        """The signature that fits what the answer now says, where it says something."""
        try:
            said = answer["response"]
            over = base64url_to_bytes(said["authenticatorData"])
            over += sha256(base64url_to_bytes(said["clientDataJSON"])).digest()
            said["signature"] = _text(self._phone.key.sign(over, ec.ECDSA(hashes.SHA256())))
        except (KeyError, TypeError, ValueError, AttributeError):
            return

    def give(self, made: tuple[str, str]) -> bool:
        kind, answer = made
        try:
            if kind == "registration":
                passkeys.verify_registration(PARTY, CHALLENGE, answer)
            else:
                passkeys.credential_id_of(answer)
                passkeys.verify_assertion(PARTY, CHALLENGE, HANDLE, self._passkey, answer)
        except RefusedAnswer:
            return False
        return True

    def close(self) -> None: ...


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
