"""What an OAuth client registers, whichever way it does: addresses that it is answered at, keys, certificates."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509 import Name
from jwt import PyJWK, PyJWTError
from pydantic import StringConstraints

from b2b_idp.model.problem import Code, Problem
from b2b_idp.policy.documents import Document

_Text = Annotated[str, StringConstraints(max_length=1024)]


class TlsClientAuth(Document):
    """One of them (RFC 8705 §2.1.2); selfSigned: the certificate is one of jwks."""

    subjectDn: _Text | None = None
    sanDns: _Text | None = None
    sanUri: _Text | None = None
    sanIp: _Text | None = None
    sanEmail: _Text | None = None
    selfSigned: bool | None = None


def check_tls_client_auth(given: TlsClientAuth | None) -> None:
    """One name is given, and in its form (RFC 8705 §2.1.2). Raises Problem(BAD_REQUEST)."""
    if given is None:
        return
    named = {name: value for name, value in given.model_dump().items() if value}
    if len(named) != 1:
        raise _bad("b2bIdp.tlsClientAuth names one of subjectDn, sanDns, sanUri, sanIp, sanEmail and selfSigned.")
    try:
        if given.subjectDn:
            Name.from_rfc4514_string(given.subjectDn)
        if given.sanIp:
            ip_address(given.sanIp)
    except ValueError:
        raise _bad("b2bIdp.tlsClientAuth: subjectDn is as RFC 4514 writes it, sanIp is an address.") from None


def check_jwks(jwks: dict[str, Any] | None) -> None:
    """A set of public keys that can be read and are strong enough (RFC 7517 §5). Raises Problem(BAD_REQUEST)."""
    keys = (jwks or {"keys": []}).get("keys")
    if not isinstance(keys, list) or not all(isinstance(k, dict) for k in keys):
        raise _bad("b2bIdp.jwks is a JWK Set.")
    for key in keys:
        kind = key.get("crv") if key.get("kty") == "OKP" else key.get("kty")
        if kind not in ("RSA", "EC", "Ed25519") or {"d", "p", "q", "k"} & set(key):
            raise _bad("b2bIdp.jwks holds public RSA, EC and Ed25519 keys only.")
        try:
            public = PyJWK(key).key
        except (PyJWTError, ValueError, TypeError, KeyError):
            raise _bad("b2bIdp.jwks: a key cannot be read.") from None
        if isinstance(public, RSAPublicKey) and public.key_size < 2048:
            raise _bad("b2bIdp.jwks: an RSA key has at least 2048 bits.")


def check_redirect(uri: str, *, custom_scheme: bool) -> None:
    """An address that a browser may be sent to: https, http to loopback, or a native app's own scheme (RFC 8252 §7).
    Raises Problem(BAD_REQUEST)."""
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _bad(f"{uri[:100]} is not an address.") from None
    bad_text = not uri.isascii() or any(ord(c) < 33 for c in uri) or "*" in parts.netloc or "\\" in uri
    if bad_text or parts.username is not None or "#" in uri or port == 0:
        raise _bad(f"{uri[:100]}: an address without fragment, user name, wildcard or blanks is needed.")
    loopback = host in ("localhost", "127.0.0.1", "::1")
    if parts.scheme == "https" and host:
        return
    if parts.scheme == "http" and loopback:
        return
    if custom_scheme and "." in parts.scheme and parts.scheme not in ("javascript", "data"):
        return
    raise _bad(f"{uri[:100]}: https is needed, or http to loopback.")


def _bad(say: str) -> Problem:
    return Problem(Code.BAD_REQUEST, say)
