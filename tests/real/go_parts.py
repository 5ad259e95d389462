"""Programs in Go, compiled once into the user's cache from the modules that a go.mod pins."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.real.keycloak import cache_folder, locked
from tests.real.nodes import HERE, missing

MODULES = HERE / "go_modules"
QUICKLY = ("-trimpath", "-gcflags=all=-N -l", "-ldflags=-s -w")
"""Without optimizing it compiles in two thirds of the time, and is fast enough."""
PINNED = {"GOFLAGS": "-mod=readonly", "GOSUMDB": "off", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
"""go.sum pins every module, so the checksum database has nothing to add."""
OLDEST_GO = (1, 26)
BUILD = 900.0
"""Seconds that fetching and compiling may take on a small machine."""


def oauth2_proxy() -> Path:
    """oauth2-proxy. Skips the test, with CI=true fails it, where it cannot be made."""
    return go_program(MODULES, "github.com/oauth2-proxy/oauth2-proxy/v7", "oauth2-proxy", QUICKLY)


def go_program(module: Path, package: str, program: str, flags: Sequence[str]) -> Path:
    """`package` as the go.mod in the folder `module` pins it, compiled to `program`; "." is the folder's own. Skips the
    test, with CI=true fails it, where it cannot be made."""
    cache = cache_folder()
    own = b"".join(source.read_bytes() for source in sorted(module.glob("*.go")))
    pinned = (module / "go.sum").read_bytes() + own + " ".join(flags).encode()
    name = f"{program}-{hashlib.sha256(pinned).hexdigest()[:12]}"
    kept = cache / name / program
    with locked(cache / f"{name}.lock"):
        if not kept.exists():
            made = cache / f"{name}.new" / program
            _compile(module, package, flags, made)
            made.parent.rename(kept.parent)
    return kept


def go() -> str:
    """Path of a go that is new enough. Skips the test, with CI=true fails it, where there is none."""
    path = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if path is None:
        missing("go is not installed: run `make test`")
    said = subprocess.run([path, "env", "GOVERSION"], capture_output=True, text=True, check=True).stdout.strip()
    version = tuple(int(part) for part in said.removeprefix("go").split(".")[:2])
    if version < OLDEST_GO:
        missing(f"{said} is too old, go{OLDEST_GO[0]}.{OLDEST_GO[1]} is needed: run `make test`")
    return path


def _compile(module: Path, package: str, flags: Sequence[str], out: Path) -> None:
    done = subprocess.run(
        [go(), "build", *flags, "-o", str(out), package],
        cwd=module,
        env=os.environ | PINNED,
        capture_output=True,
        text=True,
        check=False,
        timeout=BUILD,
    )
    if done.returncode != 0 and "proxy.golang.org" in done.stderr:
        missing(f"{package} could not be fetched: {done.stderr[-500:]}")
    assert done.returncode == 0, done.stderr
