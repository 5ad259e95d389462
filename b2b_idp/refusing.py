"""What goes wrong, answered in the shape that who asked can read: a page, or what Graph and OAuth have for it."""

from __future__ import annotations

from collections.abc import Callable

from flask import Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from b2b_idp.graph.errors import error_response
from b2b_idp.hooks import Hooks
from b2b_idp.logs import correlation, log, traceback_of
from b2b_idp.model.problem import Code, Problem
from b2b_idp.openid import FOR_MACHINES
from b2b_idp.openid.responses import cors, token_error
from b2b_idp.pages.routes import Renderer


def as_pages(renderer: Renderer) -> Callable[[Exception], Response | HTTPException]:
    """A handler of exceptions: each becomes a page with the number under which it was logged."""

    def handle(e: Exception) -> Response | HTTPException:
        correlation_id = correlation()
        if isinstance(e, Problem):
            _log_problem(e, correlation_id)
            return renderer.error(e, correlation_id)
        if isinstance(e, HTTPException):
            if e.code is not None and e.code < 400:
                return e
            problem = Problem(
                Code.NOT_FOUND if e.code == 404 else Code.INVALID_REQUEST,
                "There is no such page here." if e.code == 404 else "This request could not be read.",
            )
            return renderer.error(problem, correlation_id, status=e.code)
        _log_defect(e, correlation_id)
        return renderer.error(
            Problem(
                Code.INTERNAL,
                "Something went wrong on our side. Please try again; if it happens again, tell the person who "
                "invited you the number below.",
            ),
            correlation_id,
        )

    return handle


def unrouted(renderer: Renderer, hooks: Hooks, prefix: str, *, alone: bool) -> Callable[[], Response | None]:
    """What no route of ours takes, answered in the shape of its neighbours: Graph's, OAuth's, or a page. `prefix` is of
    our paths; `alone`: all others are ours too."""
    page, below = as_pages(renderer), "" if alone else prefix + "/"

    def answer() -> Response | None:
        e = request.routing_exception
        if not isinstance(e, NotFound | MethodNotAllowed) or not request.path.startswith(below):
            return None
        hooks.begin()
        path, wrong_method = request.path.removeprefix(prefix), isinstance(e, MethodNotAllowed)
        problem = Problem(Code.METHOD_NOT_ALLOWED, "This address does not take this method.")
        if wrong_method and path.startswith(("/v1.0/", "/beta/")):
            response = error_response(problem, hooks.moment())
        elif wrong_method and (path in FOR_MACHINES or path.startswith("/register/")):
            response = cors(token_error(problem))
        else:
            shown = page(e)
            assert isinstance(shown, Response)
            response = shown
        if isinstance(e, MethodNotAllowed):
            response.headers["Allow"] = ", ".join(sorted(e.valid_methods or ()))
        return hooks.after(response)

    return answer


def _log_problem(problem: Problem, correlation_id: str) -> None:
    log.info("refused", code=problem.code.value, why=problem.why or problem.say, correlation_id=correlation_id)


def _log_defect(e: Exception, correlation_id: str) -> None:
    log.error("internal error", error=type(e).__name__, correlation_id=correlation_id, exception=traceback_of(e))
