"""Who is in which group: of dynamic groups as their rules say now, and how far their stored members follow."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import and_, bindparam, delete, func, or_, select, update

from b2b_idp.groups.person import Person, person_of
from b2b_idp.model.directory import User
from b2b_idp.store.changes import record_members
from b2b_idp.store.connection import Connection
from b2b_idp.store.followed import about
from b2b_idp.store.functions import among, spaced
from b2b_idp.store.rules import RuleCache, Rules
from b2b_idp.store.statements import Prepared, insert_into
from b2b_idp.store.tables import (
    change_counter,
    changes,
    group_members,
    membership_progress,
    membership_rules,
    relations,
    tenant,
    users,
)
from b2b_idp.store.users import AT_ONCE
from b2b_idp.store.versions import Versions


@dataclass(frozen=True, slots=True)
class Seen:
    """A user as rules see them. `held`: the groups that have them by hand (or are Paused), `stored`: the dynamic groups
    that they are listed in."""

    user: User
    person: Person
    held: frozenset[str]
    stored: frozenset[str]


@dataclass(frozen=True, slots=True)
class Difference:
    """The dynamic groups that a user should be listed in and is not, and the other way round."""

    user_id: str
    user: User | None
    enters: frozenset[str] = frozenset()
    leaves: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the stored members of dynamic groups follow rules and users. A pass goes through all users in order of
    id; changes of users since are followed one by one."""

    rules_version: int
    passed_version: int
    """The rules that the last whole pass was made by."""
    pass_version: int
    pass_after: str
    """The last user of the pass under way; empty before the first."""
    passed_at: datetime | None
    settled_seq: int
    change_seq: int

    @property
    def behind(self) -> bool:
        """Whether a pass is due or under way."""
        return self.passed_version != self.rules_version

    @property
    def settled(self) -> bool:
        """Whether the lists are what the rules say, but for the passing of time."""
        return not self.behind and self.settled_seq == self.change_seq


_PROGRESS = Prepared(
    select(membership_progress, tenant.c.rules_version, change_counter.c.seq.label("change_seq"))
    .join(tenant, tenant.c.id == membership_progress.c.id)
    .join(change_counter, change_counter.c.id == membership_progress.c.id)
)
_CHANGES = select(change_counter.c.seq).scalar_subquery()
_RULES_VERSION = select(tenant.c.rules_version).scalar_subquery()
_STORED = Prepared(
    select(group_members.c.member_id, group_members.c.group_id).where(among(group_members.c.member_id, "members")),
    about("members"),
)
_STORED_OF_ONE = Prepared(
    select(spaced(group_members.c.group_id)).where(group_members.c.member_id == bindparam("member")),
    about("member"),
)
"""All ids in one text: a row each costs ten times as much, and people are in hundreds of groups."""
_MANAGERS = Prepared(
    select(relations.c.object_id, relations.c.target_id).where(
        relations.c.kind == "manager", among(relations.c.object_id, "members")
    ),
    about("members"),
)
_ENTER = insert_into(group_members, ("group_id", "member_id"))
_LEAVE = Prepared(
    delete(group_members).where(
        group_members.c.group_id == bindparam("group"), group_members.c.member_id == bindparam("member")
    )
)


