"""users: guests and members of the directory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from b2b_idp.graph.api import Answer, Call, More, Route, not_found, writer
from b2b_idp.graph.body import bad, check_writable, instant, without_annotations
from b2b_idp.graph.directory_extensions import checked_extensions, is_extension, selected_extensions
from b2b_idp.graph.objects import OBJECT_PROPERTIES, expanded
from b2b_idp.graph.odata.query import Query
from b2b_idp.graph.user_documents import (
    DEFAULT,
    LISTS,
    PROPERTIES,
    READ_ONLY,
    TEXTS,
    NewUser,
    UserChange,
    default_row,
    user_row,
)
from b2b_idp.guests import lifecycle
from b2b_idp.guests.addresses import checked_address
from b2b_idp.guests.roles import ROLES
from b2b_idp.model.directory import User
from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.provenance import written
from b2b_idp.policy.documents import Document, parse


def find_user(call: Call, key: str) -> User:
    """By object id or user principal name."""
    user: User | None = call.w.users.by_id(key.lower()) or call.w.users.by_upn(key)
    if user is None:
        raise not_found(key)
    return user


def domain_of_tenant(call: Call) -> str:
    return str(call.w.configuration.tenant.default_domain)


def guard_person(call: Call, user: User) -> None:
    """Whoever may change a person's account may become them: not one who may more than the caller."""
    if user.id == call.caller_id:
        return
    theirs: set[str] = set()
    for role in call.w.directory.roles_of(user.id, call.w.memberships.groups_of(user, call.moment.at)):
        theirs |= ROLES[role].permissions if role in ROLES else set()
    if not theirs <= call.permissions:
        raise Problem(
            Code.FORBIDDEN,
            "This user holds a directory role that may more than the caller: only an administrator with at least "
            "the same role may do this.",
        )


_EXPANDABLE = dict.fromkeys(
    ("manager", "directReports", "sponsors", "memberOf", "transitiveMemberOf"), OBJECT_PROPERTIES
)
_SEARCHABLE = ("displayName", "mail", "userPrincipalName", "givenName", "surname")


def _query(call: Call) -> Query:
    return call.query(PROPERTIES, expandable=_EXPANDABLE, searchable=_SEARCHABLE)


def _more(call: Call, query: Query) -> More | None:
    directory, memberships, at = call.w.directory, call.w.memberships, call.moment.at
    return expanded(
        call,
        query,
        {
            "manager": lambda id: directory.related("manager", id),
            "directReports": lambda id: directory.relating("manager", id),
            "sponsors": lambda id: directory.related("sponsor", id),
            "memberOf": lambda id: memberships.groups_of(find_user(call, id), at),
            "transitiveMemberOf": lambda id: memberships.groups_around(find_user(call, id), at),
        },
        frozenset({"memberOf", "transitiveMemberOf"}),
    )


def _list(call: Call) -> Answer:
    query = _query(call)
    found, page = call.w.users.listing(query.listing)
    rows = [user_row(u, domain_of_tenant(call)) for u in found]
    shown = rows if query.select else [{k: row[k] for k in DEFAULT} for row in rows]
    return call.page_of("users", shown, page, query, _more(call, query))


def _get(call: Call, key: str) -> Answer:
    extensions = selected_extensions(call)
    query = call.query(PROPERTIES | extensions.keys(), expandable=_EXPANDABLE, searchable=_SEARCHABLE)
    row, more = user_row(find_user(call, key), domain_of_tenant(call)), _more(call, query)
    row |= {name: row.get(kept) for name, kept in extensions.items()}
    answer = call.entity("users", row, query.select, query.expand)
    shown = answer if query.select else {k: v for k, v in answer.items() if k in DEFAULT or k.startswith("@odata.")}
    return shown | dict(more(row) if more else {})


def changed(user: User, change: dict[str, Any]) -> User:
    """The user with the directory properties that a caller named; they are an administrator's from now on.

    Raises Problem(BAD_REQUEST).
    """
    new = {name: value for name, value in change.items() if name in TEXTS or name in LISTS or is_extension(name)}
    if new.get("otherMails"):
        new["otherMails"] = [checked_address(address) for address in new["otherMails"]]
    name = "onPremisesExtensionAttributes"
    if name in change:
        new[name] = dict(user.properties.get(name) or {}) | (change[name] or {})
    if "mail" in change:
        user = replace(user, mail=None if change["mail"] is None else checked_address(change["mail"]))
    return replace(user, properties=written(user.properties, new, "administrator"))


