"""Regular expressions of -match: found anywhere in a text, whatever the case of letters."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import re2

from b2b_idp.model.dotnet_pattern import Unsupported, translated
from b2b_idp.model.problem import Problem

_OPTIONS = re2.Options()
_OPTIONS.case_sensitive = False
_OPTIONS.log_errors = False
# bytes; some twenty \w, so that no pattern makes each sign-in slow by its size
_OPTIONS.max_mem = 1 << 19


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> Callable[[str], bool]:
    """Whether the pattern is found anywhere in a text, case-insensitively. Raises Unsupported or re2.error."""
    found: Any = re2.compile(translated(pattern).encode(), _OPTIONS)
    search = found.search
    # texts may hold lone surrogates, which UTF-8 has not
    return lambda text: search(text.encode("utf-8", "replace")) is not None


def check(pattern: str, refuse: Callable[[str], Problem]) -> None:
    """Raises the Problem that `refuse` makes of a sentence, if the pattern cannot be used."""
    try:
        compiled(pattern)
    except Unsupported as e:
        raise refuse(f"character {e.at + 1} of this pattern: {e}") from None
    except re2.error as e:
        said = e.args[0].decode("utf-8", "replace") if e.args and isinstance(e.args[0], bytes) else str(e)
        raise refuse(f"expected a regular expression, but {said[:120]}") from None
