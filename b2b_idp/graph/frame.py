"""The frame of every Graph route: who calls, may they, in one transaction, audited, answered in Graph's shape."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import NoReturn

from flask import Blueprint, Response, jsonify, request
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException

from b2b_idp.graph import position
from b2b_idp.graph.api import Answer, Call, GraphParts, Handler, Route
from b2b_idp.graph.audit import entry
from b2b_idp.graph.errors import client_request_id, error_response, request_id
from b2b_idp.graph.objects import CASTS
from b2b_idp.graph.possession import presented
from b2b_idp.guests.membership import settle
from b2b_idp.guests.roles import implied, permissions_of
from b2b_idp.logs import log, traceback_of
from b2b_idp.model.authorization import GUEST_RESTRICTED
from b2b_idp.model.moment import Moment
from b2b_idp.model.position import Position
from b2b_idp.model.problem import Code, Problem
from b2b_idp.store import Reader, Writer
from b2b_idp.throttle import Throttle
from b2b_idp.tokens.bearer import Caller, read_bearer

View = Callable[..., Response]

_METHODS = frozenset({"GET", "POST", "PATCH", "PUT", "DELETE"})
_ENTITY_TAGS = re.compile(r'\*|(W/)?"[!#-~]*"(\s*,\s*(W/)?"[!#-~]*")*')
"""RFC 9110 §8.8.3."""
REPEATED_WITHIN = timedelta(minutes=10)
"""How long a repeated client-request-id gets the first answer again."""
_NOT_AUDITED = (
    Code.UNAUTHENTICATED,
    Code.INVALID_TOKEN,
    Code.INVALID_DPOP_PROOF,
    Code.UNAVAILABLE,
    Code.TOO_MANY_REQUESTS,
)


def mount(blueprint: Blueprint, parts: GraphParts, routes: list[Route]) -> None:
    """Mounts the table: one rule a path, whose methods share it. Keys may stand in brackets, as OData writes them."""
    throttle = Throttle(parts.requests)
    paths: dict[str, dict[str, Route]] = {}
    for route in spread(routes):
        paths.setdefault(route.path, {})[route.method] = route
    for number, (path, methods) in enumerate(paths.items()):
        views = {name: _view(parts, throttle, route, methods.get("GET")) for name, route in methods.items()}
        for spelling, rule in enumerate(_spellings(path)):
            view = _by_method(views) if "(appId=" not in rule else _by_app_id(_by_method(views))
            blueprint.add_url_rule(rule, f"p{number}_{spelling}", view, methods=_METHODS)

    def unknown(_path: str = "") -> NoReturn:
        raise Problem(Code.NOT_FOUND, "There is no such resource in this API.")

    frame(blueprint, parts, unknown)


def frame(blueprint: Blueprint, parts: GraphParts, unknown: Callable[..., NoReturn]) -> None:
    """Errors in Graph's shape, its headers, and `unknown` for every address that no route has."""
    blueprint.register_error_handler(Exception, lambda e: _failed(parts, e))
    blueprint.after_request(_headers)
    blueprint.add_url_rule("/", "root", unknown, methods=_METHODS)
    blueprint.add_url_rule("/<path:_path>", "unknown", unknown, methods=_METHODS)


def spread(routes: list[Route]) -> list[Route]:
    """The table with all that follows from it: `/me`, casts, `$count`."""
    mine = [*routes, *_below_me(routes)]
    mine += _casts(mine)
    return [*mine, *_counts(mine)]


def _below_me(routes: list[Route]) -> list[Route]:
    """`/me`: the routes that people may use for themselves."""
    start = "/users/<key>"
    return [replace(r, path="/me" + r.path.removeprefix(start)) for r in routes if r.own and r.path.startswith(start)]


def _casts(routes: list[Route]) -> list[Route]:
    """`…/members/graph.user`: a collection of directory objects narrowed to one type; `microsoft.graph.user` too."""
    collections = [r for r in routes if r.gives == "directoryObject[]" and r.method == "GET"]
    return [
        replace(r, path=f"{r.path}/{namespace}.{kind}", handler=_narrowed(r.handler, kind), gives=f"{kind}[]")
        for r in collections
        for kind in CASTS
        for namespace in ("graph", "microsoft.graph")
    ]


def _narrowed(handler: Handler, kind: str) -> Handler:
    def narrow(call: Call, **ids: str) -> Answer:
        call.cast = f"#microsoft.graph.{kind}"
        return handler(call, **ids)

    return narrow


def _counts(routes: list[Route]) -> list[Route]:
    """`…/$count`: how many rows a collection has, as plain text."""
    collections = [r for r in routes if (r.gives or "").endswith("[]") and r.method == "GET" and "delta" not in r.path]
    return [replace(r, path=r.path + "/$count", handler=_counted(r.handler), gives=None) for r in collections]


def _counted(handler: Handler) -> Handler:
    def count(call: Call, **ids: str) -> Answer:
        call.args = MultiDict([*call.args.items(multi=True), ("$count", "true"), ("$top", "1")])
        answer = handler(call, **ids)
        assert isinstance(answer, dict)
        return str(answer["@odata.count"])

    return count


