"""The routes that a guest's browser visits: parse, call the sign-in, render."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from flask import Blueprint, Response, request, send_from_directory
from markupsafe import Markup

from b2b_idp.cookies import held_back
from b2b_idp.keys.vault import Vault
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.url import origin_of
from b2b_idp.pages.errors import STATUS, title_of
from b2b_idp.pages.forms import check_origin, check_size, forged
from b2b_idp.pages.me import me_routes
from b2b_idp.pages.render import WAYS_ON, Pages, content_security_policy
from b2b_idp.pages.security import security_routes
from b2b_idp.redirecting import see_other
from b2b_idp.signin import SignInParts
from b2b_idp.signin.devices import Asked
from b2b_idp.signin.flow.answer import answer
from b2b_idp.signin.flow.begin import begin_redemption
from b2b_idp.signin.flow.home_answered import home_answered
from b2b_idp.signin.flow.look import look
from b2b_idp.signin.home_logout import WayHome
from b2b_idp.signin.values import (
    AtStep,
    Browser,
    Conclude,
    GoTo,
    Granted,
    Landed,
    LogoutFrame,
    Refused,
    Show,
    ShowPage,
)
from b2b_idp.store import Store

_ANSWER = ("state", "iss", "code", "error")
"""What is read of a home's answer (RFC 6749 §4.1.2, RFC 9207)."""
_FIELDS = ("email", "code", "credential", "name", "decline", "terms", "other", "method", "resend")


@dataclass(frozen=True, slots=True, kw_only=True)
class PagesParts:
    """What the pages need; wired by the extension."""

    issuer: str
    store: Store
    signin: SignInParts
    vault: Vault
    pages: Pages
    moment: Callable[[], Moment]
    browser: Callable[[], Browser]
    set_session: Callable[..., None]
    granted: Callable[[Granted], Response]
    """How the OpenID side tells an app."""


class Renderer:
    """Values of the sign-in → responses. Also the error page for the OpenID side."""

    def __init__(self, parts: PagesParts) -> None:
        self._parts = parts

    def show(self, show: Show | Landed) -> Response:
        """The response for what the sign-in answered."""
        issuer = self._parts.issuer
        match show:
            case ShowPage():
                return self._page(show)
            case GoTo(url=url):
                return see_other(url)
            case Conclude(id=id):
                return see_other(f"{issuer}/resume/{id}")
            case AtStep(id=id):
                return see_other(f"{issuer}/signin/{id}")
            case Refused():
                proof = show.problem.code is Code.REGISTRATION_NEEDS_PROOF
                label = "I have a one-time pass" if proof else "Try again"
                again = [(f"{issuer}/signin/{show.id}", label)] if show.id else []
                return self.error(show.problem, show.correlation_id, way_forward=again)
            case Landed(url=url, session_id=session_id):
                response = see_other(url or f"{issuer}/me?from=invitation")
                self._parts.set_session(response, session_id)
                return response

    def _page(self, show: ShowPage) -> Response:
        context = dict(show.context)
        if "qr_svg" in context:
            context["qr_svg"] = Markup(context["qr_svg"])  # noqa: S704 - drawn by segno from our own values
        html = self._parts.pages.page(
            show.name,
            action=f"{self._parts.issuer}/signin/{show.id}",
            csrf=csrf_token(self._parts.vault, show.id, show.version, self._parts.browser()),
            correlation_id=show.correlation_id,
            **context,
        )
        return self.html(html, show.name, form_action=WAYS_ON)

    def error(
        self,
        problem: Problem,
        correlation_id: str,
        status: int | None = None,
        way_forward: list[tuple[str, str]] | None = None,
    ) -> Response:
        """The error page: plain words, what to do next, the correlation id."""
        html = self._parts.pages.page(
            "error",
            code=problem.code.value,
            title=title_of(problem.code),
            say=problem.say,
            correlation_id=correlation_id,
            way_forward=way_forward or [],
        )
        response = self.html(html, "error", status or STATUS[problem.code])
        if problem.retry_after is not None:
            response.headers["Retry-After"] = str(max(1, int(problem.retry_after.total_seconds())))
        return response

    def form_post(self, uri: str, fields: Mapping[str, str]) -> Response:
        """The authorization response as a form that sends itself (OAuth 2.0 Form Post Response Mode)."""
        html = self._parts.pages.page("form-post", action=uri, fields=fields)
        return self.html(html, "form-post", form_action=(origin_of(uri),))

    def send_again(self, uri: str, fields: Mapping[str, str]) -> Response:
        """A form of another site, sent once more from here, so that the browser's cookies come with it."""
        html = self._parts.pages.page("form-post", action=uri, fields=fields)
        return self.html(html, "form-post", form_action=WAYS_ON)

    def logout(self, action: str, csrf: str, client_name: str | None, correlation_id: str) -> Response:
        """Asks whether the guest really wants to sign out."""
        html = self._parts.pages.page(
            "logout", action=action, csrf=csrf, client_name=client_name, correlation_id=correlation_id
        )
        return self.html(html, "logout", form_action=WAYS_ON)

    def device(
        self,
        *,
        step: Literal["code", "confirm", "approved", "denied"],
        action: str,
        csrf: str,
        error: str | None,
        asked: Asked | None,
        correlation_id: str,
    ) -> Response:
        """Where a device's code is typed, and its guest says yes or no (RFC 8628 §3.3)."""
        html = self._parts.pages.page(
            "device", step=step, action=action, csrf=csrf, error=error, asked=asked, correlation_id=correlation_id
        )
        return self.html(html, "device", form_action=WAYS_ON)

    def signed_out(
        self,
        correlation_id: str,
        *,
        restorable_until: datetime | None = None,
        frames: Sequence[LogoutFrame] = (),
        home: WayHome | None = None,
        go_on: str | None = None,
        ended_at: str | None = None,
    ) -> Response:
        """The session is over; with `restorable_until`, because the guest left the organisation. `frames` tell apps,
        then the browser goes on to `go_on`; `home` is offered to be signed out of, `ended_at` names one that was."""
        with self._parts.store.read() as r:
            organisation = r.configuration.tenant.name
        html = self._parts.pages.page(
            "signed-out",
            organisation=organisation,
            restorable_until=restorable_until,
            frames=frames,
            home=home,
            go_on=go_on,
            ended_at=ended_at,
            correlation_id=correlation_id,
        )
        framed = sorted({origin_of(f.url) for f in frames})
        return self.html(html, "signed-out", frames=framed)

    def html(
        self,
        html: str,
        name: str,
        status: int = 200,
        form_action: Sequence[str] = ("'self'",),
        frames: Sequence[str] = (),
    ) -> Response:
        response = Response(html, status, content_type="text/html; charset=utf-8")
        response.headers["Content-Security-Policy"] = content_security_policy(name, form_action, frames)
        return response


