"""Where a guest goes in with two apps, and what a home tenant that nobody here wrote was heard to ask on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from b2b_idp.testing.guest import GuestDriver, Walk
from b2b_idp.testing.walker import Page, Walker
from tests.real.conftest import CALLBACK, World, furnished
from tests.real.instance import Instance
from tests.real.nodes import RelyingParty

PLAIN = "http://127.0.0.1:90/callback"
"""Where the app that requires nothing has its guests come back: another origin, since links lead to an app by that."""


@dataclass
class Guest:
    """A person of the home with a browser of their own."""

    place: Place
    email: str
    driver: GuestDriver
    walker: Walker

    @property
    def asked(self) -> list[str]:
        """The factors that the home asked of them, in order."""
        return self.place.world.home.asked(self.email)

    @property
    def trips(self) -> int:
        """How often they were sent home."""
        return self.place.world.home.trips(self.email)

    def redeem(self) -> Walk:
        """Is invited, and follows the link to the app that wants MFA."""
        return self.driver.walk(self.place.world.invite(self.email))

    def sign_in(self, app: str = "mfa") -> tuple[dict[str, Any], list[str], Walk]:
        """The token's claims, the decision's reasons, and the way through our pages."""
        world, there = self.place.world, self.place.apps[app]
        start = world.rp.start(world.instance.issuer, client_secret=there["secret"], **there["request"])
        walk = self.driver.walk(f"{start}&login_hint={self.email}")
        assert walk.finished, (walk.pages, walk.end.url, walk.end.text[-800:])
        return world.rp.finish(walk.end.url)["claims"], self.reasons(), walk

    def reasons(self) -> list[str]:
        """Those of the newest entry of the log: who is refused before they are bound is nobody in it yet."""
        (newest,) = self.place.world.instance.graph("GET", "/auditLogs/signIns?$top=1")["value"]
        return [r["code"] for r in newest["b2bIdp"]["reasons"]]

    def forget_us(self) -> None:
        """Another day at our side, while the session at home goes on."""
        self.walker.cookies(self.place.world.instance.issuer).clear()


@dataclass
class Place:
    """An instance with a home tenant, an app that requires MFA and one that requires nothing. `enrol`: gives the
    address of somebody new at home, who can do `both` factors there or `one`."""

    world: World
    apps: dict[str, dict[str, Any]]
    enrol: Callable[[str], str]

    def guest(self, factors: str = "both", invited: bool = True) -> Guest:
        """Somebody new."""
        home = self.world.home
        email = self.enrol(factors)

        def at_home(walker: Walker, page: Page) -> Page | None:
            known = home.answers(email)
            for number, form in enumerate(page.forms):
                if fields := {k: known[k] for k in form.fields if k in known}:
                    return walker.submit(page, form=number, answers=fields)
            return None

        walker = Walker(stop_at=CALLBACK.rsplit("/", 1)[0])
        driver = GuestDriver(walker, lambda: None, at_home)
        if invited:
            self.world.invite(email)
        return Guest(self, email, driver, walker)

    def partner(self, *, mfa_accepted: bool = True, when_home_cannot: str = "challengeHere") -> None:
        self.world.instance.graph(
            "PATCH",
            f"/policies/crossTenantAccessPolicy/partners/{self.world.tenant_id}",
            {"inboundTrust": {"isMfaAccepted": mfa_accepted}, "b2bIdp": {"whenHomeCannot": when_home_cannot}},
        )


@contextmanager
def settled(instance: Instance, home: Any, context: dict[str, Any], enrol: Callable[[str], str]) -> Iterator[Place]:
    with RelyingParty() as rp:
        instance.start()
        try:
            world = furnished(instance, home, rp, context)
            app = instance.graph("POST", "/applications", {"displayName": "Wiki", "web": {"redirectUris": [PLAIN]}})
            instance.graph("POST", "/servicePrincipals", {"appId": app["appId"]})
            secret = instance.graph("POST", f"/applications/{app['id']}/addPassword", {})["secretText"]
            mfa = {"client_id": world.app["appId"], "redirect_uri": CALLBACK}
            plain = {"client_id": app["appId"], "redirect_uri": PLAIN}
            apps = {
                "mfa": {"request": mfa, "secret": world.app["secret"]},
                "plain": {"request": plain, "secret": secret},
            }
            yield Place(world, apps, enrol)
        finally:
            instance.stop()
