"""What the OpenID side needs; wired by the extension."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from flask import Response

from b2b_idp.keys.ring import KeyRing
from b2b_idp.keys.vault import Vault
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Problem
from b2b_idp.signin import SignIn
from b2b_idp.signin.values import Browser, Landed, Show
from b2b_idp.store import Store


class Screen(Protocol):
    """The pages that the OpenID side shows; `pages` renders them."""

    def show(self, show: Show | Landed) -> Response: ...

    def error(self, problem: Problem, correlation_id: str, status: int | None = None) -> Response: ...

    def form_post(self, uri: str, fields: Mapping[str, str]) -> Response: ...

    def logout(self, action: str, csrf: str, client_name: str | None, correlation_id: str) -> Response: ...

    def signed_out(self, return_link: str | None, correlation_id: str) -> Response: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIdParts:
    issuer: str
    store: Store
    signin: SignIn
    keys: KeyRing
    vault: Vault
    moment: Callable[[], Moment]
    pages: Screen
    browser: Callable[[], Browser]
    set_session: Callable[[Response, str | None], None]


Pairs = Sequence[tuple[str, str]]
"""Parameters as they were sent, repeated ones and all."""


def once(pairs: Pairs) -> dict[str, str]:
    """Parameters by name, the empty ones left out (RFC 6749 §3.1); repeated ones are missing here: see `repeated`."""
    names = [k for k, _ in pairs]
    return {k: v for k, v in pairs if v and names.count(k) == 1}


def repeated(pairs: Pairs) -> set[str]:
    """Names that stand more than once, which RFC 6749 §3.1 forbids."""
    seen: set[str] = set()
    return {k for k, _ in pairs if k in seen or seen.add(k)}  # type: ignore[func-returns-value]
