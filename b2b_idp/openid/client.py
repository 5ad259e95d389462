"""Client authentication (RFC 6749 §2.3, OpenID Connect Core §9): basic, post, private_key_jwt,
client certificates (RFC 8705), none."""

from __future__ import annotations

import hmac
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import unquote_plus

from flask import Request

from b2b_idp.keys.vault import Vault, is_client_secret
from b2b_idp.model.directory import App, ClientAuth
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.openid.assertion import ASSERTION_TYPE, check_assertion, invalid_client, issuer_of
from b2b_idp.openid.parts import OpenIdParts, form_pairs, once, repeated
from b2b_idp.store import Reader
from b2b_idp.tokens.certificates import ClientCertificate, MutualTls, is_clients, read_certificate
from b2b_idp.tokens.possession import BEARER, Confirmation


@dataclass(frozen=True, slots=True)
class Client:
    """An authenticated client, and how."""

    app: App
    method: ClientAuth
    certificate: str | None = None
    """Thumbprint of the certificate of its connection, whether it authenticates by it or not."""
    confirmation: Confirmation = BEARER
    """What it proved to hold, to which its tokens are bound."""


def form_of(request: Request) -> dict[str, str]:
    """The form of a token-like request: a form, no larger than 64 KB, no parameter twice."""
    if request.mimetype != "application/x-www-form-urlencoded":
        raise Problem(Code.INVALID_REQUEST, "Send the parameters as application/x-www-form-urlencoded.")
    pairs = form_pairs(request)
    twice = repeated(pairs)
    if "resource" in twice or "audience" in twice:
        raise Problem(Code.INVALID_TARGET, "A token is for one API: name one.")
    if twice:
        raise Problem(Code.INVALID_REQUEST, f"Each parameter stands once; {sorted(twice)[0][:40]} is repeated.")
    return once(pairs)


def authenticate(
    w: Reader,
    parts: OpenIdParts,
    request: Request,
    form: Mapping[str, str],
    audiences: tuple[str, ...],
    moment: Moment,
) -> Client:
    """The client that sent the request. `audiences` of assertions begins with the issuer; where client certificates do
    not arrive none is looked for. Raises Problem(INVALID_CLIENT | INVALID_REQUEST), and KeysNeededError, which
    `parts.documents.having` takes."""
    mutual_tls = parts.mutual_tls
    client = _authenticated(w, parts, request, form, audiences, moment)
    certificate = read_certificate(request.headers.get(mutual_tls.header)) if mutual_tls else None
    if client.method == "none" and client.app.tls_client_auth is not None:
        app = parts.documents.with_keys(client.app, None, moment.at) if certificate else client.app
        return _by_certificate(app, certificate, mutual_tls, moment)
    if client.app.profile == "fapi2" and client.method in ("none", "client_secret"):
        raise invalid_client("FAPI 2.0 takes private_key_jwt or a client certificate")
    return client if certificate is None else replace(client, certificate=certificate.thumbprint)


def _by_certificate(
    app: App, certificate: ClientCertificate | None, mutual_tls: MutualTls | None, moment: Moment
) -> Client:
    """RFC 8705 §2."""
    if certificate is None or mutual_tls is None:
        raise invalid_client("no client certificate")
    method = is_clients(certificate, app, mutual_tls.authorities, moment.at)
    if method is None:
        raise invalid_client("the certificate is over, of no authority of ours, or not the client's")
    return Client(app, method, certificate.thumbprint)


def _authenticated(
    w: Reader,
    parts: OpenIdParts,
    request: Request,
    form: Mapping[str, str],
    audiences: tuple[str, ...],
    moment: Moment,
) -> Client:
    header = request.headers.get("Authorization", "")
    basic = header[:6].lower() == "basic "
    assertion = form.get("client_assertion")
    if sum((basic, "client_secret" in form, assertion is not None)) > 1:
        raise Problem(Code.INVALID_REQUEST, "Authenticate in one way only.")
    if basic:
        client_id, secret = _basic(header)
        if form.get("client_id", client_id) != client_id:
            raise Problem(Code.INVALID_REQUEST, "client_id differs from the one in the Authorization header.")
        return _by_secret(w, parts.vault, client_id, secret, moment)
    if "client_secret" in form:
        return _by_secret(w, parts.vault, form.get("client_id", ""), form["client_secret"], moment)
    if assertion is not None:
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise invalid_client("client_assertion_type is not jwt-bearer")
        app = _app(w, issuer_of(assertion, form.get("client_id")))
        check_assertion(w.writing(), parts, app, assertion, audiences, moment)
        return Client(app, "private_key_jwt")
    app = _app(w, form.get("client_id", ""))
    if not app.public and app.tls_client_auth is None:
        raise invalid_client("a confidential client sent no credentials")
    return Client(app, "none")


def _app(r: Reader, client_id: str) -> App:
    app = r.apps.by_client_id(client_id.lower()) if len(client_id) == 36 and client_id.isascii() else None
    if app is None or not app.enabled:
        raise invalid_client("unknown or disabled client")
    return app


def _basic(header: str) -> tuple[str, str]:
    try:
        text = b64decode(header[6:].strip(), validate=True).decode()
    except ValueError:
        raise invalid_client("the Basic header cannot be decoded") from None
    client_id, colon, secret = text.partition(":")
    if not colon:
        raise invalid_client("the Basic header has no colon")
    # both halves are form-urlencoded (RFC 6749 §2.3.1)
    return unquote_plus(client_id), unquote_plus(secret)


def _by_secret(r: Reader, vault: Vault, client_id: str, secret: str, moment: Moment) -> Client:
    app = _app(r, client_id)
    if app.public or not is_client_secret(secret):
        raise invalid_client("not a client secret of ours")
    digest = vault.digest("client-secret", secret)
    for kept in r.apps.secrets(app.id):
        if hmac.compare_digest(kept.secret_hash, digest) and kept.starts_at <= moment.at < kept.ends_at:
            return Client(app, "client_secret")
    raise invalid_client("wrong, removed or expired secret")
