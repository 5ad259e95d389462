"""What a replay of recorded sign-ins takes: `python benchmarks/replay.py [SIGN-INS]` makes them, then runs
`b2b-idp whatif --policy` as an administrator would and prints seconds and rows a second.

The sign-ins are of 2,000 guests of 20 partners at 50 apps over 30 days; each has its own times, as real ones have.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from b2b_idp.cli.instance import open_instance
from b2b_idp.extension import B2BIdp
from b2b_idp.guests.homes import connect
from b2b_idp.model.evidence import Evidence, HomeStatement, LocalFactor, LocalMethod
from b2b_idp.policy.decide import History
from b2b_idp.policy.recorded import Recorded, to_text
from b2b_idp.policy.requirement import AccessRequest
from b2b_idp.store.logs import SigninFacts

B2B_IDP = [sys.executable, "-m", "b2b_idp.cli"]
GUESTS, PARTNERS, APPS, DAYS = 2000, 20, 50, 30
SAYS = (("pwd",), ("pwd", "mfa"), ("pwd", "otp"), None)


def _policy(name: str, apps: list[str], **controls: Any) -> dict[str, Any]:
    return {
        "displayName": name,
        "state": "enabled",
        "conditions": {
            "users": {"includeUsers": ["GuestsOrExternalUsers"]},
            "applications": {"includeApplications": apps},
        },
    } | controls


MFA = {"grantControls": {"operator": "OR", "builtInControls": ["mfa"]}}
TWELVE_HOURS = {"sessionControls": {"signInFrequency": {"isEnabled": True, "type": "hours", "value": 12}}}


def _app(n: int) -> str:
    return str(UUID(int=n + 1))


def world(idp: B2BIdp) -> list[str]:
    """Partners, every other one trusted; MFA for half of the apps. The partners' tenantIds."""
    moment = idp.moment()
    with idp.store.write() as w:
        return [
            connect(
                w,
                issuer=f"https://idp{n}.example",
                name=f"Partner {n}",
                client_id="b2b-idp",
                client_secret="secret",
                domains=[f"p{n}.example"],
                profile="rfc8176",
                trust_mfa=n % 2 == 0,
                moment=moment,
            )
            for n in range(PARTNERS)
        ]


def recorded(homes: list[str], rows: int, now: datetime, dice: random.Random) -> Iterator[tuple[Recorded, str]]:
    for n in range(rows):
        guest, app = dice.randrange(GUESTS), dice.randrange(APPS)
        began = now - timedelta(days=DAYS) * (1 - n / rows)
        heard, end = began + timedelta(seconds=dice.uniform(2, 60)), began + timedelta(seconds=dice.uniform(61, 200))
        home = homes[guest % PARTNERS]
        said = HomeStatement(
            tenant_id=home,
            issuer="",
            subject=f"s{guest}",
            amr=SAYS[guest % len(SAYS)],
            acr=None,
            auth_time=int(heard.timestamp()) - dice.randrange(40_000),
            at=heard,
        )
        here = (LocalFactor(LocalMethod.TOTP, end),) if app % 2 and guest % PARTNERS % 2 else ()
        ask = AccessRequest(
            user_id=str(UUID(int=guest + 10**6)),
            app_id=_app(app),
            home_tenant_id=home,
            home_subject=said.subject,
            group_ids=frozenset(str(UUID(int=dice.randrange(30))) for _ in range(3)),
            at=end,
            began=began,
        )
        yield (
            Recorded(
                ask=ask,
                evidence=Evidence((said,), here),
                history=History(local_methods=frozenset({LocalMethod.TOTP, LocalMethod.RECOVERY_CODE})),
                local_only=False,
                outcome="allowed",
                reason="no_mfa_required",
            ),
            home,
        )


def fill(idp: B2BIdp, homes: list[str], rows: int) -> None:
    """Writes the log, each entry with a document and evidence as large as real ones."""
    dice, filler = random.Random(1), {"filler": "x" * 2200}
    all_of_them = recorded(homes, rows, datetime.now(UTC) - timedelta(hours=1), dice)
    with idp.store.write() as w:
        for n, (one, home) in enumerate(all_of_them):
            facts = SigninFacts(
                home_tenant_id=home,
                outcome="allowed",
                asked_home=False,
                home_mfa=False,
                local_mfa=bool(one.evidence.local),
                replay=to_text(one),
                evidence=b"e" * 1800,
            )
            document = {"id": str(UUID(int=n)), "userId": one.ask.user_id, "appId": one.ask.app_id} | filler
            w.logs.add_signin(document, one.ask.at, facts)


def main(rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        subprocess.run(
            [*B2B_IDP, "init", "--data", str(data), "--issuer", "http://127.0.0.1:8000"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        idp = open_instance(data)
        homes = world(idp)
        began = time.perf_counter()
        fill(idp, homes, rows)
        print(f"{rows} sign-ins written in {time.perf_counter() - began:.1f} s")
        apps = [_app(n) for n in range(APPS)]
        changes = {
            "MFA for all apps": [_policy("All", ["All"], **MFA)],
            "MFA for some, not older than 12 h": [_policy("Some", apps[::3], **MFA, **TWELVE_HOURS)],
            "20 policies": [_policy(f"P{n}", apps[n : n + 5], **MFA) for n in range(20)],
        }
        for name, policies in changes.items():
            file = Path(folder) / "policy.json"
            file.write_text(json.dumps(policies))
            began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
            done = subprocess.run(
                [*B2B_IDP, "whatif", "--data", str(data), "--policy", str(file), "--last", "31d", "--json"],
                check=True,
                capture_output=True,
                text=True,
            )
            took = time.perf_counter() - began
            cpu = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
            answer = json.loads(done.stdout)
            assert answer["signIns"] == rows, answer["signIns"]
            said = sum(n["signIns"] for n in answer["changed"].values())
            print(f"{name}: {took:.1f} s ({cpu:.1f} s of CPU), {rows / took:.0f} sign-ins/s; {said} would change")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
