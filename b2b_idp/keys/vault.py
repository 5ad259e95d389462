"""Secrets: handles that need no row, keyed hashes of those others keep, envelopes for those we must use again."""

from __future__ import annotations

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from b2b_idp.keys.compact import decoded, encoded
from b2b_idp.model.moment import uuid_text

_VERSION = b"\x01"
_MAC_BYTES = 24
_HANDLE_BYTES = 1 + 16 + 4 + _MAC_BYTES
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class Handle:
    """What a handle names: a row's id (UUID text) and the generation it is good for."""

    id: str
    generation: int


class Vault:
    """Made from one 256-bit master key; every use has a key of its own derived from it (HKDF-Expand with SHA-256).

    A *handle* (authorization code, refresh token, session cookie, invitation ticket …) is
    version ‖ uuid ‖ generation ‖ HMAC, 60 URL-safe characters: nothing of it is stored, so a stolen database opens
    nothing, and garbage is refused without asking the database.
    """

    def __init__(self, master: bytes) -> None:
        if len(master) != 32:
            raise ValueError("the master key is not 32 bytes long")
        self._master = master
        self._keys: dict[str, bytes] = {}
        self._envelope = AESGCM(self._key("envelope"))

    def _key(self, use: str) -> bytes:
        key = self._keys.get(use)
        if key is None:
            key = self._keys[use] = hmac.digest(self._master, use.encode() + b"\x01", "sha256")
        return key

    def handle(self, kind: str, id: str, generation: int = 0) -> str:
        """The handle of `kind` for the row `id` (UUID text)."""
        body = _VERSION + bytes.fromhex(id.replace("-", "")) + generation.to_bytes(4, "big")
        mac = hmac.digest(self._key("handle:" + kind), body, "sha256")[:_MAC_BYTES]
        return urlsafe_b64encode(body + mac).decode()

    def read_handle(self, kind: str, text: str) -> Handle | None:
        """What `text` names, or None when it is not a handle of `kind` that this vault made."""
        if len(text) != _HANDLE_BYTES // 3 * 4 or not text.isascii():
            return None
        try:
            raw = urlsafe_b64decode(text)
        except ValueError:
            return None
        body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        # b64decode skips characters outside the alphabet: only the one canonical spelling is a handle
        if len(raw) != _HANDLE_BYTES or urlsafe_b64encode(raw).decode() != text:
            return None
        if not hmac.compare_digest(hmac.digest(self._key("handle:" + kind), body, "sha256")[:_MAC_BYTES], mac):
            return None
        return Handle(uuid_text(body[1:17]), int.from_bytes(body[17:21], "big"))

    def digest(self, use: str, text: str) -> bytes:
        """Keyed hash (HMAC-SHA256) of a random secret of at least 80 bits, or of a value to be kept pseudonymous."""
        return hmac.digest(self._key("digest:" + use), text.encode("utf-8", "surrogatepass"), "sha256")

    def mail_key(self, address: str) -> bytes:
        """What mails to an address are counted by, without keeping the address."""
        return self.digest("mail", address.casefold())

    def token(self, use: str, *parts: str) -> str:
        """A MAC over `parts` as URL-safe text: CSRF tokens and pairwise subjects."""
        message = b"".join(len(p.encode()).to_bytes(4, "big") + p.encode() for p in parts)
        return encoded(hmac.digest(self._key("token:" + use), message, "sha256"))

    def seal(self, plain: bytes, context: str) -> bytes:
        """AES-256-GCM envelope bound to `context` (the table and row it belongs to)."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _VERSION + nonce + self._envelope.encrypt(nonce, plain, context.encode())

    def seal_text(self, plain: bytes, context: str) -> str:
        """The same as URL-safe text, for what others carry for us."""
        return encoded(self.seal(plain, context))

    def open_text(self, sealed: str, context: str) -> bytes:
        """The content of what `seal_text` made with the same context. Raises ValueError for any other text."""
        return self.open(decoded(sealed), context)

    def open(self, sealed: bytes, context: str) -> bytes:
        """The content of an envelope made by `seal` with the same context. Raises ValueError for any other."""
        if sealed[:1] != _VERSION:
            raise ValueError("an envelope of an unknown version")
        nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return self._envelope.decrypt(nonce, body, context.encode())
        except InvalidTag:
            raise ValueError("an envelope of another key or place") from None


def client_secret(random: str) -> str:
    """A client secret as we hand it out: 256 random bits and a checksum, so that a mistyped one is told without a
    database, and secret scanners recognise it by its prefix."""
    return _checked(_CLIENT_SECRET, random)


def is_client_secret(text: str) -> bool:
    """Whether `text` has the form and checksum of a secret that `client_secret` made."""
    return _is_checked(_CLIENT_SECRET, text)


def initial_access_token(random: str) -> str:
    """An initial access token (RFC 7591 §1.2), in the form of a client secret."""
    return _checked(_INITIAL_ACCESS_TOKEN, random)


def is_initial_access_token(text: str) -> bool:
    """Whether `text` has the form and checksum of a token that `initial_access_token` made."""
    return _is_checked(_INITIAL_ACCESS_TOKEN, text)


_CLIENT_SECRET, _INITIAL_ACCESS_TOKEN = "b2bs_", "b2bi_"


def _checked(prefix: str, random: str) -> str:
    return f"{prefix}{random}{_checksum(random)}"


def _is_checked(prefix: str, text: str) -> bool:
    body = text.removeprefix(prefix)
    return (
        text.startswith(prefix)
        and len(body) > 6
        and hmac.compare_digest(_checksum(body[:-6]).encode(), body[-6:].encode("utf-8", "replace"))
    )


def _checksum(text: str) -> str:
    return urlsafe_b64encode(sha256(text.encode("utf-8", "replace")).digest())[:6].decode()
