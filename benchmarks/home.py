"""The home tenant of all contenders: its own process, whose CPU time is not counted."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Collection
from pathlib import Path

from benchmarks.processes import Server, answers, free_port


def node_version() -> str:
    """Of the node that runs the home."""
    return subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()


class Home:
    """Signs in at once whom the browser's cookie names. `clients`: id to secret, one for each contender."""

    def __init__(self, folder: Path, cores: Collection[int], clients: Collection[str]) -> None:
        port = free_port()
        self.issuer = f"http://127.0.0.1:{port}"
        self.clients = {name: secrets.token_urlsafe(24) for name in clients}
        config = json.dumps({"port": port, "clients": self.clients})
        ready = answers(f"{self.issuer}/.well-known/openid-configuration")
        program = Path(__file__).with_name("home.mjs")
        self.server = Server(["node", program, config], ready, cores, folder / "home.log")
