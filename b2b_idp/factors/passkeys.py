"""Passkeys (Web Authentication Level 2 and 3): options for the browser, and what its authenticator answers.

User verification is always required: without it a passkey is one factor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Any, TypeVar
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
    parse_attestation_object,
)
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.structs import (
    AttestationConveyancePreference,
    AttestationFormat,
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from b2b_idp.keys.vault import Vault
from b2b_idp.model.moment import Moment
from b2b_idp.model.strict_json import read_json
from b2b_idp.model.url import origin_of
from b2b_idp.store.factors import Passkey

MAX_ANSWER = 16 * 1024
"""Characters of an answer as JSON; the largest known, with an RSA key and a long credential id, has a third of it."""

MOST = 20
"""Passkeys of one person."""

_DEPTH = 6
_TIMEOUT_MS = 5 * 60 * 1000
_LONGEST_ID = 1023
"""Bytes of a credential id (WebAuthn §4, Credential ID)."""
_LONGEST_NAME = 64
_LEAST_RSA_BITS = 2048
_ALGORITHMS = [
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
_ASKED_FORMATS = (AttestationFormat.NONE, AttestationFormat.PACKED)
"""What asking for attestation `none` may bring: nothing, or a self-attestation that the client let pass."""
T = TypeVar("T")
_TRANSPORTS = {t.value: t for t in AuthenticatorTransport}


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """Who asks: `id` is the host of the issuer, `origin` the only origin whose answers count."""

    id: str
    origin: str

    @staticmethod
    def of(issuer: str) -> RelyingParty:
        return RelyingParty(urlsplit(issuer).hostname or "", origin_of(issuer))


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """What a registration brought. `aaguid`: the authenticator's make and model (UUID text; all zeros: not told)."""

    credential_id: bytes
    public_key: bytes
    """COSE_Key."""
    sign_count: int
    aaguid: str
    transports: tuple[str, ...]
    backed_up: bool


@dataclass(frozen=True, slots=True)
class Asserted:
    """What an assertion told besides that it is genuine."""

    sign_count: int
    backed_up: bool


class RefusedAnswer(Exception):
    """The answer proves nothing; the text is for the administrator."""


def new_challenge(moment: Moment) -> str:
    """256 random bits, base64url."""
    return bytes_to_base64url(sha256(moment.new_secret().encode()).digest())


def user_handle(vault: Vault, user_id: str) -> bytes:
    """64 bytes that name the user to authenticators and tell nothing about them (WebAuthn §14.6.1)."""
    return vault.digest("passkey-user", user_id + ":1") + vault.digest("passkey-user", user_id + ":2")


def registration_options(
    party: RelyingParty,
    tenant_name: str,
    handle: bytes,
    account: str,
    name: str,
    known: Sequence[Passkey],
    challenge: str,
) -> str:
    """PublicKeyCredentialCreationOptionsJSON. `account` and `name` are what the authenticator shows its owner; those
    that hold a `known` passkey make no second one."""
    options = generate_registration_options(
        rp_id=party.id,
        rp_name=tenant_name,
        user_id=handle,
        user_name=account,
        user_display_name=name,
        challenge=base64url_to_bytes(challenge),
        timeout=_TIMEOUT_MS,
        attestation=AttestationConveyancePreference.NONE,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=_descriptors(known),
        supported_pub_key_algs=_ALGORITHMS,
    )
    return options_to_json(options)


