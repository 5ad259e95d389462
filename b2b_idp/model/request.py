"""An app's authorization request, parsed and checked (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1, RFC 7636)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

ResponseMode = Literal["query", "form_post", "query.jwt", "form_post.jwt"]
"""How the app is answered; with `.jwt` the answer is signed (JARM §2.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizeRequest:
    """What an app asked for. Client and redirect URI are known to be registered, all else is checked too.

    `acr_values` are in order of preference, `acr_essential` says that one of them must be reached; `contexts` are the
    authentication contexts asked for (c1 … c99, by acr_values or `claims…acrs`), `contexts_essential` that they all
    must be; `claims` is the parsed `claims` parameter; `max_age` is in seconds; `prompt` is the set of its words.
    """

    client_id: str
    redirect_uri: str
    scope: tuple[str, ...]
    state: str | None = None
    nonce: str | None = None
    code_challenge: str | None = None
    response_mode: ResponseMode = "query"
    prompt: frozenset[str] = frozenset()
    max_age: int | None = None
    acr_values: tuple[str, ...] = ()
    acr_essential: bool = False
    contexts: tuple[str, ...] = ()
    contexts_essential: bool = False
    claims: Mapping[str, Any] = field(default_factory=dict)
    login_hint: str | None = None
    domain_hint: str | None = None
    ui_locales: str | None = None
    resource: str | None = None
    """Identifier URI of the API that the tokens are for (RFC 8707), where one was named; the issuer for ourselves."""
    device: str | None = None
    """Id of the device authorization that the guest signs in for (RFC 8628); nobody is redirected then."""
    dpop_jkt: str | None = None
    """Thumbprint of the DPoP key that the code is bound to (RFC 9449 §10)."""
    hinted_user_id: str | None = None
    """The user that a valid `id_token_hint` names; no other may come out of this request."""
    pushed_id: str | None = None
    """The pushed request that it is; answered once (RFC 9126 §4)."""

    @property
    def told_by_address(self) -> bool:
        """Whether a redirect is all that the app's answer needs: no form, and no page for a device's guest."""
        return self.response_mode == "query" and self.device is None

    def to_json(self) -> dict[str, Any]:
        return {name: _plain(getattr(self, name)) for name in self.__slots__}

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> AuthorizeRequest:
        values = dict(document)
        values["scope"] = tuple(values["scope"])
        values["acr_values"] = tuple(values["acr_values"])
        values["contexts"] = tuple(values.get("contexts", ()))
        values["prompt"] = frozenset(values["prompt"])
        return AuthorizeRequest(**values)


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    return list(value) if isinstance(value, tuple) else value
