"""Two servers of one instance in this process, over one PostgreSQL, each with replicas of its own. Whoever calls is
answered by either of them, as by a front without memory."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from b2b_idp.extension import B2BIdp
from b2b_idp.testing.kit import Kit, _own_ring
from b2b_idp.testing.wsgi import QuickFlask


class TwoServers(Kit):
    """`chance` chooses who answers. `replicas`: the addresses that each server knows."""

    def __init__(self, database: str, replicas: Sequence[Sequence[str]], folder: Path, chance: random.Random) -> None:
        super().__init__()
        self.idp.store.close()
        self._chance = chance
        self._admin: tuple[str, str] | None = None
        ring = _own_ring()
        self.servers: list[tuple[QuickFlask, B2BIdp]] = []
        for number, urls in enumerate(replicas):
            flask = QuickFlask(f"server{number}", static_folder=None)
            idp = B2BIdp(
                flask,
                issuer=self.issuer,
                database_url=database,
                replica_urls=list(urls),
                keys_dir=str(folder),
                allow_private_upstreams=True,
                keys=ring,
            )
            self.servers.append((flask, idp))
        self.idp = self.servers[0][1]
        self.flask = self._either  # type: ignore[assignment]

    def _either(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        flask, _ = self._chance.choice(self.servers)
        return flask(environ, start_response)

    def admin_token(self) -> str:
        if self._admin is None:
            made = self.idp.create("Contoso", "contoso.example")
            self._admin = made.client_id, made.client_secret
        if self._token is None:
            form = {"grant_type": "client_credentials", "scope": f"{self.issuer}/.default"}
            self._token = self._token_request(self._admin, form)["access_token"], 0.0
        return self._token[0]

    def forget_token(self) -> None:
        """The administrator's token is young: it is asked for again from time to time."""
        self._token = None

    def close(self) -> None:
        super().close()
        for _, idp in self.servers[1:]:
            idp.store.close()
