"""What a call did, as Graph's directoryAudit tells it."""

from __future__ import annotations

from typing import Any

from flask import request

from b2b_idp.graph.api import Call, Route
from b2b_idp.graph.errors import client_request_id, request_id
from b2b_idp.model.audited import directory_audit
from b2b_idp.model.problem import Problem

_OPERATIONS = {"POST": "Add", "PATCH": "Update", "PUT": "Update", "DELETE": "Delete"}


def entry(call: Call, route: Route, problem: Problem | None) -> dict[str, Any]:
    """The audit entry of a call that was carried out, or refused with `problem`."""
    app = call.w.apps.by_client_id(call.caller.app_id)
    by_app = {
        "appId": call.caller.app_id,
        "servicePrincipalId": call.caller.sp_id,
        "servicePrincipalName": None,
        "displayName": app.display_name if app else None,
    }
    by_user = None
    if call.user is not None:
        by_user = {
            "id": call.user.id,
            "displayName": call.user.display_name,
            "userPrincipalName": call.user.upn,
            "ipAddress": request.remote_addr,
        }
    return directory_audit(
        call.moment,
        route.activity or "",
        call.targets,
        category=route.category,
        operation=_OPERATIONS.get(route.method, "Update"),
        user=by_user,
        app=by_app,
        failure=problem.say if problem else None,
        correlation_id=request_id(),
        details=[{"key": "client-request-id", "value": client_request_id()}],
    )
