"""The membership rules of a tenant, compiled: kept by version, so that what one process changes all of them see."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select

from b2b_idp.groups.index import RuleIndex
from b2b_idp.groups.person import Person
from b2b_idp.groups.rule import Rule, parse_rule
from b2b_idp.logs import log
from b2b_idp.model.problem import Problem
from b2b_idp.store.connection import Connection
from b2b_idp.store.followed import RULED
from b2b_idp.store.kept import History, Kept
from b2b_idp.store.statements import Prepared
from b2b_idp.store.tables import membership_rules
from b2b_idp.store.versions import Versions

_FEW = 100


class Layers:
    """An index over many rules, of which few change at a time: these lie over a base that is seldom compiled."""

    def __init__(self, rules: Mapping[str, Rule], before: Layers | None = None) -> None:
        plain = {id: rule for id, rule in rules.items() if not rule.member_of}
        self._base: RuleIndex = before._base if before else RuleIndex({})
        self._of_base: Mapping[str, Rule] = before._of_base if before else {}
        changed = {id: rule for id, rule in plain.items() if self._of_base.get(id) is not rule}
        self._hidden = frozenset(self._of_base.keys() - (plain.keys() - changed.keys()))
        if len(changed) + len(self._hidden) > max(_FEW, len(plain) // 20):
            self._base, self._of_base = RuleIndex(plain), plain
            self._hidden, changed = frozenset(), {}
        # memberOf takes from any layer, so its rules are always on top
        top = changed | {id: rule for id, rule in rules.items() if rule.member_of}
        self._top = RuleIndex(top) if top else None

    def groups_of(self, person: Person, at: datetime) -> frozenset[str]:
        """The dynamic groups that the person is in; `person.group_ids` are the other groups that have them."""
        found = self._base.groups_of(person, at) - self._hidden
        if self._top is None:
            return found
        return found | self._top.groups_of(replace(person, group_ids=person.group_ids | found), at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules of all dynamic groups that are On, at one version, compiled."""

    version: int
    by_group: Mapping[str, Rule]
    index: Layers
    sources: frozenset[str]
    """Groups that rules take members from (memberOf)."""
    reads_manager: bool
    """Whether any rule asks for somebody's direct reports."""
    reads_clock: bool
    """Whether membership changes as time goes by."""
    broken: tuple[str, ...]
    """Groups whose rule this version of the language does not read: as if Paused, their members stay."""


class RuleCache:
    """The newest rules that this process read. What is parsed once is not parsed again when other rules change."""

    def __init__(self, history: History) -> None:
        self._lock = threading.Lock()
        self._kept: Kept[Rules] = Kept(history)

    def get(self, connection: Connection, versions: Versions, *, keep: bool = True) -> Rules:
        """What holds in this transaction. One that changed a rule does not `keep` it: it may never be committed, and
        the next change would have the same version."""
        known = versions.known()
        version = known.rules or 0
        kept = self._kept.good()
        if kept is not None and kept.version == version:
            return kept
        if kept is not None and kept.version > version:
            connection.is_behind()
        if not keep:
            return _load(connection, version, kept)
        with self._lock:
            kept = self._kept.good()
            if kept is not None and kept.version == version:
                return kept
            found = _load(connection, version, kept)
            if kept is None or kept.version < version:
                self._kept.hold(known.history, found)
            return found


_TEXTS = Prepared(
    select(membership_rules.c.group_id, membership_rules.c.text).where(membership_rules.c.processing.is_(True)), RULED
)


def _load(c: Connection, version: int, kept: Rules | None) -> Rules:
    known = {rule.text: rule for rule in kept.by_group.values()} if kept else {}
    found: dict[str, Rule] = {}
    broken: list[str] = []
    for id, text in c.execute(_TEXTS):
        rule = known.get(text)
        if rule is None:
            try:
                rule = known[text] = parse_rule(text)
            except Problem as problem:
                log.warning("membership rule", group=id, why=problem.say)
                broken.append(id)
                continue
        found[id] = rule
    return Rules(
        version=version,
        by_group=found,
        index=Layers(found, kept.index if kept else None),
        sources=frozenset(id for rule in found.values() for id in rule.member_of),
        reads_manager=any(rule.manager_id for rule in found.values()),
        reads_clock=any(rule.reads_clock for rule in found.values()),
        broken=tuple(sorted(broken)),
    )
