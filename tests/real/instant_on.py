# ruff: noqa: T201 - it reports
"""Instant-on, counted: changes and sign-ins in random order, over two servers, one of whose replicas is 30 s late.

`python -m tests.real.instant_on 10000` prints how many answers were wrong, and how many are once the rule is off that
what a replica says has to be proved. A model of what was changed says what each answer has to be.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from b2b_idp.store.followed import Follow
from b2b_idp.store.routing import Routed
from b2b_idp.testing.values import KitGuest
from tests.postgres import Cluster, cluster
from tests.real.two_servers import TwoServers

LATE = 30.0
DEPARTMENTS = ("Sales", "Finance", "Legal")
MFA = ["pwd", "otp", "mfa"]
ROLES = [
    {"id": f"00000000-0000-4000-8000-{n:012}", "value": v, "displayName": v, "allowedMemberTypes": ["User"]}
    for n, v in enumerate(("Reader", "Approver"))
]


@contextmanager
def unproved() -> Iterator[None]:
    """The rule switched off: a replica is believed."""
    with (
        patch.object(Routed, "prove", lambda self: None),
        patch.object(Routed, "is_behind", lambda self: None),
        patch.object(Follow, "proves", lambda self, rows: True),
    ):
        yield


@dataclass
class Guest:
    """What has to be true of a guest now."""

    kit: KitGuest
    department: str
    redeemed: bool = False
    enabled: bool = True
    groups: set[str] = field(default_factory=set)
    roles: dict[str, str] = field(default_factory=dict)
    """Role value → assignment id."""
    refresh_token: str | None = None


class Interleavings:
    """`wrong` counts the answers that were not as they had to be, by kind; `done` what was done."""

    def __init__(self, kit: TwoServers, chance: random.Random) -> None:
        self.kit, self.chance = kit, chance
        self.wrong: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.examples: list[str] = []
        self.trusted = True
        self.home = kit.home_tenant("fabrikam.example", trust_mfa=True)
        self.groups = [kit.group(f"Team {n}") for n in range(3)]
        self.by_rule = {d: kit.group(d, rule=f'user.department -eq "{d}"') for d in DEPARTMENTS}
        self.app = kit.app(
            "CRM",
            requires="mfa",
            claims={"dept": "department"},
            assignment_required=True,
            groupMembershipClaims="SecurityGroup",
            appRoles=ROLES,
        )
        self.guests = [self._invited(n) for n in range(6)]

    def _invited(self, n: int) -> Guest:
        department = self.chance.choice(DEPARTMENTS)
        guest = Guest(self.kit.invite(f"guest{n}@fabrikam.example", department=department), department)
        self._assign(guest, "Reader")
        return guest

    # --- changes -----------------------------------------------------------------------------------------------------

    def change(self) -> Guest:
        """One random change; whom it concerns most."""
        guest = self.chance.choice(self.guests)
        weights: dict[Callable[[Guest], Guest | None], int] = {
            self._invite: 2,
            self._toggle_group: 4,
            self._department: 3,
            self._role: 4,
            self._assignment: 3,
            self._enabled: 3,
            self._trust: 1,
        }
        act = self.chance.choices(list(weights), list(weights.values()))[0]
        self.done[act.__name__.strip("_")] += 1
        return act(guest) or guest

    def _invite(self, _: Guest) -> Guest:
        # the directory stays small: whoever comes takes somebody's place
        guest = self._invited(self.done["invite"] + 1000)
        self.guests[self.chance.randrange(len(self.guests))] = guest
        return guest

    def _toggle_group(self, guest: Guest) -> None:
        group = self.chance.choice(self.groups)
        if group.id in guest.groups:
            self.kit.graph("DELETE", f"/groups/{group.id}/members/{guest.kit.id}/$ref")
            guest.groups.remove(group.id)
        else:
            reference = {"@odata.id": f"{self.kit.issuer}/v1.0/directoryObjects/{guest.kit.id}"}
            self.kit.graph("POST", f"/groups/{group.id}/members/$ref", reference)
            guest.groups.add(group.id)

    def _department(self, guest: Guest) -> None:
        guest.department = self.chance.choice(DEPARTMENTS)
        self.kit.update(guest.kit, department=guest.department)

    def _role(self, guest: Guest) -> None:
        value = self.chance.choice(ROLES)["value"]
        self._unassign(guest, str(value)) if value in guest.roles else self._assign(guest, str(value))

    def _assignment(self, guest: Guest) -> None:
        if guest.roles:
            for value in list(guest.roles):
                self._unassign(guest, value)
        else:
            self._assign(guest, "Reader")

    def _assign(self, guest: Guest, value: str) -> None:
        role = next(r["id"] for r in ROLES if r["value"] == value)
        body = {"principalId": guest.kit.id, "resourceId": self.app.sp_id, "appRoleId": role}
        made = self.kit.graph("POST", f"/servicePrincipals/{self.app.sp_id}/appRoleAssignedTo", body)
        guest.roles[value] = made["id"]

    def _unassign(self, guest: Guest, value: str) -> None:
        id = guest.roles.pop(value)
        self.kit.graph("DELETE", f"/servicePrincipals/{self.app.sp_id}/appRoleAssignedTo/{id}")

    def _enabled(self, guest: Guest) -> None:
        guest.enabled = not guest.enabled
        self.kit.graph("PATCH", f"/users/{guest.kit.id}", {"accountEnabled": guest.enabled})
        if not guest.enabled:
            guest.refresh_token = None

    def _trust(self, _: Guest) -> None:
        self.trusted = not self.trusted
        partner = f"/policies/crossTenantAccessPolicy/partners/{self.home.tenant_id}"
        self.kit.graph("PATCH", partner, {"inboundTrust": {"isMfaAccepted": self.trusted}})

    # --- answers -----------------------------------------------------------------------------------------------------

    def sign_in(self, guest: Guest) -> None:
        """A whole sign-in from a fresh browser, to be judged by what is true now."""
        for address in (self.kit.issuer, self.home.provider.issuer):
            guest.kit.driver.walker.cookies(address).clear()
        try:
            if not guest.redeemed:
                guest.kit.driver.walk(guest.kit.redeem_url)
                guest.redeemed = guest.enabled
            came = self.kit.sign_in(guest.kit, self.app, amr=MFA)
        except RuntimeError as endless:
            # asked for a code of an authenticator, of which there is one in thirty seconds
            if self.trusted:
                self._note("MFA asked twice", str(endless))
            return
        self.done["sign-in"] += 1
        claims = None if came.id_token is None else dict(came.id_token)
        said = f"{came.error} {came.pages}"
        challenged = any(page.startswith(("challenge", "register")) for page in came.pages)
        if claims is None and challenged and not self.trusted:
            # the home's word does not count now; whether the guest has another factor is not what is counted here
            return
        self._judge(guest, claims, said)
        if challenged and self.trusted:
            self._note("MFA asked twice", said)
        if claims is not None and not challenged and not self.trusted:
            self._note("stale trust", said)
        guest.refresh_token = came.tokens.get("refresh_token")

    def refresh(self, guest: Guest) -> None:
        """The next tokens of a sign-in that was allowed before; judged as a sign-in is, but for MFA."""
        if guest.refresh_token is None or not self.trusted:
            return
        form = {"grant_type": "refresh_token", "refresh_token": guest.refresh_token}
        answer = self.kit._token_request((self.app.client_id, self.app.client_secret), form)
        self.done["refresh"] += 1
        token = answer.get("id_token")
        self._judge(
            guest, None if token is None else self.kit.verify(token, self.app.client_id), str(answer.get("error"))
        )
        guest.refresh_token = answer.get("refresh_token")

    def _judge(self, guest: Guest, claims: dict[str, Any] | None, said: str) -> None:
        allowed = guest.enabled and bool(guest.roles)
        if claims is None:
            if allowed:
                self._note("false refusal", said)
            return
        if not allowed:
            self._note("stale grant", said)
            return
        groups = {*guest.groups, self.by_rule[guest.department].id}
        roles = set(guest.roles)
        found = set(claims.get("groups", ())), set(claims.get("roles", ())), claims.get("dept")
        for name, has, should in (("group", found[0], groups), ("role", found[1], roles)):
            if should - has:
                self._note(f"missing {name}", said)
            if has - should:
                self._note(f"stale {name}", said)
        if found[2] != guest.department:
            self._note("stale attribute", said)

    def _note(self, what: str, said: str) -> None:
        self.wrong[what] += 1
        if len(self.examples) < 20:
            self.examples.append(f"{what}: {said}")

    def run(self, number: int, *, believed: bool = False) -> None:
        """So many interleavings: a change, then a sign-in or a refresh, whichever server answers what. If `believed`,
        what a replica says is believed in sign-ins and refreshes."""
        for n in range(number):
            if n % 100 == 0:
                self.kit.forget_token()
            guest = self.change()
            again = guest.refresh_token is not None and self.chance.random() < 0.5
            with unproved() if believed else nullcontext():
                self.refresh(guest) if again else self.sign_in(guest)


class Servers:
    """A primary with two replicas: one that follows at once, and one that is late."""

    def __init__(self, primary: Cluster, late: float = LATE) -> None:
        self.primary, self.late = primary, late
        self.quick, self.slow = primary.replica(), primary.replica()

    @contextmanager
    def world(self, seed: int) -> Iterator[Interleavings]:
        """Interleavings over a new database, at first known to both replicas."""
        chance = random.Random(seed)
        url = self.primary.database()
        name = url.rpartition("/")[2]
        self.slow.delay(0)
        with tempfile.TemporaryDirectory() as folder:
            kit = TwoServers(url, [[self.slow.url(name)], [self.quick.url(name)]], Path(folder), chance)
            try:
                found = Interleavings(kit, chance)
                kit.idp.store.standings()
                for replica in (self.quick, self.slow):
                    replica.reached(self.primary.position())
                self.slow.delay(self.late)
                yield found
            finally:
                kit.close()


@contextmanager
def servers() -> Iterator[Servers]:
    with cluster() as primary:
        yield Servers(primary)


def main(number: int) -> None:
    with servers() as made:
        for says, believed in (("proved", False), ("believed", True)):
            count = number if not believed else max(200, number // 20)
            with made.world(seed=7) as world:
                began = time.monotonic()
                world.run(count, believed=believed)
                took = time.monotonic() - began
                print(f"replicas {says}: {count} interleavings in {took:.0f} s: {sum(world.wrong.values())} wrong")
                print("  ", dict(world.wrong), dict(world.done))
                for example in world.examples[:5]:
                    print("     ", example)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
