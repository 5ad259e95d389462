"""organization, domains, the logs, and the decision asked for without a sign-in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from b2b_idp.graph.api import Answer, Call, Handler, Route, not_found
from b2b_idp.graph.body import bad, instant
from b2b_idp.model.moment import iso
from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.query import Order
from b2b_idp.policy.documents import Document, parse


def _organization_row(call: Call) -> dict[str, Any]:
    tenant = call.w.configuration.tenant
    domain = {
        "capabilities": "",
        "isDefault": True,
        "isInitial": True,
        "name": tenant.default_domain,
        "type": "Managed",
    }
    return {
        "id": tenant.id,
        "displayName": tenant.name,
        "createdDateTime": iso(tenant.created_at),
        "tenantType": "AAD",
        "countryLetterCode": None,
        "preferredLanguage": None,
        "technicalNotificationMails": [],
        "verifiedDomains": [domain],
    }


def _domain_row(call: Call) -> dict[str, Any]:
    return {
        "id": call.w.configuration.tenant.default_domain,
        "authenticationType": "Managed",
        "isAdminManaged": True,
        "isDefault": True,
        "isInitial": True,
        "isRoot": True,
        "isVerified": True,
        "supportedServices": [],
    }


def _single(entity: str, row_of: Callable[[Call], dict[str, Any]]) -> tuple[Handler, Handler]:
    """List and get of a collection that has one row in every tenant."""

    def list_(call: Call) -> Answer:
        row = row_of(call)
        return call.collection(entity, [row], call.query(frozenset(row)))

    def get(call: Call, id: str) -> Answer:
        row = row_of(call)
        if row["id"] != id.lower():
            raise not_found(id)
        return call.entity(entity, row, call.query(frozenset(row)).select)

    return list_, get


_organizations, _organization = _single("organization", _organization_row)
_domains, _domain = _single("domains", _domain_row)


NumericDate = Annotated[int, Field(ge=-(10**12), le=10**12)]
"""Whole seconds since 1970."""

_SIGNIN_PROPERTIES = frozenset(
    "id createdDateTime userId userDisplayName userPrincipalName appId appDisplayName resourceId resourceDisplayName "
    "ipAddress userAgent clientAppUsed correlationId isInteractive homeTenantId resourceTenantId status location "
    "conditionalAccessStatus appliedConditionalAccessPolicies deviceDetail b2bIdp "
    "userType homeTenantName crossTenantAccessType authenticationRequirement authenticationDetails "
    "authenticationMethodsUsed sessionLifetimePolicies authenticationContextClassReferences".split()
)
_AUDIT_PROPERTIES = frozenset(
    "id activityDisplayName activityDateTime category correlationId result resultReason loggedByService operationType "
    "initiatedBy targetResources additionalDetails".split()
)


def _signins(call: Call) -> Answer:
    return _log(call, "signins", "auditLogs/signIns", _SIGNIN_PROPERTIES, _NEWEST_SIGNIN)


_NEWEST_SIGNIN = (Order(("createdDateTime",), descending=True),)
_NEWEST_AUDIT = (Order(("activityDateTime",), descending=True), Order(("sequence",), descending=True))


def _log(call: Call, log: str, entity: str, properties: frozenset[str], newest: tuple[Order, ...]) -> Answer:
    """A page of a log, newest first unless $orderby says otherwise."""
    query = call.query(properties)
    asked = query.listing if query.orders else replace(query.listing, order=newest)
    rows, page = call.w.logs.listing(log, asked)
    return call.page_of(entity, rows, page, query)


def _signin(call: Call, id: str) -> Answer:
    document = call.w.logs.signin(id.lower())
    if document is None:
        raise not_found(id)
    return call.entity("auditLogs/signIns", document, call.query(_SIGNIN_PROPERTIES).select)


def _audits(call: Call) -> Answer:
    return _log(call, "audits", "auditLogs/directoryAudits", _AUDIT_PROPERTIES, _NEWEST_AUDIT)


def _audit(call: Call, id: str) -> Answer:
    document = call.w.logs.audit(id.lower())
    if document is None:
        raise not_found(id)
    return call.entity("auditLogs/directoryAudits", document, call.query(_AUDIT_PROPERTIES).select)


class _Home(Document):
    tenantId: str
    amr: Any = None
    acr: str | None = None
    authTime: NumericDate | None = None


class _Session(Document):
    amr: list[str] = Field(default_factory=list)
    authTime: NumericDate | None = None


class Evaluation(Document):
    """The body of evaluate: who, where to, what the home says, what was done here."""

    userId: str
    appId: str
    home: _Home
    asked: bool = False
    session: _Session | None = None
    at: str | None = None
    ipAddress: Annotated[str, StringConstraints(max_length=45)] | None = None
    authenticationContexts: list[Annotated[str, StringConstraints(max_length=3)]] = Field(
        default_factory=list, max_length=20
    )
    clientAppType: Literal["browser", "mobileAppsAndDesktopClients"] = "browser"


def _evaluate(call: Call) -> Answer:
    """The decision for a user, an app and what a home says, without a sign-in; changes nothing."""
    for needed in ("User.Read.All", "Application.Read.All"):
        if not call.permits(needed, needed.replace(".Read.", ".ReadWrite."), "Directory.Read.All"):
            raise Problem(
                Code.FORBIDDEN,
                f"evaluate needs Policy.Read.All, User.Read.All and Application.Read.All; {needed} is missing.",
            )
    asked = parse(Evaluation, call.body())
    home, session = asked.home, asked.session or _Session()
    user = call.w.users.by_id(asked.userId.lower())
    app = call.w.apps.by_client_id(asked.appId.lower())
    provider = call.w.configuration.homes.get(home.tenantId.lower())
    for found, name in ((user, "userId"), (app, "appId"), (provider, "home.tenantId")):
        if found is None:
            raise bad(f"{name} names nothing here.")
    call.target("User", asked.userId.lower(), user.display_name if user else None)
    answer = call.parts.evaluate(
        call.w,
        user=user,
        app=app,
        home=provider,
        amr=home.amr,
        acr=home.acr,
        auth_time=home.authTime,
        asked=asked.asked,
        session_amr=session.amr,
        session_time=session.authTime,
        at=call.moment.at if asked.at is None else instant("at", asked.at),
        address=asked.ipAddress or "",
        contexts=asked.authenticationContexts,
        client_type=asked.clientAppType,
    )
    return {"@odata.context": call.context("microsoft.graph.b2bIdpEvaluation")} | answer


_LOGS = ("AuditLog.Read.All",)
_READ_ORGANIZATION = ("Organization.Read.All", "Directory.Read.All")
_READ_DOMAINS = ("Domain.Read.All", "Directory.Read.All")

ROUTES = [
    Route("GET", "/organization", _READ_ORGANIZATION, _organizations, gives="organization[]"),
    Route("GET", "/organization/<id>", _READ_ORGANIZATION, _organization, gives="organization"),
    Route("GET", "/domains", _READ_DOMAINS, _domains, gives="domain[]"),
    Route("GET", "/domains/<id>", _READ_DOMAINS, _domain, gives="domain"),
    Route("GET", "/auditLogs/signIns", _LOGS, _signins, gives="signIn[]"),
    Route("GET", "/auditLogs/signIns/<id>", _LOGS, _signin, gives="signIn"),
    Route("GET", "/auditLogs/directoryAudits", _LOGS, _audits, gives="directoryAudit[]"),
    Route("GET", "/auditLogs/directoryAudits/<id>", _LOGS, _audit, gives="directoryAudit"),
    Route(
        "POST",
        "/identity/conditionalAccess/evaluate",
        ("Policy.Read.All",),
        _evaluate,
        "Evaluate conditional access",
        body=Evaluation,
        gives="b2bIdpEvaluation",
    ),
]
