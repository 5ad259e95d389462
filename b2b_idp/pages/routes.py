"""The routes that a guest's browser visits: parse, call the sign-in, render."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from flask import Blueprint, Response, redirect, request, send_from_directory
from markupsafe import Markup

from b2b_idp.keys.vault import Vault
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.url import origin_of
from b2b_idp.pages.errors import STATUS, title_of
from b2b_idp.pages.render import Pages, content_security_policy
from b2b_idp.signin import SignIn
from b2b_idp.signin.values import AtStep, Browser, Conclude, GoTo, Landed, Refused, Show, ShowPage
from b2b_idp.store import Store
from b2b_idp.store.configuration import Configuration

MAX_FORM = 64 * 1024
_FIELDS = ("email", "code", "decline", "other", "method", "resend")

# browsers judge the redirect after a POST by form-action too, and it may lead to any home or app
WAYS_ON = ("'self'", "https:", "http://127.0.0.1:*", "http://localhost:*")


@dataclass(frozen=True, slots=True, kw_only=True)
class PagesParts:
    """What the pages need; wired by the extension."""

    issuer: str
    store: Store
    signin: SignIn
    vault: Vault
    pages: Pages
    moment: Callable[[], Moment]
    browser: Callable[[], Browser]
    set_session: Callable[[Response, str | None], None]


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
                return _see_other(url)
            case Conclude(id=id):
                return _see_other(f"{issuer}/resume/{id}")
            case AtStep(id=id):
                return _see_other(f"{issuer}/signin/{id}")
            case Refused():
                again = [(f"{issuer}/signin/{show.id}", "Try again")] if show.id else []
                return self.error(show.problem, show.correlation_id, way_forward=again)
            case Landed(url=url, session_id=session_id):
                response = _see_other(url or f"{issuer}/me")
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

    def logout(self, action: str, csrf: str, client_name: str | None, correlation_id: str) -> Response:
        """Asks whether the guest really wants to sign out."""
        html = self._parts.pages.page(
            "logout", action=action, csrf=csrf, client_name=client_name, correlation_id=correlation_id
        )
        return self.html(html, "logout", form_action=WAYS_ON)

    def signed_out(self, return_link: str | None, correlation_id: str) -> Response:
        with self._parts.store.read() as r:
            organisation = r.configuration.tenant.name
        html = self._parts.pages.page(
            "signed-out", organisation=organisation, return_link=return_link, correlation_id=correlation_id
        )
        return self.html(html, "signed-out")

    def html(self, html: str, name: str, status: int = 200, form_action: Sequence[str] = ("'self'",)) -> Response:
        response = Response(html, status, content_type="text/html; charset=utf-8")
        response.headers["Content-Security-Policy"] = content_security_policy(name, form_action)
        return response


def csrf_token(vault: Vault, signin_id: str, version: int, browser: Browser) -> str:
    """The form's token: names the version of the sign-in that the page shows, bound to sign-in and browser."""
    return f"{version}.{vault.token('csrf', signin_id, str(version), browser.key.hex())}"


def _version_of(vault: Vault, signin_id: str, token: str, browser: Browser) -> int:
    version, _, _ = token.partition(".")
    if not version.isascii() or not version.isdigit() or len(version) > 9:
        raise _forged("no csrf token")
    if csrf_token(vault, signin_id, int(version), browser) != token:
        raise _forged("wrong csrf token")
    return int(version)


def check_origin(issuer: str) -> None:
    """Raises Problem(FORGED_FORM) when the browser says that the form came from elsewhere; silence is no error."""
    origin = request.headers.get("Origin")
    if origin is not None and origin != origin_of(issuer):
        raise _forged(f"the form came from {origin[:200]}")
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise _forged("the form came from another site")
    if request.mimetype != "application/x-www-form-urlencoded":
        raise _forged("not a form")


def _forged(why: str) -> Problem:
    return Problem(
        Code.FORGED_FORM,
        "This form did not come from this page. Please go back, reload the page and try again.",
        why,
    )


