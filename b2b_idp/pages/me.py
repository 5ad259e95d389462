"""The person's own page: who they are here, what they can open and undo, and the guests they answer for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from flask import Blueprint, Response, request

from b2b_idp.model.directory import User
from b2b_idp.model.problem import Code, Problem
from b2b_idp.pages.forms import check_origin, check_token
from b2b_idp.redirecting import see_other
from b2b_idp.signin import account, security
from b2b_idp.signin.values import Browser
from b2b_idp.store import Writer
from b2b_idp.store.signins import SessionRow

if TYPE_CHECKING:
    from b2b_idp.pages.routes import PagesParts, Renderer

_ANSWERS = {"needed": account.still_needed, "not-needed": account.not_needed}


def me_routes(blueprint: Blueprint, parts: PagesParts, renderer: Renderer) -> None:
    page = _Page(parts, renderer)
    blueprint.get("/me")(page.show)
    blueprint.get("/me/leave")(page.ask_to_leave)
    blueprint.post("/me/leave")(page.leave)
    blueprint.post("/me/consents")(page.withdraw)
    blueprint.post("/me/guests")(page.answer_for)
    blueprint.post("/me/passes")(page.give_pass)


T = TypeVar("T")


class PersonPages:
    """What the pages of the signed-in person have in common."""

    def __init__(self, parts: PagesParts, renderer: Renderer) -> None:
        self._parts, self._renderer = parts, renderer
        self._me = f"{parts.issuer}/me"

    def _form(self, do: Callable[[Writer, User], T]) -> T:
        """Does what a form asks that the signed-in person sent from one of these pages, in one writing transaction."""
        check_origin(self._parts.issuer)
        browser = self._parts.browser()

        def step(w: Writer) -> T:
            session, user = account.signed_in(w, browser, self._parts.moment().at)
            check_token(self._token(session, browser))
            return do(w, user)

        return self._parts.store.transact(step)

    def _token(self, session: SessionRow, browser: Browser) -> str:
        return self._parts.vault.token("csrf-me", session.id, browser.key.hex())


class _Page(PersonPages):
    def show(self) -> Response:
        browser, moment = self._parts.browser(), self._parts.moment()
        with self._parts.store.read() as r:
            session, user = account.signed_in(r, browser, moment.at)
            mine = account.account_of(r, session, user, moment.at)
            unsent = account.unsent_address(r, user) if request.args.get("from") == "invitation" else None
        html = self._parts.pages.page(
            "me",
            me=self._me,
            csrf=self._token(session, browser),
            account=mine,
            done=request.args.get("done"),
            unsent_address=None if unsent == self._me else unsent,
            sign_out_link=f"{self._parts.issuer}/logout",
            correlation_id=moment.new_id(),
        )
        return self._renderer.html(html, "me")

    def ask_to_leave(self) -> Response:
        browser, moment = self._parts.browser(), self._parts.moment()
        with self._parts.store.read() as r:
            session, user = account.signed_in(r, browser, moment.at)
            account.check_may_leave(r, user, moment.at)
        html = self._parts.pages.page(
            "me-leave", me=self._me, csrf=self._token(session, browser), correlation_id=moment.new_id()
        )
        return self._renderer.html(html, "me-leave")

    def leave(self) -> Response:
        moment = self._parts.moment()
        until = self._form(lambda w, user: account.leave(w, user, moment))
        response = self._renderer.signed_out(moment.new_id(), restorable_until=until)
        self._parts.set_session(response, None)
        return response

    def withdraw(self) -> Response:
        app, moment = request.form.get("app", ""), self._parts.moment()
        self._form(lambda w, user: account.withdraw(w, user, app, moment))
        return see_other(f"{self._me}?done=withdrawn")

    def answer_for(self) -> Response:
        given = request.form.get("answer", "")
        guest, moment = request.form.get("guest", ""), self._parts.moment()

        def answer(w: Writer, user: User) -> None:
            if given not in _ANSWERS:
                raise Problem(Code.INVALID_REQUEST, "Say whether the guest is still needed.")
            _ANSWERS[given](w, user, guest, moment)

        self._form(answer)
        return see_other(f"{self._me}?done={given}")

    def give_pass(self) -> Response:
        moment = self._parts.moment()
        browser = self._parts.browser()

        def give(w: Writer, user: User) -> tuple[User, datetime, str]:
            session, _ = account.signed_in(w, browser, moment.at)
            security.check_confirmed(w, session, user, browser.ip_address, moment)
            return account.give_pass(w, self._parts.vault, user, request.form.get("guest", ""), moment)

        guest, until, code = self._form(give)
        html = self._parts.pages.page(
            "me-pass", me=self._me, guest=guest, until=until, code=code, correlation_id=moment.new_id()
        )
        return self._renderer.html(html, "me-pass")
