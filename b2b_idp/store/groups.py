"""Groups with their stored members, and the rules of dynamic ones as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, func, select, update

from b2b_idp.model.directory import Group, rule_of
from b2b_idp.store.changes import record
from b2b_idp.store.connection import Connection
from b2b_idp.store.followed import OF_GROUPS, about
from b2b_idp.store.functions import among
from b2b_idp.store.statements import Prepared, insert_into
from b2b_idp.store.tables import group_members, groups, membership_rules, role_assignments, tenant

_GROUPS = Prepared(select(groups).where(among(groups.c.id, "ids")).order_by(groups.c.id), OF_GROUPS)
_MOST_IN = 500
"""Ids in one statement."""
_GROUPS_OF = Prepared(
    select(group_members.c.group_id).where(group_members.c.member_id == bindparam("member")), about("member")
)

_NAMING = Prepared(
    select(membership_rules.c.group_id).where(func.lower(membership_rules.c.text).contains(bindparam("group")))
)
_GROUP = Prepared(select(groups).where(groups.c.id == bindparam("id")), OF_GROUPS)
_ALL = Prepared(select(groups).order_by(groups.c.id))
_MEMBERS = Prepared(select(group_members.c.member_id).where(group_members.c.group_id == bindparam("group")))
_IS_MEMBER = Prepared(
    select(group_members.c.member_id).where(
        group_members.c.group_id == bindparam("group"), group_members.c.member_id == bindparam("member")
    )
)
_RULE = Prepared(
    select(membership_rules.c.text, membership_rules.c.processing).where(
        membership_rules.c.group_id == bindparam("group")
    )
)
_ADD = insert_into(groups, ("id", "document", "created_at"))
_ADD_RULE = insert_into(membership_rules, ("group_id", "text", "processing"))
_ADD_MEMBER = insert_into(group_members, ("group_id", "member_id"))
_REMOVE_MEMBER = Prepared(
    delete(group_members).where(
        group_members.c.group_id == bindparam("group"), group_members.c.member_id == bindparam("member")
    )
)
_TOUCH_RULES = Prepared(update(tenant).values(rules_version=tenant.c.rules_version + 1))


class GroupsReader:
    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def group(self, id: str) -> Group | None:
        row = self._c.execute(_GROUP, {"id": id}).first()
        return None if row is None else _group(row)

    def groups_named(self, ids: Sequence[str]) -> list[Group]:
        """The groups of these ids, those that are there."""
        slices = [list(ids[n : n + _MOST_IN]) for n in range(0, len(ids), _MOST_IN)]
        return [_group(row) for some in slices for row in self._c.execute(_GROUPS, {"ids": some})]

    def all_groups(self) -> list[Group]:
        return [_group(r) for r in self._c.execute(_ALL)]

    def stored_groups_of(self, member_id: str) -> list[str]:
        """Ids of the groups that this group or service principal is stored in, in order. For people, whom rules select,
        ask `memberships.groups_of`."""
        return sorted(self._c.execute(_GROUPS_OF, {"member": member_id}).scalars())

    def members(self, group_id: str) -> list[str]:
        return sorted(self._c.execute(_MEMBERS, {"group": group_id}).scalars())

    def members_below(self, group_id: str) -> list[str]:
        """Ids of direct members and of those in groups among them, in order."""
        below = select(group_members.c.member_id).where(group_members.c.group_id == group_id).cte(recursive=True)
        below = below.union(
            select(group_members.c.member_id).join(below, group_members.c.group_id == below.c.member_id)
        )
        return sorted(self._c.execute(select(below.c.member_id)).scalars())

    def is_member(self, group_id: str, member_id: str) -> bool:
        """Whether the group has this member directly."""
        found = self._c.execute(_IS_MEMBER, {"group": group_id, "member": member_id})
        return found.first() is not None


def _group(row: Any) -> Group:
    document = row.document
    return Group(row.id, document["displayName"], bool(document.get("securityEnabled")), row.created_at, document)


class GroupsWriter(GroupsReader):
    rule_changes = 0
    """How often this transaction has changed a membership rule."""

    def unassign_principal(self, principal_id: str) -> None:
        self._c.execute(delete(role_assignments).where(role_assignments.c.principal_id == principal_id))
        for group_id in self.stored_groups_of(principal_id):
            self.remove_member(group_id, principal_id)

    def add_group(self, id: str, document: Mapping[str, Any], at: datetime) -> None:
        self._c.execute(_ADD, {"id": id, "document": document, "created_at": at})
        self._set_rule(id, document)
        record(self._c, "group", id)

    def save_group(self, id: str, document: Mapping[str, Any]) -> None:
        self._c.execute(update(groups).where(groups.c.id == id).values(document=document))
        self._set_rule(id, document)
        record(self._c, "group", id)

    def _set_rule(self, id: str, document: Mapping[str, Any]) -> None:
        """Keeps a dynamic group's rule where rules are compiled from. A change raises the version, so that every
        process compiles anew."""
        table, text = membership_rules, rule_of(document)
        rule = None if text is None else (text, document.get("membershipRuleProcessingState") == "On")
        row = self._c.execute(_RULE, {"group": id}).first()
        if rule == (None if row is None else tuple(row)):
            return
        self._c.execute(delete(table).where(table.c.group_id == id))
        if rule is not None:
            self._c.execute(_ADD_RULE, {"group_id": id, "text": rule[0], "processing": rule[1]})
        self._touch_rules()

    def _touch_rules(self) -> None:
        self.rule_changes += 1
        self._c.execute(_TOUCH_RULES)

    def delete_group(self, id: str) -> bool:
        self.unassign_principal(id)
        self._set_rule(id, {})
        if self._c.execute(_NAMING, {"group": id}).first():
            self._touch_rules()  # who was selected for being in this group is not any more
        record(self._c, "group", id, gone=True)
        return self._c.execute(delete(groups).where(groups.c.id == id)).rowcount == 1

    def add_member(self, group_id: str, member_id: str) -> None:
        self._c.execute(_ADD_MEMBER, {"group_id": group_id, "member_id": member_id})
        record(self._c, "member", group_id, member_id)

    def remove_member(self, group_id: str, member_id: str) -> bool:
        done = self._c.execute(_REMOVE_MEMBER, {"group": group_id, "member": member_id})
        record(self._c, "member", group_id, member_id, gone=True)
        return done.rowcount == 1
