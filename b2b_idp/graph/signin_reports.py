"""Reports over the sign-in log: MFA done twice, dead ends, step-up by home."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from b2b_idp.graph.api import Answer, Call, Route
from b2b_idp.graph.body import bad
from b2b_idp.graph.schemas import properties
from b2b_idp.model.problem import Problem
from b2b_idp.policy.documents import duration_of
from b2b_idp.signin import reports
from b2b_idp.store import Reader

LAST = "last"
"""The custom query option (OData 4.01 §11.2.1.2) that says how far a report looks back: an ISO 8601 duration."""
DEFAULT_LAST = "P30D"
LONGEST = timedelta(days=366)

_PERMISSIONS = ("Reports.Read.All", "AuditLog.Read.All")


def _report(path: str, gives: str, rows_of: Callable[[Reader, datetime, datetime], list[dict[str, Any]]]) -> Route:
    entity = f"reports/{path}"

    def handler(call: Call) -> Answer:
        last = _last(call)
        query = call.query(frozenset(properties(gives)))
        answer = call.collection(entity, rows_of(call.w, call.moment.at - last, call.moment.at), query)
        if "@odata.nextLink" in answer and LAST in call.args:
            answer["@odata.nextLink"] += f"&{LAST}={quote(call.args[LAST], safe='')}"
        return answer

    return Route("GET", f"/{entity}", _PERMISSIONS, handler, gives=f"{gives}[]")


def _last(call: Call) -> timedelta:
    given = call.args.getlist(LAST)
    if len(given) > 1:
        raise bad("last stands twice.")
    try:
        last = duration_of(given[0] if given else DEFAULT_LAST)
    except Problem:
        raise bad("last is an ISO 8601 duration such as P30D or PT12H.") from None
    if last > LONGEST:
        raise bad("last is at most P366D.")
    return last


ROUTES = [
    _report("doubleMfa", "b2bIdpDoubleMfa", reports.double_mfa),
    _report("deadEnds", "b2bIdpDeadEnd", reports.dead_ends),
    _report("stepUp", "b2bIdpStepUp", reports.step_up),
]
