"""How long the test kit takes: a provider, a home tenant, a guest, and a whole guest sign-in. Prints milliseconds.

`python -m benchmarks.kit`. A sign-in is authorize → home → callback → token → both tokens verified, of a redeemed guest
of a trusted home that does MFA, to an app that requires it. `CPU` leaves out what other work of the machine took.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from b2b_idp.testing.kit import Kit, SignedIn

ROUNDS = 200


def measured(name: str, rounds: int, act: Callable[[], object]) -> None:
    walls = []
    cpu = time.process_time()
    for _ in range(rounds):
        began = time.perf_counter()
        act()
        walls.append((time.perf_counter() - began) * 1e3)
    cpu = (time.process_time() - cpu) / rounds * 1e3
    print(f"{name:34}{statistics.median(walls):8.1f}{min(walls):8.1f}{cpu:8.1f}")


def main() -> None:
    kits: list[Kit] = []
    print(f"{'':34}{'median':>8}{'best':>8}{'CPU':>8}")
    Kit().close()  # imports and the keys of the process
    measured("a provider", 10, lambda: kits.append(Kit()))
    homes = iter(kits)
    measured("a home tenant", 10, lambda: next(homes).home_tenant("fabrikam.example", trust_mfa=True))
    kit = kits[0]
    guest, app = kit.invite("ada@fabrikam.example"), kit.app("CRM", requires="mfa")

    def sign_in(**parameters: str) -> SignedIn:
        done = kit.sign_in(guest, app, amr=["pwd", "otp", "mfa"], **parameters)
        assert done.id_token is not None
        assert done.asked == []
        return done

    def from_a_fresh_browser() -> None:
        for address in (kit.issuer, kit.home("fabrikam.example").provider.issuer):
            guest.driver.walker.cookies(address).clear()
        sign_in()

    sign_in()
    measured("a sign-in from a fresh browser", ROUNDS, from_a_fresh_browser)
    measured("a sign-in with prompt=login", ROUNDS, lambda: sign_in(prompt="login"))
    measured("a sign-in with a session here", ROUNDS, sign_in)
    for made in kits:
        made.close()


if __name__ == "__main__":
    main()
