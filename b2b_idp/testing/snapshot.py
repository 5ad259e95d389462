"""Tokens kept as plain files: what changes from run to run is masked, what is left is compared."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from difflib import unified_diff
from pathlib import Path
from typing import Any

from b2b_idp.testing.token_claims import TokenClaims

VOLATILE = frozenset({"iat", "nbf", "exp", "auth_time", "jti", "uti", "sid", "nonce", "at_hash", "sub"})
"""Claims that are another value each time: in a snapshot they are there, by name only."""
UPDATE_OPTION = "--b2b-idp-update-snapshots"


class Snapshots:
    """The snapshots of one test, in `folder`. Called with a token it compares, or with `update` writes."""

    def __init__(self, folder: Path, test: str, update: bool) -> None:
        self._folder = folder
        self._test = re.sub(r"[^\w.=@-]+", "_", test).strip("_")
        self._update = update
        self._calls = 0

    def __call__(self, token: Mapping[str, Any] | None, name: str | None = None) -> None:
        """Asserts that a token is as it was when the snapshot was taken. `name` tells several of one test apart; left
        out they are counted."""
        __tracebackhide__ = True
        if token is None:
            raise AssertionError("There is no token: the sign-in was refused. Its `decision.reasons` say why.")
        self._calls += 1
        more = f"-{re.sub(r'[^0-9A-Za-z_.=@-]+', '_', name)}" if name else f"-{self._calls}" if self._calls > 1 else ""
        file = self._folder / f"{self._test}{more}.json"
        now = masked(token)
        if self._update:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(now, encoding="utf-8")
            return
        if not file.exists():
            raise AssertionError(f"There is no snapshot {file}. If this is right, run pytest {UPDATE_OPTION}:\n{now}")
        then = file.read_text(encoding="utf-8")
        if now != then:
            raise AssertionError(_difference(file, then, now, token))


def masked(token: Mapping[str, Any]) -> str:
    """A token's claims as JSON, one line each, in order of name. Volatile ones are their name in angle brackets; ids
    and addresses that the kit made are what they stand for, such as `<app CRM>`."""
    names = token.names if isinstance(token, TokenClaims) else {}
    claims = {name: f"<{name}>" if name in VOLATILE else _named(value, names) for name, value in token.items()}
    return json.dumps(claims, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _named(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for made, name in names.items():
            value = value.replace(made, name)
        return value
    if isinstance(value, Mapping):
        return {k: _named(v, names) for k, v in value.items()}
    if isinstance(value, list):
        named = [_named(v, names) for v in value]
        # ids are in an order of their own, which is another one each time
        return sorted(named) if named != value and all(isinstance(v, str) for v in named) else named
    return value


def _difference(file: Path, then: str, now: str, token: Mapping[str, Any]) -> str:
    lines = [f"The token is not what it was in {file} (pytest {UPDATE_OPTION} takes it as it is now):"]
    lines += unified_diff(then.splitlines(), now.splitlines(), "then", "now", lineterm="", n=1)
    if isinstance(token, TokenClaims):
        before, after = json.loads(then), json.loads(now)
        changed = [name for name in sorted({*before, *after}) if before.get(name, ...) != after.get(name, ...)]
        lines += [f"  {name}: {token.explain().because(name, name in token)}" for name in changed]
    return "\n".join(lines)
