"""N-160: a server killed by SIGKILL at any step of a sign-in loses nothing and lets the guest go on."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import pytest
import urllib3

from b2b_idp.testing.walker import SocketTransport, Walker


class Killing:
    """A transport that kills the server before, or in the middle of, the n-th request to it, then starts it again.

    A person whose request got no answer reloads the page; so does this.
    """

    def __init__(self, world, kill_at: set[int], delay: float | None) -> None:
        self._world, self._kill_at, self._delay = world, kill_at, delay
        self._sockets = SocketTransport()
        self.requests = 0

    def __call__(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None):
        if not url.startswith(self._world.instance.issuer):
            return self._sockets(method, url, headers, body)
        self.requests += 1
        if self.requests in self._kill_at:
            if self._delay is None:
                self._restart()
            else:
                answer = self._killed_meanwhile(method, url, headers, body)
                if answer is not None:
                    return answer
                if method == "POST":
                    # the form's answer got lost: the person reloads the sign-in's page
                    return self._sockets("GET", url, {k: v for k, v in headers.items() if k == "Cookie"}, None)
        return self._sockets(method, url, headers, body)

    def _restart(self) -> None:
        self._world.instance.kill()
        self._world.instance.start()

    def _killed_meanwhile(self, method, url, headers, body):
        killer = threading.Thread(target=lambda: (time.sleep(self._delay), self._world.instance.kill()))
        killer.start()
        try:
            answer = SocketTransport()(method, url, headers, body)
        except urllib3.exceptions.HTTPError:
            answer = None
        killer.join()
        self._world.instance.start()
        return answer


def walk_with(world, email, transport):
    """Redeems by link with TOTP registration, then signs in to the app; the tokens."""
    driver = world.driver(email)
    driver._walker = Walker(transport, stop_at="http://127.0.0.1:9")
    walk = driver.walk(world.invite(email))
    for _ in range(3):
        if walk.finished:
            break
        # an error page has a way forward, or the invitation is opened again
        onward = [link for link in walk.end.links if "/signin/" in link]
        walk = driver.walk(onward[0] if onward else world.links[email])
    assert walk.finished, (walk.pages, walk.end.url, walk.end.error, walk.end.text[-500:])
    transport._kill_at = set()
    tokens, _ = world.sign_in(email)
    return tokens["claims"]


def check_whole(world, email, claims):
    """One guest, bound once, with one authenticator: nothing lost, nothing twice."""
    user = world.instance.graph("GET", f"/users/{world.users[email]}?$select=id,externalUserState,identities")
    assert user["externalUserState"] == "Accepted"
    assert user["identities"] == [
        {"signInType": "federated", "issuer": world.home.issuer, "issuerAssignedId": email.partition("@")[0]}
    ]
    assert len(world.instance.graph("GET", f"/users?$filter=mail eq '{email}'")["value"]) == 1
    assert claims["oid"] == user["id"]
    assert claims["amr"] == ["pwd", "otp", "mfa"]


def test_killed_between_any_two_steps(world):
    transport = Killing(world, set(range(2, 100)), None)
    claims = walk_with(world, "sol@foreign.example", transport)
    check_whole(world, "sol@foreign.example", claims)
    assert transport.requests > 8


@pytest.mark.parametrize("first", [2, 3, 4, 5])
def test_killed_in_the_middle_of_steps(world, first):
    """Every fourth request, from another one each time, so that every step is met and its sequel answered."""
    transport = Killing(world, set(range(first, 100, 4)), 0.002 * first)
    claims = walk_with(world, "sol@foreign.example", transport)
    check_whole(world, "sol@foreign.example", claims)
