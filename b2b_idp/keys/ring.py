"""Signing keys: published, then signing, then retired, with never a gap for a client that caches the key set."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import ECAlgorithm, RSAAlgorithm, get_default_algorithms

from b2b_idp.keys import files
from b2b_idp.keys.compact import encoded
from b2b_idp.keys.thumbprint import thumbprint
from b2b_idp.logs import log
from b2b_idp.model.json_text import json_bytes
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem

Alg = Literal["RS256", "ES256", "PS256"]
ALGORITHMS: tuple[Alg, ...] = ("RS256", "ES256", "PS256")
"""What we sign by; a key for each, since a key is for one algorithm (RFC 8725 §3.1)."""

JWKS_MAX_AGE = timedelta(minutes=10)
"""How long clients may cache the key set."""
PUBLISHED_BEFORE = JWKS_MAX_AGE + timedelta(seconds=30)
"""How long a new key is published before it signs: as long as any cache, and a little for a server that sees the
folder late or a clock that is ahead."""
LONGEST_TOKEN = timedelta(hours=1)
"""How long a token can outlive the moment it was signed; a key that signs no more stays published as long."""

_ALGORITHMS = get_default_algorithms()
_AGAIN = 1.0
"""Seconds after which a folder that was changed just now, or could not be read, is read again."""
_PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key. It signs from `signs_from` until a younger one of its algorithm does."""

    kid: str
    alg: Alg
    private: _PrivateKey
    published_at: datetime
    signs_from: datetime
    retired_at: datetime | None = None

    def public_jwk(self) -> dict[str, Any]:
        """The public key as it is published (RFC 7517)."""
        text = (
            RSAAlgorithm.to_jwk(self.private.public_key())
            if isinstance(self.private, rsa.RSAPrivateKey)
            else ECAlgorithm.to_jwk(self.private.public_key())
        )
        jwk: dict[str, Any] = json.loads(text)
        jwk.pop("key_ops", None)
        return jwk | {"kid": self.kid, "use": "sig", "alg": self.alg}

    def state(self, at: datetime) -> str:
        """published, active or retired; whether an active one signs depends on its fellows."""
        if self.retired_at is not None:
            return "retired"
        return "active" if at >= self.signs_from else "published"

    def to_json(self, at: datetime) -> dict[str, Any]:
        """What `keys list` shows."""
        return {
            "kid": self.kid,
            "alg": self.alg,
            "state": self.state(at),
            "publishedAt": self.published_at.isoformat(),
            "signsFrom": self.signs_from.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs with one key."""

    kid: str
    alg: Alg
    key: _PrivateKey

    def sign(self, claims: Mapping[str, Any], typ: str) -> str:
        """A compact JWS with `kid` and `typ` in its header."""
        signed = f"{_head(self.kid, self.alg, typ)}.{encoded(json_bytes(dict(claims)))}"
        return f"{signed}.{encoded(_ALGORITHMS[self.alg].sign(signed.encode(), self.key))}"


@lru_cache(maxsize=256)
def _head(kid: str, alg: str, typ: str) -> str:
    """A JWS header as it is signed (RFC 7515 §4)."""
    return encoded(json_bytes({"alg": alg, "kid": kid, "typ": typ}))


class KeyRing:
    """All keys of an instance. A ring with a folder sees what another process changes there at its next use."""

    def __init__(self, keys: Sequence[SigningKey], folder: Path | None) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._next_look = self._read_at = 0.0
        self._stamp, self._settled = 0, False
        self._set(keys)

    @classmethod
    def load(cls, folder: Path) -> KeyRing:
        """The keys in `folder`. Raises Problem(BAD_SETTING) naming the file that is not as it must be."""
        files.prepare(folder)
        ring = cls((), folder)
        ring._read()
        return ring

    @classmethod
    def in_memory(cls, moment: Moment) -> KeyRing:
        ring = cls((), None)
        ring.ensure(moment)
        return ring

    # --- use ---------------------------------------------------------------------------------------------------------

    def signer(self, alg: str, at: datetime) -> Signer:
        """The key of `alg` that signs now: the youngest whose time has come."""
        key = self._signing(alg, at)
        if key is None:
            raise Problem(Code.BAD_SETTING, f"There is no {alg} key. Run: b2b-idp keys rotate")
        return Signer(key.kid, key.alg, key.private)

    def signing_since(self, alg: str, at: datetime) -> datetime | None:
        """Since when the key of `alg` that signs now does; None when there is none."""
        key = self._signing(alg, at)
        return None if key is None else key.signs_from

    def _signing(self, alg: str, at: datetime) -> SigningKey | None:
        self._look()
        ready = [k for k in self._keys if k.alg == alg and k.retired_at is None and k.signs_from <= at]
        if not ready:
            # a clock that jumped back must not stop sign-ins: the oldest key was trusted longest
            ready = sorted((k for k in self._keys if k.alg == alg and k.retired_at is None), key=_age)[:1]
        return max(ready, key=_age, default=None)

    def jwks(self) -> bytes:
        """The published key set, as ready bytes (RFC 7517 §5)."""
        self._look()
        return self._jwks

    def verify(self, token: str, typ: str, at: datetime, *, expired_too: bool = False) -> dict[str, Any]:
        """The claims of a token of ours whose header says `typ`. Raises Problem(INVALID_TOKEN).

        The algorithm is the key's, never the header's; every time is judged by `at`.
        """
        self._look()
        try:
            key = self._by_kid.get(jwt.get_unverified_header(token).get("kid", ""))
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as e:
            raise _invalid(type(e).__name__) from None
        if key is None:
            raise _invalid("not signed by a key of ours")
        return claims_of(token, key.private.public_key(), key.alg, typ, at, expired_too=expired_too)

    def list(self) -> list[SigningKey]:
        """Every key, oldest first."""
        self._look()
        return sorted(self._keys, key=_age)

    # --- change ------------------------------------------------------------------------------------------------------

    def ensure(self, moment: Moment) -> None:
        """Makes the first key of each algorithm; it signs at once, nobody caches an older set."""
        missing = [a for a in ALGORITHMS if not any(k.alg == a and k.retired_at is None for k in self._keys)]
        if missing:
            self._add([_new_key(a, moment.at, moment.at) for a in missing])

    def rotate(self, moment: Moment, *, now: bool = False) -> Sequence[SigningKey]:
        """Publishes a new key of each algorithm, which signs once every cache has it, or `now`."""
        signs_from = moment.at if now else moment.at + PUBLISHED_BEFORE
        made = [_new_key(a, moment.at, signs_from) for a in ALGORITHMS]
        self._add(made)
        return made

    def retire(self, kid: str, moment: Moment) -> None:
        """Takes a key out of the key set. Refused for the key that signs, and while tokens of it may be alive."""
        key = self._by_kid.get(kid)
        if key is None:
            raise Problem(Code.NOT_FOUND, f"No key is called {kid}.")
        if self.signer(key.alg, moment.at).kid == kid:
            raise Problem(Code.CONFLICT, "This key signs. Rotate first, and retire it when its tokens are over.")
        younger = [k for k in self._keys if k.alg == key.alg and _age(k) > _age(key)]
        if younger and moment.at < min(k.signs_from for k in younger) + LONGEST_TOKEN:
            raise Problem(Code.CONFLICT, "Tokens that this key signed may still be alive. Retire it in an hour.")
        self._replace(replace(key, retired_at=moment.at))

    # --- keeping -----------------------------------------------------------------------------------------------------

    def _set(self, keys: Sequence[SigningKey]) -> None:
        self._keys = tuple(keys)
        published = [k for k in keys if k.retired_at is None]
        self._by_kid = {k.kid: k for k in published}
        self._jwks = json.dumps({"keys": [k.public_jwk() for k in sorted(published, key=_age)]}).encode()

    def _add(self, keys: Sequence[SigningKey]) -> None:
        with self._lock, ExitStack() as undoing:
            for key in keys:
                self._write(key)
                undoing.callback(self._remove, key)
            # all or none: on a full disk the first may have had room
            undoing.pop_all()
            self._set([*self._keys, *keys])

    def _replace(self, key: SigningKey) -> None:
        with self._lock:
            self._write(key)
            self._set([key if k.kid == key.kid else k for k in self._keys])

    def _write(self, key: SigningKey) -> None:
        if self._folder is None:
            return
        pem = key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        document = {
            "kid": key.kid,
            "alg": key.alg,
            "publishedAt": key.published_at.timestamp(),
            "signsFrom": key.signs_from.timestamp(),
            "retiredAt": None if key.retired_at is None else key.retired_at.timestamp(),
            "pem": pem,
        }
        files.write(self._file(key), json.dumps(document, indent=1).encode())

    def _remove(self, key: SigningKey) -> None:
        if self._folder is not None:
            self._file(key).unlink(missing_ok=True)

    def _file(self, key: SigningKey) -> Path:
        assert self._folder is not None
        return self._folder / f"{key.alg}-{key.kid}.json"

    def _look(self) -> None:
        """Reads the folder again when it changed, which another process's rotation does: a look costs microseconds, so
        every use takes one. What cannot be read stops nobody: the keys in memory go on."""
        if self._folder is None or time.monotonic() < self._next_look:
            return
        try:
            stamp = self._folder.stat().st_mtime_ns
            if stamp == self._stamp and (self._settled or time.monotonic() - self._read_at < _AGAIN):
                return
            with self._lock:
                if stamp != self._stamp or not self._settled:
                    self._read()
        except (OSError, Problem) as e:
            self._next_look = time.monotonic() + _AGAIN
            why = e.say if isinstance(e, Problem) else str(e)
            log.error("the key folder cannot be read, going on with the keys in memory", why=why)

    def _read(self) -> None:
        assert self._folder is not None
        stamp = self._folder.stat().st_mtime_ns
        self._read_at = time.monotonic()
        # a second change within the same tick of the file system's clock would not show: it is read again while young
        self._settled = time.time_ns() - stamp > 1_000_000_000
        self._set([_key_of(path) for path in sorted(self._folder.glob("?S256-*.json"))])
        self._stamp = stamp


def claims_of(
    token: str,
    key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
    alg: str,
    typ: str,
    at: datetime,
    *,
    expired_too: bool = False,
) -> dict[str, Any]:
    """The claims of a token that `key` signed by `alg` and whose header says `typ`. Raises Problem(INVALID_TOKEN)."""
    try:
        header = jwt.get_unverified_header(token)
        if header.get("alg") != alg or str(header.get("typ")).lower() != typ.lower():
            raise _invalid("of another algorithm or type")
        if "crit" in header:
            raise _invalid("critical header")
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[alg],
            options={"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False},
        )
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as e:
        raise _invalid(type(e).__name__) from None
    expires = claims.get("exp")
    if not isinstance(expires, int) or (not expired_too and at.timestamp() >= expires):
        raise _invalid("expired")
    return claims


def _age(key: SigningKey) -> tuple[datetime, str]:
    return key.signs_from, key.kid


def _new_key(alg: Alg, published_at: datetime, signs_from: datetime) -> SigningKey:
    private: _PrivateKey = (
        ec.generate_private_key(ec.SECP256R1()) if alg == "ES256" else rsa.generate_private_key(65537, 2048)
    )
    key = SigningKey("", alg, private, published_at, signs_from)
    return replace(key, kid=thumbprint(key.public_jwk()))


def _key_of(path: Path) -> SigningKey:
    content = files.read(path)
    try:
        d = json.loads(content)
        private = load_pem_private_key(d["pem"].encode(), None)
        if isinstance(private, rsa.RSAPrivateKey):
            fits = d["alg"] in ("RS256", "PS256") and private.key_size >= 2048
        elif isinstance(private, ec.EllipticCurvePrivateKey):
            fits = d["alg"] == "ES256" and private.curve.name == "secp256r1"
        else:
            fits = False
        if not fits:
            raise ValueError("a key of another kind than the file says")
        assert isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
        retired = d["retiredAt"]
        key = SigningKey(
            d["kid"],
            d["alg"],
            private,
            datetime.fromtimestamp(d["publishedAt"], UTC),
            datetime.fromtimestamp(d["signsFrom"], UTC),
            None if retired is None else datetime.fromtimestamp(retired, UTC),
        )
        if key.kid != thumbprint(key.public_jwk()):
            raise ValueError("kid is not the key's thumbprint")
        return key
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, UnsupportedAlgorithm):
        raise Problem(
            Code.BAD_SETTING,
            f"{path}: is truncated or no signing key; restore it from your backup or delete it.",
        ) from None


def _invalid(why: str) -> Problem:
    return Problem(Code.INVALID_TOKEN, "The token is not valid.", why)
