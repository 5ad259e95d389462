"""Doing what a page says, from its first command to its last."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.docs.pages import THE_END, script
from tests.ports import free_port

TOO_LONG = 240.0
"""Seconds after which a page that does not come to its end is killed."""


PORTS = ("8000", "5000", "8001", "5001", "3000", "3001", "3002", "4180", "8080", "8081", "8082", "9000", "9001")
"""Those that the manual's pages use."""


@contextmanager
def followed(
    *pages: Path,
    home: str,
    folder: Path,
    replaced: Mapping[str, str] | None = None,
    env: Mapping[str, str] | None = None,
    ports: Mapping[str, int] | None = None,
) -> Iterator[dict[str, int]]:
    """Everything on the pages was done, one after the other, and still runs. Only the documented ports, the other
    organisation's address, by that of `home`, and what `replaced` names are replaced; gives the ports by what the pages
    call them, of which `ports` may choose some. `env`: what the reader's shell has beside."""
    if shutil.which("curl") is None:
        reason = "curl is not installed: apt-get install curl"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    text = script(*pages).replace("https://login.fabrikam.example", home)
    for documented, ours in (replaced or {}).items():
        assert documented in text, documented
        text = text.replace(documented, ours)
    chosen = dict(ports or {})
    for documented in PORTS:
        while documented not in chosen:
            port = free_port()
            if port not in chosen.values() and str(port) not in text:  # not one that `replaced` has put there
                chosen[documented] = port
    for documented, port in chosen.items():
        text = re.sub(rf"(127\.0\.0\.1:|--port |http\.server ){documented}\b", rf"\g<1>{port}", text)
    here = Path(sys.executable).parent
    known = {k: v for k, v in os.environ.items() if not k.startswith("B2B_IDP_")} | dict(env or {})
    reader = subprocess.Popen(
        ["bash", "-c", text],
        cwd=folder,
        env=known | {"PATH": f"{here}:{known['PATH']}", "B2B_IDP_ALLOW_PRIVATE_UPSTREAMS": "true"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert reader.stdout is not None
    too_long = threading.Timer(TOO_LONG, os.killpg, (reader.pid, signal.SIGKILL))
    too_long.start()
    said: list[str] = []
    try:
        for line in reader.stdout:
            said.append(line)
            if line.strip() == THE_END:
                break
        else:
            pytest.fail("".join(said), pytrace=False)
        yield chosen
    finally:
        reader.communicate()
        too_long.cancel()