def csrf_token(vault: Vault, signin_id: str, version: int, browser: Browser) -> str:
    """The form's token: names the version of the sign-in that the page shows, bound to sign-in and browser."""
    return f"{version}.{vault.token('csrf', signin_id, str(version), browser.key.hex())}"


def _version_of(vault: Vault, signin_id: str, token: str, browser: Browser) -> int:
    version, _, _ = token.partition(".")
    if not version.isascii() or not version.isdigit() or len(version) > 9:
        raise forged("no csrf token")
    if csrf_token(vault, signin_id, int(version), browser) != token:
        raise forged("wrong csrf token")
    return int(version)


def _home_said() -> dict[str, str]:
    """The parameters of a home's answer, in the address or as a form (OAuth 2.0 Form Post Response Mode)."""
    if request.method == "POST":
        check_size()
    lists = list((request.form if request.method == "POST" else request.args).lists())
    if any(len(values) > 1 for _, values in lists):
        raise Problem(
            Code.HOME_ANSWER_REFUSED,
            "Your organisation's answer could not be read. Please start again at the app.",
            "a parameter stands twice in the home's answer",
        )
    return {name: values[0] for name, values in lists if name in _ANSWER}


def pages_blueprint(parts: PagesParts, renderer: Renderer, name: str) -> Blueprint:
    """All routes of a guest's browser but those of the OpenID provider."""
    blueprint = Blueprint(f"{name}_pages", __name__)
    static = Path(__file__).parent / "static"

    @blueprint.get("/signin/<uuid:id>")
    def step(id: object) -> Response:
        return renderer.show(look(parts.signin, str(id), parts.browser(), parts.moment()))

    @blueprint.post("/signin/<uuid:id>")
    def answered(id: object) -> Response:
        check_origin(parts.issuer)
        browser = parts.browser()
        version = _version_of(parts.vault, str(id), request.form.get("csrf", ""), browser)
        form = {f: request.form[f] for f in _FIELDS if f in request.form}
        return renderer.show(answer(parts.signin, str(id), version, form, browser, parts.moment()))

    @blueprint.route("/federation/<uuid:tenant_id>/callback", methods=["GET", "POST"])
    def callback(tenant_id: object) -> Response:
        said = _home_said()
        if held_back():
            return renderer.send_again(f"{parts.issuer}/federation/{tenant_id}/callback", said)
        came_to = home_answered(parts.signin, str(tenant_id), said, parts.browser(), parts.moment())
        return parts.granted(came_to) if isinstance(came_to, Granted) else renderer.show(came_to)

    @blueprint.get("/redeem")
    def redeem() -> Response:
        ticket = request.args.get("ticket", "")
        return renderer.show(begin_redemption(parts.signin, ticket, parts.browser(), parts.moment()))

    me_routes(blueprint, parts, renderer)
    security_routes(blueprint, parts, renderer)

    @blueprint.get("/static/<path:file>")
    def static_file(file: str) -> Response:
        response = send_from_directory(static, file, max_age=3600)
        response.direct_passthrough = False
        return response

    @blueprint.get("/favicon.ico")
    def favicon() -> Response:
        return static_file("favicon.svg")

    return blueprint