def _standard(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if not is_extension(name)}


def _patch(call: Call, key: str) -> Answer:
    user = find_user(call, key)
    body = without_annotations(call.body())
    if not body:
        raise bad("The body names nothing to change.")
    before = user_row(user, domain_of_tenant(call))
    check_writable(body, READ_ONLY)
    extensions = checked_extensions(call, body)
    change = parse(UserChange, _standard(body)).model_dump(exclude_unset=True) | extensions
    guard_person(call, user)
    if change.get("userPrincipalName", user.upn) != user.upn:
        raise bad("userPrincipalName cannot be changed here.")
    if "userType" in change and not call.permits("User.ReadWrite.All"):
        raise Problem(Code.FORBIDDEN, "Changing userType needs User.ReadWrite.All.")
    w = writer(call)
    after = changed(user, change)
    w.users.save(after)
    if change.get("accountEnabled") is not None:
        after = lifecycle.set_enabled(w, after, change["accountEnabled"], call.moment)
    if change.get("userType") not in (None, user.user_type):
        after = lifecycle.convert(w, after, change["userType"], call.moment)
    call.target("User", user.id, user.display_name, before, user_row(after, domain_of_tenant(call)))
    return None


def _create(call: Call) -> Answer:
    """A member; guests are invited."""
    body = without_annotations(call.body())
    check_writable(body, READ_ONLY)
    new, extensions = parse(NewUser, _standard(body)), checked_extensions(call, body)
    address = checked_address(new.userPrincipalName)
    w = writer(call)
    if w.users.upn_taken(address):
        raise Problem(Code.CONFLICT, "Another object has the same userPrincipalName.")
    if new.userType == "Guest":
        raise bad("Guests are invited: POST /invitations.")
    user = User(id=call.moment.new_id(), user_type="Member", upn=address, mail=None, created_at=call.moment.at)
    user = changed(user, new.model_dump(exclude_unset=True) | extensions)
    user = replace(user, account_enabled=new.accountEnabled is not False)
    w.users.add(user)
    row = default_row(user, domain_of_tenant(call))
    call.target("User", user.id, user.display_name, {}, row)
    return call.entity("users", row), 201


def _delete(call: Call, key: str) -> Answer:
    user = find_user(call, key)
    guard_person(call, user)
    lifecycle.delete(writer(call), user, call.moment)
    call.target("User", user.id, user.display_name)
    return None


def _revoke(call: Call, key: str) -> Answer:
    user = find_user(call, key)
    guard_person(call, user)
    lifecycle.revoke_sessions(writer(call), user, call.moment)
    call.target("User", user.id, user.display_name)
    return {"@odata.context": call.context("Edm.Boolean"), "value": True}


class Expiration(Document):
    """The body of setExpiration."""

    expirationDateTime: str | None


def _set_expiration(call: Call, key: str) -> Answer:
    """When a guest's account ends; null: never."""
    user = find_user(call, key)
    guard_person(call, user)
    asked = parse(Expiration, call.body()).expirationDateTime
    before = user_row(user, domain_of_tenant(call))["b2bIdp"]
    ends, w = None if asked is None else instant("expirationDateTime", asked), writer(call)
    with lifecycle.administrators_stay(w, max(ends or call.moment.at, call.moment.at)):
        after = lifecycle.set_expiry(w, user, ends)
    call.target("User", user.id, user.display_name, before, user_row(after, domain_of_tenant(call))["b2bIdp"])
    return None


READ = ("User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All")
WRITE = ("User.ReadWrite.All", "Directory.ReadWrite.All")
OWN = ("User.Read",)
KIND = "UserManagement"

ROUTES = [
    Route("GET", "/users", READ, _list, gives="user[]"),
    Route("POST", "/users", WRITE, _create, "Add user", KIND, body=NewUser, gives="user"),
    Route("GET", "/users/<key>", READ, _get, own=OWN, gives="user"),
    Route("PATCH", "/users/<key>", WRITE, _patch, "Update user", KIND, body=UserChange),
    Route("DELETE", "/users/<key>", WRITE, _delete, "Delete user", KIND),
    Route(
        "POST",
        "/users/<key>/revokeSignInSessions",
        (*WRITE, "User.RevokeSessions.All"),
        _revoke,
        "Update StsRefreshTokenValidFrom Timestamp",
        KIND,
        own=OWN,
        gives="Edm.Boolean",
    ),
    Route("POST", "/users/<key>/setExpiration", WRITE, _set_expiration, "Set guest expiration", KIND, body=Expiration),
]
