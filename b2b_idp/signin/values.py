"""What the sign-in answers its edges with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from b2b_idp.model.access import Because, Counted
from b2b_idp.model.directory import App, User
from b2b_idp.model.home import Home
from b2b_idp.model.problem import Problem
from b2b_idp.model.request import AuthorizeRequest


@dataclass(frozen=True, slots=True)
class Browser:
    """Who is at the other end: the browser's own secret (its digest binds sign-ins), its session, where it came from.

    `key` is a keyed hash of the browser cookie; `session_id` names its session, already proven by its cookie.
    """

    key: bytes
    session_id: str | None = None
    ip_address: str = ""
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class ShowPage:
    """Render page `name` of sign-in `id`; forms post back `version`, so that each step is taken once."""

    id: str
    version: int
    correlation_id: str
    name: str
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GoTo:
    """Send the browser to a home tenant."""

    url: str


@dataclass(frozen=True, slots=True)
class Conclude:
    """Nothing is missing: the OpenID side concludes sign-in `id` at `/resume/<id>`."""

    id: str


@dataclass(frozen=True, slots=True)
class AtStep:
    """Show the present step of sign-in `id` at its own address."""

    id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The sign-in is over. `request` is set when the app is to be told (RFC 6749 §4.1.2.1), else a page says it."""

    problem: Problem
    correlation_id: str
    request: AuthorizeRequest | None = None
    id: str | None = None
    """The sign-in, when its guest may try again from its page."""


@dataclass(frozen=True, slots=True)
class LogoutFrame:
    """What a browser that signs out loads for one app (OpenID Connect Front-Channel Logout 1.0)."""

    app_name: str
    url: str


@dataclass(frozen=True, slots=True)
class Granted:
    """A grant was written; the OpenID side hands out its code. `session_id` is for the browser's session cookie, which
    is to outlive the browser's window if `persistent`."""

    request: AuthorizeRequest
    grant_id: str
    session_id: str
    persistent: bool = False
    app: App | None = None
    """The app that is granted something, where it was at hand."""


@dataclass(frozen=True, slots=True)
class Landed:
    """An invitation was redeemed from its link: go to `url`, or to the guest's own page when it leads to no app."""

    url: str | None
    session_id: str


Show = ShowPage | GoTo | Conclude | AtStep | Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A grant as it stands now: who, for which app, and what counts (all judged again at this moment)."""

    user: User
    app: App
    home: Home
    counted: Counted
    reasons: tuple[Because, ...]
    scope: tuple[str, ...]
    nonce: str | None
    session_id: str
    claims_request: Mapping[str, Any]
