"""Directory roles, what objects are to one another (managers, sponsors, owners), and what changed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime

from sqlalchemy import bindparam, delete, exists, or_, select, update

from b2b_idp.model.directory import Change, DirectoryRoleAssignment, RelationKind
from b2b_idp.store.changes import Kind, record
from b2b_idp.store.connection import Connection
from b2b_idp.store.followed import about
from b2b_idp.store.statements import Prepared, insert_into
from b2b_idp.store.tables import (
    answers,
    change_counter,
    changes,
    directory_role_assignments,
    directory_roles,
    groups,
    relations,
    tenant,
)

_ROLES_OF = Prepared(
    select(directory_role_assignments.c.template_id).where(
        directory_role_assignments.c.principal_id == bindparam("principal")
    ),
    about("principal"),
)
_ROLES_OF_GROUPS = Prepared(
    select(directory_role_assignments.c.principal_id, directory_role_assignments.c.template_id).join(
        groups, groups.c.id == directory_role_assignments.c.principal_id
    )
)
_TOUCH = update(tenant).values(config_version=tenant.c.config_version + 1)
_IF_A_GROUP = Prepared(_TOUCH.where(exists().where(groups.c.id == bindparam("principal"))))
_IF_OF_A_GROUP = Prepared(
    _TOUCH.where(
        exists()
        .where(directory_role_assignments.c.id == bindparam("assignment"))
        .where(groups.c.id == directory_role_assignments.c.principal_id)
    )
)
_IF_HELD_BY_A_GROUP = Prepared(
    _TOUCH.where(
        exists()
        .where(directory_role_assignments.c.principal_id == bindparam("principal"))
        .where(groups.c.id == directory_role_assignments.c.principal_id)
    )
)
_RELATED = Prepared(
    select(relations.c.target_id).where(
        relations.c.kind == bindparam("kind"), relations.c.object_id == bindparam("object_id")
    ),
    about("object_id"),
)
_RELATING = Prepared(
    select(relations.c.object_id).where(
        relations.c.kind == bindparam("kind"), relations.c.target_id == bindparam("target_id")
    )
)
_RELATE = insert_into(relations, ("kind", "object_id", "target_id"))
_ASSIGN_ROLE = insert_into(directory_role_assignments, DirectoryRoleAssignment.__slots__)
_ACTIVATE_ROLE = insert_into(directory_roles, ("template_id", "id"))
_ANSWER = Prepared(select(answers).where(answers.c.key == bindparam("key"), answers.c.at >= bindparam("since")))
_FORGET_ANSWER = Prepared(delete(answers).where(answers.c.key == bindparam("key")))
_KEEP_ANSWER = insert_into(answers, ("key", "status", "body", "at"))


RolesOfGroups = Mapping[str, frozenset[str]]
"""Group id → template ids of the directory roles that it holds."""


def roles_of_groups(c: Connection) -> RolesOfGroups:
    """All groups that hold any: few, where a person may be in hundreds. A change raises the configuration's version,
    which this is kept by."""
    held: dict[str, set[str]] = {}
    for group, template in c.execute(_ROLES_OF_GROUPS):
        held.setdefault(group, set()).add(template)
    return {group: frozenset(templates) for group, templates in held.items()}


class DirectoryReader:
    """`of_groups`: which groups hold directory roles, as this transaction found it."""

    def __init__(self, connection: Connection, of_groups: Callable[[], RolesOfGroups]) -> None:
        self._c = connection
        self._of_groups = of_groups

    def roles_of(self, holder: str, groups: Collection[str] = ()) -> frozenset[str]:
        """Template ids of the directory roles that a user (or another object) holds, or one of these groups does."""
        return self.roles_through(groups).union(self._c.execute(_ROLES_OF, {"principal": holder}).scalars())

    def roles_through(self, groups: Collection[str]) -> frozenset[str]:
        """Template ids of the directory roles that any of these groups holds."""
        of_groups = self._of_groups() if groups else {}
        if not of_groups:
            return frozenset()
        return frozenset().union(*(of_groups[id] for id in of_groups.keys() & set(groups)))

    def role_assignments(
        self, *, principal_id: str | None = None, template_id: str | None = None
    ) -> list[DirectoryRoleAssignment]:
        """In order of creation."""
        table = directory_role_assignments
        statement = select(table).order_by(table.c.created_at, table.c.id)
        if principal_id is not None:
            statement = statement.where(table.c.principal_id == principal_id)
        if template_id is not None:
            statement = statement.where(table.c.template_id == template_id)
        return [DirectoryRoleAssignment(**r) for r in self._c.execute(statement).mappings()]

    def role_assignment(self, id: str) -> DirectoryRoleAssignment | None:
        table = directory_role_assignments
        row = self._c.execute(select(table).where(table.c.id == id)).mappings().first()
        return None if row is None else DirectoryRoleAssignment(**row)

    def activated_roles(self) -> Mapping[str, str]:
        """Template id → object id of the directory roles in use."""
        return {r.template_id: r.id for r in self._c.execute(select(directory_roles))}

    def related(self, kind: RelationKind, object_id: str) -> list[str]:
        """Ids of what `object_id` has as its manager, sponsors or owners, in order."""
        return sorted(self._c.execute(_RELATED, {"kind": kind, "object_id": object_id}).scalars())

    def relating(self, kind: RelationKind, target_id: str) -> list[str]:
        """Ids of the objects that have `target_id` as such: direct reports, sponsored guests, owned groups."""
        return sorted(self._c.execute(_RELATING, {"kind": kind, "target_id": target_id}).scalars())

    def position(self) -> int:
        """The number of the latest change."""
        return int(self._c.execute(select(change_counter.c.seq)).scalar_one())

    def changes(self, kind: Kind, after: int, most: int) -> list[Change]:
        """The latest change of each object of this kind that changed after the position `after`, in order."""
        rows = self._c.execute(
            select(changes).where(changes.c.kind == kind, changes.c.seq > after).order_by(changes.c.seq).limit(most)
        )
        return [Change(r.seq, r.object_id, r.member_id, r.gone) for r in rows]

    def answer(self, key: bytes, since: datetime) -> tuple[int, bytes | None] | None:
        """Status and sealed body that a request of this key was answered with since then."""
        row = self._c.execute(_ANSWER, {"key": key, "since": since}).first()
        return None if row is None else (row.status, row.body)


class DirectoryWriter(DirectoryReader):
    _roles_changed = False

    def __init__(self, connection: Connection, of_groups: Callable[[], RolesOfGroups]) -> None:
        super().__init__(connection, lambda: roles_of_groups(connection) if self._roles_changed else of_groups())

    def _touch_roles(self, where: Prepared, given: Mapping[str, str]) -> None:
        """Has every process read anew which groups hold roles, where a change is of one that does."""
        self._roles_changed = True
        self._c.execute(where, given)

    def assign_role(self, assignment: DirectoryRoleAssignment) -> None:
        self._touch_roles(_IF_A_GROUP, {"principal": assignment.principal_id})
        names = DirectoryRoleAssignment.__slots__
        self._c.execute(_ASSIGN_ROLE, {name: getattr(assignment, name) for name in names})

    def unassign_role(self, id: str) -> bool:
        self._touch_roles(_IF_OF_A_GROUP, {"assignment": id})
        table = directory_role_assignments
        return self._c.execute(delete(table).where(table.c.id == id)).rowcount == 1

    def activate_role(self, template_id: str, id: str) -> None:
        self._c.execute(_ACTIVATE_ROLE, {"template_id": template_id, "id": id})

    def relate(self, kind: RelationKind, object_id: str, target_id: str) -> None:
        self._c.execute(_RELATE, {"kind": kind, "object_id": object_id, "target_id": target_id})
        if kind == "manager":
            record(self._c, "user", object_id)

    def unrelate(self, kind: RelationKind, object_id: str, target_id: str) -> bool:
        done = self._c.execute(
            delete(relations).where(
                relations.c.kind == kind, relations.c.object_id == object_id, relations.c.target_id == target_id
            )
        )
        if kind == "manager" and done.rowcount == 1:
            record(self._c, "user", object_id)
        return done.rowcount == 1

    def forget(self, id: str) -> None:
        """Takes an object that is gone out of every role and relation."""
        self._touch_roles(_IF_HELD_BY_A_GROUP, {"principal": id})
        self._c.execute(delete(directory_role_assignments).where(directory_role_assignments.c.principal_id == id))
        for report in self.relating("manager", id):
            self.unrelate("manager", report, id)
        self._c.execute(delete(relations).where(or_(relations.c.object_id == id, relations.c.target_id == id)))

    def keep_answer(self, key: bytes, status: int, body: bytes | None, at: datetime) -> None:
        self._c.execute(_FORGET_ANSWER, {"key": key})
        self._c.execute(_KEEP_ANSWER, {"key": key, "status": status, "body": body, "at": at})

    def sweep_answers(self, before: datetime) -> None:
        self._c.execute(delete(answers).where(answers.c.at < before))