def assertion_options(party: RelyingParty, registered: Sequence[Passkey], challenge: str) -> str:
    """PublicKeyCredentialRequestOptionsJSON for one of the `registered`."""
    options = generate_authentication_options(
        rp_id=party.id,
        challenge=base64url_to_bytes(challenge),
        timeout=_TIMEOUT_MS,
        allow_credentials=_descriptors(registered),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json(options)


def verify_registration(party: RelyingParty, challenge: str, answer: str) -> NewPasskey:
    """The new passkey in a RegistrationResponseJSON (WebAuthn §7.1). Raises RefusedAnswer."""
    document = _read(answer)
    response = _checked_response(document)
    with_statement = response.get("attestationObject")

    def verified() -> NewPasskey:
        if parse_attestation_object(base64url_to_bytes(str(with_statement))).fmt not in _ASKED_FORMATS:
            raise RefusedAnswer("an attestation that was not asked for")
        found = verify_registration_response(
            credential=document,
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=party.id,
            expected_origin=party.origin,
            require_user_verification=True,
            supported_pub_key_algs=_ALGORITHMS,
        )
        _check_key(found.credential_public_key)
        transports = response.get("transports")
        told = transports if isinstance(transports, list) else []
        return NewPasskey(
            credential_id=found.credential_id,
            public_key=found.credential_public_key,
            sign_count=found.sign_count,
            aaguid=found.aaguid,
            transports=tuple(name for name in _TRANSPORTS if name in told),
            backed_up=found.credential_backed_up,
        )

    made = _judged(verified)
    if len(made.credential_id) > _LONGEST_ID:
        raise RefusedAnswer("the credential id is too long")
    return made


def credential_id_of(answer: str) -> bytes:
    """Which passkey an AuthenticationResponseJSON says it is of. Raises RefusedAnswer."""
    id = _read(answer).get("id")
    if not isinstance(id, str):
        raise RefusedAnswer("no credential id")
    return _judged(lambda: base64url_to_bytes(id))


def verify_assertion(party: RelyingParty, challenge: str, handle: bytes, passkey: Passkey, answer: str) -> Asserted:
    """What an AuthenticationResponseJSON of `passkey` told (WebAuthn §7.2). Raises RefusedAnswer.

    The sign count is the caller's to compare (step 22): only a genuine answer tells of a copied authenticator."""
    document = _read(answer)
    response = _checked_response(document)
    said = response.get("userHandle")
    if said not in (None, "") and not compare_digest(_judged(lambda: base64url_to_bytes(str(said))), handle):
        raise RefusedAnswer("the user handle is another person's")

    def verified() -> Asserted:
        found = verify_authentication_response(
            credential=document,
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=party.id,
            expected_origin=party.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=0,
            require_user_verification=True,
        )
        if found.credential_id != passkey.credential_id:
            raise RefusedAnswer("the answer is of another passkey")
        return Asserted(found.new_sign_count, found.credential_backed_up)

    return _judged(verified)


def next_name(count: int) -> str:
    """The name of one more passkey, for a person who has `count`."""
    return f"Passkey {count + 1}" if count else "Passkey"


def clean_name(typed: str, otherwise: str) -> str:
    """A passkey's name as its owner typed it, on one line and cut; `otherwise` where that leaves nothing."""
    printable = "".join(c if c.isprintable() else " " for c in typed)
    return " ".join(printable.split())[:_LONGEST_NAME].strip() or otherwise


def _descriptors(passkeys: Sequence[Passkey]) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(
            id=p.credential_id, transports=[_TRANSPORTS[t] for t in p.transports if t in _TRANSPORTS] or None
        )
        for p in passkeys
    ]


def _read(answer: str) -> dict[str, Any]:
    """The answer as an object; nothing of it is in an error."""
    if len(answer) > MAX_ANSWER:
        raise RefusedAnswer("the answer is too large")
    document = read_json(answer, depth=_DEPTH, fail=lambda flaw: RefusedAnswer(f"the answer {flaw}"), quote=False)
    if not isinstance(document, dict):
        raise RefusedAnswer("the answer is not an object")
    return document


def _checked_response(document: dict[str, Any]) -> dict[str, Any]:
    """The answer's `response`; its client data, read strictly, come from no page within another's."""
    response = document.get("response")
    if not isinstance(response, dict) or not isinstance(response.get("clientDataJSON"), str):
        raise RefusedAnswer("no client data")
    raw = _judged(lambda: base64url_to_bytes(response["clientDataJSON"]))
    client = read_json(raw, depth=_DEPTH, fail=lambda flaw: RefusedAnswer(f"the client data {flaw}"), quote=False)
    if not isinstance(client, dict):
        raise RefusedAnswer("the client data are not an object")
    if client.get("crossOrigin", False) is not False or "topOrigin" in client:
        raise RefusedAnswer("the answer was made in a frame of another site")
    return response


def _check_key(cose: bytes) -> None:
    """Raises when no signature could be checked with the key (a point off its curve), or any could be made."""
    key = decoded_public_key_to_cryptography(decode_credential_public_key(cose))
    if isinstance(key, RSAPublicKey) and key.key_size < _LEAST_RSA_BITS:
        raise RefusedAnswer(f"an RSA key of {key.key_size} bits")


def _judged(read: Callable[[], T]) -> T:
    """What `read` gives. Hostile bytes make the parsers below raise whatever comes: all of it is one refusal."""
    try:
        return read()
    except RefusedAnswer:
        raise
    except Exception as e:
        raise RefusedAnswer(f"{type(e).__name__}: {str(e)[:200]!r}") from None
