"""What the resource tables are made of: a route, one authorised call, and its answer in Graph's shape."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Annotated, Any, Protocol
from urllib.parse import quote

from flask import request
from pydantic import BaseModel, Field, StringConstraints, ValidationError
from werkzeug.datastructures import MultiDict

from b2b_idp.graph.body import json_body
from b2b_idp.graph.odata.query import Query, answered, context_suffix, page, parse_query, selected
from b2b_idp.keys.ring import KeyRing
from b2b_idp.keys.vault import Vault
from b2b_idp.model.audited import differences
from b2b_idp.model.directory import User
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.query import KeyValue
from b2b_idp.policy.documents import Document
from b2b_idp.store import Store, Writer
from b2b_idp.tokens.bearer import Caller
from b2b_idp.tokens.certificates import MutualTls

Evaluate = Callable[..., dict[str, Any]]
More = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""What $expand adds to a row."""


class Found(Protocol):
    """Where a page that the store found ends, and how many rows there are in all, if asked."""

    @property
    def last_key(self) -> tuple[KeyValue, ...] | None: ...

    @property
    def total(self) -> int | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphParts:
    """What the API needs; wired by the extension."""

    issuer: str
    store: Store
    vault: Vault
    keys: KeyRing
    moment: Callable[[], Moment]
    evaluate: Evaluate
    check_issuer: Callable[[str], None]
    """Raises Problem for an address that our HTTP client would not connect to."""
    mutual_tls: MutualTls | None = None
    requests: int = 3500
    """How many requests one client may make in ten seconds."""


