"""A guest who goes through the pages as a person would: reads, types codes, keeps an authenticator or a passkey."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pyotp

from b2b_idp.model.url import origin_of
from b2b_idp.testing.passkey import SoftwarePasskey
from b2b_idp.testing.walker import Page, Walker

MAX_PAGES = 20


@dataclass
class Walk:
    """What happened on the way: `end` is the last page, or the app's address when `finished`."""

    end: Page
    finished: bool
    pages: list[str] = field(default_factory=list)
    challenges: list[str] = field(default_factory=list)


class GuestDriver:
    """Drives a Walker through our pages. `mailbox` gives the newest mailed code; `at_home` acts on a home's page,
    and answers None for a page that is nobody's to act on. `authenticator` is what it set up on the way, `last_step`
    the time step of the last code it used. `wait` (seconds) lets time pass until an unused code is good. With a
    `passkey` in hand the guest takes it wherever it may."""

    def __init__(
        self,
        walker: Walker,
        mailbox: Callable[[], str | None],
        at_home: Callable[[Walker, Page], Page | None] | None = None,
        wait: Callable[[float], None] | None = None,
    ) -> None:
        self._walker = walker
        self._mailbox = mailbox
        self._at_home = at_home
        self._wait = wait
        self.authenticator: pyotp.TOTP | None = None
        self.last_step = -1
        self.recovery_codes: list[str] = []
        self.passkey: SoftwarePasskey | None = None
        self.email: str | None = None
        """What the guest types in where an app did not say who comes; None: then they go no further."""

    @property
    def walker(self) -> Walker:
        """The guest's browser."""
        return self._walker

    def walk(self, url: str) -> Walk:
        """From an address to the app's callback, or to a page that this guest cannot pass."""
        page = self._walker.get(url)
        walk = Walk(page, False)
        for _ in range(MAX_PAGES):
            walk.end = page
            if page.status == 0:
                walk.finished = True
                return walk
            step = self._answer(page, walk)
            if step is None:
                return walk
            page = step
        raise RuntimeError(f"the sign-in did not end in {MAX_PAGES} pages: {walk.pages}")

    def _answer(self, page: Page, walk: Walk) -> Page | None:
        if page.name is None:
            return self._at_home(self._walker, page) if self._at_home and page.forms else None
        walk.pages.append(page.name)
        match page.name:
            case "redeem" | "consent" | "terms":
                return self._walker.submit(page)
            case "recovery-codes":
                return self._walker.submit(page)
            case "home-realm" if walk.pages.count(page.name) == 1:
                email = page.forms[0].fields.get("email") or self.email
                return self._walker.submit(page, email=email) if email else None
            case "email-code":
                code = self._mailbox()
                if code is not None and page.method is not None:
                    walk.challenges.append(page.method)
                return None if code is None else self._walker.submit(page, code=code)
            case "register-totp":
                uri = next(link for link in page.links if link.startswith("otpauth://"))
                self.authenticator = pyotp.TOTP(parse_qs(urlsplit(uri).query)["secret"][0])
                walk.challenges.append("totp")
                return self._walker.submit(page, code=self._code())
            case "challenge-totp" if self.authenticator is not None:
                walk.challenges.append("totp")
                return self._walker.submit(page, code=self._code())
            case "challenge-choose":
                return self._walker.submit(page, self._preferred(page))
            case "challenge-passkey" | "register-passkey":
                return self._by_passkey(page, walk)
            case _:
                return None

    def _preferred(self, page: Page) -> int:
        """Which form of the page of choices the guest takes: the passkey's, else the first."""
        offered = [form.fields["method"] for form in page.forms]
        return offered.index("passkey") if self.passkey is not None and "passkey" in offered else 0

    def _by_passkey(self, page: Page, walk: Walk) -> Page | None:
        """Answers with the passkey, once; who has none takes another way, if there is one."""
        if self.passkey is None:
            return self._walker.submit(page, 1, 0) if len(page.forms) > 1 else None
        if walk.pages[-2:-1] == [page.name]:
            return None
        answer = self.passkey.create if page.name == "register-passkey" else self.passkey.get
        walk.challenges.append("passkey")
        return self._walker.submit(page, credential=answer(page.passkey_options or "", origin_of(page.url)))

    def _code(self) -> str:
        """A code not used before: within one time step the next step's code, which a server accepts for drift."""
        assert self.authenticator is not None
        now = int(datetime.now(UTC).timestamp())
        step = max(now // 30, self.last_step + 1)
        too_early = (step - 1) * 30 - now
        if too_early > 0 and self._wait is not None:
            self._wait(too_early)
        self.last_step = step
        return self.authenticator.at(step * 30)
