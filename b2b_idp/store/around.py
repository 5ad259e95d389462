"""What is stored around a person, which every judgement of theirs asks for: one statement, one row."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import BindParameter, bindparam, exists, select

from b2b_idp.model.evidence import LocalMethod
from b2b_idp.store.connection import Connection
from b2b_idp.store.followed import about
from b2b_idp.store.functions import spaced
from b2b_idp.store.statements import Prepared
from b2b_idp.store.tables import (
    consents,
    directory_role_assignments,
    factors,
    group_members,
    passkeys,
    recovery_codes,
)


@dataclass(frozen=True, slots=True)
class Around:
    """`listed`: the groups that the person is stored in, dynamic ones as they were last brought up to their rules.
    `roles`: templates of the directory roles that the person holds without any group. `methods`: what is registered
    here, recovery codes while one is left. `scopes`: what the person lets the app have."""

    listed: frozenset[str]
    roles: frozenset[str]
    methods: frozenset[LocalMethod]
    scopes: frozenset[str]


_PERSON: BindParameter[str] = bindparam("person")
# a text for each list, as in `memberships`: a row each costs ten times as much
_AROUND = Prepared(
    select(
        select(spaced(group_members.c.group_id))
        .where(group_members.c.member_id == _PERSON)
        .scalar_subquery()
        .label("listed"),
        select(spaced(directory_role_assignments.c.template_id))
        .where(directory_role_assignments.c.principal_id == _PERSON)
        .scalar_subquery()
        .label("roles"),
        select(spaced(factors.c.method)).where(factors.c.user_id == _PERSON).scalar_subquery().label("factors"),
        exists().where(passkeys.c.user_id == _PERSON).label("passkey"),
        exists().where(recovery_codes.c.user_id == _PERSON, recovery_codes.c.used_at.is_(None)).label("recovery_code"),
        select(consents.c.scopes)
        .where(consents.c.user_id == _PERSON, consents.c.app_id == bindparam("app"))
        .scalar_subquery()
        .label("scopes"),
    ),
    about("person"),
)


class AroundReader:
    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def foresee(self, user_id: str, app_id: str) -> None:
        """Says that `of` is going to be asked for, after something else."""
        self._c.foresee(_AROUND, {"person": user_id, "app": app_id})

    def of(self, user_id: str, app_id: str | None) -> Around:
        """Around a user; without an app there is nothing that it was let have."""
        row = self._c.execute(_AROUND, {"person": user_id, "app": app_id}).one()
        methods = {LocalMethod(name) for name in _words(row.factors)}
        if row.passkey:
            methods.add(LocalMethod.PASSKEY)
        if row.recovery_code:
            methods.add(LocalMethod.RECOVERY_CODE)
        return Around(_words(row.listed), _words(row.roles), frozenset(methods), frozenset(row.scopes or ()))


def _words(text: str | None) -> frozenset[str]:
    return frozenset(text.split() if text else ())
