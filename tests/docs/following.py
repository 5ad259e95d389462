"""Doing what a page says, from its first command to its last."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.docs.pages import THE_END, script

TOO_LONG = 180.0
"""Seconds after which a page that does not come to its end is killed."""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def followed(page: Path, home: str, folder: Path) -> Iterator[dict[str, int]]:
    """Everything on the page was done and still runs. Only the documented ports and the other organisation's address,
    by that of `home`, are replaced; gives the ports by what the page calls them."""
    if shutil.which("curl") is None:
        reason = "curl is not installed: apt-get install curl"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    text = script(page).replace("https://login.fabrikam.example", home)
    ports = {documented: free_port() for documented in ("8000", "8001", "5001")}
    for documented, port in ports.items():
        text = text.replace(f"127.0.0.1:{documented}", f"127.0.0.1:{port}")
        text = text.replace(f"--port {documented}", f"--port {port}")
    here = Path(sys.executable).parent
    env = {k: v for k, v in os.environ.items() if not k.startswith("B2B_IDP_")}
    reader = subprocess.Popen(
        ["bash", "-c", text],
        cwd=folder,
        env=env | {"PATH": f"{here}:{env['PATH']}", "B2B_IDP_ALLOW_PRIVATE_UPSTREAMS": "true"},
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
        yield ports
    finally:
        reader.communicate()
        too_long.cancel()
