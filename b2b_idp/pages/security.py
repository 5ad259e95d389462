"""The person's security page: how they confirm that it is them, and what they may change about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response, request

from b2b_idp.pages.forms import check_origin, check_token
from b2b_idp.pages.me import PersonPages
from b2b_idp.pages.render import WAYS_ON
from b2b_idp.signin import account, security
from b2b_idp.signin.facts import TaskKind
from b2b_idp.signin.flow.begin import begin_task

if TYPE_CHECKING:
    from b2b_idp.pages.routes import PagesParts, Renderer


def security_routes(blueprint: Blueprint, parts: PagesParts, renderer: Renderer) -> None:
    page = _SecurityPage(parts, renderer)
    blueprint.get("/me/security")(page.overview)
    blueprint.get("/me/security/<uuid:id>")(page.one)
    for kind in TaskKind:
        blueprint.add_url_rule(
            f"/me/security/{kind}", f"security_{kind}", page.change, methods=["POST"], defaults={"kind": kind}
        )


class _SecurityPage(PersonPages):
    def overview(self) -> Response:
        browser, moment = self._parts.browser(), self._parts.moment()
        with self._parts.store.read() as r:
            session, user = account.signed_in(r, browser, moment.at)
            info = security.security_info(r, user)
        html = self._parts.pages.page(
            "me-security",
            me=self._me,
            csrf=self._token(session, browser),
            info=info,
            done=request.args.get("done"),
            correlation_id=moment.new_id(),
        )
        return self._renderer.html(html, "me-security", form_action=WAYS_ON)

    def one(self, id: object) -> Response:
        browser, moment = self._parts.browser(), self._parts.moment()
        with self._parts.store.read() as r:
            session, user = account.signed_in(r, browser, moment.at)
            factor = security.factor_of(r, user, str(id))
            last = len(r.factors.registered(user.id)) == 1
        html = self._parts.pages.page(
            "me-factor",
            me=self._me,
            csrf=self._token(session, browser),
            factor=factor,
            last=last,
            correlation_id=moment.new_id(),
        )
        return self._renderer.html(html, "me-factor", form_action=WAYS_ON)

    def change(self, kind: TaskKind) -> Response:
        check_origin(self._parts.issuer)
        browser, moment = self._parts.browser(), self._parts.moment()
        with self._parts.store.read() as r:
            session, user = account.signed_in(r, browser, moment.at)
        check_token(self._token(session, browser))
        form = request.form
        task = security.task_of(kind, user, form.get("factor", ""), form.get("name", ""))
        return self._renderer.show(begin_task(self._parts.signin, task, browser, moment))
