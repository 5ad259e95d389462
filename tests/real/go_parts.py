"""oauth2-proxy, compiled once into the user's cache from the Go module that oauth2_proxy/go.mod pins."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from tests.real.keycloak import cache_folder, locked
from tests.real.nodes import HERE, missing

MODULE = HERE / "oauth2_proxy"
PACKAGE = "github.com/oauth2-proxy/oauth2-proxy/v7"
FLAGS = ("-trimpath", "-gcflags=all=-N -l", "-ldflags=-s -w")
"""Without optimizing it compiles in two thirds of the time, and is fast enough."""
OLDEST_GO = (1, 26)
BUILD = 900.0
"""Seconds that fetching and compiling may take on a small machine."""


def oauth2_proxy() -> Path:
    """The program. Skips the test, with CI=true fails it, where it cannot be made."""
    cache = cache_folder()
    pinned = (MODULE / "go.sum").read_bytes() + " ".join(FLAGS).encode()
    name = f"oauth2-proxy-{hashlib.sha256(pinned).hexdigest()[:12]}"
    kept = cache / name / "oauth2-proxy"
    with locked(cache / f"{name}.lock"):
        if not kept.exists():
            made = cache / f"{name}.new" / "oauth2-proxy"
            _compile(made)
            made.parent.rename(kept.parent)
    return kept


def _compile(out: Path) -> None:
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        missing("go is not installed: run `make test`")
    said = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=True).stdout.strip()
    version = tuple(int(part) for part in said.removeprefix("go").split(".")[:2])
    if version < OLDEST_GO:
        missing(f"{said} is too old, go{OLDEST_GO[0]}.{OLDEST_GO[1]} is needed: run `make test`")
    # go.sum pins every module, so the checksum database has nothing to add
    env = os.environ | {"GOFLAGS": "-mod=readonly", "GOSUMDB": "off", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    done = subprocess.run(
        [go, "build", *FLAGS, "-o", str(out), PACKAGE],
        cwd=MODULE,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=BUILD,
    )
    if done.returncode != 0 and "proxy.golang.org" in done.stderr:
        missing(f"oauth2-proxy could not be fetched: {done.stderr[-500:]}")
    assert done.returncode == 0, done.stderr
