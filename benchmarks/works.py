"""What is measured: works that any OpenID provider that signs people in through another can do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.client import Client, WrongAnswer
from benchmarks.contenders import Contender
from benchmarks.measure import NobodyLeft, Operation

A_SECOND = 400
"""More first sign-ins than anybody does in one second on one core."""


@dataclass(frozen=True)
class Work:
    """`begin` makes the operations of a round of so many seconds at a contender, one for each of the guests."""

    name: str
    begin: Callable[[Contender, Sequence[str], float], list[Operation]]


def _each(begin: Callable[[Client, str], Operation], *, offline: bool = False) -> Callable[..., list[Operation]]:
    """A work that a client and a guest can go on with for ever."""

    def operations(contender: Contender, guests: Sequence[str], seconds: float) -> list[Operation]:
        return [begin(contender.client(offline=offline), guest) for guest in guests]

    return operations


def returning(client: Client, guest: str) -> Operation:
    """A guest without a session: app, provider, home, provider, app, token."""

    def once() -> None:
        client.forget()
        client.sign_in(guest)

    return once


def _first_time(contender: Contender, guests: Sequence[str], seconds: float) -> list[Operation]:
    """The same for guests who are invited, or whom the provider takes as they come, and never signed in before."""
    waiting = contender.newcomers(int(seconds * A_SECOND))

    def operation(client: Client, waiting: Iterator[str]) -> Operation:
        def once() -> None:
            guest = next(waiting, None)
            if guest is None:
                raise NobodyLeft
            client.forget()
            client.sign_in(guest)

        return once

    return [operation(contender.client(), waiting) for _ in guests]


def _live_session(client: Client, guest: str) -> Operation:
    """Authorization code and token for a guest whose session lives here; home is not asked."""
    client.sign_in(guest)
    return lambda: client.sign_in(guest, at_home=False)


def _refresh(client: Client, guest: str) -> Operation:
    """Each refresh token is used once, and the next is another one."""
    newest = client.sign_in(guest)["refresh_token"]

    def once() -> None:
        nonlocal newest
        spent, newest = newest, client.token(grant_type="refresh_token", refresh_token=newest)["refresh_token"]
        if newest == spent:
            raise WrongAnswer("the refresh token did not rotate")

    return once


def _client_credentials(contender: Contender, guests: Sequence[str], seconds: float) -> list[Operation]:
    """A token for the app itself."""

    def operation(client: Client) -> Operation:
        return lambda: client.token(grant_type="client_credentials", scope=contender.client_credentials_scope)

    return [operation(contender.client()) for _ in guests]


RETURNING = Work("returning guest sign-in", _each(returning))
WORKS = (
    RETURNING,
    Work("first-time guest", _first_time),
    Work("code, live session", _each(_live_session)),
    Work("refresh with rotation", _each(_refresh, offline=True)),
    Work("client credentials", _client_credentials),
    Work("discovery", _each(lambda client, _guest: client.discover)),
    Work("jwks", _each(lambda client, _guest: client.keys)),
)
