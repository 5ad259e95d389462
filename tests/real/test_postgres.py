"""Two servers over one PostgreSQL: whichever answers, a guest goes on, and many at once are in nobody's way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from b2b_idp.testing.guest import Walk
from b2b_idp.testing.walker import SocketTransport, Walker
from tests.ports import free_port
from tests.postgres import cluster
from tests.real.conftest import ACCOUNTS, CALLBACK, World, furnished, redirect_uri
from tests.real.instance import Instance
from tests.real.nodes import RelyingParty, foreign_home

GUESTS = [f"guest{n}@foreign.example" for n in range(12)]
PEOPLE = {e: {"sub": e, "factors": "mfa", "name": e, "email": e, "email_verified": True} for e in GUESTS}


class Turns:
    """A transport that gives each request to the other server, as a front without memory does."""

    def __init__(self, issuer: str, ports: tuple[int, int]) -> None:
        self._issuer, self._ports, self._sent, self._sockets = issuer, ports, 0, SocketTransport()
        self.failures: list[tuple[str, int]] = []

    def __call__(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None):
        if not url.startswith(self._issuer):
            return self._sockets(method, url, headers, body)
        self._sent += 1
        here = f"http://127.0.0.1:{self._ports[self._sent % 2]}"
        answer = self._sockets(method, here + url.removeprefix(self._issuer), headers, body)
        if answer[0] >= 500:
            self.failures.append((url, answer[0]))
        return answer


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, tuple[Instance, Instance]]]:
    data: Path = tmp_path_factory.mktemp("two") / "data"
    with cluster() as running:
        first = Instance(data, free_port(), database=running.database())
        second = first.beside(free_port())
        home = foreign_home(ACCOUNTS | PEOPLE, lambda issuer: redirect_uri(first, issuer))
        with home as foreign, RelyingParty() as rp:
            try:
                first.start()
                second.start()
                yield furnished(first, foreign, rp), (first, second)
            finally:
                first.stop()
                second.stop()


def test_guests_who_sign_in_at_once_over_two_servers_all_get_in(two: tuple[World, tuple[Instance, Instance]]) -> None:
    world, (first, second) = two
    transports = [Turns(world.instance.issuer, (first.port, second.port)) for _ in GUESTS]
    for email, transport in zip(GUESTS, transports, strict=True):
        world.driver(email)._walker = Walker(transport, stop_at=CALLBACK.rsplit("/", 1)[0])

    def come(email: str) -> Walk:
        return world.driver(email).walk(world.links[email])

    for email in GUESTS:
        world.invite(email)
    with ThreadPoolExecutor(len(GUESTS)) as pool:
        walks = list(pool.map(come, GUESTS))
    assert [f for t in transports for f in t.failures] == []
    assert [(w.finished, w.end.error) for w in walks] == [(True, None)] * len(GUESTS)
    for email in GUESTS:
        tokens, _ = world.sign_in(email)
        assert tokens["claims"]["oid"] == world.users[email]
        assert tokens["claims"]["amr"] == ["pwd", "otp", "mfa"]
    assert len(world.instance.graph("GET", "/users?$filter=externalUserState eq 'Accepted'")["value"]) == len(GUESTS)


def test_a_server_that_is_killed_leaves_the_guest_to_the_other(two: tuple[World, tuple[Instance, Instance]]) -> None:
    world, (_, second) = two
    second.kill()
    try:
        world.driver("mia@foreign.example")
        world.invite("mia@foreign.example")
        tokens, _ = world.sign_in("mia@foreign.example")
        assert tokens["claims"]["oid"] == world.users["mia@foreign.example"]
    finally:
        second.start()