def _see_other(url: str) -> Response:
    response = redirect(url, 303, Response)
    assert isinstance(response, Response)
    return response


def pages_blueprint(parts: PagesParts, renderer: Renderer, name: str) -> Blueprint:
    """All routes of a guest's browser but those of the OpenID provider."""
    blueprint = Blueprint(f"{name}_pages", __name__)
    static = Path(__file__).parent / "static"

    @blueprint.get("/signin/<uuid:id>")
    def look(id: object) -> Response:
        return renderer.show(parts.signin.look(str(id), parts.browser(), parts.moment()))

    @blueprint.post("/signin/<uuid:id>")
    def answer(id: object) -> Response:
        check_origin(parts.issuer)
        browser = parts.browser()
        if (request.content_length or 0) > MAX_FORM:
            raise Problem(Code.BODY_TOO_LARGE, "The form is too large.")
        version = _version_of(parts.vault, str(id), request.form.get("csrf", ""), browser)
        form = {f: request.form[f] for f in _FIELDS if f in request.form}
        return renderer.show(parts.signin.answer(str(id), version, form, browser, parts.moment()))

    @blueprint.get("/federation/<uuid:tenant_id>/callback")
    def callback(tenant_id: object) -> Response:
        query = {k: v[0] for k, v in request.args.lists() if len(v) == 1}
        if any(len(v) > 1 for _, v in request.args.lists()):
            raise Problem(
                Code.HOME_ANSWER_REFUSED,
                "Your organisation's answer could not be read. Please start again at the app.",
                "a parameter stands twice in the home's answer",
            )
        return renderer.show(parts.signin.home_answered(str(tenant_id), query, parts.browser(), parts.moment()))

    @blueprint.get("/redeem")
    def redeem() -> Response:
        ticket = request.args.get("ticket", "")
        return renderer.show(parts.signin.begin_redemption(ticket, parts.browser(), parts.moment()))

    @blueprint.get("/me")
    def me() -> Response:
        return _me(parts, renderer)

    @blueprint.get("/static/<path:file>")
    def static_file(file: str) -> Response:
        response = send_from_directory(static, file, max_age=3600)
        response.direct_passthrough = False
        return response

    @blueprint.get("/favicon.ico")
    def favicon() -> Response:
        return static_file("favicon.svg")

    return blueprint


def _me(parts: PagesParts, renderer: Renderer) -> Response:
    """The guest's own page: who they are here, and the apps they can open."""
    browser, moment = parts.browser(), parts.moment()
    with parts.store.read() as r:
        session = r.signins.session(browser.session_id) if browser.session_id else None
        user = r.users.by_id(session.user_id) if session else None
        if session is None or user is None or session.ended_at is not None or moment.at >= session.expires_at:
            raise Problem(Code.LOGIN_REQUIRED, "You are not signed in. Open one of your apps to sign in.")
        configuration: Configuration = r.configuration
        home = configuration.homes.get(user.home_tenant_id or "")
        groups = r.apps.groups_of(user.id)
        apps = [
            (_start_of(row.application), row.application["displayName"])
            for row in r.apps.rows()
            if (row.application.get("web") or {}).get("redirectUris")
            and (
                not row.service_principal.get("appRoleAssignmentRequired")
                or r.apps.role_ids(row.sp_id, [user.id, *groups])
            )
        ]
    html = parts.pages.page(
        "me",
        display_name=user.display_name,
        email=user.proved_mail or user.mail or "",
        home_name=home.display_name if home else None,
        signed_in_at=session.created_at,
        apps=apps,
        sign_out_link=f"{parts.issuer}/logout",
        correlation_id=moment.new_id(),
    )
    return renderer.html(html, "me")


def _start_of(application: object) -> str | None:
    """Where an app begins: its home page."""
    web = application.get("web") or {} if isinstance(application, dict) else {}
    home = web.get("homePageUrl")
    return home if isinstance(home, str) and urlsplit(home).scheme in ("https", "http") else None
