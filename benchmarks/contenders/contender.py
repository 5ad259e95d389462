"""What every provider under measurement can do. Each starts its own server, furnished so that every work can run."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import ClassVar

from benchmarks.client import Client
from benchmarks.home import Home
from benchmarks.postgres import Postgres
from benchmarks.processes import Server, free_port

CALLBACK = "http://127.0.0.1:9/callback"
SCOPE = "openid profile email"
DOMAIN = "home.example"


class Contender(ABC):
    """A provider in `folder`, which it makes. Whoever has a session at the home signs in without typing anything."""

    name: ClassVar[str]
    warm_up: ClassVar[float] = 1.0
    """Seconds that each work runs before it counts. Where code is compiled as it runs, this is what takes long."""
    client_credentials_scope: str = ""
    server: Server
    postgres: Postgres | None = None

    def __init__(self, folder: Path, home: Home, cores: Collection[int]) -> None:
        folder.mkdir()
        self.folder, self.home, self.cores = folder, home, cores
        self.port = free_port()
        self.issuer = f"http://127.0.0.1:{self.port}"
        self.secret = secrets.token_urlsafe(24)

    @classmethod
    def missing(cls) -> str | None:
        """Why it cannot run here, as far as can be seen at once."""
        return None

    @abstractmethod
    def start(self) -> None:
        """Runs the server, and the database where it has one beside it."""

    @abstractmethod
    def furnish(self, guests: Collection[str]) -> None:
        """Registers the app and makes the guests known."""

    @abstractmethod
    def client(self, *, offline: bool = False) -> Client:
        """The app with a browser of its own. Refresh tokens are made, and stored, only for an `offline` one."""

    def newcomers(self, count: int) -> Iterator[str]:
        """Guests who may sign in and never did."""
        return iter([f"new-{secrets.token_hex(8)}@{DOMAIN}" for _ in range(count)])

    @property
    def processes(self) -> list[Server]:
        """The server, and its database."""
        return [self.server, *([self.postgres.server] if self.postgres else [])]

    @classmethod
    def client_id(cls) -> str:
        """What it is called at the home, and by who asks for it."""
        return cls.name.lower().replace(", ", "-")

    def cpu_seconds(self) -> float:
        """What the server and its database have used."""
        return sum(process.cpu_seconds() for process in self.processes)

    def stop(self) -> None:
        if hasattr(self, "server"):
            self.server.stop()
        if self.postgres is not None:
            self.postgres.stop()


def first_sign_ins(contender: Contender, guests: Collection[str]) -> None:
    """Has each guest sign in once, which is all that makes one known to providers without invitations."""
    client = contender.client()
    for guest in guests:
        client.forget()
        client.sign_in(guest)
