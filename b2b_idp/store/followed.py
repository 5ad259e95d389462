"""What a replica may be asked, and how its answer is known to be the primary's.

Each row that a sign-in is judged by belongs to a *key*: the id of the person or group that it is about, or one of a few
names. On PostgreSQL triggers give a key a new random mark in the very transaction that changes any row of it. A reader
notes the keys of what it read on a replica; where replica and primary show the same mark for a key, all its rows are
the same. So a reading is either proved, or it is done again at the primary.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, String, any_, cast, column, literal, select, table
from sqlalchemy.dialects.postgresql import array

from b2b_idp.store.functions import among, spaced

CONFIGURATION = "configuration"
"""Homes, partners, policies, the tenant itself."""
RULES = "rules"
APPS = "apps"
GROUPS = "groups"
"""The groups themselves, not who is in them."""

KEYS: Mapping[str, str] = {
    # table → SQL of the key of one of its rows
    "users": "id",
    "group_members": "member_id",
    "role_assignments": "principal_id",
    "directory_role_assignments": "principal_id",
    "relations": "object_id",
    "consents": "user_id",
    "factors": "user_id",
    "passkeys": "user_id",
    "recovery_codes": "user_id",
    "access_passes": "user_id",
    "agreement_acceptances": "user_id",
    "homes": f"'{CONFIGURATION}'",
    "home_domains": f"'{CONFIGURATION}'",
    "partners": f"'{CONFIGURATION}'",
    "policies": f"'{CONFIGURATION}'",
    "tenant": f"'{CONFIGURATION}'",
    "membership_rules": f"'{RULES}'",
    "apps": f"'{APPS}'",
    "app_identifier_uris": f"'{APPS}'",
    "app_origins": f"'{APPS}'",
    "app_secrets": f"'{APPS}'",
    "app_keys": f"'{APPS}'",
    "groups": f"'{GROUPS}'",
}
"""The tables that replicas are asked about."""


NAMES = (CONFIGURATION, RULES, APPS, GROUPS)
TOUCHED = table("touched", column("key", String), column("mark"))
"""PostgreSQL's only: triggers see to it."""
_KEY_AND_MARK = TOUCHED.c.key + " " + cast(TOUCHED.c.mark, String)
MARKS = select(spaced(_KEY_AND_MARK)).where(among(TOUCHED.c.key, "keys"))
"""The marks of the keys in a parameter, in one text."""


def marks_in(text: str | None) -> dict[str, str]:
    """Key → mark, of such a text."""
    words = (text or "").split()
    return dict(zip(words[::2], words[1::2], strict=True))


def marks_beside(person: ColumnElement[str] | None) -> ScalarSelect[str]:
    """The marks of all names, and of whom a row is about: a column beside those of a reading."""
    keys: list[ColumnElement[str]] = [literal(name, String) for name in NAMES]
    if person is not None:
        keys.append(person)
    return select(spaced(_KEY_AND_MARK)).where(TOUCHED.c.key == any_(array(keys))).scalar_subquery()


@dataclass(frozen=True, slots=True)
class Follow:
    """What the answer to one statement depends on: keys by `names`, the keys in a parameter, or those in a column of
    the rows found. A statement that goes by the rows found says nothing of what it did not find: no row at all is
    confirmed at the primary, and it finds one row at most."""

    names: tuple[str, ...] = ()
    parameter: str | None = None
    column: str | None = None

    def keys(self, parameters: Mapping[str, Any], rows: Sequence[Any]) -> Iterable[str]:
        """The keys that an answer depends on."""
        if self.names:
            return self.names
        if self.parameter is not None:
            given = parameters[self.parameter]
            return (given,) if isinstance(given, str) else given
        assert self.column is not None
        return [getattr(row, self.column) for row in rows]

    def proves(self, rows: Sequence[Any]) -> bool:
        """Whether equal marks prove the answer."""
        return self.column is None or bool(rows)


CONFIGURED, RULED, OF_APPS, OF_GROUPS = (Follow((name,)) for name in (CONFIGURATION, RULES, APPS, GROUPS))


def about(parameter: str) -> Follow:
    """The rows are about the person, or the persons and groups, in a parameter."""
    return Follow(parameter=parameter)


def about_found(column: str = "id") -> Follow:
    """The one row found is about the person in a column of it."""
    return Follow(column=column)
