"""The syntax tree of a membership rule. `str` of a node is the rule in its documented spelling; it parses to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from b2b_idp.groups.vocabulary import PROPERTIES, Field


@dataclass(frozen=True, slots=True)
class Now:
    """`system.now`, later or earlier by so many calendar months and so much time."""

    months: int = 0
    time: timedelta = timedelta()
    written: str = ""
    """The rest of the text, as ` -plus P1D`."""

    def at(self, now: datetime) -> datetime:
        """That time; the last or first one that there is, where it would be beyond."""
        sign = -1 if self.months < 0 or self.time < timedelta() else 1
        try:
            years, month = divmod(now.month - 1 + self.months, 12)
            first = now.replace(year=now.year + years, month=month + 1, day=1)
            following = (first + timedelta(days=31)).replace(day=1)
            day = min(now.day, (following - first).days)
            return first.replace(day=day) + self.time
        except (ValueError, OverflowError):
            return datetime.max.replace(tzinfo=UTC) if sign > 0 else datetime.min.replace(tzinfo=UTC)

    def __str__(self) -> str:
        return "system.now" + self.written


Value = str | bool | datetime | Now | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Compare:
    """One comparison. In -any and -all the field is the element, `_` or `assignedPlan.member`."""

    field: Field
    operator: str
    value: Value
    inside: bool = False

    @property
    def name(self) -> str:
        """The field as the rule names it."""
        if not self.inside:
            return f"user.{self.field.name}"
        return f"assignedPlan.{self.field.member}" if self.field.member else "_"

    @property
    def key(self) -> str:
        """Where the value stands among a person's or an element's values; empty where it is the element itself."""
        return (self.field.member if self.inside else self.field.name).casefold()

    @property
    def over_elements(self) -> bool:
        """Whether this compares a whole collection, that is any of its elements, and not with null."""
        collection = PROPERTIES.get(self.field.name.casefold())
        return not self.inside and self.value is not None and collection is not None and collection.kind == "texts"

    def __str__(self) -> str:
        return f"{self.name} {self.operator} {printed(self.value)}"


Quantifier = Literal["-any", "-all"]


@dataclass(frozen=True, slots=True)
class Each:
    """-any or -all elements of a collection."""

    property: str
    quantifier: Quantifier
    body: Expression

    def __str__(self) -> str:
        return f"user.{self.property} {self.quantifier} ({self.body})"


@dataclass(frozen=True, slots=True)
class Not:
    inner: Expression

    def __str__(self) -> str:
        return f"-not {_within(self.inner, And, Or)}"


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple[Expression, ...]

    def __str__(self) -> str:
        return " -and ".join(_within(p, And, Or) for p in self.parts)


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple[Expression, ...]

    def __str__(self) -> str:
        return " -or ".join(_within(p, Or) for p in self.parts)


Expression = Compare | Each | Not | And | Or


@dataclass(frozen=True, slots=True)
class MemberOf:
    """The direct members of any of these groups."""

    group_ids: tuple[str, ...]

    def __str__(self) -> str:
        return f"user.memberOf -any (group.objectId -in {printed(self.group_ids)})"


@dataclass(frozen=True, slots=True)
class DirectReports:
    """Whoever has this user as manager."""

    manager_id: str

    def __str__(self) -> str:
        return f"Direct Reports for {printed(self.manager_id)}"


Tree = Expression | MemberOf | DirectReports


def _within(part: Expression, *bracketed: type) -> str:
    return f"({part})" if isinstance(part, bracketed) else str(part)


def printed(value: Value) -> str:
    """A value as rules write it."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            return '"' + value.replace("`", "``").replace('"', '`"').replace("'", "''") + '"'
        case tuple():
            return "[" + ", ".join(map(printed, value)) + "]"
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case Now():
            return str(value)