@dataclass(slots=True, kw_only=True)
class Call:
    """One authorised call. `w` is the transaction; it is a plain Reader for GET.

    `user` is whom an app acts for, with the directory roles they hold; None when an app acts for itself.
    `permissions` is what the call may do: the app's own permissions, or the app's scopes as far as the person has
    the same permissions.
    """

    parts: GraphParts
    caller: Caller
    moment: Moment
    w: Any
    permissions: frozenset[str]
    user: User | None = None
    roles: frozenset[str] = frozenset()
    targets: list[dict[str, Any]] = field(default_factory=list)
    args: MultiDict[str, str] = field(default_factory=lambda: request.args)
    """The query options."""
    etag: str | None = None
    cast: str | None = None
    """The @odata.type that a collection of directory objects is narrowed to (`/members/graph.user`)."""

    @property
    def base(self) -> str:
        return f"{self.parts.issuer}/v1.0"

    @property
    def caller_id(self) -> str:
        """Object id of who acts: the person, or the app's service principal."""
        return self.user.id if self.user else self.caller.sp_id

    @property
    def holds(self) -> frozenset[str]:
        """Permissions that the caller may hand on: the very ones an app was given, or what a person has."""
        return self.permissions if self.user else self.caller.roles

    def body(self, binds: frozenset[str] = frozenset()) -> dict[str, Any]:
        return json_body(request, binds)

    def permits(self, *permissions: str) -> bool:
        return not self.permissions.isdisjoint(permissions)

    def target(
        self,
        kind: str,
        id: str,
        name: str | None = None,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> None:
        """Names what this call changed, for the audit log, with the properties that differ between two states."""
        changed = [] if before is None and after is None else differences(before or {}, after or {})
        self.targets.append({"id": id, "displayName": name, "type": kind, "modifiedProperties": changed})

    def context(self, entity: str) -> str:
        return f"{self.base}/$metadata#{entity}"

    @property
    def scope(self) -> str:
        """What a $skiptoken is bound to."""
        return f"{request.path}|{self.caller_id}"

    def query(
        self,
        properties: frozenset[str],
        *,
        expandable: Mapping[str, frozenset[str]] | None = None,
        searchable: tuple[str, ...] = (),
    ) -> Query:
        return parse_query(
            self.args,
            properties,
            self.parts.vault,
            self.scope,
            expandable=expandable,
            searchable=searchable,
            consistency=request.headers.get("ConsistencyLevel"),
        )

    def collection(
        self, entity: str, rows: Sequence[Mapping[str, Any]], query: Query, more: More | None = None
    ) -> dict[str, Any]:
        """The answer out of all rows of a collection."""
        return page(rows, query, self.context(entity), self.address, self.parts.vault, self.scope, more=more)

    def page_of(
        self, entity: str, rows: Sequence[Mapping[str, Any]], found: Found, query: Query, more: More | None = None
    ) -> dict[str, Any]:
        """The answer out of the rows that the store found for a page."""
        return answered(
            rows,
            query,
            self.context(entity),
            self.address,
            self.parts.vault,
            self.scope,
            last_key=found.last_key,
            total=found.total,
            more=more,
        )

    @property
    def address(self) -> str:
        """This request's own address under the API's base, without its query."""
        return self.base + quote(request.path.split("/v1.0", 1)[1], safe="/()$'=,@")

    def entity(
        self,
        entity: str,
        row: Mapping[str, Any],
        select: tuple[str, ...] = (),
        expand: Mapping[str, tuple[str, ...]] | None = None,
    ) -> dict[str, Any]:
        """The answer that is one object. `expand` only says in the context what the caller adds."""
        self.etag = etag_of(row)
        context = f"{self.context(entity)}{context_suffix(select, expand or {})}/$entity"
        return {"@odata.context": context} | selected(row, select)


def etag_of(row: Mapping[str, Any]) -> str:
    """A weak validator of an entity: equal as long as everything that is shown of it is (RFC 9110 §8.8.3)."""
    return f'W/"{sha256(json.dumps(row, sort_keys=True, default=str).encode()).hexdigest()[:32]}"'


Answer = dict[str, Any] | tuple[dict[str, Any] | None, int] | str | None
"""A JSON object, with a status if it is not 200; a plain text; None for 204."""
Handler = Callable[..., Answer]


@dataclass(frozen=True, slots=True)
class Route:
    """A line of the resource table. `activity` is its name in the audit log; routes without one only read.

    `permissions`: any of them suffices. `own`: scopes with which people may do it to themselves, when `key` in the
    path is they; such routes are there below `/me`, too. `fellow`: people may do it to groups (`id`) that have
    them, `owner`: to groups that they own.
    `body` and `gives` describe request and answer in the OpenAPI document; `body` is also what validates.
    """

    method: str
    path: str
    permissions: tuple[str, ...]
    handler: Handler
    activity: str | None = None
    category: str = "Policy"
    own: tuple[str, ...] = ()
    fellow: bool = False
    owner: bool = False
    body: type[BaseModel] | None = None
    gives: str | None = None
    """Name of the Graph type of the answer; a trailing `[]` marks a collection of it."""


def not_found(id: str) -> Problem:
    return Problem(Code.NOT_FOUND, f"Resource '{id[:100]}' does not exist.")


def writer(call: Call) -> Writer:
    """The call's writing transaction."""
    assert isinstance(call.w, Writer)
    return call.w


class Reference(Document):
    """The body of a `$ref`: the address of one object."""

    odata_id: Annotated[str, StringConstraints(max_length=2048)] = Field(alias="@odata.id")


def reference_of(document: Mapping[str, Any]) -> str:
    """The address in a `$ref` body. Raises Problem(BAD_REQUEST)."""
    try:
        said = {k: v for k, v in document.items() if k == "@odata.id" or "@odata." not in k}
        return Reference.model_validate(said).odata_id
    except ValidationError:
        raise Problem(Code.BAD_REQUEST, "The body is @odata.id, the address of one object, and nothing else.") from None


def object_id(reference: object, kinds: Iterable[str] = ("directoryObjects",)) -> str:
    """The id in a `$ref` body's @odata.id: an absolute or relative address of one object; empty for anything else."""
    if not isinstance(reference, str) or len(reference) > 2048:
        return ""
    parts = reference.rstrip("/").rpartition("/")
    collection = parts[0].rpartition("/")[2]
    return parts[2].lower() if collection in kinds else ""
