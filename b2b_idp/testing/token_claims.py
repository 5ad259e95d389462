"""The claims of a token in a test, and what to say when they are not what the test wants."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Explanation:
    """Claim → the rule that made it; claim → the rule that did not, and why; what is wrong with the app's policy."""

    made: Mapping[str, str]
    left_out: Mapping[str, str]
    problems: tuple[str, ...] = ()

    def because(self, name: str, there: bool) -> str:
        """Why a claim is in the token, or (`there` False) is not."""
        if there:
            return f"made by: {self.made.get(name, 'nothing that is known')}"
        if name in self.left_out:
            return f"left out by: {self.left_out[name]}"
        if name in self.made:
            return f"made by a rule that came after the token: {self.made[name]}"
        return "no rule makes it: neither the token format, nor the app's scopes, nor its claims policy"


class TokenClaims(dict[str, Any]):
    """A token's verified claims. `kind`: id_token or access_token. `explain` has the provider say which rule made each;
    `names` are readable names of ids and addresses that stand in it."""

    def __init__(
        self,
        claims: Mapping[str, Any],
        kind: str,
        whose: str,
        explain: Callable[[], Explanation],
        names: Mapping[str, str],
    ) -> None:
        super().__init__(claims)
        self.kind = kind
        self.whose = whose
        self.explain = explain
        self.names = names


def assert_claims(token: Mapping[str, Any] | None, expected: Mapping[str, Any]) -> None:
    """Asserts that a token of the kit has these claims, whatever else it has.

    An expected None says that the claim is absent, `...` that it is there with any value. The AssertionError tells of
    each claim that differs which rule made it, or why it is missing.
    """
    __tracebackhide__ = True
    if token is None:
        raise AssertionError("There is no token: the sign-in was refused. Its `decision.reasons` say why.")
    wrong = [name for name, value in expected.items() if not _is(token, name, value)]
    if not wrong:
        return
    explained = token.explain() if isinstance(token, TokenClaims) else None
    heading = f"the {token.kind} of {token.whose}" if isinstance(token, TokenClaims) else "the token"
    lines = [f"{heading} is not as expected:"]
    for name in wrong:
        lines += [f"  {name}: expected {_wanted(expected[name])}, {_found(token, name)}"]
        if explained is not None:
            lines += [f"    {explained.because(name, name in token)}"]
    if explained is not None and any(n not in token and n not in explained.left_out for n in wrong):
        lines.append(f"  claims of this token: {', '.join(sorted(token))}")
    if explained is not None:
        lines += [f"  the app's claims policy: {problem}" for problem in explained.problems]
    raise AssertionError("\n".join(lines))


def _is(token: Mapping[str, Any], name: str, value: Any) -> bool:
    if value is None:
        return name not in token
    return name in token and (value is ... or bool(token[name] == value))


def _wanted(value: Any) -> str:
    if value is None:
        return "no such claim"
    return "any value" if value is ... else _text(value)


def _found(token: Mapping[str, Any], name: str) -> str:
    return f"is {_text(token[name])}" if name in token else "is missing"


def _text(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except TypeError:
        return repr(value)
