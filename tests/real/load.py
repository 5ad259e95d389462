"""Guests who keep being invited, coming in and getting their tokens, whatever happens to the servers meanwhile, and a
record of all that was answered to them."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import urllib3

from b2b_idp.testing.guest import GuestDriver
from b2b_idp.testing.walker import Page, Walker
from tests.real.conftest import CALLBACK, World

Answered = tuple[int, list[tuple[str, str]], bytes]
VERIFIER = "a" * 43
CHALLENGE = base64.urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


@dataclass
class Record:
    """What the guests saw."""

    invited: dict[str, str] = field(default_factory=dict)
    """Mail address → user id, of invitations that were answered 201."""
    came_in: list[tuple[float, str]] = field(default_factory=list)
    """When, by the monotonic clock, and whose sign-in ended with tokens."""
    redeemed: list[int] = field(default_factory=list)
    """For each code, how many of two servers that were given it at once gave tokens."""
    wrong: list[str] = field(default_factory=list)
    """Answers that no fault excuses."""
    unavailable: int = 0
    unheard: int = 0

    def longest_gap(self, since: float, until: float) -> float:
        """Seconds in which nobody came in."""
        times = [since, *sorted(at for at, _ in self.came_in if since < at < until), until]
        return max(later - earlier for earlier, later in pairwise(times))


class Servers:
    """The servers of an instance as a front without memory gives them to a browser: the other one when one does not
    answer, or says that it cannot now."""

    def __init__(self, issuer: str, ports: Sequence[int], record: Record, first: int) -> None:
        self._issuer, self._ports, self._record, self._turn = issuer, ports, record, first
        self._http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=2, read=15))

    def __call__(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Answered:
        if not url.startswith(self._issuer):
            return self._sent(method, url, headers, body)
        for _ in range(150):
            self._turn += 1
            try:
                here = f"http://127.0.0.1:{self._ports[self._turn % len(self._ports)]}"
                answer = self._sent(method, here + url.removeprefix(self._issuer), headers, body)
            except urllib3.exceptions.HTTPError as e:
                self._record.unheard += 1
                refused = isinstance(e, urllib3.exceptions.NewConnectionError)
                if method == "POST" and "/signin/" in url and not refused:
                    # a form whose answer got lost: a person reloads the page
                    method, body = "GET", None
            else:
                if answer[0] >= 500 and not (answer[0] == 503 and "Retry-After" in urllib3.HTTPHeaderDict(answer[1])):
                    self._record.wrong.append(f"{method} {url}: {answer[0]}")
                if answer[0] != 503:
                    return answer
                self._record.unavailable += 1
            time.sleep(0.1)
        raise AssertionError(f"no server answered {method} {url}")

    def _sent(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Answered:
        answer = self._http.request(method, url, headers=dict(headers), body=body, redirect=False)
        return answer.status, list(answer.headers.items()), answer.data


class Load:
    """`run()` has so many browsers do this at once, each with its share of the addresses."""

    def __init__(self, world: World, ports: Sequence[int], emails: Sequence[str], browsers: int) -> None:
        self.world, self.ports, self.record = world, ports, Record()
        self._shares = [emails[n::browsers] for n in range(browsers)]
        self._over = threading.Event()
        self._bearer = world.instance.bearer()

    @contextmanager
    def run(self) -> Iterator[Record]:
        with ThreadPoolExecutor(len(self._shares)) as browsers:
            coming = [browsers.submit(self._come, n, share) for n, share in enumerate(self._shares)]
            try:
                yield self.record
            finally:
                self._over.set()
            for came in coming:
                came.result()

    def _come(self, n: int, emails: Sequence[str]) -> None:
        servers = Servers(self.world.instance.issuer, self.ports, self.record, n)
        for email in emails:
            if self._over.is_set():
                return
            driver = self._driver(email, servers)
            self._by_link(driver, self._invite(email, servers))
            code = self._sign_in(driver, email)
            self.record.redeemed.append(self._redeem(code))
            self.record.came_in.append((time.monotonic(), email))

    def _invite(self, email: str, servers: Servers) -> str:
        headers = {"Authorization": f"Bearer {self._bearer}", "Content-Type": "application/json"}
        body = {"invitedUserEmailAddress": email, "inviteRedirectUrl": CALLBACK.rsplit("/", 1)[0]}
        url = f"{self.world.instance.issuer}/v1.0/invitations"
        status, _, data = servers("POST", url, headers, json.dumps(body).encode())
        if status != 201:
            self.record.wrong.append(f"invitation of {email}: {status} {data!r}")
        made = json.loads(data)
        self.record.invited[email] = made["invitedUser"]["id"]
        return str(made["inviteRedeemUrl"])

    def _driver(self, email: str, servers: Servers) -> GuestDriver:
        def at_home(walker: Walker, page: Page) -> Page | None:
            known = {"login": email, "password": "password", "otp": "123456"}
            if not page.url.startswith(self.world.home.issuer):
                return None
            return walker.submit(page, **{k: known[k] for k in page.forms[0].fields if k in known})

        return GuestDriver(Walker(servers, CALLBACK.rsplit("/", 1)[0]), lambda: None, at_home)

    def _by_link(self, driver: GuestDriver, link: str) -> None:
        """An error page has a way on; or the app is opened, where an invitation is taken up as well."""
        walk = driver.walk(link)
        for onward in [link for link in walk.end.links if "/signin/" in link][:1]:
            driver.walk(onward)

    def _sign_in(self, driver: GuestDriver, email: str) -> str:
        query = {
            "client_id": self.world.app["appId"],
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": "openid email",
            "state": "s",
            "nonce": "n",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            "login_hint": email,
        }
        for _ in range(8):
            walk = driver.walk(f"{self.world.instance.issuer}/authorize?{urlencode(query)}")
            said = parse_qs(urlsplit(walk.end.url).query)
            if walk.finished and "code" in said:
                return said["code"][0]
        raise AssertionError((walk.pages, walk.end.url, walk.end.error, walk.end.text[-300:]))

    def _redeem(self, code: str) -> int:
        """Gives a code to both servers at once; how many of them gave tokens for it."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
            "client_id": self.world.app["appId"],
            "client_secret": self.world.app["secret"],
        }

        def once(port: int) -> bool:
            servers = Servers(self.world.instance.issuer, [port, *self.ports], self.record, -1)
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            status, _, data = servers("POST", f"{self.world.instance.issuer}/token", headers, urlencode(form).encode())
            answer: dict[str, Any] = json.loads(data)
            if status != 200 and answer["error"] != "invalid_grant":
                self.record.wrong.append(f"token: {status} {answer}")
            return status == 200

        with ThreadPoolExecutor(2) as both:
            return sum(both.map(once, self.ports))
