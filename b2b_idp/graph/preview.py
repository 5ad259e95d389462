"""`previewToken`: what an application's tokens would say of a person, and where each claim comes from."""

from __future__ import annotations

from typing import Any

from b2b_idp.claims.mapping import ClaimsMapping, compile_mapping
from b2b_idp.graph.api import Answer, Call, Route
from b2b_idp.graph.apps import find_app
from b2b_idp.graph.body import bad
from b2b_idp.model.problem import Code, Problem
from b2b_idp.policy.documents import Document, Guid, parse
from b2b_idp.store.apps import app_of
from b2b_idp.tokens.preview import preview


class PreviewToken(Document):
    """The body of previewToken. `claimsMappingPolicy` is tried in place of the application's own: a policy with its
    `definition`, or the definition itself, as an object, a string, or an array of one of these."""

    userId: Guid
    claimsMappingPolicy: dict[str, Any] | list[str | dict[str, Any]] | str | None = None


def _preview(call: Call, id: str) -> Answer:
    for needed in ("User.Read.All", "Application.Read.All"):
        if not call.permits(needed, needed.replace(".Read.", ".ReadWrite."), "Directory.Read.All"):
            raise Problem(
                Code.FORBIDDEN,
                f"previewToken needs Policy.Read.All, User.Read.All and Application.Read.All; {needed} is missing.",
            )
    asked = parse(PreviewToken, call.body())
    app = app_of(find_app(call, id, sp=True))
    user = call.w.users.by_id(asked.userId)
    if user is None:
        raise bad("userId names no user.")
    call.target("ServicePrincipal", app.sp_id, app.display_name)
    call.target("User", user.id, user.display_name)
    answer = preview(
        call.w,
        app,
        user,
        issuer=call.parts.issuer,
        vault=call.parts.vault,
        at=call.moment.at,
        trial=_trial(asked.claimsMappingPolicy),
    )
    return {"@odata.context": call.context("microsoft.graph.b2bIdpTokenPreview")} | answer


def _trial(given: dict[str, Any] | list[str | dict[str, Any]] | str | None) -> ClaimsMapping | None:
    """The policy to try. Raises Problem(BAD_REQUEST) for one that could not be saved either."""
    if given is None:
        return None
    if isinstance(given, dict) and "definition" in given:
        if set(given) - {"definition", "displayName", "description", "isOrganizationDefault", "id"}:
            raise bad("claimsMappingPolicy is a policy with its definition, or the definition.")
        given = given["definition"]
    if isinstance(given, list) and len(given) == 1:
        given = given[0]
    return compile_mapping([given] if isinstance(given, str) else given)


ROUTES = [
    Route(
        "POST",
        "/servicePrincipals/<id>/previewToken",
        ("Policy.Read.All",),
        _preview,
        "Preview token",
        "ApplicationManagement",
        body=PreviewToken,
        gives="b2bIdpTokenPreview",
    ),
]
