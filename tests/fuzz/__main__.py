"""Feeds hostile inputs to what is read from outside: `python -m tests.fuzz --help`."""

from __future__ import annotations

import argparse
import sys
import time

from tests.fuzz import table
from tests.fuzz.measuring import Found, run
from tests.fuzz.quiet import quiet
from tests.fuzz.targets import ALL


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz", description=(__doc__ or "").partition(":")[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"all, or of {', '.join(ALL)}")
    parser.add_argument("--inputs", type=int, default=1_000_000, help="to each target")
    parser.add_argument("--minutes", type=float, help="end a target's run after so many, with what it got through")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="write the figures into docs/fuzzing.*")
    asked = parser.parse_args()
    if strange := set(asked.targets) - set(ALL):
        parser.error(f"no target {', '.join(sorted(strange))}")
    well = True
    for name in asked.targets or ALL:
        until = None if asked.minutes is None else time.monotonic() + asked.minutes * 60
        target = ALL[name].make()
        try:
            with quiet():
                found = run(target, asked.inputs, asked.seed, until=until, tell=lambda f, name=name: _tell(name, f))
        finally:
            target.close()
        _tell(name, found)
        for fault, made in found.faults.items():
            sys.stdout.write(f"  {fault}\n    {made}\n")
        well = well and found.well
        if asked.write:
            table.write({name: found.figures()}, {n: a.about for n, a in ALL.items()})
    return 0 if well else 1


def _tell(name: str, found: Found) -> None:
    sys.stdout.write(f"{name}: {found.figures()}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
