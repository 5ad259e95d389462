"""authenticationStrengthPolicies: the built-in ones, and a tenant's own with their combinations."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID, uuid5

from pydantic import Field, StringConstraints

from b2b_idp.graph.api import Answer, Call, Route, not_found
from b2b_idp.graph.body import bad
from b2b_idp.graph.policies import (
    access_row,
    add_document,
    delete_document,
    find_document,
    named_by,
    save_document,
)
from b2b_idp.guests.policy_documents import checked_policy
from b2b_idp.model.access import Strength
from b2b_idp.model.moment import iso
from b2b_idp.policy.documents import Document, Text, parse
from b2b_idp.policy.named_documents import (
    CombinationConfiguration,
    StrengthPolicy,
    requirements_satisfied,
    strength_of,
    written,
)
from b2b_idp.policy.strengths import BUILT_IN, MOST_CUSTOM
from b2b_idp.store.configuration import CONDITIONAL_ACCESS, STRENGTH, PolicyRow

_ENTITY = "policies/authenticationStrengthPolicies"
_PATHS = (f"/{_ENTITY}", "/identity/conditionalAccess/authenticationStrength/policies")
_PROPERTIES = frozenset(
    "id displayName description policyType requirementsSatisfied allowedCombinations createdDateTime "
    "modifiedDateTime".split()
)
_BUILT_IN_SINCE = "2021-12-01T00:00:00Z"


class _Change(Document):
    """What a PATCH may change; combinations have an action of their own."""

    displayName: Annotated[str, StringConstraints(min_length=1, max_length=30)] | None = None
    description: Annotated[str, StringConstraints(max_length=100)] | None = None


class _Combinations(Document):
    allowedCombinations: list[Text] = Field(min_length=1, max_length=100)


def _row(strength: Strength, row: PolicyRow | None = None) -> dict[str, Any]:
    return {
        "id": strength.id,
        "createdDateTime": iso(row.created_at) if row else _BUILT_IN_SINCE,
        "modifiedDateTime": (iso(row.modified_at or row.created_at)) if row else _BUILT_IN_SINCE,
        "displayName": strength.display_name,
        "description": (row.document.get("description") or "") if row else "",
        "policyType": "custom" if row else "builtIn",
        "requirementsSatisfied": requirements_satisfied(strength),
        "allowedCombinations": sorted(written(c) for c in strength.combinations),
    }


def _list(call: Call) -> Answer:
    rows = [_row(s) for s in BUILT_IN.values()]
    rows += [_row(strength_of(r.id, r.document), r) for r in call.w.documents.policies(STRENGTH)]
    return call.collection(_ENTITY, rows, call.query(_PROPERTIES))


def _find(call: Call, id: str) -> dict[str, Any]:
    id = id.lower()
    if id in BUILT_IN:
        return _row(BUILT_IN[id])
    row = _custom(call, id)
    return _row(call.w.configuration.named.strengths[row.id], row)


def _custom(call: Call, id: str) -> PolicyRow:
    if id.lower() in BUILT_IN:
        raise bad("A built-in strength cannot be changed.")
    return find_document(call, STRENGTH, id.lower())


def _get(call: Call, id: str) -> Answer:
    return call.entity(_ENTITY, _find(call, id), call.query(_PROPERTIES).select)


def _add(call: Call) -> Answer:
    if len(call.w.documents.policies(STRENGTH)) >= MOST_CUSTOM:
        raise bad(f"There are {MOST_CUSTOM} custom strengths; more are not kept.")
    document = _kept(call, call.body())
    _check_name(call, document["displayName"])
    row = add_document(call, STRENGTH, call.moment.new_id(), document)
    return call.entity(_ENTITY, _row(strength_of(row.id, document), row)), 201


def _kept(call: Call, document: dict[str, Any]) -> dict[str, Any]:
    return checked_policy(STRENGTH, document, call.w.configuration.named)


def _check_name(call: Call, name: str, but: str = "") -> None:
    known = call.w.configuration.named.strengths.values()
    if any(s.display_name.casefold() == name.casefold() and s.id != but for s in known):
        raise bad(f"There is a strength called {name} already.")


def _save(call: Call, row: PolicyRow, document: dict[str, Any]) -> None:
    save_document(call, row, _kept(call, document))


def _change(call: Call, id: str) -> Answer:
    row = _custom(call, id)
    body = call.body()
    parse(_Change, body)
    if "displayName" in body:
        _check_name(call, body["displayName"] or "", row.id)
    _save(call, row, dict(row.document) | body)
    return None


def _delete(call: Call, id: str) -> Answer:
    row = _custom(call, id)
    delete_document(call, row, named_by(call, row.id, lambda p: (p.strength.id,) if p.strength else ()))
    return None


def _combinations(call: Call, id: str) -> Answer:
    row = _custom(call, id)
    asked = parse(_Combinations, call.body())
    before = strength_of(row.id, row.document)
    changed = _without_stray(dict(row.document) | {"allowedCombinations": asked.allowedCombinations})
    now = strength_of(row.id, changed)
    _save(call, row, changed)
    return {
        "@odata.context": call.context("microsoft.graph.updateAllowedCombinationsResult"),
        "additionalInformation": None,
        "conditionalAccessReferences": _users_of(call, row.id),
        "currentCombinations": sorted(written(c) for c in now.combinations),
        "previousCombinations": sorted(written(c) for c in before.combinations),
    }


def _without_stray(document: dict[str, Any]) -> dict[str, Any]:
    """Without configurations of combinations that are not there any more."""
    kept = [
        c
        for c in document.get("combinationConfigurations", [])
        if set(c["appliesToCombinations"]) <= set(document["allowedCombinations"])
    ]
    return document | {"combinationConfigurations": kept}


def _users_of(call: Call, id: str) -> list[str]:
    """Ids of the conditional access policies that ask for a strength."""
    return [p.id for p in call.w.configuration.policies.all if p.strength is not None and p.strength.id == id]


def _usage(call: Call, id: str) -> Answer:
    shown = _find(call, id)
    rows = {r.id: r for r in call.w.documents.policies(CONDITIONAL_ACCESS)}
    found = [access_row(rows[policy_id]) for policy_id in _users_of(call, shown["id"])]
    mfa = shown["requirementsSatisfied"] == "mfa"
    context = call.context("microsoft.graph.authenticationStrengthUsage")
    return {"@odata.context": context, "mfa": found if mfa else [], "none": [] if mfa else found}


# --- combinationConfigurations ---------------------------------------------------------------------------------------

_CONFIGURATION_PROPERTIES = frozenset({"id", "allowedAAGUIDs", "appliesToCombinations"})
_TYPE = {"@odata.type": "#microsoft.graph.fido2CombinationConfiguration"}


def _configurations_of(row: PolicyRow) -> list[dict[str, Any]]:
    """A strength has one for each combination at most, so its id follows from these two."""
    found = row.document.get("combinationConfigurations", [])
    return [_TYPE | {"id": str(uuid5(UUID(row.id), c["appliesToCombinations"][0]))} | dict(c) for c in found]


def _configured(call: Call, id: str) -> list[dict[str, Any]]:
    return [] if id.lower() in BUILT_IN else _configurations_of(_custom(call, id))


def _entity_of(id: str) -> str:
    return f"{_ENTITY}('{id.lower()}')/combinationConfigurations"


def _configurations(call: Call, id: str) -> Answer:
    return call.collection(_entity_of(id), _configured(call, id), call.query(_CONFIGURATION_PROPERTIES))


def _configuration_in(rows: list[dict[str, Any]], id: str) -> dict[str, Any]:
    found = next((c for c in rows if c["id"] == id.lower()), None)
    if found is None:
        raise not_found(id)
    return found


def _configuration(call: Call, id: str, configuration: str) -> Answer:
    found = _configuration_in(_configured(call, id), configuration)
    return call.entity(_entity_of(id), found, call.query(_CONFIGURATION_PROPERTIES).select)


def _set_configurations(call: Call, row: PolicyRow, rows: list[dict[str, Any]]) -> None:
    bare = [{k: v for k, v in c.items() if "@odata." not in k and k != "id"} for c in rows]
    _save(call, row, dict(row.document) | {"combinationConfigurations": bare})


def _add_configuration(call: Call, id: str) -> Answer:
    row = _custom(call, id)
    body = call.body()
    parse(CombinationConfiguration, body)
    _set_configurations(call, row, [*_configurations_of(row), body])
    (made,) = _configurations_of(_custom(call, id))[-1:]
    return call.entity(_entity_of(id), made), 201


def _change_configuration(call: Call, id: str, configuration: str) -> Answer:
    row = _custom(call, id)
    rows = _configurations_of(row)
    found = _configuration_in(rows, configuration)
    changed = found | call.body() | {"id": found["id"]} | _TYPE
    parse(CombinationConfiguration, changed)
    _set_configurations(call, row, [changed if c is found else c for c in rows])
    return None


def _delete_configuration(call: Call, id: str, configuration: str) -> Answer:
    row = _custom(call, id)
    rows = _configurations_of(row)
    found = _configuration_in(rows, configuration)
    _set_configurations(call, row, [c for c in rows if c is not found])
    return None


_READ = ("Policy.Read.All", "Policy.ReadWrite.ConditionalAccess", "Policy.ReadWrite.AuthenticationMethod")
_WRITE = ("Policy.ReadWrite.ConditionalAccess", "Policy.ReadWrite.AuthenticationMethod")
_GIVES = "authenticationStrengthPolicy"
_CONFIGURATION = "authenticationCombinationConfiguration"


def _routes(path: str) -> list[Route]:
    one, some = f"{path}/<id>", f"{path}/<id>/combinationConfigurations"
    return [
        Route("GET", path, _READ, _list, gives=f"{_GIVES}[]"),
        Route("POST", path, _WRITE, _add, "Add authentication strength", body=StrengthPolicy, gives=_GIVES),
        Route("GET", one, _READ, _get, gives=_GIVES),
        Route("PATCH", one, _WRITE, _change, "Update authentication strength", body=_Change),
        Route("DELETE", one, _WRITE, _delete, "Delete authentication strength"),
        Route(
            "POST",
            f"{one}/updateAllowedCombinations",
            _WRITE,
            _combinations,
            "Update authentication strength",
            body=_Combinations,
            gives="updateAllowedCombinationsResult",
        ),
        Route("GET", f"{one}/usage", _READ, _usage, gives="authenticationStrengthUsage"),
        Route("GET", some, _READ, _configurations, gives=f"{_CONFIGURATION}[]"),
        Route(
            "POST",
            some,
            _WRITE,
            _add_configuration,
            "Update authentication strength",
            body=CombinationConfiguration,
            gives=_CONFIGURATION,
        ),
        Route("GET", f"{some}/<configuration>", _READ, _configuration, gives=_CONFIGURATION),
        Route(
            "PATCH",
            f"{some}/<configuration>",
            _WRITE,
            _change_configuration,
            "Update authentication strength",
            body=CombinationConfiguration,
        ),
        Route("DELETE", f"{some}/<configuration>", _WRITE, _delete_configuration, "Update authentication strength"),
    ]


ROUTES = [route for path in _PATHS for route in _routes(path)]