class MembershipsReader:
    """`rule_changes`: how often this transaction has changed a rule."""

    def __init__(
        self,
        connection: Connection,
        versions: Versions,
        cache: RuleCache,
        rule_changes: Callable[[], int] = lambda: 0,
    ) -> None:
        self._c = connection
        self._versions = versions
        self._cache = cache
        self._rule_changes = rule_changes
        self._rules: tuple[int, Rules] | None = None

    @property
    def rules(self) -> Rules:
        """The rules as they stand in this transaction."""
        changed = self._rule_changes()
        if self._rules is None or self._rules[0] != changed:
            self._rules = changed, self._cache.get(self._c, self._versions, keep=changed == 0)
        return self._rules[1]

    def groups_of(self, user: User, at: datetime) -> list[str]:
        """Ids of the groups that have this user directly at that time, in order: those of rules are computed from the
        user as given, whatever is stored."""
        return sorted(self.set_of(user, at))

    def set_of(self, user: User, at: datetime, listed: frozenset[str] | None = None) -> frozenset[str]:
        """The same in no order, which is what costs most where they are hundreds. `listed`: the groups that the user is
        stored in, where this transaction has read them (`store.around`)."""
        (seen,) = self.seen([user], None if listed is None else {user.id: listed})
        return seen.held | self.rules.index.groups_of(seen.person, at)

    def _stored_of(self, ids: Sequence[str]) -> Mapping[str, frozenset[str]]:
        """The groups that each of these is listed in."""
        if len(ids) == 1:
            found = self._c.execute(_STORED_OF_ONE, {"member": ids[0]}).scalar()
            return {ids[0]: frozenset(found.split() if found else ())}
        groups_of: dict[str, set[str]] = {}
        for part in _parts(ids):
            for member, group in self._c.execute(_STORED, {"members": part}):
                groups_of.setdefault(member, set()).add(group)
        return {id: frozenset(groups) for id, groups in groups_of.items()}

    def groups_around(self, user: User, at: datetime) -> list[str]:
        """Ids of the groups that have this user directly or through other groups, in order."""
        return self.with_those_around(self.groups_of(user, at))

    def with_those_around(self, group_ids: Collection[str]) -> list[str]:
        """Ids of these groups and of all that have one of them, directly or through other groups, in order."""
        found = set(group_ids)
        open_ = found
        while open_:
            open_ = set(self._groups_of_groups(open_)) - found
            found |= open_
        return sorted(found)

    def _groups_of_groups(self, ids: Collection[str]) -> Iterable[str]:
        for part in _parts(sorted(ids)):
            yield from (group_id for _, group_id in self._c.execute(_STORED, {"members": part}))

    def person(self, user: User, at: datetime) -> Person:
        """The user as rules see one, in all groups that have them directly at that time."""
        (seen,) = self.seen([user], with_managers=True)
        return replace(seen.person, group_ids=seen.held | self.rules.index.groups_of(seen.person, at))

    def seen(
        self,
        people: Sequence[User],
        stored_of: Mapping[str, frozenset[str]] | None = None,
        *,
        with_managers: bool = False,
    ) -> list[Seen]:
        """Users as the rules of now see them; with their managers also where only another rule wants them.
        `stored_of`: the groups that each is stored in, where they were read before."""
        by_rule, with_managers = self.rules.by_group, with_managers or self.rules.reads_manager
        ids = [user.id for user in people]
        groups_of = self._stored_of(ids) if stored_of is None else stored_of
        managers: dict[str, str] = {}
        if with_managers:
            for part in _parts(ids):
                managers |= {r.object_id: r.target_id for r in self._c.execute(_MANAGERS, {"members": part})}
        found = []
        for user in people:
            stored = groups_of.get(user.id, frozenset())
            held = stored.difference(by_rule) if by_rule else stored
            person = person_of(user, held, managers.get(user.id))
            found.append(Seen(user, person, held, stored - held))
        return found

    def differences(self, people: Sequence[User], at: datetime) -> list[Difference]:
        """Whose stored memberships are not what the rules say."""
        index, found = self.rules.index, []
        for seen in self.seen(people):
            now = index.groups_of(seen.person, at)
            if now != seen.stored:
                found.append(Difference(seen.user.id, seen.user, now - seen.stored, seen.stored - now))
        return found

    def of_gone(self, ids: Collection[str]) -> list[Difference]:
        """The stored memberships of users who are not there any more: they leave."""
        by_rule = self.rules.by_group
        listed = {id: groups & by_rule.keys() for id, groups in self._stored_of(sorted(ids)).items()}
        return [Difference(id, None, leaves=groups) for id, groups in listed.items() if groups]

    def deleted_members(self) -> list[str]:
        """Ids of deleted users who are still stored in a dynamic group."""
        statement = (
            select(users.c.id)
            .join(group_members, group_members.c.member_id == users.c.id)
            .join(membership_rules, membership_rules.c.group_id == group_members.c.group_id)
            .where(users.c.deleted_at.is_not(None), membership_rules.c.processing.is_(True))
            .distinct()
        )
        return sorted(self._c.execute(statement).scalars())

    def others_in(self, group_id: str) -> list[str]:
        """Members of a group that are no users, whom no rule selects."""
        statement = (
            select(group_members.c.member_id)
            .outerjoin(users, users.c.id == group_members.c.member_id)
            .where(group_members.c.group_id == group_id, users.c.id.is_(None))
        )
        return sorted(self._c.execute(statement).scalars())

    def rule_count(self) -> int:
        """How many groups have a rule, Paused ones included."""
        return self._c.execute(select(func.count()).select_from(membership_rules)).scalar_one()

    def progress(self) -> Progress | None:
        """None in a database that has no tenant yet."""
        row = self._c.execute(_PROGRESS).mappings().first()
        return None if row is None else Progress(**{name: row[name] for name in Progress.__slots__})

    def changed_since(self, seq: int, most: int) -> tuple[list[str], int | None]:
        """Users whose memberships may have changed by the next changes after the position `seq`, at most so many; and
        the position of the last of these, None when there are no more."""
        of_users = changes.c.kind == "user"
        of_sources = and_(changes.c.kind == "member", changes.c.object_id.in_(self.rules.sources))
        wanted = select(changes).where(changes.c.seq > seq, or_(of_users, of_sources))
        rows = self._c.execute(wanted.order_by(changes.c.seq).limit(most + 1)).all()
        ids = [r.object_id if r.kind == "user" else r.member_id for r in rows[:most]]
        return list(dict.fromkeys(ids)), rows[most - 1].seq if len(rows) > most else None


def _parts(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (ids[i : i + AT_ONCE] for i in range(0, len(ids), AT_ONCE))


class MembershipsWriter(MembershipsReader):
    def list_as_computed(self, found: Sequence[Difference]) -> None:
        """Makes the stored members what the rules say."""
        enter = [(group, d.user_id) for d in found for group in sorted(d.enters)]
        leave = [(group, d.user_id) for d in found for group in sorted(d.leaves)]
        if enter:
            self._c.execute(_ENTER, [{"group_id": g, "member_id": m} for g, m in enter])
        if leave:
            self._c.execute(_LEAVE, [{"group": g, "member": m} for g, m in leave])
        record_members(self._c, enter, gone=False)
        record_members(self._c, leave, gone=True)

    def settle(self, seq: int | None = None) -> None:
        """Notes that changes up to this position, or all so far, are followed."""
        self._c.execute(update(membership_progress).values(settled_seq=_CHANGES if seq is None else seq))

    def begin_pass(self) -> None:
        """What changed until now is followed by the pass itself."""
        self._c.execute(
            update(membership_progress).values(pass_version=_RULES_VERSION, pass_after="", settled_seq=_CHANGES)
        )

    def go_on(self, after: str) -> None:
        """The pass has looked at this user and all before."""
        self._c.execute(update(membership_progress).values(pass_after=after))

    def end_pass(self, at: datetime) -> None:
        self._c.execute(
            update(membership_progress).values(
                passed_version=membership_progress.c.pass_version, pass_after="", passed_at=at
            )
        )

    def want_pass(self) -> None:
        """A pass is due though no rule changed: time went by."""
        self._c.execute(update(membership_progress).values(passed_version=-1))
