"""DPoP proofs (RFC 9449): a JWT by which the sender of a request shows that it holds a key."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Any
from urllib.parse import unquote, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import Algorithm

from b2b_idp.keys.compact import decoded, encoded
from b2b_idp.keys.thumbprint import thumbprint
from b2b_idp.keys.vault import Vault
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.strict_json import read_json
from b2b_idp.store import Store, Writer

DPOP_ALGORITHMS = ("ES256", "PS256", "EdDSA")
"""`dpop_signing_alg_values_supported`."""
MAX_AGE = timedelta(seconds=60)
AHEAD = timedelta(seconds=10)
"""How far the sender's clock may be ahead of ours."""
_LONGEST = 8 * 1024
_LONGEST_JTI = 256
_KEPT = MAX_AGE + timedelta(minutes=4)
"""How long a proof is remembered: servers that share the store need not agree about the second."""
_NONCE_PERIOD = 150
"""Seconds; a nonce is taken in the period in which it was made and in the next."""
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof whose signature, method, address and time were checked; it is good once (`spend`)."""

    jkt: str
    """RFC 7638 thumbprint (SHA-256, base64url) of the key that signed."""
    jti: str
    at: datetime
    """Its `iat`."""
    nonce: str | None
    token_hash: str | None
    """Its `ath`."""


def invalid_proof(why: str) -> Problem:
    return Problem(Code.INVALID_DPOP_PROOF, "The DPoP proof is not valid.", why)


def read_proof(sent: str, method: str, addresses: Iterable[str], at: datetime) -> Proof:
    """The proof in a request's one DPoP header (RFC 9449 §4.3). `addresses` are those by which this endpoint is known,
    ours by configuration, never by what the request says. Raises Problem(INVALID_DPOP_PROOF)."""
    if len(sent) > _LONGEST or not sent.isascii() or sent.count(".") != 2:
        raise invalid_proof("not one compact JWT")
    header, payload, signature = sent.split(".")
    key = _key_of(header)
    try:
        signed = decoded(payload)
        genuine = key.algorithm.verify(f"{header}.{payload}".encode(), key.public, decoded(signature))
    except (jwt.PyJWTError, ValueError, TypeError):
        raise invalid_proof("not a signed JWT") from None
    if not genuine:
        raise invalid_proof("the signature is not the key's")
    claims = read_json(signed, depth=8, fail=lambda why: invalid_proof("its claims: " + why), quote=False)
    if not isinstance(claims, dict):
        raise invalid_proof("its claims are no object")
    if claims.get("htm") != method:
        raise invalid_proof("htm is another method")
    htu = claims.get("htu")
    if not isinstance(htu, str) or _place(htu) not in {_place(address) for address in addresses}:
        raise invalid_proof("htu is another address")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= _LONGEST_JTI:
        raise invalid_proof("no jti, or a very long one")
    nonce, token_hash = claims.get("nonce"), claims.get("ath")
    if not isinstance(nonce, str | None) or not isinstance(token_hash, str | None):
        raise invalid_proof("nonce or ath is no text")
    return Proof(key.jkt, jti, _issued(claims, at), nonce, token_hash)


@dataclass(frozen=True, slots=True)
class _Key:
    public: Any
    algorithm: Algorithm
    jkt: str


@lru_cache(maxsize=512)
def _key_of(segment: str) -> _Key:
    """The public key in a header, as it was sent. A sender's proofs have the same header word for word: what it says is
    read once, and says nothing of whether a proof is genuine."""
    try:
        header = read_json(decoded(segment), depth=8, fail=ValueError, quote=False)
    except ValueError:
        raise invalid_proof("no JWT") from None
    if not isinstance(header, dict):
        raise invalid_proof("its header is no object")
    alg, jwk = header.get("alg"), header.get("jwk")
    if str(header.get("typ")).lower() != "dpop+jwt":
        raise invalid_proof("typ is not dpop+jwt")
    if alg not in DPOP_ALGORITHMS or "crit" in header or not isinstance(jwk, dict):
        raise invalid_proof("another algorithm, a critical header, or no jwk")
    if _PRIVATE & set(jwk):
        raise invalid_proof("jwk holds a private or symmetric key")
    try:
        key = jwt.PyJWK({n: v for n, v in jwk.items() if n not in ("alg", "use", "key_ops")}, algorithm=alg)
        jkt = thumbprint(jwk)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        raise invalid_proof("jwk cannot be read") from None
    if not _fits(key.key, alg):
        raise invalid_proof("the key is too weak, or for another algorithm")
    return _Key(key.key, key.Algorithm, jkt)


def _fits(key: Any, alg: str) -> bool:
    match alg:
        case "ES256":
            return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
        case "PS256":
            return isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048
    return True


def _issued(claims: Mapping[str, Any], at: datetime) -> datetime:
    """`iat`, once it, and `exp` and `nbf` where they are there, allow that the proof is used now."""
    now, ahead = at.timestamp(), AHEAD.total_seconds()
    times = {name: claims[name] for name in ("iat", "nbf", "exp") if name in claims}
    if not all(isinstance(t, int | float) and not isinstance(t, bool) and abs(t) < 1e11 for t in times.values()):
        raise invalid_proof("a time is no number")
    iat = times.get("iat")
    if iat is None or not now - MAX_AGE.total_seconds() <= iat <= now + ahead:
        raise invalid_proof("iat is missing, too old or ahead")
    if times.get("nbf", now) > now + ahead or times.get("exp", now + 1) <= now - ahead:
        raise invalid_proof("nbf is ahead, or exp is over")
    return datetime.fromtimestamp(iat, UTC)


@lru_cache(maxsize=512)
def _place(address: str) -> tuple[str, str, int | None, str] | None:
    """What an address names, query and fragment aside: case of the host, a default port and percent-encoding make no
    difference (RFC 9449 §4.3, RFC 3986 §6.2). None for what is no address."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    if parts.username is not None or not parts.hostname:
        return None
    scheme = parts.scheme.lower()
    return scheme, parts.hostname.lower(), port or {"https": 443, "http": 80}.get(scheme), unquote(parts.path) or "/"


