"""What a call costs with a DPoP proof, beside the same call without."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

from benchmarks.client import Client
from benchmarks.contenders import B2bIdp
from benchmarks.measure import Operation, Round, measure
from benchmarks.proofs import Key
from benchmarks.world import GUESTS, World

CONNECTIONS = 4


def run(world: World) -> dict[str, Any]:
    """By database and call: CPU milliseconds and calls a second, without a proof and with one, and the ratios."""
    return {kind.name: _at(world, kind) for kind in world.ours()}


def _at(world: World, kind: type[B2bIdp]) -> dict[str, Any]:
    contender = kind(world.new_folder(), world.home, world.served)
    try:
        contender.start()
        contender.furnish(GUESTS[:CONNECTIONS])
        return {name: _both(world, contender, call) for name, call in CALLS.items()}
    finally:
        contender.stop()


Call = Callable[[B2bIdp, str, Key | None], Operation]


def _client_credentials(contender: B2bIdp, guest: str, key: Key | None) -> Operation:
    client, scope = contender.client(), contender.client_credentials_scope
    return lambda: client.token(
        headers=_proof(key, "POST", client.token_url), grant_type="client_credentials", scope=scope
    )


def _userinfo(contender: B2bIdp, guest: str, key: Key | None) -> Operation:
    client = contender.client()
    client.sign_in(guest)
    token = client.sign_in(guest, at_home=False, key=key)["access_token"]
    return lambda: _told(client, token, key)


def _told(client: Client, token: str, key: Key | None) -> dict[str, Any]:
    scheme = "Bearer" if key is None else "DPoP"
    return client.userinfo({"Authorization": f"{scheme} {token}"} | _proof(key, "GET", client.userinfo_url, token))


def _proof(key: Key | None, method: str, url: str, token: str | None = None) -> dict[str, str]:
    return {} if key is None else key.proof(method, url, token)


CALLS: dict[str, Call] = {"client credentials": _client_credentials, "userinfo": _userinfo}


def _both(world: World, contender: B2bIdp, call: Call) -> dict[str, Any]:
    """Rounds in turn, so that both ways meet the same machine."""
    plan = world.plan
    ways = {
        way: [call(contender, guest, Key() if way == "with" else None) for guest in GUESTS[:CONNECTIONS]]
        for way in ("without", "with")
    }
    taken: dict[str, list[Round]] = {way: [] for way in ways}
    for number in range(-1, plan.rounds):
        for way in ways if number % 2 == 0 else reversed(ways):
            seconds = plan.seconds if number >= 0 else max(plan.warm_up, 0.1)
            found = measure(contender.cpu_seconds, ways[way], seconds, world.disk)
            if found.errors or not found.latencies:
                raise RuntimeError(f"{way} a proof: {found.errors}")
            if number >= 0:
                taken[way].append(found)
    columns = {
        column: {way: statistics.median(getattr(r, column) for r in rounds) for way, rounds in taken.items()}
        for column in ("cpu_ms", "per_second")
    }
    return columns | {"ratio": columns["cpu_ms"]["with"] / columns["cpu_ms"]["without"]}
