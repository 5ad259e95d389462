"""What the OpenID side needs; wired by the extension."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from flask import Request, Response
from werkzeug.exceptions import RequestEntityTooLarge

from b2b_idp.keys.ring import KeyRing
from b2b_idp.keys.vault import Vault
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.strict_json import read_json
from b2b_idp.openid.client_documents import ClientDocuments
from b2b_idp.signin import SignInParts
from b2b_idp.signin.devices import Asked
from b2b_idp.signin.home_logout import HomeLogouts, WayHome
from b2b_idp.signin.values import Browser, Landed, LogoutFrame, Show
from b2b_idp.store import Store
from b2b_idp.tokens.certificates import MutualTls


class Screen(Protocol):
    """The pages that the OpenID side shows; `pages` renders them."""

    def show(self, show: Show | Landed) -> Response: ...

    def error(self, problem: Problem, correlation_id: str, status: int | None = None) -> Response: ...

    def form_post(self, uri: str, fields: Mapping[str, str]) -> Response: ...

    def send_again(self, uri: str, fields: Mapping[str, str]) -> Response: ...

    def logout(self, action: str, csrf: str, client_name: str | None, correlation_id: str) -> Response: ...

    def device(
        self,
        *,
        step: Literal["code", "confirm", "approved", "denied"],
        action: str,
        csrf: str,
        error: str | None,
        asked: Asked | None,
        correlation_id: str,
    ) -> Response: ...

    def signed_out(
        self,
        correlation_id: str,
        *,
        frames: Sequence[LogoutFrame] = (),
        home: WayHome | None = None,
        go_on: str | None = None,
        ended_at: str | None = None,
    ) -> Response: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIdParts:
    issuer: str
    store: Store
    signin: SignInParts
    home_logouts: HomeLogouts
    keys: KeyRing
    vault: Vault
    moment: Callable[[], Moment]
    pages: Screen
    browser: Callable[[], Browser]
    set_session: Callable[..., None]
    """(response, session id or None, persistent)"""
    documents: ClientDocuments
    mutual_tls: MutualTls | None = None
    """How client certificates arrive, where they do."""


MAX_FORM = 64 * 1024
MAX_PARAMETERS = 500
_DEEPEST = 16


def json_object(request: Request) -> dict[str, Any]:
    """The JSON object that a request carries. Raises Problem(BODY_TOO_LARGE) for one over 64 KB, declared or not,
    Problem(UNSUPPORTED_MEDIA_TYPE | INVALID_REQUEST)."""
    if request.mimetype != "application/json":
        raise Problem(Code.UNSUPPORTED_MEDIA_TYPE, "Send Content-Type: application/json.")
    document = read_json(
        _body(request),
        depth=_DEEPEST,
        fail=lambda why: Problem(Code.INVALID_REQUEST, f"The body {why}."),
        quote=False,
    )
    if not isinstance(document, dict):
        raise Problem(Code.INVALID_REQUEST, "The body is a JSON object.")
    return document


def _body(request: Request) -> bytes:
    # one byte more: werkzeug cuts a body of undeclared length off at the limit, without a word
    request.max_content_length = MAX_FORM + 1
    too_large = Problem(Code.BODY_TOO_LARGE, "The body is larger than 64 KB.")
    try:
        body = request.get_data()
    except RequestEntityTooLarge:
        raise too_large from None
    if len(body) > MAX_FORM:
        raise too_large
    return body


Pairs = Sequence[tuple[str, str]]
"""Parameters as they were sent, repeated ones and all."""


def form_pairs(request: Request) -> Pairs:
    """The parameters of a form. Raises Problem(BODY_TOO_LARGE) for one over 64 KB, declared or not, and
    Problem(INVALID_REQUEST) for one of very many parameters, which would cost more than it is worth to read."""
    if _body(request).count(b"&") >= MAX_PARAMETERS:
        raise Problem(Code.INVALID_REQUEST, f"The form has more than {MAX_PARAMETERS} parameters.")
    return list(request.form.items(multi=True))


def once(pairs: Pairs) -> dict[str, str]:
    """Parameters by name, the empty ones left out (RFC 6749 §3.1); repeated ones are missing here: see `repeated`."""
    twice = repeated(pairs)
    return {k: v for k, v in pairs if v and k not in twice}


def repeated(pairs: Pairs) -> set[str]:
    """Names that stand more than once, which RFC 6749 §3.1 forbids."""
    names = [name for name, _ in pairs]
    return set() if len(set(names)) == len(names) else {name for name, n in Counter(names).items() if n > 1}