def _spellings(path: str) -> list[str]:
    """`/users/<key>/x` and `/users('<key>')/x`; applications also by their appId."""
    found = [path]
    collection, bracket, rest = path.partition("/<")
    if bracket and collection.count("/") == 1:
        name, _, after = rest.partition(">")
        found.append(f"{collection}('<{name}>'){after}")
        if collection in ("/applications", "/servicePrincipals"):
            found.append(f"{collection}(appId='<{name}>'){after}")
        if collection == "/directoryRoles":
            found.append(f"{collection}(roleTemplateId='<{name}>'){after}")
            found.append(f"{collection}/roleTemplateId=<{name}>{after}")
    return found


def _by_method(views: Mapping[str, View]) -> View:
    names = ", ".join(sorted(views))

    def view(**ids: str) -> Response:
        chosen = views.get("GET" if request.method == "HEAD" else request.method)
        if chosen is None:
            raise Problem(Code.METHOD_NOT_ALLOWED, f"This resource takes {names}.", details={"allow": names})
        return chosen(**ids)

    return view


def _by_app_id(view: View) -> View:
    """The alternate key of applications and service principals; `apps.find_app` reads it."""
    return lambda id, **more: view(id=f"appId={id}", **more)


def _view(parts: GraphParts, throttle: Throttle, route: Route, getter: Route | None) -> View:
    def view(**ids: str) -> Response:
        moment, wanted, counted = parts.moment(), _wanted(parts), False
        presented(parts)
        if route.activity is None:

            def look(r: Reader) -> Response:
                nonlocal counted
                call = _authorise(parts, None if counted else throttle, route, r, moment, ids)
                counted = True
                if isinstance(wanted, Problem):
                    raise wanted
                return _answered(call, route.handler(call, **ids))

            if isinstance(wanted, Problem):
                with parts.store.read() as r:
                    return look(r)
            return parts.store.lately(look, wanted)

        def write(w: Writer) -> Response:
            nonlocal counted
            call = _authorise(parts, None if counted else throttle, route, w, moment, ids)
            counted = True
            if isinstance(wanted, Problem):
                raise wanted
            key = _answer_key(call, route)
            earlier = w.directory.answer(key, moment.at - REPEATED_WITHIN) if key else None
            if earlier is not None:
                return _again(parts, *earlier)
            _check_precondition(call, getter, ids)
            answer = route.handler(call, **ids)
            w.logs.add_audit(entry(call, route, None), moment.at)
            settle(w, moment)
            response = _answered(call, answer)
            if key and response.status_code == 201:
                sealed = parts.vault.seal(response.get_data(), "answers")
                w.directory.keep_answer(key, response.status_code, sealed, moment.at)
            return response

        try:
            response = parts.store.transact(write)
        except Problem as problem:
            _audit_refusal(parts, route, moment, problem)
            raise
        here = parts.store.position()
        if here is not None:
            response.headers[position.GIVEN] = position.written(parts.vault, here)
        return response

    return view


def _wanted(parts: GraphParts) -> Position | Problem | None:
    """What the caller has to see at least. A position that we never gave is refused once we know who calls."""
    text = request.headers.get(position.WANTED)
    if text is None:
        return None
    try:
        wanted = position.read(parts.vault, text)
    except Problem as problem:
        return problem
    return position.not_ours() if parts.store.is_future(wanted) else wanted


def _authorise(
    parts: GraphParts, throttle: Throttle | None, route: Route, r: Reader, moment: Moment, ids: dict[str, str]
) -> Call:
    """`throttle` is None where the request was counted: its transaction is run again."""
    call = called(parts, r, moment)
    if throttle is not None:
        throttle.check(call.caller.app_id, moment)
    if route.path.startswith("/me"):
        if call.user is None:
            raise Problem(Code.BAD_REQUEST, "/me is for apps that act for a person: send a delegated token.")
        ids["key"] = call.user.id
    if not call.permits(*route.permissions) and not _exempt(call, route, ids):
        raise Problem(
            Code.FORBIDDEN,
            "Insufficient privileges to complete the operation. It needs one of: " + ", ".join(route.permissions),
            f"the caller has: {', '.join(sorted(call.permissions)) or 'nothing'}",
        )
    return call


def called(parts: GraphParts, r: Reader, moment: Moment) -> Call:
    """Who calls, and what they may do. Raises Problem(UNAUTHENTICATED | INVALID_TOKEN | FORBIDDEN)."""
    caller = read_bearer(r, parts.keys, presented(parts), parts.issuer, moment)
    if caller.user_id is None:
        return Call(parts=parts, caller=caller, moment=moment, w=r, permissions=implied(caller.roles))
    return _for_person(parts, r, caller, moment)


