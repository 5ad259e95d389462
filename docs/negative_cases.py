"""Lists each case that bad input must fail, with the tests that carry its id: `python docs/negative_cases.py`.

It ends with 1 where an id has none. What is good input's lot stands in the same tests, or beside them in their file."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

import shown

CASES = Path(__file__).parent.parent / "tests" / "negative_cases.toml"


def listed() -> list[dict[str, Any]]:
    """Each with `id`, `must`, and `open` where no test carries it yet."""
    found: list[dict[str, Any]] = tomllib.loads(CASES.read_text(encoding="utf-8"))["case"]
    return found


def main() -> int:
    tests, every = shown.cases(), listed()
    for case in every:
        carried = tests.get(case["id"], [])
        sys.stdout.write(f"{case['id']}  {case['must']}\n")
        sys.stdout.writelines(f"       {test}\n" for test in carried or ["MISSING"])
    missing = [case["id"] for case in every if case["id"] not in tests]
    sys.stdout.write(f"{len(every)} cases, {len(missing)} missing: {' '.join(missing)}\n")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
