"""Client certificates (RFC 8705) as a TLS front hands them on: read, verified, held against a client's registration."""

from __future__ import annotations

import hmac
import ipaddress
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import unquote_to_bytes

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from b2b_idp.keys.compact import encoded
from b2b_idp.model.directory import App
from b2b_idp.model.problem import Code, Problem

_LONGEST = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class MutualTls:
    """How certificates reach us. `header` is set by the TLS front, and by nobody else; `url` is where clients that have
    a certificate call, empty for the issuer itself; `authorities` sign the certificates of tls_client_auth."""

    header: str
    url: str = ""
    authorities: Sequence[x509.Certificate] = ()


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    x509: x509.Certificate

    @property
    def der(self) -> bytes:
        return self.x509.public_bytes(Encoding.DER)

    @property
    def thumbprint(self) -> str:
        """`x5t#S256` (RFC 8705 §3.1)."""
        return encoded(sha256(self.der).digest())


def read_certificate(sent: str | None) -> ClientCertificate | None:
    """The certificate in the front's header: PEM, percent-encoded, as nginx's `$ssl_client_escaped_cert` has it, or
    `:base64:` of DER (RFC 9440 §2.1). None without one. Raises Problem(INVALID_REQUEST)."""
    if not sent:
        return None
    try:
        if len(sent) > _LONGEST:
            raise ValueError("larger than 16 KB")
        if sent.startswith(":"):
            return ClientCertificate(x509.load_der_x509_certificate(b64decode(sent.strip(":"), validate=True)))
        return ClientCertificate(x509.load_pem_x509_certificate(unquote_to_bytes(sent)))
    except ValueError:
        raise Problem(Code.INVALID_REQUEST, "The client certificate cannot be read.") from None


def is_clients(
    certificate: ClientCertificate, app: App, authorities: Sequence[x509.Certificate], at: datetime
) -> Literal["tls_client_auth", "self_signed_tls_client_auth"] | None:
    """How the certificate authenticates this client: tls_client_auth, self_signed_tls_client_auth, or not at all."""
    if app.tls_client_auth is None:
        return None
    kind, value = app.tls_client_auth
    if not certificate.x509.not_valid_before_utc <= at < certificate.x509.not_valid_after_utc:
        return None
    if kind == "selfSigned":
        return "self_signed_tls_client_auth" if any(_is_of(certificate, jwk) for jwk in app.jwks) else None
    named = _names(certificate.x509, kind, value) and _is_signed(certificate.x509, authorities, at)
    return "tls_client_auth" if named else None


def _is_of(certificate: ClientCertificate, jwk: Any) -> bool:
    """Whether a registered key carries this very certificate (RFC 8705 §2.2)."""
    chain = jwk.get("x5c") or [""]
    first = chain[0] if isinstance(chain, list) and isinstance(chain[0], str) else ""
    return (
        hmac.compare_digest(first.encode(), b64encode(certificate.der)) or jwk.get("x5t#S256") == certificate.thumbprint
    )


def _is_signed(leaf: x509.Certificate, authorities: Sequence[x509.Certificate], at: datetime) -> bool:
    """By one of the authorities, for clients (RFC 5280); the front may have taken any certificate."""
    if not authorities:
        return False
    verifier = PolicyBuilder().store(Store(list(authorities))).time(at).build_client_verifier()
    try:
        verifier.verify(leaf, [])
    except VerificationError:
        return False
    return True


def _names(certificate: x509.Certificate, kind: str, value: str) -> bool:
    """Whether the certificate has the one name that was registered (RFC 8705 §2.1.2)."""
    if kind == "subjectDn":
        return certificate.subject == x509.Name.from_rfc4514_string(value)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    match kind:
        case "sanDns":
            return value.lower() in [n.lower() for n in names.get_values_for_type(x509.DNSName)]
        case "sanUri":
            return value in names.get_values_for_type(x509.UniformResourceIdentifier)
        case "sanEmail":
            return value in names.get_values_for_type(x509.RFC822Name)
        case _:
            return ipaddress.ip_address(value) in names.get_values_for_type(x509.IPAddress)