def _for_person(parts: GraphParts, r: Reader, caller: Caller, moment: Moment) -> Call:
    """An app acts within its scopes, and within what the person themselves may do."""
    user = r.users.by_id(caller.user_id or "")
    assert user is not None  # read_bearer found them
    roles = r.directory.roles_of(user.id, r.memberships.groups_of(user, moment.at))
    theirs = permissions_of(user, roles, r.configuration.authorization)
    permissions = implied(caller.scopes) & implied(theirs)
    if "User.Invite.All" not in theirs:
        permissions -= {"User.Invite.All"}
    return Call(parts=parts, caller=caller, moment=moment, w=r, permissions=permissions, user=user, roles=roles)


def _exempt(call: Call, route: Route, ids: Mapping[str, str]) -> bool:
    """Whether people may do it all the same: to themselves, or to groups that have them."""
    user = call.user
    if user is None:
        return False
    if route.own and not implied(call.caller.scopes).isdisjoint({*route.own, *route.permissions}):
        key = ids.get("key", "")
        if key.lower() in (user.id, user.upn.lower()):
            return True
    group = ids.get("id", "").lower()
    scoped = not implied(call.caller.scopes).isdisjoint(route.permissions)
    if route.owner and scoped and not user.is_guest and user.id in call.w.directory.related("groupOwner", group):
        return True
    limited = call.w.configuration.authorization.guest_user_role_id != GUEST_RESTRICTED
    return route.fellow and limited and scoped and group in call.w.memberships.groups_of(user, call.moment.at)


def _check_precondition(call: Call, getter: Route | None, ids: Mapping[str, str]) -> None:
    """If-Match (RFC 9110 §13.1.1): the change is made only to the state that the caller has seen."""
    wanted = request.headers.get("If-Match")
    if wanted is None or request.method not in ("PATCH", "DELETE") or getter is None:
        return
    if not _ENTITY_TAGS.fullmatch(wanted.strip()):
        raise Problem(Code.BAD_REQUEST, "If-Match is * or a list of entity tags.")
    seen = replace(call, targets=[], args=MultiDict())
    getter.handler(seen, **ids)
    if wanted.strip() != "*" and seen.etag not in [t.strip() for t in wanted.split(",")]:
        raise Problem(Code.PRECONDITION_FAILED, "The resource was changed since you read it. Read it again.")


def _answer_key(call: Call, route: Route) -> bytes | None:
    """What a repeated creation is known by: its caller, its client-request-id and everything that it says. None when
    the caller sends no such id."""
    id = request.headers.get("client-request-id", "")
    try:
        given = str(uuid.UUID(id))
    except ValueError:
        return None
    if route.method != "POST":
        return None
    caller, said = f"{call.caller.app_id}|{call.caller_id}", sha256(request.get_data()).hexdigest()
    return call.parts.vault.digest("answer", f"{caller}|{given}|{request.full_path}|{said}")


def _again(parts: GraphParts, status: int, sealed: bytes | None) -> Response:
    body = b"" if sealed is None else parts.vault.open(sealed, "answers")
    return Response(body, status, content_type="application/json" if body else None)


def _answered(call: Call, answer: Answer) -> Response:
    response = as_response(answer)
    if call.etag is not None and response.status_code == 200:
        response.headers["ETag"] = call.etag
        if request.method in ("GET", "HEAD") and call.etag in request.headers.get("If-None-Match", ""):
            return Response(status=304, headers={"ETag": call.etag})
    return response


def as_response(answer: Answer) -> Response:
    """An answer as it goes over the wire: JSON, or 204 without a body."""
    if isinstance(answer, str):
        return Response(answer, content_type="text/plain; charset=utf-8")
    body, status = answer if isinstance(answer, tuple) else (answer, 200 if answer is not None else 204)
    if body is None:
        return Response(status=status)
    response = jsonify(body)
    response.status_code = status
    return response


def _audit_refusal(parts: GraphParts, route: Route, moment: Moment, problem: Problem) -> None:
    """A refused attempt of an authenticated caller is in the audit log; of anybody else it is not."""
    if problem.code in _NOT_AUDITED:
        return
    parts.store.transact(lambda w: w.logs.add_audit(entry(called(parts, w, moment), route, problem), moment.at))


def _failed(parts: GraphParts, e: Exception) -> Response:
    moment = parts.moment()
    if isinstance(e, Problem):
        return error_response(e, moment)
    if isinstance(e, HTTPException):
        codes = {
            404: Code.NOT_FOUND,
            405: Code.METHOD_NOT_ALLOWED,
            413: Code.BODY_TOO_LARGE,
            415: Code.UNSUPPORTED_MEDIA_TYPE,
        }
        return error_response(Problem(codes.get(e.code or 500, Code.BAD_REQUEST), e.description or e.name), moment)
    log.error("internal error", error=type(e).__name__, request_id=request_id(), exception=traceback_of(e))
    return error_response(Problem(Code.INTERNAL, "Something went wrong on our side. Try again."), moment)


def _headers(response: Response) -> Response:
    response.headers["request-id"] = request_id()
    response.headers["client-request-id"] = client_request_id()
    response.headers.setdefault("Cache-Control", "no-store")
    return response
