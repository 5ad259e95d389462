"""The primary is lost and comes back, or another takes its place at the same address: no restart is needed."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from b2b_idp.keys.vault import Vault
from b2b_idp.model.problem import Code, Problem
from b2b_idp.store import Store
from b2b_idp.store.breaker import SHORTEST
from b2b_idp.testing.values import KitGuest
from tests.faults.faulty_kit import MFA, FaultyKit
from tests.postgres import Cluster, cluster


@pytest.fixture
def primary() -> Iterator[Cluster]:
    with cluster() as running:
        yield running


@pytest.fixture
def own_kit(primary: Cluster, tmp_path: Path) -> Iterator[FaultyKit]:
    made = FaultyKit(primary.database(), tmp_path / "keys")
    made.home_tenant("fabrikam.example", trust_mfa=True)
    made.home_tenant("northwind.example")
    yield made
    made.close()


def test_a_sign_in_goes_on_when_the_primary_is_back_and_when_it_was_replaced(
    primary: Cluster, own_kit: FaultyKit
) -> None:
    kit, app = own_kit, own_kit.app("CRM", requires="mfa")
    replica = primary.replica()
    nora, ben = kit.invite("nora@northwind.example"), kit.invite("ben@fabrikam.example")
    browser = nora.driver.walker
    browser.stop_at = kit._is_outside
    kit.script(nora)

    page = browser.get(nora.redeem_url)
    assert page.name == "redeem"
    primary.kill()
    assert browser.submit(page).status == 503
    primary.start()
    time.sleep(SHORTEST)
    kit.refused = 0
    page = browser.submit(page)
    assert (page.name, kit.refused) == ("challenge-choose", 0)

    replica.reached(primary.position())
    primary.kill()
    replica.promote()
    replica.take_over(primary)
    assert nora.driver.walk(page.url).finished
    assert kit.sign_in(nora, app).error is None
    kit.check_whole(nora)
    assert kit.sign_in(ben, app, amr=MFA).error is None
    assert kit.refused == 0


class PatientKit(FaultyKit):
    """Whoever is answered 503 comes again a moment later, for as long as it takes."""

    patience, pause = 200, 0.1


AWAY = 2.0
"""Seconds; ten make no difference but in time."""


def test_n_164_a_hundred_sign_ins_over_an_outage_are_neither_lost_nor_doubled(primary: Cluster, tmp_path: Path) -> None:
    kit, domains = PatientKit(primary.database(), tmp_path / "keys"), ("fabrikam.example", "litware.example")
    try:
        for domain in domains:
            kit.home_tenant(domain, trust_mfa=True)
        app = kit.app("CRM", requires="mfa")
        guests = [kit.invite(f"ada@{domain}") for domain in domains]
        subjects: list[str] = []
        back = threading.Event()

        def sign_in_fifty_times(guest: KitGuest) -> int:
            done_so_far = 0
            while done_so_far < 50 or not back.is_set():
                done_so_far += 1
                done = kit.sign_in(guest, app, amr=MFA, prompt="login")
                if done.error == "step_used":
                    # the database went between home's answer and what became of it: the page says to begin again
                    done = kit.sign_in(guest, app, amr=MFA, prompt="login")
                assert done.id_token is not None, done.pages
                subjects.append(done.id_token["oid"])
            return done_so_far

        with ThreadPoolExecutor(len(guests)) as browsers:
            running = [browsers.submit(sign_in_fifty_times, guest) for guest in guests]
            while len(subjects) < 30 and not any(r.done() for r in running):
                time.sleep(0.01)
            primary.kill()
            time.sleep(AWAY)
            primary.start()
            back.set()
            made = [r.result(60) for r in running]
        assert kit.refused > 0
        assert min(made) >= 50
        assert sorted(subjects) == sorted(g.id for g, times in zip(guests, made, strict=True) for _ in range(times))
        logged = kit.graph("GET", "/auditLogs/signIns?$top=999&$select=userId,b2bIdp")["value"]
        allowed = [row["userId"] for row in logged if row["b2bIdp"]["outcome"] == "allowed"]
        assert sorted(allowed) == sorted(subjects)
    finally:
        kit.close()


def test_a_version_that_was_lost_with_the_primary_is_not_taken_for_the_next_one(
    primary: Cluster, own_kit: FaultyKit
) -> None:
    here = own_kit.idp.store
    elsewhere = Store(own_kit.idp.settings.database_url, own_kit.idp.vault)
    before, lost, made = (f"{n}1111111-1111-4111-8111-111111111111" for n in "123")

    def known() -> tuple[int, set[str]]:
        with here.read() as r:
            return r.configuration.version, set(r.configuration.partners) & {before, lost, made}

    here.transact(lambda w: w.documents.set_partner(before, {}))
    replica = primary.replica()
    replica.reached(primary.position())
    replica.stop()
    here.transact(lambda w: w.documents.set_partner(lost, {}))
    version, partners = known()
    assert partners == {before, lost}

    primary.kill()
    replica.start()
    replica.promote()
    replica.take_over(primary)
    elsewhere.transact(lambda w: w.documents.set_partner(made, {}))
    elsewhere.close()
    assert known() == (version, {before, made})


def test_a_primary_that_became_a_standby_is_an_honest_503_until_it_takes_writes(
    primary: Cluster, own_kit: FaultyKit
) -> None:
    replica = primary.replica()
    body = {"invitedUserEmailAddress": "ada@fabrikam.example", "inviteRedirectUrl": "http://127.0.0.1:9"}
    replica.reached(primary.position())
    primary.kill()
    replica.take_over(primary)
    status, _ = own_kit.post("/invitations", body)
    assert status == 503
    replica.promote()
    time.sleep(SHORTEST)
    status, _ = own_kit.post("/invitations", body)
    assert status == 201


def test_a_database_that_does_not_answer_costs_one_wait() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=16) as silent:
        store = Store(f"postgresql://postgres@127.0.0.1:{silent.getsockname()[1]}/b2b", Vault(b"k" * 32))
        took = []
        for _ in range(20):
            began = time.monotonic()
            with pytest.raises(Problem) as refused:
                store.transact(lambda w: w.users.count())
            assert refused.value.code is Code.UNAVAILABLE
            assert refused.value.retry_after is not None
            took.append(time.monotonic() - began)
        store.close()
    assert took[0] > 1
    assert sum(took[1:]) < 0.5
