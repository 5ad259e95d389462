"""The stored members of dynamic groups: what lists, counts and delta queries read. Tokens never do.

Who is in a dynamic group is computed from the user and the rule whenever it matters (`memberships.groups_of`). The
stored members follow: at once where a change touches few, else by passes in the background that several processes may
run at the same time and that go on where they were stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from b2b_idp.model.audited import differences, directory_audit
from b2b_idp.model.directory import Group
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.store import Store, Writer
from b2b_idp.store.memberships import Difference

AT_ONCE = 200
"""So many users are followed inside the transaction of the change itself."""
BATCH = 100
"""So many users are looked at between two commits of a pass."""
CLOCK_EVERY = timedelta(hours=1)
"""How often rules that read the clock (system.now) are gone through."""


def settle(w: Writer, moment: Moment) -> None:
    """Brings the stored members up to date with what this transaction did, as far as that concerns few users."""
    progress = w.memberships.progress()
    if progress is None or progress.settled:
        return
    if progress.behind:
        people = w.users.page("", AT_ONCE + 1) if w.memberships.rules.by_group else []
        if len(people) <= AT_ONCE:
            w.memberships.begin_pass()
            _list(w, w.memberships.differences(people, moment.at), moment)
            _end_pass(w, moment)
            w.memberships.settle()
            return
        if progress.pass_version != progress.rules_version and not progress.pass_after:
            w.memberships.begin_pass()
            return
    if w.memberships.rules.by_group:
        _follow(w, progress.settled_seq, moment)


def _end_pass(w: Writer, moment: Moment) -> None:
    """A pass goes through users who are there; whoever was deleted meanwhile leaves at its end."""
    _list(w, w.memberships.of_gone(w.memberships.deleted_members()), moment)
    w.memberships.end_pass(moment.at)


def _follow(w: Writer, since: int, moment: Moment) -> None:
    """Follows the next changes of users and members."""
    ids, last = w.memberships.changed_since(since, AT_ONCE)
    people = w.users.by_ids(ids)
    gone = set(ids) - {user.id for user in people}
    _list(w, w.memberships.differences(people, moment.at) + w.memberships.of_gone(gone), moment)
    w.memberships.settle(last)


@dataclass(frozen=True, slots=True)
class Step:
    """One batch of `refresh`: users looked at, and memberships that came and went."""

    users: int
    entered: int
    left: int


def refresh(store: Store, moment: Callable[[], Moment]) -> Iterator[Step]:
    """Brings the stored members up to date, batch by batch, each in a short transaction of its own. Stopped, it goes
    on where it was; several at the same time share the work."""
    while True:
        with store.read() as r:
            progress = r.memberships.progress()
            any_rule = bool(r.memberships.rules.by_group)
        if progress is None or progress.settled or not (progress.behind or any_rule):
            return
        if progress.behind:
            yield _go_on(store, moment())
        else:
            store.transact(partial(_follow_on, moment=moment()))


def _follow_on(w: Writer, *, moment: Moment) -> None:
    now = w.memberships.progress()
    assert now is not None
    _follow(w, now.settled_seq, moment)


def _go_on(store: Store, moment: Moment) -> Step:
    """The next batch of the pass. It is looked through while others write; only what differs is then written."""
    with store.read() as r:
        progress, version = r.memberships.progress(), r.memberships.rules.version
        assert progress is not None
        people = r.users.page(progress.pass_after, BATCH) if r.memberships.rules.by_group else []
        differ = {d.user_id for d in r.memberships.differences(people, moment.at)}

    def write(w: Writer) -> Step:
        now = w.memberships.progress()
        assert now is not None
        if (now.pass_after, now.rules_version, now.behind) != (progress.pass_after, version, True):
            return Step(0, 0, 0)  # another process was faster, or a rule was changed: look again
        if not now.pass_after:
            w.memberships.begin_pass()
        found = w.memberships.differences(w.users.by_ids(differ), moment.at)
        _list(w, found, moment)
        if len(people) == BATCH:
            w.memberships.go_on(people[-1].id)
        else:
            _end_pass(w, moment)
        return Step(len(people), sum(len(d.enters) for d in found), sum(len(d.leaves) for d in found))

    return store.transact(write)


def start_over(store: Store) -> int:
    """Has the next `refresh` look at every user, unless a pass is under way; how many users there are to look at."""

    def want(w: Writer) -> int:
        progress = w.memberships.progress()
        if progress is not None and not progress.behind:
            w.memberships.want_pass()
        return w.users.count()

    return store.transact(want)


def follow_clock(store: Store, moment: Moment) -> None:
    """Has the next `refresh` look at every user, if rules read the clock and some time has gone by."""
    with store.read() as r:
        progress, rules = r.memberships.progress(), r.memberships.rules
    if progress is None or progress.behind or not rules.reads_clock:
        return
    if progress.passed_at is None or moment.at - progress.passed_at >= CLOCK_EVERY:
        start_over(store)


def check_settled(w: Writer, moment: Moment) -> None:
    """Raises Problem(CONFLICT) unless the stored members are those of now: a group that keeps them from now on must
    not keep somebody whom the rule has put out."""
    settle(w, moment)
    progress = w.memberships.progress()
    if progress is not None and not progress.settled:
        raise Problem(
            Code.CONFLICT,
            "The members of dynamic groups are still being brought up to date, and this group would keep old ones. Try "
            "again in a minute; `b2b-idp groups refresh` does it at once.",
            retry_after=timedelta(seconds=30),
        )


def _list(w: Writer, found: Sequence[Difference], moment: Moment) -> None:
    """Makes the stored members what the rules say, with an audit entry for each who came or went."""
    if not found:
        return
    w.memberships.list_as_computed(found)
    groups: dict[str, Group | None] = {}
    for id in {id for d in found for id in d.enters | d.leaves}:
        groups[id] = w.apps.group(id)
    entries = [
        _entry(difference, group, moment, enters=enters)
        for difference in found
        for enters, ids in ((True, difference.enters), (False, difference.leaves))
        for id in sorted(ids)
        if (group := groups[id]) is not None
    ]
    w.logs.add_audits(entries, moment.at)


def _target(kind: str, id: str, name: str | None, modified: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"id": id, "displayName": name, "type": kind, "modifiedProperties": list(modified)}


def _entry(difference: Difference, group: Group, moment: Moment, *, enters: bool) -> dict[str, Any]:
    """Graph's entry for a member who came or went, initiated by the rule."""
    old, new = ({}, {"members": difference.user_id}) if enters else ({"members": difference.user_id}, {})
    name = None if difference.user is None else difference.user.display_name
    return directory_audit(
        moment,
        "Add member to group" if enters else "Remove member from group",
        [
            _target("Group", group.id, group.display_name, differences(old, new)),
            _target("User", difference.user_id, name, []),
        ],
        category="GroupManagement",
        operation="Add" if enters else "Delete",
        app={"displayName": "Dynamic membership"},
        details=[{"key": "membershipRule", "value": group.rule or ""}],
    )