def check_token_hash(proof: Proof, token: str) -> None:
    """Raises Problem(INVALID_DPOP_PROOF) unless the proof's `ath` is of this access token."""
    made = encoded(sha256(token.encode()).digest())
    if proof.token_hash is None or not hmac.compare_digest(proof.token_hash.encode(), made.encode()):
        raise invalid_proof("ath is missing, or of another token")


def spend(w: Writer, vault: Vault, proof: Proof) -> None:
    """Remembers the proof for every server of this store. Raises Problem(INVALID_DPOP_PROOF) the second time."""
    id = vault.digest("dpop", json.dumps([proof.jkt, proof.jti]))
    if not w.grants.use_assertion(id, proof.at + _KEPT):
        raise invalid_proof("jti was used before")


def spend_alone(store: Store, vault: Vault, proof: Proof) -> None:
    """As `spend`, for a request that writes nothing else: a proof lives a minute, so its mark need not outlast a power
    cut, and the disk is not waited for."""
    store.transact(lambda w: spend(w, vault, proof), lasting=False)


def check_nonce(vault: Vault, proof: Proof, moment: Moment) -> None:
    """Raises Problem(USE_DPOP_NONCE) unless the proof holds a nonce of ours that is young. It brings the one to use
    (RFC 9449 §8)."""
    period = moment.epoch // _NONCE_PERIOD
    given = (proof.nonce or "").encode()
    if not any(hmac.compare_digest(given, _nonce(vault, p).encode()) for p in (period, period - 1)):
        raise Problem(
            Code.USE_DPOP_NONCE,
            "Send the DPoP proof again with the nonce of the DPoP-Nonce header.",
            details={"dpop_nonce": _nonce(vault, period)},
        )


def _nonce(vault: Vault, period: int) -> str:
    """The same on every server: nothing of it is stored."""
    return vault.token("dpop-nonce", str(period))
