"""Claims as they are made: each with the rule that made it, and each absence with its reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

RULES_LIMIT = 16 * 1024
"""Characters that an application's policy and optional claims may add to one token; what comes after is left out."""


class Told(Protocol):
    """Where a claim comes from: the rule with its source, the transformations that ran, and why there is no value."""

    @property
    def origin(self) -> str: ...

    @property
    def steps(self) -> tuple[str, ...]: ...

    @property
    def because(self) -> str | None: ...


class Why(NamedTuple):
    """What is told of a claim that no policy made."""

    origin: str
    steps: tuple[str, ...] = ()
    because: str | None = None


@dataclass(slots=True)
class Made:
    """Claims with what made them. A name may stand in `absent`, too: another rule would have made it."""

    claims: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, Told] = field(default_factory=dict)
    absent: dict[str, Told] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    """Claims that an administrator's rule should have made and could not: a transformation was skipped, the policy does
    not apply, there is no room. An attribute that is empty is no failure."""
    _used: int = 0

    def put(self, name: str, value: Any, origin: str, because: str = "there is no value") -> None:
        """Adds a claim that has a value; null and empty are left out, `because` says why."""
        if value is None or value in ("", [], ()):
            self.absent[name] = Why(origin, because=because)
            return
        self.claims[name] = list(value) if isinstance(value, tuple) else value
        self.origins[name] = Why(origin)

    def put_by_rule(self, name: str, value: Any, why: Told) -> None:
        """Adds a claim of an administrator's rule, as long as the token stays within RULES_LIMIT. `why` says why there
        is no value, if there is none."""
        if value is None or value in ("", [], ()):
            self.absent[name] = why
            if why.steps:
                self.failed.append(name)
            return
        self._used += len(name) + (len(value) if type(value) is str else _size(value))
        if self._used > RULES_LIMIT:
            too_large = f"the claims of policy and optional claims would be larger than {RULES_LIMIT // 1024} KB"
            self.absent[name] = Why(why.origin, why.steps, too_large)
            self.failed.append(name)
            return
        self.claims[name], self.origins[name] = value, why


def _size(value: Any) -> int:
    return sum(map(_size, value)) if isinstance(value, list | tuple) else len(str(value))
