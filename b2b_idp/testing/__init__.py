"""The test kit: a pytest fixture, scripted home tenants, a plain browser.

`Kit` is what the fixture `b2b_idp` gives, `Case` a row of a table of sign-ins, `assert_claims` and `TokenClaims` are
for its tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from b2b_idp.testing.cases import Case
    from b2b_idp.testing.kit import Kit
    from b2b_idp.testing.token_claims import TokenClaims, assert_claims

__all__ = ["Case", "Kit", "TokenClaims", "assert_claims"]

_HOME = {"Case": "cases", "Kit": "kit", "TokenClaims": "token_claims", "assert_claims": "token_claims"}


def __getattr__(name: str) -> Any:
    # imported when used: the plugin is loaded in every test run of an environment that has the package
    from importlib import import_module

    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
