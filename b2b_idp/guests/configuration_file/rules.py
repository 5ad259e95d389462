"""Membership rules in the file: one that takes members from groups names them, `'group:Finance'`, instead of ids."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from b2b_idp.groups.rule import parse_rule
from b2b_idp.model.problem import Problem

_TAKES_MEMBERS = re.compile(r"[\s(]*user\.memberof\b", re.IGNORECASE)
"""memberOf stands alone in a rule."""
_ID = re.compile(r"(?P<quote>['\"])(?P<id>[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})(?P=quote)", re.IGNORECASE)
_NAME = re.compile(r"'(?P<single>group:(?:[^']|'')+)'|\"(?P<double>group:(?:[^\"`]|`.)+)\"")


def named(text: Any, name_of: Callable[[str], str]) -> Any:
    """The rule with what `name_of` says in the place of each group's id."""

    def name(match: re.Match[str]) -> str:
        quote, found = match["quote"], name_of(match["id"])
        inside = found.replace("'", "''") if quote == "'" else re.sub('(["`])', r"`\1", found)
        return f"{quote}{inside}{quote}"

    return _ID.sub(name, text) if isinstance(text, str) and _TAKES_MEMBERS.match(text) else text


def resolved(text: Any, id_of: Callable[[str], str]) -> Any:
    """The reverse of `named`: `id_of` has the id of a name."""

    def id(match: re.Match[str]) -> str:
        single, double = match["single"], match["double"]
        if single is not None:
            return "'" + id_of(single.replace("''", "'")) + "'"
        return '"' + id_of(re.sub("`(.)", r"\1", double)) + '"'

    return _NAME.sub(id, text) if isinstance(text, str) and _TAKES_MEMBERS.match(text) else text


def sources(text: Any) -> frozenset[str]:
    """Ids of the groups that the rule takes members from; none where it is no rule."""
    try:
        return parse_rule(text).member_of if isinstance(text, str) else frozenset()
    except Problem:
        return frozenset()
